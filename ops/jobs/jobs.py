# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancelling, resuming and hurrying the active actor's job."""

from __future__ import annotations

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.jobs.folders.folder import JobFolder
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import folders
from ...aim_blender.scene.jobs import jobs
from ..basics.base import AimOperator, may_start_job, refused, require_actor, worker_interpreter
from ..basics.results import deliver


class AIM_OT_job_cancel(AimOperator, bpy.types.Operator):
    bl_idname = "aim.job_cancel"
    bl_label = "Cancel"
    bl_description = "Stop the actor's job. What it has done so far is saved, and it can be resumed"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        run = jobs.of(actor) if actor is not None else None
        if run is None or run.status.ended:
            return refused(cls, "No job of this actor is running")
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        run = jobs.of(require_actor(context))
        if run is None:
            raise InputError("no job of this actor is running")
        run.cancel()
        jobs.watch()
        return {"FINISHED"}


class AIM_OT_job_start_now(AimOperator, bpy.types.Operator):
    bl_idname = "aim.job_start_now"
    bl_label = "Start Now"
    bl_description = "Do not wait for the jobs of other actors: start this one beside them. All of them get slower"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        run = jobs.of(actor) if actor is not None else None
        if run is None or not run.waiting:
            return refused(cls, "No job of this actor waits")
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        run = jobs.of(require_actor(context))
        if run is None or not run.waiting:
            raise InputError("no job of this actor waits")
        run.start_now()
        jobs.watch()
        return {"FINISHED"}


class AIM_OT_job_resume(AimOperator, bpy.types.Operator):
    bl_idname = "aim.job_resume"
    bl_label = "Resume"
    bl_description = "Continue the actor's job where it was cancelled or interrupted, or bring in its finished result"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not may_start_job(cls, context):
            return False
        if not actors.active_actor(context.scene).job_folder:
            return refused(cls, "This actor has no job to resume")
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        if not actor.job_folder:
            raise InputError(f"{actor.name!r} has no job to resume")
        folder = JobFolder(folders.found_again(actor.job_folder))
        if not folder.path.is_dir():
            raise InputError(f"the job's folder {folder.path} is gone; start the job again")
        kind = folder.path.name.split("_")[0]
        if folder.state() == "finished":
            run = jobs.Run(actor.identifier, kind, folder.path, deliver, folder=folder)
            deliver(run)
            jobs.RUNS.pop(actor.identifier, None)
            return {"FINISHED"}
        run = jobs.Run(actor.identifier, kind, worker_interpreter(context), deliver)
        run.start(folder)
        jobs.begin(run)
        return {"FINISHED"}


CLASSES = (AIM_OT_job_cancel, AIM_OT_job_start_now, AIM_OT_job_resume)
