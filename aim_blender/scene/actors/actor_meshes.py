# SPDX-License-Identifier: GPL-3.0-or-later
"""An actor's meshes: found among what is selected, read into the actor's space in millimetres, and checked.

The actor's space is the neutral's own space with the object's scale applied, in millimetres. Its frame in the scene is
the neutral's location and rotation. Another shape is read with its own rotation and scale relative to the neutral's.
Its location counts only if that brings it closer to the neutral: artists lay registered meshes out in a row, where the
location means nothing, or give each mesh its own origin, where the location puts the mesh back in place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import bpy
import numpy as np

from ...core.shared.captured.capture_checks import check_finite, check_shapes
from ...core.shared.captured.useful_shapes import hiding_shapes
from ...core.shared.faces.head_region import moving_vertices
from ...core.shared.faces.units import Measured, measure, size_of
from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.topology import Topology
from ...core.shared.foundation.wording import listed, natural_order
from ..basics import meshes
from ..basics.records import ShapeRecord
from ..basics.vertex_groups import read_vertex_group
from .actor_units import guess_millimetres_per_unit

SKULL_NAME = re.compile(r"skull|cranium", re.IGNORECASE)
MANDIBLE_NAME = re.compile(r"mandible|jaw_?bone", re.IGNORECASE)

# Modifiers that a mesh is meant to be read without: they smooth it, pose it, or leave its vertices where they are.
EXPECTED_MODIFIERS = (
    "ARMATURE", "DATA_TRANSFER", "EDGE_SPLIT", "MASK", "MESH_SEQUENCE_CACHE", "MULTIRES", "NORMAL_EDIT", "SUBSURF",
    "TRIANGULATE", "UV_PROJECT", "UV_WARP", "VERTEX_WEIGHT_EDIT", "VERTEX_WEIGHT_MIX", "VERTEX_WEIGHT_PROXIMITY",
    "WEIGHTED_NORMAL",
)  # fmt: skip
OFFSET_TO_MENTION_MILLIMETRES = 2.0
NEARER_SHARE = 1e-3  # of the head's size, by which ignoring a location must bring a shape nearer to be right


@dataclass(frozen=True)
class ShapeSource:
    """Where a shape comes from: the mesh of an object, or one of its shape keys."""

    name: str
    object: bpy.types.Object
    shape_key: str = ""


@dataclass
class ActorMeshes:
    """An actor as arrays, in the actor's space, in Blender units.

    names: N+1 with the neutral first. vertices: (N+1, V, 3) float32. topology: shared by all.
    frame: (4, 4) rigid, from the actor's space to the scene. bones: name -> (vertices (B, 3), triangles (T, 3)).
    jaw_points: (N+1, J, 3) points fixed to the lower jaw, where there are any. notes: sentences an artist should know.
    measured: what tells the unit, where it was looked for.
    """

    names: list[str]
    vertices: np.ndarray
    topology: Topology
    frame: np.ndarray
    bones: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    jaw_points: np.ndarray | None = None
    measured: Measured | None = None

    def capture_arrays(self, millimetres_per_unit: float) -> dict[str, np.ndarray]:
        """What capture.npz holds: everything in millimetres."""
        arrays = {
            "vertices": (self.vertices * millimetres_per_unit).astype(np.float32),
            "names": np.array(self.names),
            "corners": self.topology.corners,
            "sizes": self.topology.sizes,
        }
        for name, (vertices, triangles) in self.bones.items():
            arrays[f"{name}_vertices"] = (vertices * millimetres_per_unit).astype(np.float32)
            arrays[f"{name}_triangles"] = triangles
        if self.jaw_points is not None:
            arrays["jaw_points"] = (self.jaw_points * millimetres_per_unit).astype(np.float32)
        return arrays


# -- finding the sources among what is selected ----------------------------------------------------------------------


def sources_from_selection(
    selected: list[bpy.types.Object], active: bpy.types.Object | None
) -> tuple[list[ShapeSource], dict[str, bpy.types.Object], list[str]]:
    """The shapes (neutral first) and the bones among the selected objects, and notes for the artist.

    Raises InputError if there is no mesh to be the neutral or nothing to be an expression.
    """
    candidates = [item for item in selected if item.type == "MESH"]
    if active is None or active.type != "MESH" or active not in candidates:
        raise InputError("the active object is not a selected mesh; select the meshes and click the neutral last")
    bones = bones_among([item for item in candidates if item != active])
    expressions = [item for item in candidates if item != active and item not in bones.values()]
    if expressions:
        expressions.sort(key=lambda item: natural_order(item.name))
        return [ShapeSource(item.name, item) for item in [active, *expressions]], bones, []
    shapes, notes = _sources_from_shape_keys(active)
    return shapes, bones, notes


def bones_among(objects: list[bpy.types.Object]) -> dict[str, bpy.types.Object]:
    """The meshes that are a skull or a mandible by their names. Raises InputError if there are two of one."""
    bones: dict[str, bpy.types.Object] = {}
    for item in objects:
        bone = "mandible" if MANDIBLE_NAME.search(item.name) else "skull" if SKULL_NAME.search(item.name) else None
        if bone is None:
            continue
        if bone in bones:
            raise InputError(f"both {bones[bone].name!r} and {item.name!r} are called {bone}; select one of them")
        bones[bone] = item
    return bones


def _sources_from_shape_keys(item: bpy.types.Object) -> tuple[list[ShapeSource], list[str]]:
    """The neutral and one shape a key; muted keys and keys that move nothing (separators in lists) are left out."""
    keys = item.data.shape_keys
    if keys is None or len(keys.key_blocks) < 2:
        raise InputError(
            f"only {item.name!r} is selected and it has no shape keys; select the neutral with at least one expression "
            "mesh, or a mesh with shape keys"
        )
    if not keys.use_relative:
        raise InputError(f"the shape keys of {item.name!r} are absolute; switch on Relative in its shape key panel")
    shapes = [ShapeSource("neutral", item)]
    muted, empty = [], []
    base = meshes.read_key_positions(keys.reference_key)
    names, points = ["neutral"], [base]
    for key in keys.key_blocks:
        if key == keys.reference_key:
            continue
        if key.mute:
            muted.append(key.name)
            continue
        alone = _shape_key_alone(item, key.name)
        if np.array_equal(alone, base):
            empty.append(key.name)
            continue
        names.append(key.name)
        points.append(alone)
    hiding = hiding_shapes(names, points)
    if len(hiding) < len(names) - 1:
        names = [name for name in names if name not in hiding]
    shapes += [ShapeSource(name, item, name) for name in names[1:]]
    notes = [f"left out {name}: it {what}" for name, what in hiding.items() if name not in names]
    if muted:
        notes.append(f"left out {listed(muted)}: muted")
    if empty:
        notes.append(f"left out {listed(empty)}: equal to the neutral")
    return shapes, notes


# -- reading the meshes ----------------------------------------------------------------------------------------------


def read_meshes(
    sources: list[ShapeSource],
    bones: dict[str, bpy.types.Object],
    millimetres_per_unit: float | None = None,
    check: Callable[[list[str], list[np.ndarray], list[Topology]], None] = check_shapes,
) -> ActorMeshes:
    """Read and check all shapes and bones of an actor.

    millimetres_per_unit: only for the notes; guessed while None. check: how much is checked of the shapes.
    Raises InputError naming the object at fault.
    """
    return read_unchecked(sources, bones, millimetres_per_unit, check)()


def read_unchecked(
    sources: list[ShapeSource],
    bones: dict[str, bpy.types.Object],
    millimetres_per_unit: float | None = None,
    check: Callable[[list[str], list[np.ndarray], list[Topology]], None] = check_shapes,
) -> Callable[[], ActorMeshes]:
    """The first part of read_meshes. Returns the other one, which takes longer and does not touch Blender's data."""
    if len(sources) < 2:
        check_shapes([source.name for source in sources], [], [])
    neutral = sources[0].object
    for item in [*dict.fromkeys(source.object for source in sources), *bones.values()]:
        check_object(item)
    neutral_matrix = meshes.matrix_array(neutral.matrix_world)
    frame = meshes.rigid_part(neutral_matrix)
    topology = meshes.read_topology(meshes.mesh_of(neutral), neutral.name)
    labels = [source.name if source.shape_key else source.object.name for source in sources]
    local, topologies, matrices, from_keys = [], [], [], []
    to_frame = np.linalg.inv(frame)
    for source in sources:
        from_keys.append(source.object == neutral)
        matrices.append(to_frame @ meshes.matrix_array(source.object.matrix_world))
        mesh = meshes.mesh_of(source.object)
        shared = from_keys[-1] or meshes.same_faces(mesh, meshes.mesh_of(neutral))
        topologies.append(topology if shared else meshes.read_topology(mesh, source.object.name))
        local.append(_shape_key_alone(source.object, source.shape_key) if source.shape_key else _plain(source.object))
    placed_neutral = local[0] @ matrices[0][:3, :3].T
    found = {name: read_bone(item, to_frame, placed_neutral) for name, item in bones.items()}
    names = ["neutral" if not source.shape_key and index == 0 else source.name for index, source in enumerate(sources)]

    without = _note_on_modifiers(list(dict.fromkeys(source.object for source in sources)))

    def checked() -> ActorMeshes:
        placed, notes = _placed_shapes(labels, local, topologies, matrices, from_keys, millimetres_per_unit)
        check(labels, placed, topologies)
        return ActorMeshes(names, np.stack(placed).astype(np.float32), topology, frame, found, [*notes, *without])

    return checked


def _note_on_modifiers(items: list[bpy.types.Object]) -> list[str]:
    """A sentence about modifiers that are shown, and that make another face of a mesh than the one that is read."""
    shown = {
        item.name: next(
            (each.name for each in item.modifiers if each.show_viewport and each.type not in EXPECTED_MODIFIERS), None
        )
        for item in items
    }
    named = [f"{modifier!r} of {item!r}" for item, modifier in shown.items() if modifier is not None]
    return [f"meshes are read without modifiers: {listed(named)}; apply what belongs to the face"] if named else []


def _placed_shapes(
    labels: list[str],
    local: list[np.ndarray],
    topologies: list[Topology],
    matrices: list[np.ndarray],
    from_keys: list[bool],
    millimetres_per_unit: float | None,
) -> tuple[list[np.ndarray], list[str]]:
    """Shapes (V, 3), the neutral first, in the actor's space, and what to tell of where they stand.

    matrices: (4, 4) of each, to the actor's space. from_keys: whether it is the neutral's or a shape key of its mesh.
    Raises InputError if they have not all the neutral's count of vertices, or numbers are none.
    """
    topology = topologies[0]
    # Counts and numbers first: what follows compares vertex by vertex.
    for label, points, other in zip(labels, local, topologies, strict=True):
        if len(points) != topology.vertex_count or other.vertex_count != topology.vertex_count:
            check_shapes(labels, local, topologies)
        check_finite(label, points)
    placed: list[np.ndarray] = []
    aside, shifted = [], []
    size = 0.0
    for label, points, matrix, from_key in zip(labels, local, matrices, from_keys, strict=True):
        unmoved = points @ matrix[:3, :3].T
        moved = unmoved + matrix[:3, 3]
        if not placed:
            placed.append(unmoved)
            size = size_of(unmoved)
            scale = millimetres_per_unit or guess_millimetres_per_unit(Measured(None, size), 1000.0)[0]
            continue
        stands_aside = False
        if not from_key:
            # The typical vertex of a face hardly moves in an expression, so the median tells which reading is meant.
            distances = [float(np.median(np.linalg.norm(each - placed[0], axis=1))) for each in (unmoved, moved)]
            stands_aside = distances[1] - distances[0] > NEARER_SHARE * size
        placed.append(unmoved if stands_aside else moved)
        if stands_aside:
            aside.append(label)
        offset = np.linalg.norm(np.median(placed[-1] - placed[0], axis=0)) * scale
        if offset > OFFSET_TO_MENTION_MILLIMETRES:
            shifted.append(f"{label} by {offset:.1f} mm")
    notes = []
    if aside:
        stand = "stand" if len(aside) > 1 else "stands"
        notes.append(f"{listed(aside)} {stand} beside the neutral; the location was ignored")
    if shifted:
        notes.append(f"the whole head seems shifted in {listed(shifted)}; stabilise the meshes if that is not meant")
    return placed, notes


def shape_points(shape: ShapeRecord | ShapeSource) -> np.ndarray:
    """(V, 3) a shape of an actor, in its object's space. Raises InputError if the object or the key is gone."""
    if not meshes.is_there(shape.object):
        raise InputError(f"the mesh of {shape.name!r} was deleted; undo, or leave the shape out")
    return _shape_key_alone(shape.object, shape.shape_key) if shape.shape_key else _plain(shape.object)


def _plain(item: bpy.types.Object) -> np.ndarray:
    """(V, 3) the mesh without modifiers; where it has shape keys, its basis."""
    mesh = meshes.mesh_of(item)
    keys = mesh.shape_keys
    return meshes.read_key_positions(keys.reference_key) if keys is not None else meshes.read_positions(mesh)


def _shape_key_alone(item: bpy.types.Object, name: str) -> np.ndarray:
    """(V, 3) the mesh as Blender shows it with this key at 1 and all others at 0.

    Raises InputError if the key is gone.
    """
    keys = item.data.shape_keys
    key = keys.key_blocks.get(name) if keys is not None else None
    if key is None:
        raise InputError(f"{item.name!r} has lost its shape key {name!r}; undo, or make the actor again")
    offset = meshes.read_key_positions(key) - meshes.read_key_positions(key.relative_key)
    group = item.vertex_groups.get(key.vertex_group) if key.vertex_group else None
    if group is not None:
        offset *= read_vertex_group(item, group)[:, None]
    return meshes.read_key_positions(keys.reference_key) + offset


def read_bone(item: bpy.types.Object, to_frame: np.ndarray, neutral: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A bone's vertices (B, 3) in the actor's space, as bone_points places them, and triangles (T, 3)."""
    topology = meshes.read_topology(meshes.mesh_of(item), item.name)
    return bone_points(item, to_frame, neutral), topology.triangles()


def bone_points(item: bpy.types.Object, to_frame: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(B, 3) a bone's vertices in the actor's space.

    Its location is ignored if only because of that it stands outside the box around the neutral (V, 3).
    """
    points = _plain(item)
    check_finite(item.name, points)
    return _placed_inside(item, points, to_frame, neutral).astype(np.float32)


def read_jaw(item: bpy.types.Object, names: list[str], to_frame: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(N+1, J, 3) the points of a mesh fixed to the lower jaw, in the actor's space: its basis, then its shape keys.

    names: of the N+1 shapes, the neutral first. Placed as read_bone does. Raises InputError if a key is missing.
    """
    check_object(item)
    keys = meshes.mesh_of(item).shape_keys
    present = set(keys.key_blocks.keys()) if keys is not None else set()
    missing = [name for name in names[1:] if name not in present]
    if missing:
        raise InputError(
            f"the jaw {item.name!r} has no shape key called {listed(missing)}; it needs one for every shape of the "
            "actor, of the same name, or pick no jaw"
        )
    points = np.stack([_plain(item), *(_shape_key_alone(item, name) for name in names[1:])])
    check_finite(item.name, points.reshape(-1, 3))
    if points.shape[1] < 3:
        raise InputError(f"the jaw {item.name!r} has {points.shape[1]} vertices; at least 3 are needed")
    # Placed as a whole by its rest: an open jaw may leave the box around the neutral.
    placed = _placed_inside(item, points[0], to_frame, neutral)
    turn = (to_frame @ meshes.matrix_array(item.matrix_world))[:3, :3]
    return placed + (points - points[0]) @ turn.T


def _placed_inside(item: bpy.types.Object, points: np.ndarray, to_frame: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """Points (B, 3) of an object in the actor's space; without the location if only so they meet the neutral's box."""
    matrix = to_frame @ meshes.matrix_array(item.matrix_world)
    unmoved = points @ matrix[:3, :3].T
    moved = unmoved + matrix[:3, 3]
    meets = [bool(((each.max(0) > neutral.min(0)) & (each.min(0) < neutral.max(0))).all()) for each in (unmoved, moved)]
    return unmoved if meets[0] and not meets[1] else moved


def check_object(item: bpy.types.Object) -> None:
    """Raise InputError if the object's transform cannot be applied to its mesh as it is."""
    determinant = np.linalg.det(meshes.matrix_array(item.matrix_world)[:3, :3])
    if determinant < 0:
        raise InputError(
            f"{item.name!r} has a negative scale that is not applied; apply it with Object > Apply > Scale"
        )
    if determinant < 1e-18:
        raise InputError(f"{item.name!r} is scaled to nothing; set its scale to 1")


def read_at_rest(item: bpy.types.Object) -> ActorMeshes:
    """Read one mesh as a neutral. Raises InputError if it cannot be one."""
    check_object(item)
    matrix = meshes.matrix_array(item.matrix_world)
    frame = meshes.rigid_part(matrix)
    topology = meshes.read_topology(meshes.mesh_of(item), item.name)
    points = _plain(item) @ (np.linalg.inv(frame) @ matrix)[:3, :3].T
    check_finite(item.name, points)
    notes = _note_on_modifiers([item])
    return ActorMeshes(["neutral"], points[None].astype(np.float32), topology, frame, {}, notes)


# -- units -----------------------------------------------------------------------------------------------------------


def with_measure(found: ActorMeshes) -> ActorMeshes:
    """The same with what tells the unit. It takes a second or two and does not touch Blender's data."""
    return replace(found, measured=measured_of(found))


def measured_of(found: ActorMeshes) -> Measured:
    """What tells the unit of an actor's meshes."""
    if found.measured is not None:
        return found.measured
    moving = moving_vertices(found.vertices, found.topology.in_faces())
    return measure(found.vertices[0].astype(np.float64), found.topology.triangles(), moving)
