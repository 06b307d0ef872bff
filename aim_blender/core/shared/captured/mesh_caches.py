# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh caches: every vertex of every frame, as .pc2 or .mdd, which Blender and most other programs play. Needs numpy
only."""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..foundation import large_arrays
from ..foundation.errors import InputError
from ..foundation.large_arrays import room_for
from ..foundation.whole_files import written_whole
from .frame_numbers import Sampling, sampling_of

CACHE_SUFFIXES = (".pc2", ".mdd")
PC2_BEGINS = b"POINTCACHE2\0"
EVEN = 0.05  # of a step: what differs by less is one


@dataclass(frozen=True)
class CachedFrames:
    """vertices: (F, V, 3) float32, not a number in frames that are missing; memory-mapped where they are many.
    sampling: which frames they are. fps: frames a second, None where the file does not say."""

    vertices: np.ndarray
    sampling: Sampling
    fps: float | None


def cache_format(path: Path) -> str:
    """Which of CACHE_SUFFIXES a file is: as it is called, or else as it begins; empty if it is none."""
    suffix = path.suffix.lower()
    if suffix in CACHE_SUFFIXES:
        return suffix
    if not path.is_file():
        return ""
    try:
        with open(path, "rb") as file:
            data = file.read(len(PC2_BEGINS))
            size = file.seek(0, os.SEEK_END)
    except (OSError, ValueError):
        return ""
    if data == PC2_BEGINS:
        return ".pc2"
    samples, points = struct.unpack(">ii", data[:8]) if len(data) >= 8 else (0, 0)
    return ".mdd" if min(samples, points) > 0 and size == 8 + samples * (4 + 12 * points) else ""


def read_cache(path: Path, fps: float | None = None) -> CachedFrames:
    """The frames of a .pc2, which says at which frame it starts and how far its samples are apart, or of an .mdd, which
    says the second of each sample.

    fps: frames a second, where they are known better than by the file. Raises InputError, naming it, if it is damaged.
    """
    try:
        return _read_pc2(path) if cache_format(path) == ".pc2" else _read_mdd(path, fps)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged: {error}") from error


def write_cache(
    path: Path, vertices: np.ndarray, frames: np.ndarray, fps: float, lengths_per_unit: float = 1.0
) -> None:
    """Write vertices (F, V, 3) of frames (F,), one sample a frame; the format is what the path's suffix says. What it
    holds is in units of so many of the vertices' lengths.

    A .pc2 knows its first frame and the step between samples, an .mdd the second of each sample from the first on.
    Raises InputError if a .pc2 shall hold frames that are not evenly apart, OSError if it cannot be written; what was
    there before then stays.
    """
    count, points = vertices.shape[:2]
    steps = np.diff(frames)
    is_pc2 = path.suffix.lower() == ".pc2"
    if is_pc2 and count > 1 and (steps != steps[0]).any():
        uneven = int(np.flatnonzero(steps != steps[0])[0])
        raise InputError(
            f"{path} would hold frames that are not evenly apart, such as {frames[uneven]} and {frames[uneven + 1]}, "
            "as no .pc2 can; write an .mdd"
        )
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        if is_pc2:
            step = float(steps[0]) if count > 1 else 1.0
            file.write(PC2_BEGINS + struct.pack("<iiffi", 1, points, float(frames[0]), step, count))
        else:
            file.write(struct.pack(">ii", count, points))
            file.write(((frames - frames[0]) / fps).astype(">f4").tobytes())
        for frame in vertices:
            file.write((frame / lengths_per_unit).astype("<f4" if is_pc2 else ">f4").tobytes())


def _read_pc2(path: Path) -> CachedFrames:
    with open(path, "rb") as file:
        data = file.read(32)
    if len(data) < 32 or data[:12] != PC2_BEGINS:
        raise InputError(f"{path} is not a PC2 point cache; its first bytes are not POINTCACHE2")
    _, points, start, step, samples = struct.unpack("<iiffi", data[12:32])
    if not abs(start) < 1e6:
        raise ValueError(f"it starts at frame {start:g}")
    stored = _stored(path, 32, "<f4", samples, points)
    if samples > 1 and not 1e-4 < step < 1e4:
        raise ValueError(f"its samples are {step:g} frames apart; they must be more than 0 apart, for example 1")
    sampling = sampling_of(start + step * np.arange(samples) if samples > 1 else np.full(samples, start))
    return CachedFrames(_frames(stored, sampling), sampling, None)


def _read_mdd(path: Path, fps: float | None) -> CachedFrames:
    with open(path, "rb") as file:
        data = file.read(8)
        if len(data) < 8:
            raise InputError(f"{path} is not an MDD point cache; it is too short")
        samples, points = struct.unpack(">ii", data)
        data = file.read(4 * max(samples, 0)) if samples < path.stat().st_size else b""
    if samples < 0 or len(data) < 4 * samples:
        raise ValueError(f"it names {samples} frames but ends before their times")
    times = np.frombuffer(data, ">f4", samples).astype(np.float64)  # seconds
    stored = _stored(path, 8 + 4 * samples, ">f4", samples, points)
    found = rate_of(times)
    rate = fps or found
    if rate is None or samples < 2:  # one sample, or a program that writes no times
        places = np.arange(1.0, samples + 1)
    else:
        # Most programs count seconds from the first sample on, which then is frame 1; else from frame 0.
        places = times * rate + (1.0 if times[0] == 0 else 0.0)
    sampling = sampling_of(places)
    return CachedFrames(_frames(stored, sampling), sampling, found)


def rate_of(times: np.ndarray) -> float | None:
    """Frames a second of times (S,) in seconds, by the step that most have; None if all are one time.

    Raises ValueError if they are no times.
    """
    if len(times) < 2 or not np.ptp(times):
        return None
    steps = np.diff(times)
    if not (np.isfinite(times).all() and (steps > 0).all()):
        raise ValueError("its times do not grow from frame to frame")
    step = float(np.median(steps))
    if not 1e-6 < step < 1e3:
        raise ValueError(f"its frames are {step:g} seconds apart")
    counted = steps / step
    whole = np.rint(counted)
    if (np.abs(counted - whole) < EVEN).all():
        # The whole length has more digits than one step of it.
        return float(whole.sum() / (times[-1] - times[0]))
    return 1.0 / step


def _stored(path: Path, start: int, kind: str, samples: int, points: int) -> np.ndarray:
    """(samples, points, 3) as the file has them from byte `start` on, memory-mapped."""
    wanted, found = math.prod((samples, points, 12)), path.stat().st_size - start
    if samples < 0 or points < 0 or found < wanted:
        raise ValueError(f"{samples} frames of {points} points need {wanted} bytes, but {max(found, 0)} are there")
    if wanted == 0:
        return np.empty((samples, points, 3), dtype=np.float32)
    return np.memmap(path, kind, "r", start, (samples, points, 3))


def _frames(stored: np.ndarray, sampling: Sampling) -> np.ndarray:
    if (
        sampling.is_plain(len(stored))
        and stored.dtype == np.dtype("<f4")
        and stored.nbytes > large_arrays.IN_MEMORY_BYTES
    ):
        return stored
    vertices = room_for((len(sampling.frames), *stored.shape[1:]))
    sampling.take(stored, vertices)
    return vertices
