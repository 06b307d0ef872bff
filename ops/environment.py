# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying the Python that does the work."""

from __future__ import annotations

import bpy

from ..aim_blender.jobs.interpreter import InterpreterError
from ..aim_blender.scene import jobs
from .base import AimOperator, worker_interpreter


class AIM_OT_environment_check(AimOperator, bpy.types.Operator):
    bl_idname = "aim.environment_check"
    bl_label = "Check Environment"
    bl_description = "Try the Python that learns and fits: whether it has all that is needed, and which devices it sees"
    bl_options = {"REGISTER"}

    def run(self, context: bpy.types.Context) -> set[str]:
        try:
            interpreter = worker_interpreter(context)
        except InterpreterError as error:
            jobs.ENVIRONMENT.fail(str(error))
            raise
        if not bpy.app.background:
            jobs.ENVIRONMENT.start(interpreter)
            return {"FINISHED"}
        jobs.ENVIRONMENT.run(interpreter)
        self.tell(jobs.ENVIRONMENT.text)
        return {"FINISHED"}


CLASSES = (AIM_OT_environment_check,)
