# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting a performance to another actor."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.jobs import characters
from ...aim_blender.scene.jobs.job_making import prepare_retargeting
from ...aim_blender.scene.live import live
from ...aim_blender.scene.live.live_retargeting import LiveRetarget
from ...aim_blender.scene.retargeting import retarget_lists
from ..basics.base import (
    AimOperator,
    another_is_learned,
    in_object_mode,
    may_start_job,
    refused,
    require_actor,
    worker_interpreter,
)
from ..basics.results import start_job


class AIM_OT_performance_retarget(AimOperator, bpy.types.Operator):
    bl_idname = "aim.performance_retarget"
    bl_label = "Retarget"
    bl_description = (
        "Let another learned actor perform what was fitted to this one. The result is a new mesh with the target's "
        "shape keys, a head and a jaw bone and keys at every frame; nothing else is changed"
    )
    bl_options = {"REGISTER"}

    take: StringProperty(name="Take", description="The take's name; empty takes the one chosen in the list")
    target: StringProperty(name="Target", description="The target actor's name; empty takes the scene's choice")
    strength: FloatProperty(
        name="Strength", description="How strongly the target performs; left out, the scene's setting counts", min=0.0
    )
    jaw_strength: FloatProperty(
        name="Jaw Strength", description="How far the target's jaw opens; left out, the scene's setting counts", min=0.0
    )
    head: BoolProperty(
        name="Head Motion", description="Let the head move as performed; left out, the scene's setting counts"
    )
    neutral_frame: IntProperty(
        name="Rest Frame",
        description="A frame in which the performer's face rests, and whose expression is taken off every frame; left "
        "out, the scene's setting counts",
    )
    tolerance_mm: FloatProperty(
        name="Tolerance", description="The largest error of any point in mm; 0 takes the scene's setting", min=0.0
    )
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
        choices = retarget_lists.scene_choices(state)
        choices["strength"] = self._chosen("strength", choices["strength"])
        choices["jaw_strength"] = self._chosen("jaw_strength", choices["jaw_strength"])
        choices["head"] = "on" if self._chosen("head", state.retarget_head) else "off"
        if self.properties.is_property_set("neutral_frame"):
            choices["neutral_frame"] = self.neutral_frame
        target = retarget_lists.picked_target(context.scene, actor, self.target)
        tolerance = round(self.tolerance_mm or state.tolerance_mm, 6)
        interpreter = worker_interpreter(context)
        beside = self._chosen("beside", state.beside)
        steps, correspondence = characters.correspondence_steps(actor, target)
        regions = retarget_lists.region_strength(state.retarget, target)
        choices |= correspondence
        folder = prepare_retargeting(actor, take, target, choices, tolerance, beside, steps, regions)
        if isinstance(live.CURRENT, LiveRetarget):  # the result comes to where it stands
            live.end()
        start_job(self, actor, "retarget", interpreter, folder, f"retargeting {take.name} to {target.name}")
        return {"FINISHED"}

    def _chosen(self, name: str, otherwise: Any) -> Any:
        """An option of the operator, or the scene's setting while it is left out; numbers without float32's tail."""
        value = getattr(self, name) if self.properties.is_property_set(name) else otherwise
        return round(value, 6) if isinstance(value, float) else value


CLASSES = (AIM_OT_performance_retarget,)
