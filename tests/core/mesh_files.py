# SPDX-License-Identifier: GPL-3.0-or-later
"""Small writers of the formats that core only reads."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def write_ply(
    path: Path, vertices: np.ndarray, faces: Sequence[Sequence[int]] | np.ndarray, binary: bool = True
) -> Path:
    """A PLY file of vertices (V, 3) and faces (P, K) with K corners each."""
    kind = "binary_little_endian" if binary else "ascii"
    lines = ["ply", f"format {kind} 1.0", f"element vertex {len(vertices)}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    content = ("\n".join(lines) + "\n").encode()
    if binary:
        content += np.asarray(vertices, "<f4").tobytes()
        content += b"".join(struct.pack(f"<B{len(face)}i", len(face), *face) for face in faces)
    else:
        rows = [" ".join(f"{value:.6f}" for value in point) for point in vertices]
        rows += [" ".join(map(str, (len(face), *face))) for face in faces]
        content += ("\n".join(rows) + "\n").encode()
    path.write_bytes(content)
    return path


def write_pc2(path: Path, vertices: np.ndarray, start: float = 1.0) -> Path:
    """A PC2 point cache of frames (F, V, 3), as Blender's and 3ds Max's exporters write it."""
    header = b"POINTCACHE2\0" + struct.pack("<iiffi", 1, vertices.shape[1], start, 1.0, len(vertices))
    path.write_bytes(header + np.asarray(vertices, "<f4").tobytes())
    return path


def write_mdd(path: Path, vertices: np.ndarray, fps: float = 24.0) -> Path:
    """An MDD point cache of frames (F, V, 3): big endian, with the time of each frame in seconds."""
    times = np.arange(len(vertices)) / fps
    header = struct.pack(">ii", len(vertices), vertices.shape[1]) + times.astype(">f4").tobytes()
    path.write_bytes(header + np.asarray(vertices, ">f4").tobytes())
    return path
