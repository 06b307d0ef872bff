# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning an actor."""

from __future__ import annotations

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.core.shared.settings.learning_settings import LearningSettings
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import options, pictures
from ...aim_blender.scene.jobs import results
from ...aim_blender.scene.jobs.job_making import prepare_learning
from ..basics.base import AimOperator, may_start_job, refused, require_actor, worker_device, worker_interpreter
from ..basics.results import start_job


class _LearningOptions:
    """The settings of learning as properties."""

    __annotations__ = options.operator_properties(LearningSettings)


class AIM_OT_actor_learn(_LearningOptions, AimOperator, bpy.types.Operator):
    bl_idname = "aim.actor_learn"
    bl_label = "Learn"
    bl_description = (
        "Learn the actor's face from its shapes. It runs beside Blender, can be cancelled and "
        "resumed, and does not change the scene"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return may_start_job(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor, interpreter = require_actor(context), worker_interpreter(context)
        given = {"device": worker_device(context), **options.operator_choices(self, LearningSettings)}
        if actor.parts:
            given.setdefault("parts", actor.parts)
        choices = options.chosen(context.scene.aim, LearningSettings, given)
        work = prepare_learning(actor, choices)
        start_job(self, actor, "learn", interpreter, work, f"learning {actor.name}")
        return {"FINISHED"}


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
