# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances as people have them, each written from true frames, and where each of its frames lies among them."""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.foundation.topology import Topology

HIDDEN = 0.06  # of the points
MARKERS = 90
Y_TO_Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)


@dataclass(frozen=True)
class Truth:
    """frames: (F, V, 3) mm that were performed. topology: of the actor's mesh. kinds: where make_cases.py wrote."""

    frames: np.ndarray
    topology: Topology
    kinds: Path


@dataclass(frozen=True)
class PerformanceCase:
    """write: makes the file or folder in an empty folder, and says where it is. options: of the command line's fit.
    numbers: the frames that the take must have. rows: (F',) where among the true frames they lie; between two, too."""

    name: str
    write: Callable[[Path, Truth], Path]
    numbers: np.ndarray
    rows: np.ndarray
    options: tuple[str, ...] = ()


def performance_cases(count: int) -> tuple[PerformanceCase, ...]:
    """Of as many true frames as make_cases.py makes."""
    all_rows = np.arange(count, dtype=float)
    some = all_rows[: count // 2]  # a folder of meshes is slow to write
    hole = np.r_[some[:8], some[13:]]  # which the samples are; what lies between is filled in
    kind = _of_kind
    return (
        PerformanceCase("frames: take_1.obj ..", kind("frames/performance"), all_rows + 1, all_rows),
        PerformanceCase("frames: rate 2", kind("frames/performance_rate2.pc2"), 1001 + 2 * all_rows, all_rows),
        PerformanceCase("frames: rate 0.5", kind("frames/performance_rate0.5.pc2"), *_half(count)),
        PerformanceCase("markers: 0 0 0", kind("markers/points_zeros.csv"), all_rows + 1, all_rows),
        PerformanceCase("markers: NA", kind("markers/points_na.csv"), all_rows + 1, all_rows),
        PerformanceCase("markers: semicolons", kind("markers/points_semicolons.csv"), all_rows + 1, all_rows),
        PerformanceCase("markers: unbound", kind("markers/points_unbound.csv"), all_rows + 1, all_rows),
        PerformanceCase("head_v2.0101.obj, every second", _second_frames, 101 + 2 * some[:16], some[:16]),
        PerformanceCase("ply below 0, two versions of a neutral beside", _below_zero, some[:16] - 5, some[:16]),
        PerformanceCase("stl without numbers", _stl_by_name, some[:16] + 1, some[:16]),
        PerformanceCase("mdd, 59.94 a second, a hole", _mdd(hole / 59.94, hole), some + 1, some),
        PerformanceCase(
            "mdd, 48 a second at 24", _mdd((all_rows + 1) / 48.0, all_rows), *_twice(count), ("--fps", "24")
        ),
        PerformanceCase("pc2 between frames", _pc2(10.5, 1.0), 11 + some[:-1], some[:-1] + 0.5),
        PerformanceCase("npz in m, points hidden, a hole", _archive(0.001, np.eye(3), hole), some + 1, some),
        PerformanceCase("npz in cm, Z up", _archive(0.1, Y_TO_Z_UP, some), some + 1, some),
        PerformanceCase("npz at half frames", _archive(1.0, np.eye(3), some, 0.5), *_halved(len(some))),
        PerformanceCase("wide csv, tabs, commas, cm, seconds", _wide, all_rows + 1, all_rows),
        PerformanceCase("csv at half frames", _between_frames, all_rows[1:], all_rows[1:] - 0.5),
        PerformanceCase("json in inches, a hole", _inches(np.r_[0:8, 13:count]), all_rows + 1, all_rows),
    )


def _half(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The whole frames among samples at -10.5, -10, .."""
    places = -10.5 + 0.5 * np.arange(count)
    rows = np.flatnonzero(places == np.rint(places))
    return places[rows], rows.astype(float)


def _halved(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The whole frames among samples at 1, 1.5, .."""
    rows = np.arange(0, count, 2, dtype=float)
    return 1 + rows / 2, rows


def _twice(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The frames at 24 a second of samples at 1/48, 2/48, .. seconds."""
    rows = np.arange(1, count, 2, dtype=float)
    return (rows + 1) / 2, rows


def _of_kind(name: str) -> Callable[[Path, Truth], Path]:
    return lambda folder, truth: truth.kinds / name


def _second_frames(folder: Path, truth: Truth) -> Path:
    for row in np.random.default_rng(1).permutation(16).tolist():
        write_mesh(folder / f"head_v2.{101 + 2 * row:04d}.obj", truth.frames[row], truth.topology)
    write_mesh(folder / "head_neutral.obj", truth.frames[0], truth.topology)
    return folder


def _below_zero(folder: Path, truth: Truth) -> Path:
    for row in range(16):
        _ply(folder / f"take_{row - 5}.ply", truth.frames[row], truth.topology)
    for name in ("neutral_old.ply", "neutral_new.ply"):
        _ply(folder / name, truth.frames[0], truth.topology)
    return folder


def _stl_by_name(folder: Path, truth: Truth) -> Path:
    faces = np.split(truth.topology.corners, np.cumsum(truth.topology.sizes)[:-1])
    triangles = np.array([[face[0], *pair] for face in faces for pair in itertools.pairwise(face[1:])])
    for row in range(16):
        stored = np.zeros(len(triangles), np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")]))
        stored["corners"] = truth.frames[row][triangles]
        name = f"pose {chr(ord('a') + row)}.stl"
        (folder / name).write_bytes(b"\0" * 80 + len(triangles).to_bytes(4, "little") + stored.tobytes())
    return folder


def _mdd(times: np.ndarray, rows: np.ndarray) -> Callable[[Path, Truth], Path]:
    def write(folder: Path, truth: Truth) -> Path:
        frames = truth.frames[rows.astype(int)]
        with open(folder / "shot.mdd", "wb") as file:
            file.write(struct.pack(">ii", *frames.shape[:2]) + times.astype(">f4").tobytes())
            file.write(frames.astype(">f4").tobytes())
        return folder / "shot.mdd"

    return write


def _pc2(start: float, rate: float) -> Callable[[Path, Truth], Path]:
    def write(folder: Path, truth: Truth) -> Path:
        frames = truth.frames[: len(truth.frames) // 2]
        with open(folder / "shot.pc2", "wb") as file:
            file.write(struct.pack("<12siiffi", b"POINTCACHE2\0", 1, frames.shape[1], start, rate, len(frames)))
            file.write(frames.astype("<f4").tobytes())
        return folder / "shot.pc2"

    return write


def _archive(unit: float, turn: np.ndarray, rows: np.ndarray, step: float = 1.0) -> Callable[[Path, Truth], Path]:
    def write(folder: Path, truth: Truth) -> Path:
        frames = truth.frames[rows.astype(int)] @ turn.T * unit
        if step == 1.0:
            frames[np.random.default_rng(2).random(frames.shape[:2]) < HIDDEN] = np.nan
        numbers = 1 + step * rows
        np.savez(folder / "shot.npz", vertices=frames.astype(np.float32), frames=numbers, fps=59.94)
        return folder / "shot.npz"

    return write


def _picked(truth: Truth) -> np.ndarray:
    return np.linspace(0, 9408, MARKERS).astype(int)


def _wide(folder: Path, truth: Truth) -> Path:
    points = truth.frames[:, _picked(truth)] / 10
    hidden = np.random.default_rng(3).random(points.shape[:2]) < HIDDEN
    hidden[0] = False
    header = ["Time (Seconds)", *(f"m{k:02d} {axis} (cm)" for k in range(MARKERS) for axis in "XYZ")]
    lines = ["\t".join(header)]
    for row, place in enumerate(points):
        cells = [f"{row / 59.94:.5f}"]
        for gone, values in zip(hidden[row], place, strict=True):
            cells += ["NaN"] * 3 if gone else [f"{value:.5f}" for value in values]
        lines.append("\t".join(cells).replace(".", ","))
    (folder / "points.csv").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-16")
    return folder / "points.csv"


def _between_frames(folder: Path, truth: Truth) -> Path:
    """Samples at frames 0.5, 1.5, ..: whole frames lie halfway."""
    points = truth.frames[:, (picked := _picked(truth))]
    lines = ["frame,name,x,y,z,vertex"]
    for number, place in enumerate(points):
        lines += [
            f"{number + 0.5},m{k},{x:.4f},{y:.4f},{z:.4f},{picked[k]}" for k, (x, y, z) in enumerate(place.tolist())
        ]
    (folder / "points.csv").write_text("\n".join(lines))
    return folder / "points.csv"


def _inches(rows: np.ndarray) -> Callable[[Path, Truth], Path]:
    def write(folder: Path, truth: Truth) -> Path:
        picked = _picked(truth)
        points = truth.frames[:, picked] / 25.4
        hidden = np.random.default_rng(4).random(points.shape[:2]) < HIDDEN
        entries = [
            {
                "frame": int(row) + 1,
                "positions": [
                    None if gone else place for gone, place in zip(hidden[row], points[row].tolist(), strict=True)
                ],
            }
            for row in rows
        ]
        named = [{"name": f"m{k}", "vertex": int(vertex)} for k, vertex in enumerate(picked)]
        (folder / "points.json").write_text(json.dumps({"fps": 59.94, "points": named, "frames": entries}))
        return folder / "points.json"

    return write


def _ply(path: Path, vertices: np.ndarray, topology: Topology) -> None:
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\nproperty float x\nproperty float y\n"
        f"property float z\nelement face {len(topology.sizes)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    faces = np.split(topology.corners.astype("<i4"), np.cumsum(topology.sizes)[:-1])
    listed = b"".join(bytes([len(face)]) + face.tobytes() for face in faces)
    path.write_bytes(header.encode() + vertices.astype("<f4").tobytes() + listed)


def frames_at(frames: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Frames (F', ...) at rows (F',) of frames (F, ...), between two the mixture of both."""
    before = np.floor(rows).astype(int)
    after = np.minimum(before + 1, len(frames) - 1)
    share = (rows - before).reshape(-1, *[1] * (frames.ndim - 1))
    return (1 - share) * frames[before] + share * frames[after]
