# SPDX-License-Identifier: GPL-3.0-or-later
"""The section Performance of the tab AIM: what is fitted, and the takes."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.jobs import results
from ..basics.parts import (
    AimPanel,
    ListRow,
    draw_job,
    draw_main_button,
    draw_rows,
    is_learned,
    read_figures,
    settings_column,
)
from ..basics.settings_panels import (
    AIM_PT_fit_advanced,
)
from ..basics.text import draw_text
from ..fitting import fitting_panels
from ..jobs.preset_menus import WithPresets


class AIM_UL_takes(ListRow, bpy.types.UIList):
    """The scene's takes."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        row = layout.split(factor=0.7, align=True)
        row.prop(item, "name", text="", emboss=False, icon="ACTION")
        row.label(text=f"{item.frame_start} to {item.frame_end}")


class AIM_PT_performance(WithPresets, AimPanel, bpy.types.Panel):
    bl_label = "Performance"
    bl_parent_id = "AIM_PT_main"
    presets_of = "fit"

    def draw(self, context: bpy.types.Context) -> None:
        layout, state = self.layout, context.scene.aim
        actor = actors.active_actor(context.scene)
        if not is_learned(actor) and not len(state.takes):
            draw_text(layout, "make an actor first" if actor is None else f"learn {actor.name} first", "INFO")
        if actor is None and not len(state.takes):
            return
        layout.row().prop(state, "performance_kind", expand=True)
        column = settings_column(layout)
        fitting_panels.draw_source(column, context)
        fitting_panels.draw_method(column, layout, state)
        draw_main_button(layout, "aim.performance_fit", "MOD_ARMATURE")
        if actor is not None:
            draw_job(layout, actor, "fit")
        if len(state.takes) > 0:
            row = layout.row()
            row.template_list("AIM_UL_takes", "", state, "takes", state, "active_take", rows=2)
            row.column(align=True).operator("aim.take_remove", text="", icon="REMOVE")
            take = actors.active_take(context.scene)
            if take is not None:
                figures = read_figures(take.figures)
                draw_rows(layout, results.take_rows(take.frame_start, take.frame_end, figures))
                draw_text(layout, results.left_out(figures), "INFO")
                fitting_panels.draw_quality(layout, take)


CLASSES = (
    AIM_UL_takes,
    AIM_PT_performance,
    AIM_PT_fit_advanced,
    *fitting_panels.CLASSES,
)
