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


class _Following(AimOperator):
    """What follows the scene: switched on, or off where it is on."""

    kind: type[Any]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return isinstance(live.CURRENT, cls.kind) or cls.may_begin(context)

    @classmethod
    def may_begin(cls, context: bpy.types.Context) -> bool:
        """Whether it can be switched on."""
        raise NotImplementedError

    def begin(self, context: bpy.types.Context) -> str:
        """Switch it on, and say what it does."""
        raise NotImplementedError

    def run(self, context: bpy.types.Context) -> set[str]:
        if isinstance(live.CURRENT, self.kind):
            live.end()
            jobs.redraw()
            return {"FINISHED"}
        told = self.begin(context)
        jobs.redraw()
        self.tell(told)
        return {"FINISHED"}


class AIM_OT_live_fit(_Following, bpy.types.Operator):
    bl_idname = "aim.live_fit"
    bl_label = "Live Fit"
    bl_description = (
        "Fit the actor again whenever the performance's object changes, or a handle is dragged. The "
        "result is an object of its own, and stays when this is switched off"
    )
    bl_options = {"REGISTER", "UNDO"}

    kind = LiveFit

    @classmethod
    def may_begin(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None or not actor.file_path:
            return refused(cls, "Learn the actor first")
        if context.scene.aim.performance_kind not in KINDS:
            return refused(cls, "Live fitting follows an object or points; choose one of them as the source")
        return in_object_mode(cls, context)

    def begin(self, context: bpy.types.Context) -> str:
        actor, interpreter = require_actor(context), worker_interpreter(context)
        begun = live.begin(lambda: LiveFit(context, actor, interpreter, worker_device(context)))
        return f"{begun.shown} follows {begun.source}"


class AIM_OT_retarget_preview(_Following, bpy.types.Operator):
    bl_idname = "aim.retarget_preview"
    bl_label = "Preview"
    bl_description = (
        "Show the target performing the current frame, and what every change of the settings does. "
        "The face that shows it disappears when this is switched off, and is never saved"
    )
    bl_options = {"REGISTER"}  # nothing to undo: it leaves nothing

    kind = LiveRetarget

    @classmethod
    def may_begin(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None or actors.take_of(context.scene, actor) is None:
            return refused(cls, "Fit a performance of this actor first")
        return another_is_learned(cls, context) and in_object_mode(cls, context)

    def begin(self, context: bpy.types.Context) -> str:
        actor, interpreter = require_actor(context), worker_interpreter(context)
        begun = live.begin(lambda: LiveRetarget(context, actor, interpreter, worker_device(context)))
        return f"{begun.shown} performs the present frame"


class AIM_OT_frame_correct(_Following, bpy.types.Operator):
    bl_idname = "aim.frame_correct"
    bl_label = "Correct Frames"
    bl_description = (
        "Pull the take's face in the current frame by handles. Add Handle puts one where you click on it; another "
        "frame takes the handles along. Nothing changes until a frame is kept"
    )
    bl_options = {"REGISTER"}  # nothing to undo: it leaves nothing

    kind = LiveCorrection

    @classmethod
    def may_begin(cls, context: bpy.types.Context) -> bool:
        return has_take(cls, context) and in_object_mode(cls, context)

    def begin(self, context: bpy.types.Context) -> str:
        take, interpreter = actors.active_take(context.scene), worker_interpreter(context)
        live.begin(lambda: LiveCorrection(context, take, interpreter, worker_device(context)))
        return f"correcting {take.name}; add handles, drag them, and keep the frame"


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
