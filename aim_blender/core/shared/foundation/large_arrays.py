# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for the frames of a performance, which may be more than the memory holds. Needs numpy only."""

from __future__ import annotations

import os
import tempfile

import numpy as np

IN_MEMORY_BYTES = 256 * 2**20  # a larger performance stays in its file, or goes to a temporary one


def room_for(shape: tuple[int, ...]) -> np.ndarray:
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
