# SPDX-License-Identifier: GPL-3.0-or-later
"""The constraints of the active actor, drawn over the 3D view: points by bone, and lines of the thickness.

Nothing of the scene is changed, and nothing is made before something is drawn: the background has no graphics.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from ..aim_blender.scene.actors import actors, landmarks, tracing
from ..aim_blender.scene.basics import meshes, versions
from ..aim_blender.scene.basics.records import ActorRecord
from .basics.drawn_over import DrawnOver

COLOURS = np.array([[0.20, 0.55, 1.00, 1.0], [1.00, 0.50, 0.08, 1.0]], dtype=np.float32)  # skull, mandible
SUGGESTED, PICKED = (1.0, 0.85, 0.1, 1.0), (1.0, 1.0, 1.0, 1.0)
LANDMARK_PIXELS = 7.0
HIDDEN = 0.35  # how strongly a line shows that lies under the skin
POINT_PIXELS = 4.0
OUTWARDS = 0.004  # of the head's size: the points stand a little over the skin, which else cuts through them


class Drawing:
    """The batches of one tracing; another tracing gets others."""

    def __init__(self, traced: tracing.Traced) -> None:
        from gpu_extras.batch import batch_for_shader

        self.traced = traced
        self.point_shader, self.line_shader = versions.point_shader(), versions.line_shader()
        colours = COLOURS[traced.on_mandible.astype(int)]
        lift = OUTWARDS * float(np.ptp(traced.skin, axis=0).max(initial=0.0))
        points = traced.skin + lift * traced.normal
        self.points = batch_for_shader(self.point_shader, "POINTS", {"pos": points, "color": colours})
        lines = np.stack([traced.skin, traced.bone], axis=1).reshape(-1, 3)
        self.lines: dict[float, Any] = {}
        for share in (HIDDEN, 1.0):
            ends: Any = np.repeat(_faded(colours, share), 2, axis=0)
            self.lines[share] = batch_for_shader(self.line_shader, "LINES", {"pos": lines, "color": ends})


def _faded(colours: np.ndarray, share: float) -> np.ndarray:
    """(C, 4) float32, which is all that Blender's batches understand, with a share of their strength."""
    return (colours * np.array([1.0, 1.0, 1.0, share])).astype(np.float32)


_drawing: Drawing | None = None


def draw() -> None:
    """Called by Blender for every 3D view, in the scene's space."""
    context = bpy.context
    state = getattr(context.scene, "aim", None)
    actor = actors.active_actor(context.scene) if state is not None else None
    view = context.space_data
    if actor is None or not actors.is_there(actor.neutral) or not isinstance(view, bpy.types.SpaceView3D):
        return
    if not view.overlay.show_overlays:
        return
    if not actor.neutral.visible_get(view_layer=context.view_layer, viewport=view):
        return
    if state.show_constraints and actor.identifier in tracing.TRACED:
        _draw_constraints(context, actor, tracing.TRACED[actor.identifier])
    if state.show_landmarks and len(actor.landmarks):
        _draw_landmarks(context, actor)


def _draw_landmarks(context: bpy.types.Context, actor: ActorRecord) -> None:
    """Those behind the head faintly; the one chosen in the list is larger."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    shader, places = versions.point_shader(), landmarks.places(actor, OUTWARDS)
    colours = np.array([PICKED if each.picked else SUGGESTED for each in actor.landmarks], dtype=np.float32)
    chosen = np.arange(len(places)) == actor.active_landmark
    gpu.state.blend_set("ALPHA")
    for test, share in (("GREATER", HIDDEN), ("LESS_EQUAL", 1.0)):
        gpu.state.depth_test_set(test)
        for which, pixels in ((~chosen, LANDMARK_PIXELS), (chosen, 1.8 * LANDMARK_PIXELS)):
            gpu.state.point_size_set(pixels * context.preferences.system.ui_scale)
            points = {"pos": places[which], "color": _faded(colours[which], share)}
            batch_for_shader(shader, "POINTS", points).draw(shader)
    _reset()


def _draw_constraints(context: bpy.types.Context, actor: ActorRecord, traced: tracing.Traced) -> None:
    global _drawing
    import gpu

    if _drawing is None or _drawing.traced is not traced:
        _drawing = Drawing(traced)
    frame = meshes.rigid_part(meshes.matrix_array(actor.neutral.matrix_world))
    gpu.state.blend_set("ALPHA")
    gpu.state.point_size_set(POINT_PIXELS * context.preferences.system.ui_scale)
    with gpu.matrix.push_pop():
        gpu.matrix.multiply_matrix(meshes.matrix_of(frame))
        for test, share in (("GREATER", HIDDEN), ("LESS_EQUAL", 1.0)):
            gpu.state.depth_test_set(test)
            _drawing.lines[share].draw(_drawing.line_shader)
        _drawing.points.draw(_drawing.point_shader)
    _reset()


def _reset() -> None:
    """Leave the graphics as Blender expects them."""
    import gpu

    gpu.state.depth_test_set("NONE")
    gpu.state.point_size_set(1.0)
    gpu.state.blend_set("NONE")


def _forget() -> None:
    """Another file is going to be opened: nothing that was traced belongs to it."""
    global _drawing
    _drawing = None
    tracing.TRACED.clear()


OVER = DrawnOver(draw, _forget)
register, unregister = OVER.register, OVER.unregister
