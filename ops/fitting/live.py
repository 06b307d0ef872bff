# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the scene, on and off: live fitting, correcting frames, and the preview of a retarget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import IntProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.jobs import jobs
from ...aim_blender.scene.live import live
from ...aim_blender.scene.live.live_correcting import LiveCorrection, ask_to_keep, keep_frame
from ...aim_blender.scene.live.live_fitting import KINDS, LiveFit
from ...aim_blender.scene.live.live_retargeting import LiveRetarget
from ..basics.base import (
    AimOperator,
    another_is_learned,
    has_take,
    in_object_mode,
    refused,
    require_actor,
    worker_device,
    worker_interpreter,
)
from ..basics.computing import ComputingOperator


def _ended(kind: type) -> bool:
    """Whether what follows the scene was of this kind, and is switched off now."""
    if not isinstance(live.CURRENT, kind):
        return False
    live.end()
    jobs.redraw()
    return True


class AIM_OT_live_fit(AimOperator, bpy.types.Operator):
    bl_idname = "aim.live_fit"
    bl_label = "Live Fit"
    bl_description = (
        "Fit the actor again whenever the performance's object changes, or a handle is dragged. The "
        "result is an object of its own, and stays when this is switched off"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if isinstance(live.CURRENT, LiveFit):
            return True
        actor = actors.active_actor(context.scene)
        if actor is None or not actor.file_path:
            return refused(cls, "Learn the actor first")
        if context.scene.aim.performance_kind not in KINDS:
            return refused(cls, "Live fitting follows an object or points; choose one of them as the source")
        return in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        if _ended(LiveFit):
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
        "Show the target performing the current frame, and what every change of the settings does. "
        "The face that shows it disappears when this is switched off, and is never saved"
    )
    bl_options = {"REGISTER"}  # nothing to undo: it leaves nothing

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if isinstance(live.CURRENT, LiveRetarget):
            return True
        actor = actors.active_actor(context.scene)
        if actor is None or actors.take_of(context.scene, actor) is None:
            return refused(cls, "Fit a performance of this actor first")
        return another_is_learned(cls, context) and in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        if _ended(LiveRetarget):
            return {"FINISHED"}
        actor, interpreter = require_actor(context), worker_interpreter(context)
        begun = live.begin(lambda: LiveRetarget(context, actor, interpreter, worker_device(context)))
        jobs.redraw()
        self.tell(f"{begun.shown} performs the present frame")
        return {"FINISHED"}


class AIM_OT_frame_correct(AimOperator, bpy.types.Operator):
    bl_idname = "aim.frame_correct"
    bl_label = "Correct Frames"
    bl_description = (
        "Pull the take's face in the current frame by handles. Add Handle puts one where you click on it; another "
        "frame takes the handles along. Nothing changes until a frame is kept"
    )
    bl_options = {"REGISTER"}  # nothing to undo: it leaves nothing

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if isinstance(live.CURRENT, LiveCorrection):
            return True
        return has_take(cls, context) and in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        if _ended(LiveCorrection):
            return {"FINISHED"}
        take, interpreter = actors.active_take(context.scene), worker_interpreter(context)
        live.begin(lambda: LiveCorrection(context, take, interpreter, worker_device(context)))
        jobs.redraw()
        self.tell(f"correcting {take.name}; add handles, drag them, and keep the frame")
        return {"FINISHED"}


class AIM_OT_frame_keep(ComputingOperator, bpy.types.Operator):
    bl_idname = "aim.frame_keep"
    bl_label = "Keep Frame"
    bl_description = (
        "Store what is shown as the current frame of the take: as a keyed shape key of its result, "
        "and in a new take file for retargeting and baking. The earlier file stays"
    )
    bl_options = {"REGISTER", "UNDO"}

    blend: IntProperty(
        name="Fade",
        description="The number of frames over which the change comes and goes; left out, the scene's setting counts",
        min=0,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        now = live.CURRENT
        if not isinstance(now, (LiveCorrection, LiveFit)):
            return refused(cls, "Correct frames, or fit live, first")
        if isinstance(now, LiveFit):
            found = actors.find_actor(now.actor)
            if found is None or actors.take_of(context.scene, found[1]) is None:
                return refused(cls, "Fit a performance of this actor first, whose frame it can be")
        elif not now.handles():
            return refused(cls, "Add a handle and drag it first")
        return in_object_mode(cls, context)

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        now = live.CURRENT
        if not isinstance(now, (LiveCorrection, LiveFit)):
            raise InputError("nothing is shown that could be kept; correct frames, or fit live, first")
        blend = self.blend if self.properties.is_property_set("blend") else context.scene.aim.sources.blend
        return ask_to_keep(context, now, blend)

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        self.tell(keep_frame(context, found))
        jobs.redraw()
        return {"FINISHED"}


CLASSES = (AIM_OT_live_fit, AIM_OT_retarget_preview, AIM_OT_frame_correct, AIM_OT_frame_keep)
