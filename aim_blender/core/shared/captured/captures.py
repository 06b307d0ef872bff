# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture: the registered meshes of one actor and, where there are any, the actor's bones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..faces.head_region import moving_vertices
from ..faces.table_of_units import Unit
from ..faces.units import Measured, measure, named_unit, size_of, unit_note, unit_of
from ..foundation.archives import open_archive
from ..foundation.errors import UNREADABLE, InputError, reason
from ..foundation.topology import Topology
from .capture_checks import check_finite, check_shapes
from .meshes import how_to_bring, list_mesh_files, read_mesh
from .useful_shapes import hiding_shapes, useful_shapes

BONE_NAMES = ("skull", "mandible")
ANY_UNIT = (0.05, 7000.0)  # a head's size, or part of a head's, in metres or millimetres
LEAST_JAW_POINTS = 3  # without which its motion is not known


@dataclass(frozen=True)
class Bone:
    """A bone's surface: vertices (B, 3) float64 in mm, triangles (T, 3) int."""

    vertices: np.ndarray
    triangles: np.ndarray


@dataclass(frozen=True)
class Capture:
    """What was captured of one actor.

    names: N+1 shape names, the neutral first. vertices: (N+1, V, 3) float64 in mm. bones: skull and mandible, or none.
    jaw_points: (N+1, J, 3) points that move rigidly with the mandible, such as the lower teeth, in the same shapes;
    None where there are none. trusted: (V,) weights in [0, 1] of the trusted region, where somebody painted one.
    unit_factor: by what the lengths of the files were multiplied to be in mm. notes: sentences for the user on how the
    files were taken.
    """

    names: tuple[str, ...]
    vertices: np.ndarray
    topology: Topology
    bones: dict[str, Bone]
    jaw_points: np.ndarray | None = None
    trusted: np.ndarray | None = None
    unit_factor: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the meshes, the bones, the jaw and the trusted region."""
        content = hashlib.sha256(self.topology.digest.encode())
        more = [array for array in (self.jaw_points, self.trusted) if array is not None]
        for array in (self.vertices, *(bone.vertices for bone in self.bones.values()), *more):
            content.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return content.hexdigest()

    @property
    def neutral(self) -> np.ndarray:
        """(V, 3) the neutral skin."""
        return self.vertices[0]


def read_capture(
    path: Path,
    bones: Path | None = None,
    millimetres_per_unit: float | None = None,
    keep_shapes: Collection[str] = (),
) -> Capture:
    """A capture from a folder of meshes (with optional `bones/`, `jaw/` and trusted.npz) or from Blender's capture.npz.

    `jaw/` holds one mesh of the lower teeth, or of anything else fixed to the mandible, for every shape, named like it.
    trusted.npz holds `trusted` (V,), the weights of the trusted region on the neutral.
    The neutral is the mesh whose name contains `neutral`, or the first by name. `bones` names another folder with
    skull and mandible. millimetres_per_unit: of the files; None where the face, or without one the size, tells it. All
    that belongs to the meshes is scaled to mm as they are. keep_shapes: as useful_shapes has it. Raises InputError if
    the meshes do not belong together, or if it cannot be told which unit they are in.
    """
    capture = read_as_it_is(path, bones, keep_shapes)
    unit, notes = _unit_of(capture, path, millimetres_per_unit)
    return _scaled(replace(capture, notes=(*notes, *capture.notes)), unit.millimetres)


def read_as_it_is(path: Path, bones: Path | None = None, keep_shapes: Collection[str] = ()) -> Capture:
    """As read_capture, in the unit of the files."""
    capture = _useful(_read_archive(path) if path.suffix.lower() == ".npz" else _read_folder(path), keep_shapes)
    return capture if bones is None else replace(capture, bones=read_bones(bones))


def _useful(capture: Capture, keep_shapes: Collection[str]) -> Capture:
    """A capture without the shapes that show no expression of their own, and notes on them."""
    kept, notes = useful_shapes(capture.names, capture.vertices, keep_shapes)
    if not notes:
        return capture
    return replace(
        capture,
        names=tuple(capture.names[index] for index in kept),
        vertices=capture.vertices[kept],
        jaw_points=None if capture.jaw_points is None else capture.jaw_points[kept],
        notes=(*capture.notes, *notes),
    )


def _check_but_hidden(
    names: Sequence[str], vertices: Sequence[np.ndarray] | np.ndarray, topologies: Sequence[Topology]
) -> None:
    """check_shapes of all shapes but those that hide the head, which are left out. None may lack a number."""
    for name, points in zip(names, vertices, strict=False):
        check_finite(name, np.asarray(points))
    hidden = hiding_shapes(names, vertices)
    kept = [index for index, name in enumerate(names) if name not in hidden]
    if len(kept) < 2:
        kept = list(range(len(names)))
    check_shapes(
        [names[index] for index in kept], [vertices[index] for index in kept], [topologies[index] for index in kept]
    )


def measure_capture(capture: Capture) -> Measured:
    """What tells the unit of a capture."""
    moving = moving_vertices(capture.vertices, capture.topology.in_faces())
    return measure(capture.neutral, capture.topology.triangles(), moving)


def _unit_of(capture: Capture, path: Path, millimetres: float | None) -> tuple[Unit, tuple[str, ...]]:
    """The unit of a capture and what to say of it. millimetres: of the unit, where somebody named it."""
    size = size_of(capture.neutral)
    if millimetres is not None:
        return named_unit(millimetres), ()
    if not size > 0:
        raise InputError(f"{path} holds meshes without a size")
    measured = measure_capture(capture)
    if path.suffix.lower() == ".npz" and measured.face is None and ANY_UNIT[0] < size < ANY_UNIT[1]:
        return named_unit(1.0), ()  # archives are in mm, of parts of faces too
    unit = unit_of(measured, str(path), "--unit")
    return unit, () if unit.millimetres == 1.0 else (unit_note(measured, unit, "the capture"),)


def _scaled(capture: Capture, factor: float) -> Capture:
    if factor == 1.0:
        return capture
    return replace(
        capture,
        vertices=capture.vertices * factor,
        bones={name: Bone(bone.vertices * factor, bone.triangles) for name, bone in capture.bones.items()},
        jaw_points=None if capture.jaw_points is None else capture.jaw_points * factor,
        unit_factor=factor,
    )


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
        raise InputError(
            f"{folder} holds {len(files)} meshes; a neutral and at least one expression are needed"
            f"{how_to_bring(folder)}"
        )
    neutral = next((path for path in files if "neutral" in path.stem.lower()), files[0])
    files = [neutral, *(path for path in files if path != neutral)]
    meshes = [read_mesh(path) for path in files]
    short = ["neutral", *(_shape_name(path.stem) for path in files[1:])]
    names = short if len(set(short)) == len(short) else [path.stem for path in files]
    _check_but_hidden([path.name for path in files], [points for points, _ in meshes], [faces for _, faces in meshes])
    bones = read_bones(folder / "bones") if (folder / "bones").is_dir() else {}
    jaw_points = _read_jaw(folder / "jaw", files) if (folder / "jaw").is_dir() else None
    trusted = _read_trusted(folder / "trusted.npz", len(meshes[0][0]))
    return Capture(tuple(names), np.stack([points for points, _ in meshes]), meshes[0][1], bones, jaw_points, trusted)


def _read_trusted(path: Path, count: int) -> np.ndarray | None:
    """(V,) weights of a file that need not be there. Raises InputError if it cannot be used."""
    if not path.is_file():
        return None
    try:
        with open_archive(path) as archive:
            return _checked_trusted(archive["trusted"], count)
    except UNREADABLE as error:
        raise InputError(
            f"{path} is no trusted region, `trusted` with a weight for every vertex: {reason(error)}"
        ) from error


def _checked_trusted(weights: np.ndarray, count: int) -> np.ndarray:
    if weights.shape != (count,):
        raise ValueError(f"its trusted region has the shape {weights.shape}; ({count},) is needed")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.max() > 1:
        raise ValueError("its trusted region has weights outside of 0 to 1")
    return weights.astype(np.float64)


def _read_jaw(folder: Path, shapes: list[Path]) -> np.ndarray:
    """(N+1, J, 3) the meshes of a rigid jaw, one for each shape. Raises InputError if one is missing or differs."""
    files = {path.stem: path for path in list_mesh_files(folder)}
    found: list[np.ndarray] = []
    for shape in shapes:
        if shape.stem not in files:
            raise InputError(f"{folder} has no mesh called {shape.stem}; it needs one for every shape, named like it")
        found.append(read_mesh(files[shape.stem])[0])
        if found[-1].shape != found[0].shape:
            raise InputError(
                f"{files[shape.stem]} has {len(found[-1])} vertices but {files[shapes[0].stem].name} has "
                f"{len(found[0])}; the jaw must be one mesh in all shapes"
            )
    return np.stack(found)


def _shape_name(stem: str) -> str:
    """The name without a leading number: `03_smile` is `smile`."""
    name = stem.lstrip("0123456789").lstrip("_-. ")
    return name or stem


def _read_archive(path: Path) -> Capture:
    try:
        with open_archive(path) as archive:
            data = {key: archive[key] for key in archive.files}
        vertices = data["vertices"].astype(np.float64)
        if vertices.ndim != 3 or vertices.shape[2] != 3:
            raise ValueError(f"its vertices have the shape {vertices.shape}; (shapes, points, 3) is needed")
        names = tuple(str(name) for name in data["names"])
        if len(names) != len(vertices):
            raise ValueError(f"it names {len(names)} shapes but has {len(vertices)}")
        topology = Topology(data["corners"], data["sizes"], vertices.shape[1])
        present = [bone for bone in BONE_NAMES if f"{bone}_vertices" in data]
        if len(present) == 1:
            raise ValueError(f"of the bones it has only the {present[0]}; skull and mandible belong together")
        bones = {bone: _stored_bone(data[f"{bone}_vertices"], data[f"{bone}_triangles"]) for bone in present}
        trusted = _checked_trusted(data["trusted"], vertices.shape[1]) if "trusted" in data else None
        jaw_points = data["jaw_points"].astype(np.float64) if "jaw_points" in data else None
    except UNREADABLE as error:
        raise InputError(f"{path} is not a capture that Blender wrote, or it is damaged: {reason(error)}") from error
    _check_but_hidden(names, vertices, [topology] * len(names))
    if jaw_points is not None:
        shape = jaw_points.shape
        if shape[::2] != (len(names), 3) or shape[1] < LEAST_JAW_POINTS or not np.isfinite(jaw_points).all():
            raise InputError(f"{path} is damaged: its jaw_points have the shape {shape}; write it again")
    return Capture(names, vertices, topology, bones, jaw_points, trusted)


def _stored_bone(vertices: np.ndarray, triangles: np.ndarray) -> Bone:
    if vertices.ndim != 2 or vertices.shape[1] != 3 or not np.isfinite(vertices).all():
        raise ValueError("its bones hold points that are not three numbers each")
    topology = Topology.from_padded(triangles.reshape(-1, 3), len(vertices))
    return Bone(vertices.astype(np.float64), topology.triangles())
