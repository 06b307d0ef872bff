# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of arrays, .npz, which strangers may have made. Needs numpy only: Blender and the worker read them alike."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LARGEST_RATIO = 100  # of what is unpacked to what is stored: meshes reach 3, zeros 1000
ALWAYS_READ_BYTES = 2**28


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """The arrays of an archive by name, none of them pickled.

    Raises ValueError if it is made to fill the memory, and all that UNREADABLE lists if it cannot be read.
    """
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        unpacked = sum(member.file_size for member in archive.zip.infolist())
        if unpacked > max(ALWAYS_READ_BYTES, LARGEST_RATIO * path.stat().st_size):
            raise ValueError(f"it unpacks to {unpacked / 2**30:.1f} GiB, as no meshes do")
        yield archive
