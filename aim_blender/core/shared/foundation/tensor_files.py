# SPDX-License-Identifier: GPL-3.0-or-later
"""Named arrays behind a JSON header, .safetensors, which strangers may have made. Needs numpy only: Blender and the
worker read them alike.

A file is the header's length in 8 bytes, the header, and the arrays' bytes, each array where the header says. What it
declares is compared with what is there before it is used, and a checksum of all of it notices one changed byte.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from .whole_files import written_whole

KINDS = {f"{letter}{8 * size}": f"<{kind}{size}" for letter, kind in (("I", "i"), ("U", "u")) for size in (1, 2, 4, 8)}
KINDS |= {f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)} | {"BOOL": "|b1"}
NAMES = {np.dtype(kind): name for name, kind in KINDS.items()}
LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
CHECKSUM = "checksum"
NOT_WRITTEN = "it is not what was written: a byte of it has changed"


def write_tensors(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write arrays of any shape, and texts about them, with their checksum; whole or not at all.

    Raises OSError if it cannot be written, KeyError for an array of a type that the format does not have.
    """
    arrays = {name: np.ascontiguousarray(value).reshape(np.shape(value)) for name, value in arrays.items()}
    header: dict[str, Any] = {"__metadata__": {**metadata, CHECKSUM: checksum(arrays, metadata)}}
    order, end = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)), 0  # so each lies at its own multiple
    for name in order:
        first, end = end, end + arrays[name].nbytes
        array = arrays[name]
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [first, end]}
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            file.write(arrays[name].reshape(-1).view(np.uint8).data)


def read_metadata(path: Path) -> dict[str, str]:
    """The texts about the arrays, without those. Raises what UNREADABLE lists if it is no such file."""
    with open(path, "rb") as file:
        return _read_header(file)[1]


def read_tensors(path: Path, checked: bool = False) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays by name, and the texts about them. A file without a checksum, as others write them, is read too, but
    not where it must be checked.

    Raises what UNREADABLE lists if it is no such file, or not what was written.
    """
    with open(path, "rb") as file:
        entries, metadata = _read_header(file)
        start = file.tell()
        ends = sorted(_ends(entry) for entry in entries.values())
        whole = os.fstat(file.fileno()).st_size - start
        if [first for first, _ in ends] + [whole] != [0] + [end for _, end in ends]:
            raise ValueError("its arrays do not lie one after the other, or it is cut off")
        content = bytearray(whole)
        if file.readinto(content) != whole:
            raise ValueError("it is cut off")
    arrays = {name: _array(name, entry, content) for name, entry in entries.items()}
    told = metadata.pop(CHECKSUM, None)
    if (checked and told is None) or (told is not None and told != checksum(arrays, metadata)):
        raise ValueError(NOT_WRITTEN)
    return arrays, metadata


def checksum(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Of arrays and texts by name, so that one changed byte is noticed."""
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {value.dtype} {np.shape(arrays[name])}".encode())
        found.update(value.reshape(-1).view(np.uint8).data)
    for name in sorted(metadata):
        found.update(f"{name} {metadata[name]}".encode())
    return found.hexdigest()


def _read_header(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, str]]:
    """What is said of each array, and the texts; the file then stands at the arrays."""
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= LONGEST_HEADER:
        raise ValueError("it does not begin with a header")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("it is cut off")
    header = json.loads(text)
    if not isinstance(header, dict):
        raise ValueError("its header is not an object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("what it says of itself are no texts")
    return header, metadata


def _ends(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Where an array begins and ends, in bytes behind the header."""
    first, end = entry["data_offsets"]
    if not 0 <= int(first) <= int(end):
        raise ValueError("an array ends before it begins")
    return int(first), int(end)


def _array(name: str, entry: Mapping[str, Any], content: bytearray) -> np.ndarray:
    kind, shape = np.dtype(KINDS[entry["dtype"]]), tuple(int(length) for length in entry["shape"])
    first, end = _ends(entry)
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != end - first:
        raise ValueError(f"its {name} has another size than its header says")
    array = np.frombuffer(content, kind, math.prod(shape), first).reshape(shape)
    return array if array.flags.aligned else array.copy()
