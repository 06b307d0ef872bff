# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording of markers, .c3d, written byte by byte as the format's manual says."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

RATE = 119.88
SMALLEST = 0.01  # mm that a whole number of the file means


def parameter(group: int, name: str, kind: int, shape: tuple[int, ...], data: bytes) -> bytes:
    body = struct.pack("<bB", kind, len(shape)) + bytes(shape) + data + b"\0"
    return struct.pack("<bb", len(name), group) + name.encode() + struct.pack("<h", len(body) + 2) + body


def write_c3d(
    path: Path,
    labels: list[str],
    positions: np.ndarray,
    whole: bool = False,
    unit: str = "mm",
    first: int = 1,
    lost_frames: int = 0,
) -> Path:
    """positions: (F, P, 3) in the unit, not a number where a marker is hidden. whole: as whole numbers."""
    frames, count = positions.shape[:2]
    scale = SMALLEST if whole else -SMALLEST
    width = max(map(len, labels))
    texts = b"".join(label.encode().ljust(width) for label in labels)
    parameters = b"\x01\x50\x04\x54" + struct.pack("<bb", 5, -1) + b"POINT" + struct.pack("<hB", 3, 0)
    parameters += parameter(1, "USED", 2, (), struct.pack("<H", count))
    parameters += parameter(1, "SCALE", 4, (), struct.pack("<f", scale))
    parameters += parameter(1, "RATE", 4, (), struct.pack("<f", RATE))
    parameters += parameter(1, "FRAMES", 2, (), struct.pack("<H", frames))
    parameters += parameter(1, "LABELS", -1, (width, count), texts)
    parameters += parameter(1, "UNITS", -1, (len(unit),), unit.encode()) + b"\0\0"
    parameters = parameters.ljust(4 * 512, b"\0")
    header = struct.pack("<BBHHHHHfHHf", 2, 0x50, count, 0, first, first + frames - 1, 10, scale, 6, 0, RATE)
    hidden = np.isnan(positions).any(-1)
    places = np.where(hidden[..., None], 0.0, positions)
    last = np.where(hidden, -1, 0)[..., None]
    values = (
        np.concatenate([np.rint(places / SMALLEST), last], -1).astype("<i2")
        if whole
        else np.concatenate([places, last], -1).astype("<f4")
    )
    path.write_bytes(header.ljust(512, b"\0") + parameters + values[: frames - lost_frames].tobytes())
    return path
