# SPDX-License-Identifier: GPL-3.0-or-later
"""The selected shape, drawn small in a corner of the 3D view; the scene stays as it is."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.core.shared.foundation.normals import vertex_normals
from ...aim_blender.scene.actors import actors, thumbnails
from ...aim_blender.scene.basics import meshes, versions
from ...aim_blender.scene.basics.records import ActorRecord
from ..basics.drawn_over import DrawnOver

SKIN = np.array([0.55, 0.62, 0.75])
LIGHT = np.array([-0.35, -0.8, 0.5])  # where the light comes from, in the scene's axes
SHADE = 0.25  # how bright is what the light does not reach
HIGH = 0.34  # of the view's height
LEFT_PIXELS = 70  # where Blender's tools stand
NEARER = 4.0  # how many times as far as what Blender cuts off: in front of everything

_known: tuple[Any, Any] = (None, None)  # what the latest batch was made of, and the batch


def preview(actor: ActorRecord) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The chosen shape: points (V, 3), 1 high and turned as in the scene, about their middle; triangles (T, 3); colours
    (V, 4). None if it is lost."""
    if not actors.is_there(actor.neutral) or not 0 <= actor.active_shape < len(actor.shapes):
        return None
    shape = actor.shapes[actor.active_shape]
    try:
        points = thumbnails.turned_points(shape)
        triangles = meshes.read_topology(meshes.mesh_of(shape.object), shape.name).triangles()
    except InputError:
        return None
    points -= (points.min(0) + points.max(0)) / 2
    points /= np.ptp(points, axis=0).max().clip(1e-12)
    towards = LIGHT / np.linalg.norm(LIGHT)
    bright = SHADE + (1.0 - SHADE) * (vertex_normals(points, triangles) @ towards).clip(0.0)
    return points, triangles, np.concatenate([bright[:, None] * SKIN, np.ones((len(points), 1))], axis=1)


def draw() -> None:
    """Called by Blender for every 3D view, in the scene's space."""
    global _known
    context = bpy.context
    state = getattr(context.scene, "aim", None)
    if state is None or not state.show_shape or not context.space_data.overlay.show_overlays:
        _known = (None, None)
        return
    actor = actors.active_actor(context.scene)
    if actor is None:
        return
    import gpu
    from gpu_extras.batch import batch_for_shader

    shader = versions.surface_shader()
    made_of = _made_of(actor)
    if _known[0] != made_of:
        shown = preview(actor)
        batch = None
        if shown is not None:
            points, triangles, colours = shown
            corners: Any = {"pos": points.astype(np.float32), "color": colours.astype(np.float32)}
            batch = batch_for_shader(shader, "TRIS", corners, indices=triangles)
        _known = (made_of, batch)
    if _known[1] is not None:
        gpu.state.depth_test_set("LESS_EQUAL")
        gpu.state.depth_mask_set(True)
        with gpu.matrix.push_pop():
            gpu.matrix.multiply_matrix(_corner(context))
            _known[1].draw(shader)
        gpu.state.depth_mask_set(False)
        gpu.state.depth_test_set("NONE")


def _corner(context: bpy.types.Context) -> Any:
    """The matrix that brings what is 1 high into the view's lower left corner, in front of all else."""
    from bpy_extras.view3d_utils import region_2d_to_location_3d
    from mathutils import Matrix

    region, view, space = context.region, context.region_data, context.space_data
    eye = view.view_matrix.inverted()
    towards = eye.col[2].xyz
    if view.is_perspective:
        by_camera = view.view_perspective == "CAMERA" and space.camera is not None and space.camera.type == "CAMERA"
        near = space.camera.data.clip_start if by_camera else space.clip_start
        depth = eye.translation - NEARER * near * towards
    else:
        depth = eye.translation + space.clip_end / NEARER * towards
    high = HIGH * region.height
    place = (LEFT_PIXELS * context.preferences.system.ui_scale + high / 2, high / 2)
    middle = region_2d_to_location_3d(region, view, place, depth)
    edge = region_2d_to_location_3d(region, view, (place[0] + high, place[1]), depth)
    return Matrix.Translation(middle) @ Matrix.Scale((edge - middle).length, 4)


def _made_of(actor: ActorRecord) -> Any:
    """What a drawing depends on, but for edits of the mesh: choosing another shape and back shows those."""
    if not actors.is_there(actor.neutral) or not 0 <= actor.active_shape < len(actor.shapes):
        return None
    shape = actor.shapes[actor.active_shape]
    place = tuple(value for row in actor.neutral.matrix_world for value in row)
    return actor.identifier, actor.active_shape, shape.name, shape.shape_key, place


def _forget() -> None:
    global _known
    _known = (None, None)


OVER = DrawnOver(draw, _forget)
register, unregister = OVER.register, OVER.unregister
