# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file holds, told by how it begins and not by what it is called."""

from __future__ import annotations

import re
from pathlib import Path

from ..captured.mesh_caches import cache_format
from ..captured.point_tables import axes_of_table
from ..foundation.archives import open_archive
from ..foundation.errors import UNREADABLE

PEEKED = 2**16  # bytes, an even number of them
SPACE = b"\xef\xbb\xbf \t\r\n"  # or a byte order mark
IMAGE_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
FIRST_POSITION = re.compile(rb'"positions"\s*:\s*\[\s*(?:null\s*,\s*)*\[([^\[\]]*)\]')
FIRST_POINT = re.compile(rb'"points"\s*:\s*\[\s*([{"])')


def opening(path: Path) -> bytes:
    """The first bytes of a file; none of what cannot be read, or only once, as a pipe can."""
    if not path.is_file():
        return b""
    try:
        with open(path, "rb") as file:
            return file.read(PEEKED)
    except (OSError, ValueError):
        return b""


def holds_meshes(path: Path) -> bool:
    """Whether it is a folder, an archive with `vertices`, or a point cache."""
    if path.is_dir() or cache_format(path):
        return True
    if not opening(path).startswith(b"PK"):
        return False
    try:
        with open_archive(path) as archive:
            return "vertices" in archive.files
    except UNREADABLE:
        return False


def holds_video(path: Path) -> bool:
    """Whether it is a movie's container: MP4 and QuickTime, Matroska and WebM, or AVI. An image is none, though some
    are of the first kind."""
    data = opening(path)
    if data[4:8] == b"ftyp":
        return data[8:12] not in IMAGE_BRANDS
    quicktime = data[4:8] in (b"moov", b"mdat", b"wide", b"free") and path.suffix.lower() in (".mov", ".mp4", ".m4v")
    return quicktime or data.startswith(b"\x1aE\xdf\xa3") or (data.startswith(b"RIFF") and data[8:12] == b"AVI ")


def holds_json(path: Path) -> bool:
    """Whether a file of points is JSON and no table: by its name, where neither is to be seen."""
    data = opening(path)
    if _begins_as_json(data):
        return True
    return path.suffix.lower() == ".json" and not axes_of_table(data)


def holds_points(path: Path) -> bool:
    """Whether it holds points in space."""
    return holds_c3d(path) or point_axes(path) == 3


def holds_c3d(path: Path) -> bool:
    """Whether it is a recording of markers in the format C3D: a header, and parameters of a known kind of processor."""
    data = opening(path)
    if len(data) < 512 or data[1] != 0x50:
        return False
    start = 512 * (data[0] - 1)
    return 0 < start < len(data) - 4 and data[start + 3] in (84, 85, 86)


def holds_image_points(path: Path) -> bool:
    """Whether it holds points of images."""
    return point_axes(path) == 2


def point_axes(path: Path) -> int:
    """How many coordinates the points in a file have: 3 in space, 2 in images, 0 if it holds no points."""
    data = opening(path)
    if not _begins_as_json(data):
        return axes_of_table(data)
    if position := FIRST_POSITION.search(data):
        axes = position[1].count(b",") + 1
        return axes if axes in (2, 3) else 0
    point = FIRST_POINT.search(data)
    return 0 if point is None else 3 if point[1] == b"{" else 2


def _begins_as_json(data: bytes) -> bool:
    return data.lstrip(SPACE).startswith(b"{")
