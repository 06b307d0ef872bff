# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks of the face and the trusted region: suggested, then corrected by hand."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty
from bpy_extras import view3d_utils

from ..aim_blender.core.errors import InputError
from ..aim_blender.scene import actors, jobs, landmarks, tracing
from .base import AimOperator, require_actor


def _has_neutral(operator: type[Any], context: bpy.types.Context) -> bool:
    actor = actors.active_actor(context.scene)
    if actor is None or not actors.is_there(actor.neutral):
        operator.poll_message_set("Make an actor first")
        return False
    return True


class AIM_OT_landmarks_suggest(AimOperator, bpy.types.Operator):
    bl_idname = "aim.landmarks_suggest"
    bl_label = "Suggest Landmarks"
    bl_description = "Find the landmarks of the face by its form. Those that you picked stay where they are"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_neutral(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        count = landmarks.suggest(actor)
        jobs.redraw("WINDOW")
        jobs.redraw()
        self.tell(f"{count} landmarks on {actor.name}; pick those anew that lie wrong")
        return {"FINISHED"}


class AIM_OT_landmark_pick(AimOperator, bpy.types.Operator):
    bl_idname = "aim.landmark_pick"
    bl_label = "Pick Landmark"
    bl_description = (
        "Click on the neutral where the landmark lies. In Edit Mode, the vertex that is selected is taken at once"
    )
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Landmark", description="Its name; left empty, the one chosen in the list is picked")
    vertex: IntProperty(name="Vertex", description="The vertex; left out, it is clicked", default=-1, min=-1)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_neutral(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Called by Blender when the button is pressed: wait for a click, if no vertex is known."""
        actor = actors.active_actor(context.scene)
        selected = landmarks.selected_vertex(actor.neutral)
        if self.vertex >= 0 or selected is not None or context.area is None or context.area.type != "VIEW_3D":
            return self.execute(context)
        self._pointer = landmarks.Pointer(actor.neutral)
        context.window.cursor_modal_set("CROSSHAIR")
        context.area.header_text_set(f"Click where the {self._chosen(actor)} lies; Esc to leave it")
        context.window_manager.modal_handler_add(self)
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

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        vertex = self.vertex if self.vertex >= 0 else landmarks.selected_vertex(actor.neutral)
        if vertex is None:
            raise InputError("no vertex is given; click on the neutral, or select one vertex of it in Edit Mode")
        name = self._chosen(actor)
        if not name:
            raise InputError("no landmark is chosen; suggest them first and choose one in the list")
        landmarks.pick(actor, name, vertex)
        jobs.redraw("WINDOW")
        jobs.redraw()
        self.tell(f"{name} is vertex {vertex}")
        return {"FINISHED"}

    def _chosen(self, actor: Any) -> str:
        listed = actor.landmarks
        return self.name or (listed[actor.active_landmark].name if 0 <= actor.active_landmark < len(listed) else "")

    def _end(self, context: bpy.types.Context) -> None:
        context.window.cursor_modal_restore()
        if context.area is not None:
            context.area.header_text_set(None)


class AIM_OT_landmark_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.landmark_remove"
    bl_label = "Remove Landmark"
    bl_description = "Fit the bones without this landmark. Suggesting brings it back"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None or not 0 <= actor.active_landmark < len(actor.landmarks):
            cls.poll_message_set("There is no landmark to remove")
            return False
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        actor.landmarks.remove(actor.active_landmark)
        actor.active_landmark = max(0, min(actor.active_landmark, len(actor.landmarks) - 1))
        jobs.redraw("WINDOW")
        jobs.redraw()
        return {"FINISHED"}


class AIM_OT_depths_reset(AimOperator, bpy.types.Operator):
    bl_idname = "aim.depths_reset"
    bl_label = "Reset to Table"
    bl_description = "Set all depths of the soft tissue to those of the published table, from where they can be changed"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_neutral(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        landmarks.reset_depths(require_actor(context))
        return {"FINISHED"}


class AIM_OT_trusted_propose(AimOperator, bpy.types.Operator):
    bl_idname = "aim.trusted_propose"
    bl_label = "Propose Region"
    bl_description = (
        f"Write a trusted region into the neutral's vertex group {tracing.TRUSTED_GROUP!r}: forehead, nasal bridge, "
        "cheekbones, jaw line and chin. Paint over it with Weight Paint; constraints start where it is at least a half"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not _has_neutral(cls, context):
            return False
        if context.mode == "EDIT_MESH":
            cls.poll_message_set("Return to Object Mode first")
            return False
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        share = tracing.paint_proposal(require_actor(context))
        self.tell(f"{share:.0%} of the points are trusted; constraints start there")
        return {"FINISHED"}


class AIM_OT_trusted_paint(AimOperator, bpy.types.Operator):
    bl_idname = "aim.trusted_paint"
    bl_label = "Paint Region"
    bl_description = "Paint the trusted region on the neutral with Weight Paint; where there is none yet it is proposed"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not _has_neutral(cls, context):
            return False
        if not actors.active_actor(context.scene).neutral.visible_get():
            cls.poll_message_set("The neutral is hidden; show it first")
            return False
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        group = actor.neutral.vertex_groups.get(tracing.TRUSTED_GROUP)
        if group is None:
            tracing.paint_proposal(actor)
        else:
            actor.neutral.vertex_groups.active = group
        for item in context.view_layer.objects:
            item.select_set(item == actor.neutral)
        context.view_layer.objects.active = actor.neutral
        bpy.ops.object.mode_set(mode="WEIGHT_PAINT")
        return {"FINISHED"}


def _inside(place: Any, event: bpy.types.Event) -> bool:
    """Whether the mouse is over an area or a region."""
    return place.x <= event.mouse_x < place.x + place.width and place.y <= event.mouse_y < place.y + place.height


CLASSES = (
    AIM_OT_landmarks_suggest,
    AIM_OT_landmark_pick,
    AIM_OT_landmark_remove,
    AIM_OT_depths_reset,
    AIM_OT_trusted_propose,
    AIM_OT_trusted_paint,
)
