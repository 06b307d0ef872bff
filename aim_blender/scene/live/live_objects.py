# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects by which live faces are shown and pulled: some stay, others are neither saved nor kept."""

from __future__ import annotations

import bpy
import numpy as np

from ..basics import meshes
from ..basics.records import ActorRecord

OWNER = "aim_live"
TEMPORARY = "aim_temporary"


def rest_of(neutral: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """A neutral's place (4, 4) rigid in the scene, and its vertices (V, 3) there, in Blender units."""
    matrix = meshes.matrix_array(neutral.matrix_world)
    frame = meshes.rigid_part(matrix)
    points = meshes.read_positions(meshes.mesh_of(neutral)).astype(np.float64)
    return frame, meshes.transform(np.linalg.inv(frame) @ matrix, points)


def lasting_face(scene: bpy.types.Scene, actor: ActorRecord, rest: np.ndarray, place: np.ndarray) -> bpy.types.Object:
    """The actor's object of live fitting: the one of before if it still has the actor's faces, else a new one."""
    corners = meshes.read_corners(meshes.mesh_of(actor.neutral))
    for item in scene.objects:
        if item.get(OWNER) != actor.identifier or not isinstance(item.data, bpy.types.Mesh):
            continue
        if np.array_equal(meshes.read_corners(item.data), corners):
            item.matrix_world = meshes.matrix_of(place)
            return item
    item = _face(scene, actor, f"{actor.name} Live", rest, place)
    item[OWNER] = actor.identifier
    return item


def temporary_face(
    scene: bpy.types.Scene, actor: ActorRecord, name: str, rest: np.ndarray, place: np.ndarray
) -> bpy.types.Object:
    """A new face of the actor that is not saved with the file, and cannot be selected."""
    item = _face(scene, actor, name, rest, place)
    make_temporary(item)
    item.hide_select = True
    return item


def make_temporary(item: bpy.types.Object) -> None:
    """Let an object not be saved; remove_temporary and the end of what it is for remove it."""
    item[TEMPORARY] = True
    item.is_runtime_data = True
    if item.data is not None:
        item.data.is_runtime_data = True


def remove_temporary(keep: str = "") -> None:
    """Remove all such objects, and their meshes, but the one of this name and what hangs on it."""
    for item in list(bpy.data.objects):
        if item.get(TEMPORARY) and keep not in (item.name, item.get(OWNER)):
            mesh = item.data
            bpy.data.objects.remove(item)
            if isinstance(mesh, bpy.types.Mesh) and mesh.users == 0:
                bpy.data.meshes.remove(mesh)


def after_undo(keep: str) -> None:
    """An undo brings back temporary objects that are gone, and forgets of the others that they are temporary."""
    remove_temporary(keep)
    for item in bpy.data.objects:
        if item.get(TEMPORARY):
            make_temporary(item)


def _face(
    scene: bpy.types.Scene, actor: ActorRecord, name: str, rest: np.ndarray, place: np.ndarray
) -> bpy.types.Object:
    mesh = meshes.mesh_of(actor.neutral).copy()  # with its materials and UV maps
    mesh.name = name
    mesh.animation_data_clear()
    item = bpy.data.objects.new(name, mesh)
    item.shape_key_clear()
    meshes.write_positions(mesh, rest)
    scene.collection.objects.link(item)
    item.matrix_world = meshes.matrix_of(place)
    return item
