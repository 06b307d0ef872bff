# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting jobs, and bringing their results into the scene: by one operator, so that it is one undo step."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.jobs.folders.folder import JobFolder
from ...aim_blender.jobs.supervision.supervisor import JobFailed
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics.records import ActorRecord
from ...aim_blender.scene.fitting.performances import scene_in_context
from ...aim_blender.scene.jobs import jobs, results
from ...aim_blender.scene.jobs.job_making import Preparation
from ...aim_blender.scene.jobs.jobs import Run
from . import base
from .base import AimOperator


class AIM_OT_result_write(AimOperator, bpy.types.Operator):
    bl_idname = "aim.result_write"
    bl_label = "Bring In Result"
    bl_description = "Bring what a finished job made into the scene"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    folder: StringProperty(options={"HIDDEN", "SKIP_SAVE"}, subtype="DIR_PATH")

    def run(self, context: bpy.types.Context) -> set[str]:
        if context.mode != "OBJECT":
            raise InputError("the result can only come in Object Mode; leave the present mode first")
        self.tell(*results.bring_in(context, Path(self.folder)))
        return {"FINISHED"}


def deliver(run: Run) -> None:
    """Run the operator for a finished job, in a window that shows its scene. Raises JobFailed, InputError."""
    found = actors.find_actor(run.actor)
    if found is None or run.folder is None:
        raise InputError("the actor of the job is gone; undo its removal, or make it again")
    base.latest_problem = ""
    try:
        with scene_in_context(found[0]):
            # True: as if a user called it, so that it makes an undo step.
            bpy.ops.aim.result_write("EXEC_DEFAULT", True, folder=str(run.folder.path))
    except RuntimeError as error:
        # The operator's own sentence: Blender puts a word before it, in the interface's language.
        raise JobFailed(base.latest_problem or str(error).strip()) from error


def start_job(
    operator: AimOperator,
    actor: ActorRecord,
    kind: str,
    interpreter: Path,
    work: JobFolder | Preparation,
    doing: str,
    warning: bool = False,
) -> None:
    """Let a worker do a job of an actor, and tell what it is doing if that goes on.

    work: the job's folder, or what makes it a piece at a time. Raises InputError, JobFailed, InterpreterError, OSError.
    """
    run = Run(actor.identifier, kind, interpreter, deliver)
    if isinstance(work, JobFolder):
        run.start(work)
    else:
        run.preparation = work
    jobs.begin(run)
    if run.active:
        operator.tell(doing, warning)


CLASSES = (AIM_OT_result_write,)
