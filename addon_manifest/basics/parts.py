# SPDX-License-Identifier: GPL-3.0-or-later
"""What several panels draw alike: where they stand, the bar of a job, and what they ask about an actor."""

from __future__ import annotations

import json
from typing import Any

import bpy

from ...aim_blender.jobs.folders.progress import duration
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import versions
from ...aim_blender.scene.basics.records import ActorRecord
from ...aim_blender.scene.jobs import jobs
from .text import draw_problem, draw_text

DOING = {
    "learn": "learning",
    "fit": "fitting",
    "retarget": "retargeting",
    "bake": "baking a take of",
    "anatomy": "fitting bones to",
    "inspect": "looking inside",
    "errors": "measuring a take of",
    "pair": "pairing the shapes of",
    "arkit": "making the shapes of",
    "csv": "writing a take of",
    "transfer": "giving expressions to",
}


class AimPanel:
    """Where all of AIM's panels stand. Their names are not translated: sentences and the guide call them so."""

    bl_translation_context = "AIM"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "AIM"


class OfActor(AimPanel):
    """A panel that is there while there is an actor."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return actors.active_actor(context.scene) is not None


class ListRow:
    """A base of lists, whose subclasses draw a row: what Blender says besides stands here once."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: Any,
        item: Any,
        icon: int,
        active_data: Any,
        active_property: str,
        index: int,
    ) -> None:
        """Called by Blender."""
        self.draw_row(context, layout, data, item, index)

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        """Draw an item of a list of data's."""
        raise NotImplementedError


def settings_column(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """A column of settings as Blender lays them out: names to the left, and nothing to animate."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column


def draw_name(layout: bpy.types.UILayout, item: Any, icon: Any, picture: int) -> None:
    """The name of an item of a list, to be edited there, with its picture or, while there is none, an icon."""
    if picture:
        layout.prop(item, "name", text="", emboss=False, icon_value=picture)
    else:
        layout.prop(item, "name", text="", emboss=False, icon=icon)


def draw_main_button(layout: bpy.types.UILayout, operator: str, icon: Any, text: Any = None) -> None:
    """The button that a panel is there for; without a text it has the operator's."""
    row = layout.row()
    row.scale_y = 1.3
    row.operator(operator, icon=icon, text=text)


def doing(run: jobs.Run) -> str:
    """What a job does, such as `learning Ada`."""
    return f"{DOING[run.kind]} {run.owner}" if run.kind in DOING else f"the {run.owner}"


def draw_job(layout: bpy.types.UILayout, actor: ActorRecord, *kinds: str) -> None:
    """The job's bar, in the panel of its kind, and what can be done about it while its actor is the chosen one."""
    run = jobs.of(actor)
    if run is None or run.kind not in kinds:
        return
    status, is_chosen = run.status, actor == actors.active_actor(bpy.context.scene)
    if run.waiting:
        draw_text(layout, status.message, "SORTTIME")
        if is_chosen:
            row = layout.row(align=True)
            row.operator("aim.job_start_now", icon="PLAY")
            row.operator("aim.job_cancel", icon="CANCEL")
        return
    if run.active:
        _draw_progress(layout, status)
        if is_chosen:
            layout.operator("aim.job_cancel", icon="CANCEL")
        return
    if status.error:
        draw_problem(layout, status.error)
    elif status.state == "cancelled":
        draw_text(layout, status.message, "PAUSE")
    if not is_chosen:
        return
    if actor.job_folder and run.resumable:
        layout.operator("aim.job_resume", icon="FILE_REFRESH")
    elif jobs.offers_result(run, actor):
        draw_text(layout, "a finished result has not come into this file yet", "INFO")
        layout.operator("aim.job_resume", text="Bring In Result", icon="IMPORT")


def _draw_progress(layout: bpy.types.UILayout, status: Any) -> None:
    column = layout.column(align=True)
    versions.draw_progress(column, status.fraction, f"{status.fraction:.0%}")
    details = [status.message]
    if status.remaining_s is not None:
        details.append(f"{duration(status.remaining_s)} left")
    error = status.figures.get("error_mm")
    if isinstance(error, float):
        details.append(f"error {error:.3f} mm")
    draw_text(layout, ", ".join(part for part in details if part))


def draw_rows(layout: bpy.types.UILayout, rows: list[tuple[str, str]]) -> None:
    """Names, and values that are aligned to the right."""
    column = layout.column(align=True)
    column.scale_y = 0.85
    for name, value in rows:
        split = column.split(factor=0.55)
        split.label(text=name)
        right = split.row()
        right.alignment = "RIGHT"
        right.label(text=value)


def draw_figure(layout: Any, text: str, width: float) -> None:
    """A short value at the end of a line, aligned to the right, in a width of so many buttons' heights."""
    column = layout.row()
    column.ui_units_x = width
    column.alignment = "RIGHT"
    column.label(text=text)


def draw_notes(layout: bpy.types.UILayout, notes: list[str]) -> None:
    """What the user should know of a result, a paragraph each."""
    for note in notes:
        draw_text(layout, note, "INFO")


def is_learned(actor: ActorRecord) -> bool:
    """Whether there is an actor, and it was learned."""
    return actor is not None and bool(actor.file_path)


def read_figures(text: str) -> dict[str, Any]:
    """The figures of a result, which are kept as JSON."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
