# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance: frames of one actor's mesh, from whatever stores them."""

from __future__ import annotations

import os
import struct
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .archives import open_archive
from .capture_checks import check_finite, check_follow, edge_lengths
from .errors import UNREADABLE, InputError, reason
from .mesh_caches import CACHE_SUFFIXES
from .meshes import MESH_SUFFIXES, list_mesh_files, list_stl_files, read_mesh
from .stl import StlOrder
from .topology import Topology, same_surface
from .units import MILLIMETRES_PER

DEFAULT_FPS = 24.0
LARGEST_FRAME = 10**9
IN_MEMORY_BYTES = 256 * 2**20  # a larger performance stays in its file, or goes to a temporary one
CHECKED_AT_ONCE = 64  # frames
LEAST_SHARE = 0.01  # of the mesh's points; a frame with fewer is missing
# A point thrown far off tears all its edges; a twentieth of the vertices shuffled tears 9 % of the edges.
PERFORMED_TORN_SHARE = 0.05
OTHER_UNITS = tuple(value for value in MILLIMETRES_PER.values() if value != 1.0)
UNIT_FACTORS = (*OTHER_UNITS, 0.1, 0.01, 0.001)  # or a millimetre scene scaled down


@dataclass(frozen=True)
class Performance:
    """vertices: (F, V, 3) float32 in mm, not a number where a point is missing; a file's may be memory-mapped.

    frames: (F,) int32 frame numbers. fps: frames a second. topology: the faces, None where the file has none. source:
    the file or folder, for messages. confidence: (F, V) bool or in [0, 1], how much each point counts; None for all
    alike.
    """

    vertices: np.ndarray
    frames: np.ndarray
    fps: float
    topology: Topology | None
    source: str
    confidence: np.ndarray | None = None

    def trust(self, part: slice | np.ndarray) -> np.ndarray | None:
        """(f, V) float32 how much points of some frames count, 0 where they are missing; None if all count fully."""
        trust = np.isfinite(self.vertices[part]).all(-1).astype(np.float32)
        if self.confidence is not None:
            trust *= self.confidence[part]
        return None if bool((trust == 1).all()) else trust


@dataclass(frozen=True)
class Presence:
    """What of a performance is there. missing: (F,) bool frames with too few points. points: how many points of the
    other frames are missing. trust: (V,) how much each point counts in these on the mean, None if fully in all."""

    missing: np.ndarray
    points: int
    trust: np.ndarray | None


def read_performance(path: Path, topology: Topology | None = None) -> Performance:
    """A performance from a folder of meshes, an .npz with `vertices`, or a .pc2 or .mdd point cache.

    topology: the actor's, by which alone STL files can be read. Raises InputError if there is no such file, it cannot
    be read, or it has no frames.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; a folder of meshes, an .npz, a .pc2 or an .mdd file is needed")
    suffix = path.suffix.lower()
    if path.is_dir():
        performance = _read_folder(path, topology)
    elif suffix == ".npz":
        performance = _read_archive(path)
    elif suffix in CACHE_SUFFIXES:
        performance = _read_pc2(path) if suffix == ".pc2" else _read_mdd(path)
    else:
        raise InputError(f"{path} is no performance; it must be a folder of meshes, an .npz, a .pc2 or an .mdd file")
    if len(performance.vertices) == 0:
        raise InputError(f"{path} has no frames; a performance needs at least one")
    return performance


def checked_frames(frames: np.ndarray) -> np.ndarray:
    """(F,) int32 of frame numbers. Raises ValueError unless they are whole numbers that grow from frame to frame."""
    if len(frames) and (frames.dtype.kind not in "iu" or (np.diff(frames.astype(np.int64)) <= 0).any()):
        raise ValueError("its frame numbers must be whole numbers that grow from frame to frame")
    if len(frames) and np.abs(frames.astype(np.int64)).max() > LARGEST_FRAME:
        raise ValueError(f"its frame numbers are beyond {LARGEST_FRAME}")
    return frames.astype(np.int32)


def checked_fps(fps: float) -> float:
    """Frames a second. Raises ValueError unless it is a number that recordings have."""
    if not 1e-3 < fps < 1e6:
        raise ValueError(f"it has {fps:g} frames a second; it must have more than 0, for example {DEFAULT_FPS:g}")
    return fps


def check_performance(performance: Performance, neutral: np.ndarray, topology: Topology) -> Presence:
    """What of the performance is there.

    Raises InputError, naming the source, unless the frames are meshes of the actor with this neutral (V, 3) in mm, or
    what was recorded of them: a missing point is not a number, or has no confidence.
    """
    count = performance.vertices.shape[1]
    if count != topology.vertex_count:
        raise InputError(
            f"{performance.source} has {count} vertices a frame but the actor's mesh has {topology.vertex_count}; "
            "a performance must be in the topology the actor was learned in"
        )
    if performance.topology is not None and not same_surface(performance.topology, topology):
        raise InputError(
            f"{performance.source} joins its vertices to other faces than the actor's mesh although the counts agree; "
            "export it again with the vertex order kept"
        )
    total = len(performance.vertices)
    missing = np.zeros(total, dtype=bool)
    sum_of_trust, missing_points, all_count = np.zeros(count), 0, True
    for first in range(0, total, CHECKED_AT_ONCE):
        part = slice(first, min(first + CHECKED_AT_ONCE, total))
        vertices, trust = performance.vertices[part], performance.trust(part)
        names = [f"{performance.source}, frame {frame}" for frame in performance.frames[part]]
        for name, points in zip(names, vertices, strict=True):
            if np.isinf(points).any():
                check_finite(name, points)
        if trust is None:
            check_follow(names, vertices, "the actor's neutral", neutral, topology, PERFORMED_TORN_SHARE)
            sum_of_trust += len(vertices)
            continue
        seen = (trust > 0).sum(1)
        missing[part] = seen < LEAST_SHARE * count
        there = ~missing[part]
        all_count &= not there.any()
        missing_points += int((count - seen[there]).sum())
        sum_of_trust += trust[there].sum(0)
        known = np.where((trust[there] > 0)[..., None], vertices[there], np.nan)
        kept = [name for name, used in zip(names, there, strict=True) if used]
        check_follow(kept, known, "the actor's neutral", neutral, topology, PERFORMED_TORN_SHARE)
    if missing.all():
        raise InputError(
            f"{performance.source} has no frame with enough points: a frame needs {LEAST_SHARE:.0%} of the mesh's "
            f"{count}; give sparse points as .csv or .json instead"
        )
    return Presence(
        missing, missing_points, None if all_count else (sum_of_trust / (~missing).sum()).astype(np.float32)
    )


def within(performance: Performance, start: int | None, end: int | None) -> Performance:
    """The frames from start to end, both included; None is the first or last. Raises InputError if there are none."""
    inside = in_range(performance.frames, start, end, performance.source)
    if inside.all():
        return performance
    confidence = performance.confidence[inside] if performance.confidence is not None else None
    return replace(
        performance,
        vertices=performance.vertices[inside],
        frames=performance.frames[inside],
        confidence=confidence,
    )


def in_range(frames: np.ndarray, start: int | None, end: int | None, whose: str) -> np.ndarray:
    """(F,) bool: which of frames (F,) lie from start to end, both included; None is the first or last.

    whose: what has the frames, for the message. Raises InputError if none does.
    """
    inside = np.ones(len(frames), dtype=bool)
    if start is not None:
        inside &= frames >= start
    if end is not None:
        inside &= frames <= end
    if not inside.any():
        raise InputError(
            f"{whose} has frames {frames[0]} to {frames[-1]}, none of which lies in the range from "
            f"{'its start' if start is None else start} to {'its end' if end is None else end}"
        )
    return inside


def to_millimetres(performance: Performance, neutral: np.ndarray, topology: Topology) -> tuple[Performance, float]:
    """The performance in mm, and by what its file's unit was multiplied: 1 unless its size says centimetres, metres,
    ...

    neutral: (V, 3) mm. Only whole factors between units count; any other size is for check_performance to refuse.
    """
    edges = topology.edges()
    if performance.vertices.shape[1] != len(neutral):
        return performance, 1.0
    wanted = np.median(edge_lengths(neutral, edges))
    found = next(
        (np.median(known) for points in performance.vertices if len(known := _known_lengths(points, edges))), np.nan
    )
    for factor in UNIT_FACTORS:
        if abs(found * factor / wanted - 1.0) < 0.1:
            scaled = _room_for(performance.vertices.shape)
            for index, points in enumerate(performance.vertices):
                np.multiply(points, np.float32(factor), out=scaled[index])
            return replace(performance, vertices=scaled), factor
    return performance, 1.0


def _known_lengths(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Lengths of the edges whose points (V, 3) are both there."""
    lengths = edge_lengths(points, edges)
    return lengths[np.isfinite(lengths)]


def _read_folder(folder: Path, known: Topology | None) -> Performance:
    scans = list_stl_files(folder)
    if known is not None and scans and not any(each.suffix.lower() in MESH_SUFFIXES for each in folder.iterdir()):
        return _read_scans(folder, scans, known)
    files = list_mesh_files(folder)
    if not files:
        raise InputError(f"{folder} holds no meshes; one .obj, .ply or .stl file a frame is needed")
    first, topology = read_mesh(files[0])
    vertices = _room_for((len(files), len(first), 3))
    for index, path in enumerate(files):
        points, faces = (first, topology) if index == 0 else read_mesh(path)
        if faces.digest != topology.digest:
            raise InputError(f"{path} has other faces than {files[0].name}; all frames must be the same mesh")
        vertices[index] = points
    return Performance(vertices, np.arange(1, len(files) + 1, dtype=np.int32), DEFAULT_FPS, topology, str(folder))


def _read_scans(folder: Path, files: list[Path], topology: Topology) -> Performance:
    """Of STL files, which keep no vertices: the topology says which corner is which."""
    order = StlOrder(topology)
    vertices = _room_for((len(files), topology.vertex_count, 3))
    for index, path in enumerate(files):
        vertices[index] = order.vertices(path)
    return Performance(vertices, np.arange(1, len(files) + 1, dtype=np.int32), DEFAULT_FPS, topology, str(folder))


def _read_archive(path: Path) -> Performance:
    try:
        with open_archive(path) as archive:
            vertices = _stored_vertices(path, archive)
            if vertices.ndim != 3 or vertices.shape[2] != 3:
                raise ValueError(f"its vertices have the shape {vertices.shape}; (frames, points, 3) is needed")
            stored = set(archive.files)
            frames = archive["frames"] if "frames" in stored else np.arange(1, len(vertices) + 1)
            fps = archive["fps"] if "fps" in stored else np.array(DEFAULT_FPS)
            topology = None
            if "corners" in stored:
                topology = Topology(archive["corners"], archive["sizes"], vertices.shape[1])
            elif "faces" in stored:
                topology = Topology.from_padded(archive["faces"], vertices.shape[1])
            confidence = _stored_confidence(archive, vertices.shape[:2])
            source = str(archive["source"]) if "source" in stored else str(path)
            if frames.ndim != 1 or len(frames) != len(vertices):
                raise ValueError(f"it numbers {frames.size} frames but has {len(vertices)}")
            if fps.ndim or fps.dtype.kind not in "iuf":
                raise ValueError("its fps must be one number, the frames a second")
            numbers, rate = checked_frames(frames), checked_fps(float(fps))
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a performance: {reason(error)}") from error
    return Performance(vertices, numbers, rate, topology, source, confidence)


def _stored_vertices(path: Path, archive: np.lib.npyio.NpzFile) -> np.ndarray:
    """(F, V, 3) float32 the archive's `vertices`, without reading what is stored as it is, or is large."""
    stored = archive.zip
    if stored is None:
        raise ValueError("it is closed")
    with stored.open("vertices.npy") as member:  # KeyError if there is none
        version = np.lib.format.read_magic(member)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, kind = read_header(member)
        length = int(np.prod(shape))
        if by_column or kind.hasobject or len(shape) != 3 or 4 * length <= IN_MEMORY_BYTES:
            return np.asarray(archive["vertices"], dtype=np.float32)
        place = stored.getinfo("vertices.npy")
        if place.compress_type == zipfile.ZIP_STORED and kind == np.float32:
            with open(path, "rb") as file:
                file.seek(place.header_offset + 26)
                name, extra = struct.unpack("<HH", file.read(4))
            start = place.header_offset + 30 + name + extra + member.tell()
            return np.memmap(path, np.float32, "r", start, shape)
        vertices = _room_for(shape)
        each = length // shape[0] * kind.itemsize
        for index in range(shape[0]):
            vertices[index] = np.frombuffer(member.read(each), kind).reshape(shape[1:])
        return vertices


def _stored_confidence(archive: np.lib.npyio.NpzFile, shape: tuple[int, ...]) -> np.ndarray | None:
    """(F, V) the archive's `confidence` in [0, 1], or its boolean `mask`, True where a point is there; for all frames
    alike if it is (V,)."""
    name = next((name for name in ("confidence", "mask") if name in archive.files), None)
    if name is None:
        return None
    found = archive[name]
    if found.shape not in (shape, shape[1:]):
        raise ValueError(f"its {name} has the shape {found.shape}; {shape}, a number for each point, is needed")
    if found.dtype.kind not in "biuf" or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"its {name} holds values that are not from 0 to 1")
    return np.broadcast_to(found if found.dtype == bool else found.astype(np.float32), shape)


def _read_pc2(path: Path) -> Performance:
    with open(path, "rb") as file:
        data = file.read(32)
    if len(data) < 32 or data[:12] != b"POINTCACHE2\0":
        raise InputError(f"{path} is not a PC2 point cache; its first bytes are not POINTCACHE2")
    _, points, start, _, samples = struct.unpack("<iiffi", data[12:32])
    if not abs(start) < 1e6:
        raise InputError(f"{path} is damaged: it starts at frame {start:g}")
    vertices = _frames_of(path, 32, "<f4", samples, points)
    return Performance(vertices, np.arange(samples, dtype=np.int32) + round(start), DEFAULT_FPS, None, str(path))


def _read_mdd(path: Path) -> Performance:
    with open(path, "rb") as file:
        data = file.read(8)
        if len(data) < 8:
            raise InputError(f"{path} is not an MDD point cache; it is too short")
        samples, points = struct.unpack(">ii", data)
        data = file.read(4 * max(samples, 0)) if samples < path.stat().st_size else b""
    if samples < 0 or len(data) < 4 * samples:
        raise InputError(f"{path} is damaged: it names {samples} frames but ends before their times")
    times = np.frombuffer(data, ">f4", samples)
    vertices = _frames_of(path, 8 + 4 * samples, ">f4", samples, points)
    step = float(np.median(np.diff(times))) if samples > 1 else 0.0
    fps = 1.0 / step if 1e-6 < step < 1e3 else DEFAULT_FPS
    return Performance(vertices, np.arange(1, samples + 1, dtype=np.int32), fps, None, str(path))


def _frames_of(path: Path, start: int, kind: str, samples: int, points: int) -> np.ndarray:
    """(samples, points, 3) float32 from byte `start` of a file on, memory-mapped where it is large."""
    wanted, found = samples * points * 12, path.stat().st_size - start
    if samples < 0 or points < 0 or found < wanted:
        raise InputError(
            f"{path} is damaged: {samples} frames of {points} points need {wanted} bytes, but {max(found, 0)} are there"
        )
    if wanted == 0:
        return np.empty((samples, points, 3), dtype=np.float32)
    stored = np.memmap(path, kind, "r", start, (samples, points, 3))
    if kind == "<f4" and wanted > IN_MEMORY_BYTES:
        return stored
    vertices = _room_for(stored.shape)
    for index in range(samples):
        vertices[index] = stored[index]
    return vertices


def _room_for(shape: tuple[int, ...]) -> np.ndarray:
    """Room for a float32 array: in memory, or where it is large in a temporary file that the system pages.

    Raises OSError if the disk has no room for that file; else writing to the array would end the process.
    """
    size = 4 * int(np.prod(shape, dtype=np.int64))
    if size <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                place = tempfile.gettempdir()
                told = f"the disk of {place} has no room for {size / 2**30:.1f} GiB"
                raise OSError(error.errno, told, os.path.join(place, "frames")) from error
        return np.memmap(file, np.float32, "w+", 0, shape)
