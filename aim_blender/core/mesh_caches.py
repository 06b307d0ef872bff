# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh caches: every vertex of every frame, as .pc2 or .mdd, which Blender and most other programs play."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from .whole_files import written_whole

CACHE_SUFFIXES = (".pc2", ".mdd")


def write_cache(path: Path, vertices: np.ndarray, frames: np.ndarray, fps: float) -> None:
    """Write vertices (F, V, 3) of frames (F,), one sample a frame; the format is what the path's suffix says.

    A .pc2 knows its first frame and the step between samples, an .mdd the second of each sample from the first on.
    Raises OSError if it cannot be written; what was there before then stays.
    """
    count, points = vertices.shape[:2]
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        if path.suffix.lower() == ".pc2":
            step = float(frames[1] - frames[0]) if count > 1 else 1.0
            file.write(b"POINTCACHE2\0" + struct.pack("<iiffi", 1, points, float(frames[0]), step, count))
        else:
            file.write(struct.pack(">ii", count, points))
            file.write(((frames - frames[0]) / fps).astype(">f4").tobytes())
        for frame in vertices:
            file.write(frame.astype("<f4" if path.suffix.lower() == ".pc2" else ">f4").tobytes())
