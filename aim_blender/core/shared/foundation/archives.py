# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of arrays, .npz, which strangers may have made. Needs numpy only: Blender and the worker read them alike.

What an array's header declares is compared with what is there before room is made for it.
"""

from __future__ import annotations

import contextlib
import math
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from .errors import InputError
from .whole_files import written_whole

LARGEST_RATIO = 100  # of what is unpacked to what is stored: meshes reach 3, zeros 1000
ALWAYS_READ_BYTES = 2**28
READ_AT_ONCE = 2**22  # bytes of an array: what is unpacked is copied twice, which costs less nearby
LOOKED_AT = 2**24  # numbers at once
ARRAY_SUFFIX = ".npy"


@dataclass(frozen=True)
class StoredArray:
    """What an archive says of an array. start: where its values begin in its member, in bytes."""

    shape: tuple[int, ...]
    by_column: bool
    kind: np.dtype
    start: int


class Archive:
    """The arrays of an archive by name, none of them pickled; read when they are asked for.

    Asking raises KeyError for a name that is not there, and all that UNREADABLE lists for one that cannot be read.
    """

    def __init__(self, path: Path, members: zipfile.ZipFile) -> None:
        self.path, self._members = path, members
        self.files = [name.removesuffix(ARRAY_SUFFIX) for name in members.namelist()]

    def __contains__(self, name: object) -> bool:
        return name in self.files

    def __getitem__(self, name: str) -> np.ndarray:
        with self.opened(name) as (stored, member):
            values = np.empty(math.prod(stored.shape) * stored.kind.itemsize, np.uint8)
            rest = values.data
            while rest:
                read = member.readinto(rest[:READ_AT_ONCE])  # type: ignore[attr-defined]
                if not read:
                    raise ValueError("it is cut off")
                rest = rest[read:]
            return np.ndarray(stored.shape, stored.kind, values.data, order="F" if stored.by_column else "C")

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[tuple[StoredArray, IO[bytes]]]:
        """What is said of an array, and its member, which stands at the array's values."""
        info = self._info(name)
        with self._members.open(info) as member:
            try:
                stored = self._described(name, info, member)
            except MemoryError as error:  # a damaged header of LZMA asks for a dictionary of up to 4 GiB
                raise ValueError(f"its {name} asks for more memory than there is, as only damaged files do") from error
            yield stored, member

    def place_in_file(self, name: str) -> int | None:
        """The byte of the archive's file at which a member begins; None if it is compressed."""
        info = self._info(name)
        if info.compress_type != zipfile.ZIP_STORED:
            return None
        with open(self.path, "rb") as file:
            file.seek(info.header_offset + 26)
            lengths = struct.unpack("<HH", file.read(4))
        return info.header_offset + 30 + sum(lengths)

    def _info(self, name: str) -> zipfile.ZipInfo:
        for member in (name + ARRAY_SUFFIX, name):
            with contextlib.suppress(KeyError):
                return self._members.getinfo(member)
        raise KeyError(name)

    @staticmethod
    def _described(name: str, info: zipfile.ZipInfo, member: IO[bytes]) -> StoredArray:
        if member.read(6) != np.lib.format.MAGIC_PREFIX:
            raise ValueError(f"its {name} is no array")
        version = tuple(_exactly(member, 2))
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"its {name} is no array of a known version")
        try:
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, by_column, kind = read_header(member)
        except Exception as error:  # what a header can raise that no array has is many things, of a tokenizer too
            raise ValueError(f"the header of its {name} is damaged") from error
        if kind.hasobject:
            raise ValueError(f"its {name} holds pickled Python objects, which are never read; save plain arrays")
        if kind.names is not None or kind.subdtype is not None:
            raise ValueError(f"its {name} holds records; plain numbers or texts are needed")
        stored = StoredArray(shape, by_column, kind, member.tell())
        size = math.prod(shape) * kind.itemsize
        if size != info.file_size - stored.start or min(shape, default=0) < 0 or kind.itemsize == 0:
            raise ValueError(f"its {name} does not hold what its shape {shape} asks for")
        return stored


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The arrays of an archive by name.

    Raises ValueError if it is made to fill the memory, and all that UNREADABLE lists if it cannot be read.
    """
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no archive of arrays, .npz")
        with zipfile.ZipFile(file) as members:
            unpacked = sum(member.file_size for member in members.infolist())
            if unpacked > max(ALWAYS_READ_BYTES, LARGEST_RATIO * path.stat().st_size):
                raise ValueError(f"it unpacks to {unpacked / 2**30:.1f} GiB, as no meshes do")
            yield Archive(path, members)


def _exactly(member: IO[bytes], count: int) -> bytes:
    found = member.read(count)
    if len(found) != count:
        raise ValueError("it is cut off")
    return found


def _holds_infinite(array: np.ndarray) -> bool:
    """A part at a time: the array may be mapped from a file that the memory cannot hold."""
    if array.dtype.kind != "f":
        return False
    flat = array.reshape(-1)
    return any(np.isinf(flat[first : first + LOOKED_AT]).any() for first in range(0, len(flat), LOOKED_AT))


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays as an .npz file, whole or not at all. Raises InputError if one holds infinite numbers, OSError if it
    cannot be written."""
    for name, array in arrays.items():
        if _holds_infinite(np.asarray(array)):  # not a number is where there is no point
            raise InputError(
                f"{path} was not written: its {name} holds infinite numbers; look for the reason in the input"
            )
    with written_whole(path) as temporary:
        with open(temporary, "wb") as file:  # closed before it takes its place
            np.savez(file, **arrays)
