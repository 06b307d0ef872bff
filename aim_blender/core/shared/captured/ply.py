# SPDX-License-Identifier: GPL-3.0-or-later
"""PLY files, read so that vertex order and polygons stay as the file has them. Needs numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
FACE_LISTS = ("vertex_indices", "vertex_index")


@dataclass
class _Element:
    """A kind of rows: its name, how many there are, and (name, type, type of the list's count or None) of each
    property."""

    name: str
    count: int
    properties: list[tuple[str, str, str | None]] = field(default_factory=list)


def read_ply(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (V, 3) float64, the vertex of every face corner (L,) and the number of corners of every face (P,).

    Raises ValueError if the file is no PLY file, is cut off, or has no vertices or faces.
    """
    data = path.read_bytes()
    order, elements, start = _read_header(data)
    vertices = corners = sizes = None
    lines = data[start:].split(b"\n") if not order else []
    lines = [line for line in lines if line.strip()]
    for element in elements:
        if order:
            columns, start = _read_binary(data, start, element, order)
        else:
            columns, lines = _read_ascii(lines, element)
        if element.name == "vertex" and {"x", "y", "z"} <= columns.keys():
            vertices = np.stack([columns[axis][0] for axis in "xyz"], axis=1).astype(np.float64)
        faces = next((columns[name] for name in FACE_LISTS if name in columns), None)
        if element.name == "face" and faces is not None:
            corners, sizes = faces[0].astype(np.int64), faces[1]
    if vertices is None or len(vertices) == 0:
        raise ValueError("it has no vertices")
    if corners is None or sizes is None:
        raise ValueError("it has no faces; a face mesh is needed")
    return vertices, corners, sizes


def _read_header(data: bytes) -> tuple[str, list[_Element], int]:
    """The byte order (empty for text), the elements, and where the header ends."""
    end = data.find(b"end_header")
    newline = data.find(b"\n", end)
    if not data.startswith(b"ply") or end < 0 or newline < 0:
        raise ValueError("it has no PLY header")
    order, elements = None, []
    for line in data[:end].decode("ascii", errors="replace").splitlines():
        words = line.split()
        if words[:1] == ["format"] and len(words) > 1:
            order = ORDERS.get(words[1])
        elif words[:1] == ["element"] and len(words) == 3:
            elements.append(_Element(words[1], int(words[2])))
        elif words[:1] == ["property"] and elements:
            types = words[2:4] if words[1] == "list" else words[1:2]
            if any(name not in TYPES for name in types) or len(words) != 2 + len(types) + (words[1] == "list"):
                raise ValueError(f"its header has a line that is no PLY: {line!r}")
            count = TYPES[types[0]] if words[1] == "list" else None
            elements[-1].properties.append((words[-1], TYPES[types[-1]], count))
    elements = [element for element in elements if element.properties]
    if order is None:
        raise ValueError("its PLY header names no known format")
    if any(element.count < 0 for element in elements):
        raise ValueError("its PLY header counts fewer than no elements")
    return order, elements, newline + 1


Columns = dict[str, tuple[np.ndarray, np.ndarray]]  # values of every property, and how many values each row has


def _read_binary(data: bytes, start: int, element: _Element, order: str) -> tuple[Columns, int]:
    """The columns of an element whose rows begin at `start`, and where they end."""
    sizes = _list_sizes(data, start, element, order) if element.count else [0] * len(_lists(element))
    kind = _row_type(element, order, sizes)
    stop = start + kind.itemsize * element.count
    if stop <= len(data):
        rows = np.frombuffer(data, kind, element.count, start)
        uniform = all((rows[f"{name} count"] == size).all() for name, size in zip(_lists(element), sizes, strict=True))
        if uniform:
            columns = {}
            for name, _, count in element.properties:
                width = 1 if count is None else int(rows[name].size / max(element.count, 1))
                columns[name] = (rows[name].reshape(-1), np.full(element.count, width))
            return columns, stop
    elif not sizes:
        raise ValueError(f"it is cut off within its {element.name} list")
    found: dict[str, list[np.ndarray]] = {name: [] for name, _, _ in element.properties}
    for _ in range(element.count):
        kind = _row_type(element, order, _list_sizes(data, start, element, order))
        if start + kind.itemsize > len(data):
            raise ValueError(f"it is cut off within its {element.name} list")
        row = np.frombuffer(data, kind, 1, start)[0]
        start += kind.itemsize
        for name in found:
            found[name].append(np.atleast_1d(row[name]))
    return {name: (np.concatenate(rows), np.array([len(row) for row in rows])) for name, rows in found.items()}, start


def _lists(element: _Element) -> list[str]:
    return [name for name, _, count in element.properties if count is not None]


def _row_type(element: _Element, order: str, sizes: list[int]) -> np.dtype:
    """The layout of a row whose lists have these sizes."""
    left = iter(sizes)
    fields: list[tuple] = []
    for name, kind, count in element.properties:
        if count is None:
            fields.append((name, order + kind))
        else:
            fields += [(f"{name} count", order + count), (name, order + kind, (next(left, 0),))]
    return np.dtype(fields)


def _list_sizes(data: bytes, start: int, element: _Element, order: str) -> list[int]:
    """How long each list of the row that begins at `start` is."""
    sizes, place = [], start
    for _, kind, count in element.properties:
        if count is not None:
            width = np.dtype(count).itemsize
            if place + width > len(data):
                raise ValueError(f"it is cut off within its {element.name} list")
            sizes.append(int(np.frombuffer(data, order + count, 1, place)[0]))
            if sizes[-1] < 0:
                raise ValueError(f"its {element.name} list is damaged")
            place += width + sizes[-1] * np.dtype(kind).itemsize
        else:
            place += np.dtype(kind).itemsize
    return sizes


def _read_ascii(lines: list[bytes], element: _Element) -> tuple[Columns, list[bytes]]:
    """The columns of an element whose rows are the first of `lines`, and the lines that follow."""
    if len(lines) < element.count:
        raise ValueError(f"it is cut off within its {element.name} list")
    found: dict[str, list[float]] = {name: [] for name, _, _ in element.properties}
    sizes: dict[str, list[int]] = {name: [] for name in found}
    for line in lines[: element.count]:
        words = line.split()
        place = 0
        for name, _, count in element.properties:
            size = 1
            if count is not None:
                size = int(words[place]) if place < len(words) else 0
                place += 1
            if size < 0 or place + size > len(words):
                raise ValueError(f"it is cut off within its {element.name} list")
            found[name] += map(float, words[place : place + size])
            sizes[name].append(size)
            place += size
    columns = {name: (np.array(found[name]), np.array(sizes[name], dtype=np.int64)) for name in found}
    return columns, lines[element.count :]
