# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance: frames of one actor's mesh, from whatever stores them."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..faces.table_of_units import MILLIMETRES_PER
from ..foundation import large_arrays
from ..foundation.archives import Archive, open_archive
from ..foundation.errors import UNREADABLE, InputError, reason
from ..foundation.large_arrays import room_for
from ..foundation.topology import Topology, same_surface
from .capture_checks import LARGEST, check_finite, check_follow, check_near, edge_lengths
from .frame_numbers import Sampling, checked_frames, sampling_of
from .mesh_caches import cache_format, read_cache
from .meshes import how_to_bring
from .sequences import read_sequence

DEFAULT_FPS = 24.0
FPS_RANGE = (1e-3, 1e6)
CHECKED_AT_ONCE = 64  # frames
CHECKED_EDGES = 3000  # about as many of a mesh's in every frame; a shuffled one tears a share of them
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
    alike. notes: what to say of how it was read. unit_factor: by what lengths were multiplied, where somebody named
    their unit; None while nobody did.
    """

    vertices: np.ndarray
    frames: np.ndarray
    fps: float
    topology: Topology | None
    source: str
    confidence: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    unit_factor: float | None = None

    def trust(self, part: slice | np.ndarray) -> np.ndarray | None:
        """(f, V) float32 how much points of some frames count, 0 where they are missing; None if all count fully."""
        if self.confidence is None and np.isfinite(self.vertices[part].sum()):
            return None  # one that is no number would make the sum none
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


def read_performance(path: Path, topology: Topology | None = None, fps: float | None = None) -> Performance:
    """A performance from a folder of meshes, an .npz with `vertices`, or a .pc2 or .mdd point cache.

    topology: the actor's, by which alone STL files can be read. fps: frames a second, instead of what the file says, or
    of DEFAULT_FPS where it says nothing. Raises InputError if there is no such file, it cannot be read, or it has no
    frames.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; a folder of meshes, an .npz, a .pc2 or an .mdd file is needed")
    check_given_fps(fps)
    if path.is_dir():
        vertices, sampling, faces = read_sequence(path, topology)
        rate = fps or DEFAULT_FPS
        performance = Performance(vertices, sampling.frames, rate, faces, str(path), notes=sampling.notes)
    elif cache_format(path):
        cached = read_cache(path, fps)
        rate = fps or cached.fps or DEFAULT_FPS
        frames, notes = cached.sampling.frames, cached.sampling.notes
        performance = Performance(cached.vertices, frames, rate, None, str(path), notes=notes)
    elif path.suffix.lower() == ".npz" or (path.is_file() and zipfile.is_zipfile(path)):
        performance = _read_archive(path)
        performance = performance if fps is None else replace(performance, fps=fps)
    else:
        raise InputError(
            f"{path} is no performance; it must be a folder of meshes, an .npz, a .pc2 or an .mdd "
            f"file, or a table of points or of a phone's weights{how_to_bring(path)}"
        )
    if len(performance.vertices) == 0:
        raise InputError(f"{path} has no frames; a performance needs at least one")
    return performance


def checked_fps(fps: float) -> float:
    """Frames a second. Raises ValueError unless it is a number that recordings have."""
    if not FPS_RANGE[0] < fps < FPS_RANGE[1]:
        raise ValueError(f"it has {fps:g} frames a second; it must have more than 0, for example {DEFAULT_FPS:g}")
    return fps


def check_given_fps(fps: float | None) -> None:
    """Raise InputError unless it is a frame rate that recordings have, or none was given."""
    if fps is not None and not FPS_RANGE[0] < fps < FPS_RANGE[1]:
        raise InputError(
            f"the performance's frame rate is {fps:g}; it must be a number such as {DEFAULT_FPS:g} or 59.94"
        )


def check_performance(
    performance: Performance, neutral: np.ndarray, topology: Topology, report: Callable[[dict], None] = lambda _: None
) -> Presence:
    """What of the performance is there. report is called with {"message", "done", "total"}.

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
    edges = topology.edges()
    edges = edges[:: max(1, len(edges) // CHECKED_EDGES)]
    total = len(performance.vertices)
    missing = np.zeros(total, dtype=bool)
    sum_of_trust, missing_points, all_count = np.zeros(count), 0, True
    for first in range(0, total, CHECKED_AT_ONCE):
        report({"message": "Checking the performance", "done": first, "total": total})
        part = slice(first, min(first + CHECKED_AT_ONCE, total))
        vertices, trust = performance.vertices[part], performance.trust(part)
        names = [f"{performance.source}, frame {frame}" for frame in performance.frames[part]]
        if not max(-vertices.min(), vertices.max()) <= LARGEST:  # or one is missing
            for name, points in zip(names, vertices, strict=True):
                if np.isinf(points).any():
                    check_finite(name, points)
                check_near(name, points)
        if trust is None:
            check_follow(names, vertices, "the actor's neutral", neutral, edges, PERFORMED_TORN_SHARE)
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
        check_follow(kept, known, "the actor's neutral", neutral, edges, PERFORMED_TORN_SHARE)
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
    rows = np.flatnonzero(inside)
    together = len(rows) == rows[-1] + 1 - rows[0]
    part = slice(rows[0], rows[-1] + 1) if together else rows  # a slice reads nothing of a long performance's file
    confidence = performance.confidence[part] if performance.confidence is not None else None
    return replace(
        performance,
        vertices=performance.vertices[part],
        frames=performance.frames[part],
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
    if performance.unit_factor is not None:
        return performance, performance.unit_factor
    if performance.vertices.shape[1] != len(neutral):
        return performance, 1.0
    wanted = np.median(edge_lengths(neutral, edges))
    found = next(
        (np.median(known) for points in performance.vertices if len(known := _known_lengths(points, edges))), np.nan
    )
    for factor in UNIT_FACTORS:
        if abs(found * factor / wanted - 1.0) < 0.1:
            return replace(performance, vertices=_times(performance.vertices, factor)), factor
    return performance, 1.0


def in_named_unit(performance: Performance, millimetres: float | None) -> Performance:
    """The performance in mm, of a file whose unit somebody says is so many of them; None leaves it to be told."""
    if millimetres is None:
        return performance
    vertices = performance.vertices if millimetres == 1.0 else _times(performance.vertices, millimetres)
    return replace(performance, vertices=vertices, unit_factor=millimetres)


def _times(vertices: np.ndarray, factor: float) -> np.ndarray:
    scaled = room_for(vertices.shape)
    for index, points in enumerate(vertices):
        np.multiply(points, np.float32(factor), out=scaled[index])
    return scaled


def _known_lengths(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Lengths of the edges whose points (V, 3) are both there."""
    lengths = edge_lengths(points, edges)
    return lengths[np.isfinite(lengths)]


def _read_archive(path: Path) -> Performance:
    try:
        with open_archive(path) as archive:
            vertices = _stored_vertices(archive)
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
            rate = checked_fps(float(fps))
            # Blender chose the frames that it wrote; anybody else's may lack some, or lie between frames.
            sampling = None if "source" in stored else _sampling_of_numbers(frames)
            numbers = checked_frames(frames) if sampling is None else sampling.frames
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a performance: {reason(error)}") from error
    notes = () if sampling is None else sampling.notes
    if sampling is None or sampling.is_plain(len(vertices)):
        return Performance(vertices, numbers, rate, topology, source, confidence, notes)
    sampled = room_for((len(sampling.frames), *vertices.shape[1:]))
    sampling.take(vertices, sampled)
    if confidence is not None:
        confidence = np.nan_to_num(sampling.taken(confidence.astype(np.float32)))
    return Performance(sampled, numbers, rate, topology, source, confidence, notes)


def _sampling_of_numbers(frames: np.ndarray) -> Sampling:
    """Raises ValueError unless the frames (S,) are numbers that grow."""
    if frames.dtype.kind not in "iuf":
        raise ValueError("its frame numbers must be numbers that grow from frame to frame")
    return sampling_of(frames.astype(np.float64))


def _stored_vertices(archive: Archive) -> np.ndarray:
    """(F, V, 3) float32 the archive's `vertices`, without reading what is stored as it is, or is large."""
    with archive.opened("vertices") as (stored, member):  # KeyError if there is none
        shape, kind, length = stored.shape, stored.kind, math.prod(stored.shape)
        if stored.by_column or len(shape) != 3 or 4 * length <= large_arrays.IN_MEMORY_BYTES or kind.kind not in "fiu":
            return np.asarray(archive["vertices"], dtype=np.float32)
        place = archive.place_in_file("vertices")
        if place is not None and kind == np.float32:
            return np.memmap(archive.path, np.float32, "r", place + stored.start, shape)
        vertices = room_for(shape)
        each = length // shape[0] * kind.itemsize
        for index in range(shape[0]):
            vertices[index] = np.frombuffer(member.read(each), kind).reshape(shape[1:])
        return vertices


def _stored_confidence(archive: Archive, shape: tuple[int, ...]) -> np.ndarray | None:
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
