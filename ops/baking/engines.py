# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators for engines: ARKit's shapes as shape keys, and a take as a recording of Live Link Face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics.records import ActorRecord
from ...aim_blender.scene.jobs import engine_jobs, jobs
from ..basics.base import AimOperator, OfTake, in_object_mode, refused, require_actor, worker_interpreter
from ..basics.results import start_job

KEYS = (
    ("arkit", "ARKit", "The 52 shapes of ARKit"),
    ("vrm0", "VRM 0", "The expressions of VRM 0, mixed of ARKit's shapes"),
    ("vrm1", "VRM 1", "The expressions of VRM 1, mixed of ARKit's shapes"),
)


class AIM_OT_engine_shapes_add(AimOperator, bpy.types.Operator):
    bl_idname = "aim.engine_shapes_add"
    bl_label = "Add Shapes for Engines"
    bl_description = (
        "Add a new mesh with the shapes that engines expect as shape keys, as the chosen actor makes them. What it was "
        "never captured in is transferred from the demo head, and said. Nothing that is there is changed"
    )
    bl_options = {"REGISTER", "UNDO"}

    keys: EnumProperty(name="Keys", description="Whose names and shapes", items=KEYS)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None or not actor.file_path:
            return refused(cls, "Learn an actor first")
        return in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        _require_idle(actor)
        interpreter = worker_interpreter(context)
        folder = engine_jobs.prepare_shapes(actor, self.keys, context.scene.aim.beside)
        start_job(self, actor, "arkit", interpreter, folder, f"making {engine_jobs.TITLES[self.keys]} of {actor.name}")
        return {"FINISHED"}


class AIM_OT_live_link_export(OfTake, AimOperator, bpy.types.Operator):
    bl_idname = "aim.live_link_export"
    bl_label = "Write Live Link Face CSV"
    bl_description = (
        "Write the selected take as the CSV that Live Link Face would have recorded: the weights of ARKit's 52 shapes, "
        "the head's turns and the timecode"
    )
    bl_options = {"REGISTER"}

    filepath: StringProperty(name="File", description="Where the .csv goes", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.csv", options={"HIDDEN"})
    fps: FloatProperty(
        name="Frame Rate",
        description="Frames a second of the recording; 0 takes the take's own, 59.94 is that of Live Link Face",
        default=59.94,
        min=0.0,
    )

    def invoke(self, context: bpy.types.Context, event: Any) -> set[str]:
        if not self.filepath:
            self.filepath = f"{actors.active_take(context.scene).name}.csv"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> set[str]:
        take, actor = actors.take_and_actor(context.scene, self.take)
        if not self.filepath:
            raise InputError("no file is named; give the name of a .csv to write")
        _require_idle(actor)
        interpreter = worker_interpreter(context)
        timing = {"fps": round(self.fps, 4)} if self.fps else {}
        file = Path(bpy.path.abspath(self.filepath))
        folder = engine_jobs.prepare_csv(actor, take, timing, file)
        start_job(self, actor, "csv", interpreter, folder, f"writing {take.name}")
        return {"FINISHED"}


def _require_idle(actor: ActorRecord) -> None:
    running = jobs.of(actor)
    if running is not None and running.active:
        raise InputError(f"a job of {actor.name!r} is running; wait for it or cancel it")


CLASSES = (AIM_OT_engine_shapes_add, AIM_OT_live_link_export)
