# SPDX-License-Identifier: GPL-3.0-or-later
"""The constraints under the skin."""

from __future__ import annotations

import bpy

from ..aim_blender.scene import actors, jobs, tracing
from .base import AimOperator, require_actor


class AIM_OT_constraints_trace(AimOperator, bpy.types.Operator):
    bl_idname = "aim.constraints_trace"
    bl_label = "Trace Constraints"
    bl_description = (
        "Find the skin points that lie over the bones, as learning does, and show them over the 3D view: blue over the "
        "skull, orange over the mandible, with lines of the soft tissue's thickness"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None:
            cls.poll_message_set("Make an actor first")
            return False
        if actor.skull is None or actor.mandible is None:
            cls.poll_message_set("Fit bones to the neutral first, or pick a skull and a mandible")
            return False
        if context.mode == "EDIT_MESH":
            cls.poll_message_set("Return to Object Mode first")
            return False
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        traced = tracing.trace_actor(require_actor(context))
        context.scene.aim.show_constraints = True
        jobs.redraw("WINDOW")
        self.tell("; ".join([traced.sentence, *traced.notes]), warning=bool(traced.notes))
        return {"FINISHED"}


CLASSES = (AIM_OT_constraints_trace,)
