# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files, read so that vertex order and polygons stay as the file has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..foundation.errors import UNREADABLE, InputError, reason
from ..foundation.topology import Topology
from .capture_checks import check_near
from .ply import read_ply

IMPORTED = (".fbx", ".abc", ".usd", ".usda", ".usdc", ".usdz", ".glb", ".gltf", ".dae", ".blend")
MESH_SUFFIXES = (".obj", ".ply")


def list_mesh_files(folder: Path) -> list[Path]:
    """The mesh files of a folder by name. Raises InputError if it is not a folder or its formats are mixed."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder; a folder with one mesh a file (.obj or .ply) is needed{how_to_bring(folder)}"
        )
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in MESH_SUFFIXES and not p.name.startswith("."))
    if not files and list_stl_files(folder):
        raise InputError(f"{folder} holds .stl files, which keep no vertex order; export the meshes as .obj or .ply")
    if len({p.suffix.lower() for p in files}) > 1:
        raise InputError(f"{folder} holds both .obj and .ply files; keep one of the two, so that no mesh counts twice")
    return files


def list_stl_files(folder: Path) -> list[Path]:
    """The STL files of a folder by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() == ".stl" and not p.name.startswith("."))


def read_mesh(path: Path) -> tuple[np.ndarray, Topology]:
    """Vertex positions (V, 3) float64 and faces of one mesh file, in the file's own order and unit.

    Raises InputError, naming the file, if it cannot be read as a mesh with faces.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; a mesh, {' or '.join(MESH_SUFFIXES)}, is needed")
    try:
        if path.suffix.lower() == ".obj":
            vertices, topology = _read_obj(path)
        elif path.suffix.lower() == ".ply":
            vertices, corners, sizes = read_ply(path)
            topology = Topology(corners, sizes, len(vertices))
        else:
            raise InputError(f"its format is not one of {', '.join(MESH_SUFFIXES)}")
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a mesh: {reason(error)}") from error
    check_near(str(path), vertices)
    return vertices, topology


def write_mesh(path: Path, vertices: np.ndarray, topology: Topology) -> None:
    """Write vertices (V, 3) and faces as an OBJ file."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"v {x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in vertices)
        for start, size in zip(topology.starts, topology.sizes, strict=True):
            file.write("f " + " ".join(str(v + 1) for v in topology.corners[start : start + size]) + "\n")


def _whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """Lines of an OBJ file, those joined that end with a backslash."""
    begun = ""
    for line in lines:
        if line.endswith("\\\n"):
            begun += line[:-2] + " "
            continue
        yield begun + line
        begun = ""
    yield begun


def _read_obj(path: Path) -> tuple[np.ndarray, Topology]:
    # Neither this nor PLY by trimesh: it splits vertices at texture seams and cuts polygons.
    positions: list[list[float]] = []
    corners: list[int] = []
    sizes: list[int] = []
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        for line in _whole_lines(file):
            kind, *words = line.split() or [""]
            if kind == "v":
                positions.append([float(value) for value in words[:3]])
            elif kind == "f":
                face = [int(corner.split("/", 1)[0]) for corner in words]
                if 0 in face:
                    raise ValueError("one of its faces names vertex 0, but an OBJ file counts from 1")
                corners.extend(index - 1 if index > 0 else len(positions) + index for index in face)
                sizes.append(len(face))
    if not positions:
        raise ValueError("it has no vertices")
    if any(len(position) != 3 for position in positions):
        raise ValueError("one of its vertices does not have three numbers")
    return np.array(positions), Topology(np.array(corners, dtype=np.int32), np.array(sizes), len(positions))


def how_to_bring(path: Path) -> str:
    """What to do with a file, or what a folder holds, that Blender can import and this cannot; empty for others."""
    files = [path, *path.iterdir()] if path.is_dir() else [path]
    found = next((file.suffix.lower() for file in files if file.suffix.lower() in IMPORTED), "")
    return (
        f"; import a {found} file in Blender and pick its object there, or export its meshes as .obj" if found else ""
    )
