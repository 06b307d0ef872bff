# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture: the registered meshes of one actor and, where there are any, the actor's bones."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .capture_checks import check_shapes
from .errors import InputError
from .meshes import list_mesh_files, read_mesh
from .topology import Topology

BONE_NAMES = ("skull", "mandible")


@dataclass(frozen=True)
class Bone:
    """A bone's surface: vertices (B, 3) float64 in mm, triangles (T, 3) int."""

    vertices: np.ndarray
    triangles: np.ndarray


@dataclass(frozen=True)
class Capture:
    """names: N+1 shape names, the neutral first. vertices: (N+1, V, 3) float64 in mm. bones: skull and mandible or
    none."""

    names: tuple[str, ...]
    vertices: np.ndarray
    topology: Topology
    bones: dict[str, Bone]

    @property
    def neutral(self) -> np.ndarray:
        """(V, 3) the neutral skin."""
        return self.vertices[0]


def read_capture(path: Path, bones: Path | None = None) -> Capture:
    """A capture from a folder of meshes (with optional `bones/`) or from a capture.npz that Blender wrote.

    The neutral is the mesh whose name contains `neutral`, or the first by name. `bones` names another folder with
    skull and mandible. Raises InputError if the meshes do not belong together.
    """
    capture = _read_archive(path) if path.suffix.lower() == ".npz" else _read_folder(path)
    if bones is not None:
        capture = Capture(capture.names, capture.vertices, capture.topology, read_bones(bones))
    return capture


def read_bones(folder: Path) -> dict[str, Bone]:
    """Skull and mandible from a folder with files of these names. Raises InputError if one of them is missing."""
    files = {path.stem.lower(): path for path in list_mesh_files(folder)}
    missing = [name for name in BONE_NAMES if name not in files]
    if missing:
        raise InputError(f"{folder} has no {missing[0]}.obj or {missing[0]}.ply; it must hold a skull and a mandible")
    found = {}
    for name in BONE_NAMES:
        vertices, topology = read_mesh(files[name])
        found[name] = Bone(vertices, topology.triangles())
    return found


def _read_folder(folder: Path) -> Capture:
    files = list_mesh_files(folder)
    if len(files) < 2:
        raise InputError(f"{folder} holds {len(files)} meshes; a neutral and at least one expression are needed")
    neutral = next((path for path in files if "neutral" in path.stem.lower()), files[0])
    files = [neutral, *(path for path in files if path != neutral)]
    meshes = [read_mesh(path) for path in files]
    names = ["neutral", *(_shape_name(path.stem) for path in files[1:])]
    check_shapes([path.name for path in files], [points for points, _ in meshes], [faces for _, faces in meshes])
    bones = read_bones(folder / "bones") if (folder / "bones").is_dir() else {}
    return Capture(tuple(names), np.stack([points for points, _ in meshes]), meshes[0][1], bones)


def _shape_name(stem: str) -> str:
    """The name without a leading number: `03_smile` is `smile`."""
    name = stem.lstrip("0123456789").lstrip("_-. ")
    return name or stem


def _read_archive(path: Path) -> Capture:
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = {key: archive[key] for key in archive.files}
        vertices = data["vertices"].astype(np.float64)
        names = tuple(str(name) for name in data["names"])
        topology = Topology(data["corners"], data["sizes"], vertices.shape[1])
        bones = {
            bone: Bone(data[f"{bone}_vertices"].astype(np.float64), data[f"{bone}_triangles"].astype(np.int64))
            for bone in BONE_NAMES
            if f"{bone}_vertices" in data
        }
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a capture that Blender wrote, or it is damaged: {error}") from error
    check_shapes(names, vertices, [topology] * len(names))
    return Capture(names, vertices, topology, bones)
