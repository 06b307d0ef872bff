# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting a performance to another actor."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.core.shared.settings.baking_settings import BakingSettings
from ...aim_blender.core.shared.settings.retarget_settings import RetargetSettings
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import options
from ...aim_blender.scene.jobs import characters
from ...aim_blender.scene.jobs.job_making import prepare_retargeting
from ...aim_blender.scene.live import live
from ...aim_blender.scene.live.live_retargeting import LiveRetarget
from ...aim_blender.scene.retargeting import retarget_lists
from ..basics.base import (
    AimOperator,
    OfTake,
    another_is_learned,
    in_object_mode,
    may_start_job,
    refused,
    require_actor,
    worker_interpreter,
)
from ..basics.results import start_job


class _RetargetOptions:
    """The settings of retargeting as properties."""

    __annotations__ = options.operator_properties(RetargetSettings)


class AIM_OT_performance_retarget(_RetargetOptions, OfTake, AimOperator, bpy.types.Operator):
    bl_idname = "aim.performance_retarget"
    bl_label = "Retarget"
    bl_description = (
        "Let another learned actor perform what was fitted to this one. The result is a new mesh with the target's "
        "shape keys, a head and a jaw bone and keys at every frame; nothing else is changed"
    )
    bl_options = {"REGISTER"}

    target: StringProperty(name="Target", description="The target actor's name; empty takes the scene's choice")
    tolerance_mm: options.operator_property(BakingSettings, "tolerance_mm")
    beside: BoolProperty(
        name="Beside the Target",
        description=(
            "Place the result beside the target's neutral, where nothing of AIM's is in the way; "
            "otherwise exactly on it. "
            "Left out, the scene's setting counts"
        ),
        default=True,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not may_start_job(cls, context):
            return False
        if actors.take_of(context.scene, actors.active_actor(context.scene)) is None:
            return refused(cls, "Fit a performance of this actor first")
        return another_is_learned(cls, context) and in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        state, actor = context.scene.aim, require_actor(context)
        take = actors.take_of(context.scene, actor, self.take)
        if take is None:
            raise InputError(f"{actor.name!r} has no take called {self.take!r}")
        target = retarget_lists.picked_target(context.scene, actor, self.target)
        given = options.operator_choices(self, RetargetSettings)
        choices = retarget_lists.scene_choices(state, actor, target, given)
        tolerance = round(self.tolerance_mm or state.tolerance_mm, 6)
        interpreter = worker_interpreter(context)
        beside = self.beside if self.properties.is_property_set("beside") else state.beside
        steps, correspondence = characters.correspondence_steps(actor, target)
        regions = retarget_lists.region_strength(state.retarget, target)
        choices |= correspondence
        folder = prepare_retargeting(actor, take, target, choices, tolerance, beside, steps, regions)
        if isinstance(live.CURRENT, LiveRetarget):  # the result comes to where it stands
            live.end()
        start_job(self, actor, "retarget", interpreter, folder, f"retargeting {take.name} to {target.name}")
        return {"FINISHED"}


CLASSES = (AIM_OT_performance_retarget,)
