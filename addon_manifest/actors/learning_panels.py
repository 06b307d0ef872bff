# SPDX-License-Identifier: GPL-3.0-or-later
"""The section Learn of the tab AIM, and what came of it."""

from __future__ import annotations

import bpy

from ...aim_blender.core.shared.settings.learning_settings import LearningSettings
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.jobs import results
from ...ops.basics import base
from ..basics.parts import (
    AimPanel,
    draw_figure,
    draw_job,
    draw_main_button,
    draw_notes,
    draw_rows,
    is_learned,
    read_figures,
    settings_column,
)
from ..basics.settings_panels import (
    AIM_PT_learn_advanced,
    draw_settings,
)
from ..basics.text import draw_text
from ..jobs.preferences import draw_environment
from ..jobs.preset_menus import WithPresets

COLUMN_WIDTH = 2.15  # of a table's numbers, in buttons' heights


class AIM_PT_learn(AimPanel, bpy.types.Panel):
    bl_label = "Learn"
    bl_parent_id = "AIM_PT_main"

    def draw(self, context: bpy.types.Context) -> None:
        layout, actor = self.layout, actors.active_actor(context.scene)
        if actor is None:
            draw_text(layout, "make an actor first", "INFO")
            return
        draw_main_button(layout, "aim.actor_learn", "MODIFIER", "Learn Again" if is_learned(actor) else "Learn")
        draw_job(layout, actor, "learn", "transfer")
        if is_learned(actor):
            figures = read_figures(actor.figures)
            how = f"made: {figures['transferred']}" if "transferred" in figures else "learned"
            draw_text(layout, f"{actor.name} is {how}", "CHECKMARK")
            draw_rows(layout, results.learned_rows(figures))
            draw_notes(layout, figures.get("notes", []))
            if "transferred" not in figures:
                layout.operator("aim.learning_curve_show", icon="IMAGE_DATA")


class AIM_PT_jaw(AimPanel, bpy.types.Panel):
    bl_label = "Jaw"
    bl_parent_id = "AIM_PT_learn"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        return is_learned(actor) and bool(read_figures(actor.figures).get("jaw"))

    def draw(self, context: bpy.types.Context) -> None:
        rows = results.jaw_rows(read_figures(actors.active_actor(context.scene).figures))
        if not rows:
            draw_text(self.layout, "the jaw rests in all shapes", "INFO")
            return
        teeth = any(results.jaw_cells(row)[-1] for row in rows)
        travel = "its slide, and what the lower incisors travel" if teeth else "its slide"
        draw_text(self.layout, f"opens in degrees; {travel}, in mm")
        column = self.layout.column(align=True)
        column.scale_y = 0.85
        shown = 4 if teeth else 3
        _draw_columns(column, "", *("Opens", "Ahead", "Aside", "Incisor")[:shown])
        for row in rows:
            _draw_columns(column, row["name"], *results.jaw_cells(row)[:shown])


class AIM_PT_learn_settings(WithPresets, AimPanel, bpy.types.Panel):
    bl_label = "Settings"
    bl_parent_id = "AIM_PT_learn"
    bl_options = {"DEFAULT_CLOSED"}
    presets_of = "learn"

    def draw(self, context: bpy.types.Context) -> None:
        column = settings_column(self.layout)
        draw_settings(column, context.scene.aim, LearningSettings)
        chosen = base.preferences(context)
        if chosen is not None:
            column.prop(chosen, "device")
            column.prop(chosen, "interpreter")
            column.operator("aim.environment_check", icon="CHECKMARK")
            draw_environment(column, chosen.interpreter)


def _draw_columns(layout: bpy.types.UILayout, name: str, *values: str) -> None:
    """A line of a table: a name, and values that are aligned to the right."""
    row = layout.row(align=True)
    row.label(text=name, translate=False)
    for value in values:
        draw_figure(row, value, COLUMN_WIDTH)


CLASSES = (
    AIM_PT_learn,
    AIM_PT_jaw,
    AIM_PT_learn_settings,
    AIM_PT_learn_advanced,
)
