# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the scene, on and off: live fitting, and the preview of a retarget."""

from __future__ import annotations

import bpy

from ..aim_blender.scene import actors, jobs, live
from ..aim_blender.scene.live_fitting import LiveFit
from ..aim_blender.scene.live_retargeting import LiveRetarget
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
        if isinstance(live.CURRENT, LiveFit):
            return True
        actor = actors.active_actor(context.scene)
        if actor is None or not actor.file_path:
            cls.poll_message_set("Learn the actor first")
            return False
        return _in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        if isinstance(live.CURRENT, LiveFit):
            live.end()
            jobs.redraw()
            return {"FINISHED"}
        actor, interpreter = require_actor(context), worker_interpreter(context)
        begun = live.begin(lambda: LiveFit(context, actor, interpreter, worker_device(context)))
        jobs.redraw()
        self.tell(f"{begun.shown} follows {begun.source}")
        return {"FINISHED"}


class AIM_OT_retarget_preview(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_preview"
    bl_label = "Preview"
    bl_description = (
        "Show the target performing the present frame, and what every change of the settings does. The face that "
        "shows it goes when this is switched off, and is never saved"
    )
    bl_options = {"REGISTER"}  # nothing to undo: it leaves nothing

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if isinstance(live.CURRENT, LiveRetarget):
            return True
        actor = actors.active_actor(context.scene)
        if actor is None or actors.take_of(context.scene, actor) is None:
            cls.poll_message_set("Fit a performance of this actor first")
            return False
        if not any(other.file_path for other in context.scene.aim.actors if other != actor):
            cls.poll_message_set("Learn another actor, who is to perform it")
            return False
        return _in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        if isinstance(live.CURRENT, LiveRetarget):
            live.end()
            jobs.redraw()
            return {"FINISHED"}
        actor, interpreter = require_actor(context), worker_interpreter(context)
        begun = live.begin(lambda: LiveRetarget(context, actor, interpreter, worker_device(context)))
        jobs.redraw()
        self.tell(f"{begun.shown} performs the present frame")
        return {"FINISHED"}


def _in_object_mode(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Whether Blender is in Object Mode; if not, it shows why that matters."""
    if context.mode != "OBJECT":
        operator.poll_message_set("Return to Object Mode first")
        return False
    return True


CLASSES = (AIM_OT_live_fit, AIM_OT_retarget_preview)
