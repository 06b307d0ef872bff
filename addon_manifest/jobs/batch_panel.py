# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Batch: the list of shots, and how far they are."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.jobs.batch.shots import FAILED
from ...aim_blender.jobs.folders.progress import duration
from ...aim_blender.scene.basics import versions
from ...aim_blender.scene.jobs import batch, jobs
from ..basics.parts import AimPanel, ListRow, draw_main_button, draw_notes, settings_column
from ..basics.text import draw_problem, draw_text


class AIM_UL_batch(ListRow, bpy.types.UIList):
    """The shots of the batch."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        run = jobs.RUNS.get(batch.KEY)
        rows = {row["shot"]: row for row in run.rows} if isinstance(run, batch.BatchRun) else {}
        row = layout.split(factor=0.7, align=True)
        row.prop(item, "name", text="", emboss=False, icon="SEQUENCE")
        count = len([path for path in item.targets.split("|") if path.strip()]) or 1
        done = rows.get(item.name)
        state: Any = "NONE" if done is None else "ERROR" if done["state"] == FAILED else "CHECKMARK"
        row.label(text=f"for {count}", icon=state)


class AIM_PT_batch(AimPanel, bpy.types.Panel):
    bl_label = "Batch"
    bl_parent_id = "AIM_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, state = self.layout, context.scene.aim.batch
        if not len(state.shots):
            draw_text(layout, "add the chosen take as a shot for all other actors, or import a table", "INFO")
        row = layout.row()
        row.template_list("AIM_UL_batch", "", state, "shots", state, "active_shot", rows=3)
        column = row.column(align=True)
        column.operator("aim.batch_shot_add", text="", icon="ADD")
        column.operator("aim.batch_shot_remove", text="", icon="REMOVE")
        column.separator()
        column.operator("aim.batch_import", text="", icon="IMPORT")
        column.operator("aim.batch_export", text="", icon="EXPORT")
        column = settings_column(layout)
        if 0 <= state.active_shot < len(state.shots):
            shot = state.shots[state.active_shot]
            for name in ("actor", "performance", "take", "targets"):
                column.prop(shot, name)
            column.separator()
        column.prop(state, "folder")
        column.prop(state, "tolerance_mm", text="Tolerance (mm)")
        column.prop(state, "reduce_keys_mm", text="Reduce (mm)")
        column.prop(state, "fps")
        layout.row(align=True).prop(state, "write")
        draw_main_button(layout, "aim.batch_retarget", "RENDER_ANIMATION")
        run = jobs.RUNS.get(batch.KEY)
        if isinstance(run, batch.BatchRun):
            _draw_run(layout, run)


def _draw_run(layout: bpy.types.UILayout, run: batch.BatchRun) -> None:
    """How far the batch is, or how it ended."""
    status = run.status
    if run.active:
        column = layout.column(align=True)
        versions.draw_progress(column, status.fraction, f"{status.fraction:.0%}")
        left = "" if status.remaining_s is None else f", {duration(status.remaining_s)} left"
        draw_text(layout, f"{status.message}{left}")
        layout.operator("aim.batch_cancel", icon="CANCEL")
    elif status.error:
        draw_problem(layout, status.error)
    elif status.state == "cancelled":
        draw_text(layout, "cancelled; press the button again to go on", "PAUSE")
    elif run.rows:
        figures = run.figures
        done = f"{figures['done']} shots done, {figures['already_done']} were done already"
        draw_text(layout, done, "CHECKMARK")
        for row in run.rows:
            if row["state"] == FAILED:
                draw_problem(layout, row["message"])
            draw_notes(layout, [f"{row['shot']}, {note}" for note in row.get("notes", [])])


CLASSES = (AIM_UL_batch, AIM_PT_batch)
