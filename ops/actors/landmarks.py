# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks of the face and the trusted region: suggested, then corrected by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.jobs.supervision.interpreter import InterpreterError
from ...aim_blender.scene.actors import actors, landmarks, tracing
from ...aim_blender.scene.basics.records import ActorRecord
from ...aim_blender.scene.basics.selecting import select_only
from ...aim_blender.scene.basics.vertex_groups import check_own_mesh
from ...aim_blender.scene.jobs import asking_landmarks, environment, jobs
from ..basics.base import AimOperator, refused, require_actor, worker_interpreter
from ..basics.computing import ComputingOperator, actor_of, of_actor
from ..basics.lists import remove_active
from ..basics.picking import VertexPicker, has_neutral


class AIM_OT_landmarks_suggest(ComputingOperator, bpy.types.Operator):
    bl_idname = "aim.landmarks_suggest"
    bl_label = "Suggest Landmarks"
    bl_description = (
        "Find the landmarks of the face from its shape and, where Install Video has put it, the face detector. Those "
        "that you picked stay where they are"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_neutral(cls, context)

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        detecting = _detecting(context)
        return of_actor(require_actor(context), lambda actor: asking_landmarks.read_for_suggestion(actor, detecting))

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        actor, (suggested, notes) = actor_of(found)
        count = landmarks.suggest(actor, suggested)
        jobs.redraw("WINDOW")
        jobs.redraw()
        self.tell(f"{count} landmarks on {actor.name}; pick those anew that lie wrong")
        for note in notes:
            self.tell(note, warning=True)
        return {"FINISHED"}


def _detecting(context: bpy.types.Context) -> Path | None:
    """The worker's interpreter, if its environment has the face detector."""
    try:
        interpreter = worker_interpreter(context)
    except InterpreterError:
        return None
    return interpreter if environment.has_video(interpreter) else None


class AIM_OT_landmark_pick(VertexPicker, bpy.types.Operator):
    bl_idname = "aim.landmark_pick"
    bl_label = "Pick Landmark"
    bl_description = "Click on the neutral where the landmark is. In Edit Mode, the selected vertex is taken at once"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Landmark", description="Its name; left empty, the one chosen in the list is picked")
    vertex: IntProperty(name="Vertex", description="The vertex; left out, it is clicked", default=-1, min=-1)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_neutral(cls, context)

    def what(self, context: bpy.types.Context) -> str:
        """What is clicked."""
        return self._chosen(require_actor(context))

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        vertex, name = self.picked(actor), self._chosen(actor)
        if not name:
            raise InputError("no landmark is chosen; suggest them first and choose one in the list")
        landmarks.pick(actor, name, vertex)
        jobs.redraw("WINDOW")
        jobs.redraw()
        self.tell(f"{name} is vertex {vertex}")
        return {"FINISHED"}

    def _chosen(self, actor: ActorRecord) -> str:
        listed = actor.landmarks
        return self.name or (listed[actor.active_landmark].name if 0 <= actor.active_landmark < len(listed) else "")


class AIM_OT_landmark_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.landmark_remove"
    bl_label = "Remove Landmark"
    bl_description = "Fit the bones without this landmark. Suggesting brings it back"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None or not 0 <= actor.active_landmark < len(actor.landmarks):
            return refused(cls, "There is no landmark to remove")
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        remove_active(require_actor(context), "landmarks", "active_landmark")
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
        return has_neutral(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        landmarks.reset_depths(require_actor(context))
        return {"FINISHED"}


class AIM_OT_trusted_propose(ComputingOperator, bpy.types.Operator):
    bl_idname = "aim.trusted_propose"
    bl_label = "Propose Region"
    bl_description = (
        f"Write a trusted region into the neutral's vertex group {tracing.TRUSTED_GROUP!r}: forehead, nasal bridge, "
        "cheekbones, jaw line and chin. Paint over it with Weight Paint; constraints start where it is at least a half"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not has_neutral(cls, context):
            return False
        if context.mode == "EDIT_MESH":
            return refused(cls, "Return to Object Mode first")
        return True

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        return of_actor(require_actor(context), tracing.read_for_proposal)

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        share = tracing.paint_proposal(*actor_of(found))
        self.tell(f"{share:.0%} of the points are trusted; constraints start there")
        return {"FINISHED"}


class AIM_OT_trusted_paint(ComputingOperator, bpy.types.Operator):
    bl_idname = "aim.trusted_paint"
    bl_label = "Paint Region"
    bl_description = "Paint the trusted region on the neutral with Weight Paint; where there is none yet it is proposed"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not has_neutral(cls, context):
            return False
        if not actors.active_actor(context.scene).neutral.visible_get():
            return refused(cls, "The neutral is hidden; show it first")
        return True

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        actor = require_actor(context)
        check_own_mesh(actor.neutral)
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        if tracing.TRUSTED_GROUP in actor.neutral.vertex_groups:
            return of_actor(actor, lambda _: lambda: None)
        return of_actor(actor, tracing.read_for_proposal)

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        actor, proposed = actor_of(found)
        if proposed is not None:
            tracing.paint_proposal(actor, proposed)
        actor.neutral.vertex_groups.active = actor.neutral.vertex_groups.get(tracing.TRUSTED_GROUP)
        select_only(context, actor.neutral)
        bpy.ops.object.mode_set(mode="WEIGHT_PAINT")
        return {"FINISHED"}


CLASSES = (
    AIM_OT_landmarks_suggest,
    AIM_OT_landmark_pick,
    AIM_OT_landmark_remove,
    AIM_OT_depths_reset,
    AIM_OT_trusted_propose,
    AIM_OT_trusted_paint,
)
