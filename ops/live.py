# SPDX-License-Identifier: GPL-3.0-or-later
"""Live fitting, on and off."""

from __future__ import annotations

import bpy

from ..aim_blender.scene import actors, jobs, live
from .base import AimOperator, require_actor, worker_device, worker_interpreter


class AIM_OT_live_fit(AimOperator, bpy.types.Operator):
    bl_idname = "aim.live_fit"
    bl_label = "Live Fit"
    bl_description = (
        "Fit the actor again whenever the performance's object changes, or a handle is dragged. The result is an "
        "object of its own and stays when this is switched off"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if live.CURRENT is not None:
            return True
        actor = actors.active_actor(context.scene)
        if actor is None or not actor.file_path:
            cls.poll_message_set("Learn the actor first")
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Return to Object Mode first")
            return False
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        if live.CURRENT is not None:
            live.end()
            jobs.redraw()
            return {"FINISHED"}
        begun = live.begin(context, require_actor(context), worker_interpreter(context), worker_device(context))
        jobs.redraw()
        self.tell(f"{begun.shown} follows {begun.source}")
        return {"FINISHED"}


CLASSES = (AIM_OT_live_fit,)
