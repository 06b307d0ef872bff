# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning an actor."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty, IntProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import pictures
from ...aim_blender.scene.jobs import results
from ...aim_blender.scene.jobs.job_making import prepare_learning
from ..basics.base import AimOperator, may_start_job, refused, require_actor, worker_device, worker_interpreter
from ..basics.results import start_job


class AIM_OT_actor_learn(AimOperator, bpy.types.Operator):
    bl_idname = "aim.actor_learn"
    bl_label = "Learn"
    bl_description = (
        "Learn the actor's face from its shapes. It runs beside Blender, can be cancelled and "
        "resumed, and does not change the scene"
    )
    bl_options = {"REGISTER"}

    iterations: IntProperty(
        name="Iterations", description="How many steps learning takes; 0 takes the scene's setting", min=0
    )
    hidden: IntProperty(
        name="Network Width", description="How wide the networks are; 0 takes the scene's setting", min=0
    )
    activation: EnumProperty(
        name="Activation",
        description="What the networks are made of; the sine is the method's own, the others are for comparison",
        items=(
            ("siren", "Sine", "The sine, which learns fine detail best"),
            ("gelu", "GELU", "For comparison"),
            ("relu", "ReLU", "For comparison"),
        ),
        default="siren",
    )
    without: EnumProperty(
        name="Without",
        description="Parts of the method to leave out, for comparison",
        items=(
            ("anatomy", "Anatomy", "Do not use the bones"),
            ("thickness", "Thickness", "Do not keep the soft tissue thin where nothing is known about it"),
            ("skinning", "Skinning", "Do not hold the parts in place that the jaw never moves"),
            ("symmetry", "Symmetry", "Do not ask for symmetric bones"),
        ),
        options={"ENUM_FLAG"},
        default=set(),
    )
    seed: IntProperty(name="Seed", description="The start of the random numbers", default=0, min=0)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return may_start_job(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor, interpreter = require_actor(context), worker_interpreter(context)
        work = prepare_learning(actor, self._choices(context))
        start_job(self, actor, "learn", interpreter, work, f"learning {actor.name}")
        return {"FINISHED"}

    def _choices(self, context: bpy.types.Context) -> dict[str, Any]:
        """What was chosen, of the task's arguments; what was not is left to the method."""
        state = context.scene.aim
        choices: dict[str, Any] = {"device": worker_device(context)}
        for name in ("iterations", "hidden"):
            value = getattr(self, name) or getattr(state, name)
            if value:
                choices[name] = value
        for name in ("activation", "seed"):
            if self.properties.is_property_set(name):
                choices[name] = getattr(self, name)
        if self.without:
            choices["without"] = sorted(self.without)
        return choices


class AIM_OT_learning_curve_show(AimOperator, bpy.types.Operator):
    bl_idname = "aim.learning_curve_show"
    bl_label = "Learning Curve"
    bl_description = "Show how the error and the jaw developed while the actor was learned, in an image editor"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None or not actor.file_path:
            return refused(cls, "Learn the actor first")
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        picture = results.learning_curve(actor)
        if picture is None:
            raise InputError(f"the learning curve of {actor.name!r} is not beside its file; learn it again to have one")
        pictures.show(context, pictures.load(picture))
        return {"FINISHED"}


CLASSES = (AIM_OT_actor_learn, AIM_OT_learning_curve_show)
