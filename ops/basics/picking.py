# SPDX-License-Identifier: GPL-3.0-or-later
"""Picking a vertex of the active actor's neutral: given, selected in Edit Mode, or clicked in the 3D view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import bpy
from bpy_extras import view3d_utils

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors, landmarks
from ...aim_blender.scene.basics.records import ActorRecord
from .base import AimOperator, refused


class VertexPicker(AimOperator):
    """A base of operators with a property `vertex`, -1 while it is not known; subclasses say what is picked."""

    if TYPE_CHECKING:  # Blender would take it for a property
        vertex: int

    def what(self, context: bpy.types.Context) -> str:
        """What is clicked, for the line at the top of the 3D view."""
        raise NotImplementedError

    def face(self, context: bpy.types.Context) -> bpy.types.Object:
        """The object that is clicked on."""
        return actors.active_actor(context.scene).neutral

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Called by Blender when the button is pressed: wait for a click, if no vertex is known."""
        face = self.face(context)
        selected = landmarks.selected_vertex(face)
        if self.vertex >= 0 or selected is not None or context.area is None or context.area.type != "VIEW_3D":
            return self.execute(context)
        self._pointer = landmarks.Pointer(face)
        context.window.cursor_modal_set("CROSSHAIR")
        context.area.header_text_set(f"Click where the {self.what(context)} lies; Esc to leave it")
        context.window_manager.modal_handler_add(cast(bpy.types.Operator, self))
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Called by Blender for every event: a click on the neutral ends it, turning the view does not."""
        if event.type in {"ESC", "RIGHTMOUSE"}:
            self._end(context)
            return {"CANCELLED"}
        if event.type != "LEFTMOUSE" or event.value != "PRESS":
            return {"PASS_THROUGH"}
        area = next((each for each in context.screen.areas if _inside(each, event)), None)
        below = [each for each in area.regions if _inside(each, event)] if area is not None else []
        # The side bar may lie over the view itself: a click there is not one on the face.
        if area is None or area.type != "VIEW_3D" or [each.type for each in below] != ["WINDOW"]:
            return {"PASS_THROUGH"}
        region = below[0]
        mouse, view = (event.mouse_x - region.x, event.mouse_y - region.y), area.spaces.active.region_3d
        origin = view3d_utils.region_2d_to_origin_3d(region, view, mouse)
        vertex = self._pointer.vertex(origin, view3d_utils.region_2d_to_vector_3d(region, view, mouse))
        if vertex is None:
            return {"RUNNING_MODAL"}
        self.vertex = vertex
        self._end(context)
        return self.execute(context)

    def picked(self, actor: ActorRecord) -> int:
        """The vertex. Raises InputError if none is given or selected."""
        vertex = self.vertex if self.vertex >= 0 else landmarks.selected_vertex(actor.neutral)
        if vertex is None:
            raise InputError("no vertex is given; click on the neutral, or select one vertex of it in Edit Mode")
        return vertex

    def _end(self, context: bpy.types.Context) -> None:
        context.window.cursor_modal_restore()
        if context.area is not None:
            context.area.header_text_set(None)


def has_neutral(operator: type[Any], context: bpy.types.Context) -> bool:
    """Whether the active actor has a neutral; if not, Blender shows why."""
    actor = actors.active_actor(context.scene)
    if actor is None:
        return refused(operator, "Make an actor first")
    if not actors.is_there(actor.neutral):
        return refused(operator, "The actor's neutral was deleted; undo, or pick another")
    return True


def _inside(place: Any, event: bpy.types.Event) -> bool:
    """Whether the mouse is over an area or a region."""
    return place.x <= event.mouse_x < place.x + place.width and place.y <= event.mouse_y < place.y + place.height
