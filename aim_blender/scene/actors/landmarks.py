# SPDX-License-Identifier: GPL-3.0-or-later
"""The landmarks of an actor's face: suggested by its geometry, corrected by hand."""

from __future__ import annotations

import bmesh
import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from ...core.shared.bones.tissue_depths import TISSUE_DEPTHS
from ...core.shared.faces.face_landmarks import LANDMARK_NAMES
from ...core.shared.foundation.errors import InputError
from ..basics import meshes
from ..basics.records import ActorRecord


def suggest(actor: ActorRecord, suggested: dict[str, int]) -> int:
    """Set the actor's landmarks to those suggested; what somebody picked stays. Returns how many there are."""
    picked = {each.name: each.vertex for each in actor.landmarks if each.picked}
    actor.landmarks.clear()
    for name in LANDMARK_NAMES:
        if name in picked or name in suggested:
            _add(actor, name, picked.get(name, suggested.get(name, 0)), name in picked)
    for name, vertex in picked.items():
        if name not in LANDMARK_NAMES:
            _add(actor, name, vertex, True)
    actor.active_landmark = min(actor.active_landmark, len(actor.landmarks) - 1)
    return len(actor.landmarks)


def pick(actor: ActorRecord, name: str, vertex: int) -> None:
    """Put a landmark onto a vertex of the neutral. Raises InputError if there is no such landmark or vertex."""
    if name not in LANDMARK_NAMES:
        raise InputError(f"there is no landmark called {name!r}; there are {', '.join(LANDMARK_NAMES)}")
    count = len(meshes.mesh_of(actor.neutral).vertices)
    if not 0 <= vertex < count:
        raise InputError(f"{actor.neutral.name!r} has no vertex {vertex}; it has {count}")
    known = actor.landmarks.get(name)
    if known is None:
        _add(actor, name, vertex, True)
    else:
        known.vertex, known.picked = vertex, True
    actor.active_landmark = actor.landmarks.find(name)


def places(actor: ActorRecord, outwards: float = 0.0) -> np.ndarray:
    """(L, 3) where the landmarks lie, in the scene's space; of a mesh that lost a vertex, the first one.

    outwards: by what share of the object's size they stand over the skin.
    """
    vertices, matrix = actor.neutral.data.vertices, actor.neutral.matrix_world
    lift = float(outwards * np.ptp(np.array(actor.neutral.bound_box), axis=0).max())
    chosen = (vertices[each.vertex if each.vertex < len(vertices) else 0] for each in actor.landmarks)
    return np.array([matrix @ (each.co + lift * each.normal) for each in chosen], dtype=np.float32).reshape(-1, 3)


def reset_depths(actor: ActorRecord) -> None:
    """List the published depths of the soft tissue, all as published."""
    actor.depths.clear()
    for name, millimetres in TISSUE_DEPTHS.items():
        depth = actor.depths.add()
        depth.name, depth.millimetres, depth.table = name, millimetres, millimetres


def selected_vertex(item: bpy.types.Object) -> int | None:
    """The one vertex that is selected in Edit Mode, None if there is none or more than one."""
    if item.mode != "EDIT":
        return None
    item.update_from_editmode()
    mesh = meshes.mesh_of(item)
    selected = np.zeros(len(mesh.vertices), dtype=bool)
    mesh.vertices.foreach_get("select", selected)
    return int(selected.argmax()) if selected.sum() == 1 else None


class Pointer:
    """Finds the vertex of an object under the mouse; the object's own mesh, whatever modifiers make of it."""

    def __init__(self, item: bpy.types.Object) -> None:
        mesh = meshes.mesh_of(item)
        self.matrix = item.matrix_world.copy()
        self.topology = meshes.read_topology(mesh, item.name)
        self.points = meshes.read_positions(mesh)
        # By way of BMesh: lists of so many numbers would take twice as long as the tree.
        working = bmesh.new()
        working.from_mesh(mesh)
        self.tree = BVHTree.FromBMesh(working)
        working.free()

    def vertex(self, origin: Vector, direction: Vector) -> int | None:
        """The vertex nearest to where a ray through the scene first meets the object, None if it misses."""
        inside = self.matrix.inverted_safe()
        place, _, face, _ = self.tree.ray_cast(inside @ origin, inside.to_3x3() @ direction)
        if face is None:
            return None
        start = self.topology.starts[face]
        corners = self.topology.corners[start : start + self.topology.sizes[face]]
        apart = meshes.transform(meshes.matrix_array(self.matrix), self.points[corners]) - np.array(self.matrix @ place)
        return int(corners[np.linalg.norm(apart, axis=1).argmin()])


def _add(actor: ActorRecord, name: str, vertex: int, picked: bool) -> None:
    landmark = actor.landmarks.add()
    landmark.name, landmark.vertex, landmark.picked = name, vertex, picked
