# SPDX-License-Identifier: GPL-3.0-or-later
"""Many shots for many actors: the list in the panel, its table as a file, and doing it."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.jobs import batch, jobs
from ..basics.base import AimOperator, in_object_mode, refused, worker_interpreter
from ..basics.lists import remove_active


class AIM_OT_batch_retarget(AimOperator, bpy.types.Operator):
    bl_idname = "aim.batch_retarget"
    bl_label = "Do the Batch"
    bl_description = (
        "Fit, retarget and bake every shot of the list, or of a table, for all its targets. Finished "
        "shots are skipped, so this also continues a cancelled batch; a shot that fails does not stop "
        "the others"
    )
    bl_options = {"REGISTER"}

    table: StringProperty(
        name="Table", description="A .csv, .json or .toml of shots; empty takes the list", subtype="FILE_PATH"
    )
    folder: StringProperty(
        name="Folder", description="Where the results go; empty takes the scene's setting", subtype="DIR_PATH"
    )
    part: StringProperty(name="Part", description="Only part k of n, as 2/8; empty does all shots")
    scheduler: StringProperty(name="Scheduler", description="Spread the shots over the Dask cluster at this address")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        run = jobs.RUNS.get(batch.KEY)
        if run is not None and run.active:
            return refused(cls, "A batch is running; wait for it or cancel it")
        return in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        state = context.scene.aim.batch
        chosen = self.folder or state.folder
        if not chosen:
            raise InputError("no folder is picked; pick the folder that the results go to")
        out = Path(bpy.path.abspath(chosen))
        if self.table:
            table = Path(bpy.path.abspath(self.table))
        else:
            table = out / batch.TABLE
            batch.write_table(state, table)
        interpreter = worker_interpreter(context)
        shots, folder = batch.prepare_batch(table, out, self.part, self.scheduler)
        run = batch.BatchRun(batch.KEY, "batch", interpreter, _told, shots=shots, out=out)
        run.start(folder)
        jobs.begin(run)
        if run.active:
            self.tell(f"working on {len(shots)} shots")
        return {"FINISHED"}


def _told(run: jobs.Run) -> None:
    """At the end of a batch: in the background everything that is left, in a window nothing but what failed."""
    if bpy.app.background:
        batch.finish_in_background(run)


class AIM_OT_batch_cancel(AimOperator, bpy.types.Operator):
    bl_idname = "aim.batch_cancel"
    bl_label = "Cancel"
    bl_description = "Stop the batch. Finished shots stay finished"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        run = jobs.RUNS.get(batch.KEY)
        return (run is not None and run.active) or refused(cls, "No batch is running")

    def run(self, context: bpy.types.Context) -> set[str]:
        run = jobs.RUNS.get(batch.KEY)
        if not isinstance(run, batch.BatchRun):
            raise InputError("no batch is running")
        if run.status.ended:
            run.delivered = True  # what was left are .blend files
        else:
            run.cancel()
        jobs.watch()
        return {"FINISHED"}


class AIM_OT_batch_shot_add(AimOperator, bpy.types.Operator):
    bl_idname = "aim.batch_shot_add"
    bl_label = "Add Shot"
    bl_description = "Add the active actor's take to the list, for all other learned actors of the scene"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        batch.add_from_scene(context.scene)
        return {"FINISHED"}


class AIM_OT_batch_shot_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.batch_shot_remove"
    bl_label = "Remove Shot"
    bl_description = "Remove the selected shot from the list; its files stay"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        state = context.scene.aim.batch
        if not 0 <= state.active_shot < len(state.shots):
            raise InputError("no shot is chosen; choose one in the list")
        remove_active(state, "shots", "active_shot")
        return {"FINISHED"}


class AIM_OT_batch_import(AimOperator, bpy.types.Operator):
    bl_idname = "aim.batch_import"
    bl_label = "Import Table"
    bl_description = "Add the shots of a .csv, .json or .toml table to the list"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="File", description="The table of shots: .csv, .json or .toml", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.csv;*.json;*.toml", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> set[str]:
        count = batch.read_into(context.scene.aim.batch, Path(bpy.path.abspath(self.filepath)))
        self.tell(f"{count} shots were added to the list")
        return {"FINISHED"}


class AIM_OT_batch_export(AimOperator, bpy.types.Operator):
    bl_idname = "aim.batch_export"
    bl_label = "Export Table"
    bl_description = "Write the list as a .json table for scripts, render farms and other scenes"
    bl_options = {"REGISTER"}

    filepath: StringProperty(
        name="File", description="Where the table of shots goes, as .json", subtype="FILE_PATH", default="shots.json"
    )
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> set[str]:
        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() != ".json":
            raise InputError(f"{path} must have a name that ends with .json")
        batch.write_table(context.scene.aim.batch, path)
        self.tell(f"wrote {path}")
        return {"FINISHED"}


CLASSES = (
    AIM_OT_batch_retarget,
    AIM_OT_batch_cancel,
    AIM_OT_batch_shot_add,
    AIM_OT_batch_shot_remove,
    AIM_OT_batch_import,
    AIM_OT_batch_export,
)
