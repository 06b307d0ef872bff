# SPDX-License-Identifier: GPL-3.0-or-later
"""The section Retarget of the tab AIM."""

from __future__ import annotations

import bpy

from ...aim_blender.core.shared.settings.retarget_settings import RetargetSettings
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.jobs import results
from ..basics.parts import (
    AimPanel,
    draw_job,
    draw_main_button,
    draw_notes,
    is_learned,
    read_figures,
    settings_column,
)
from ..basics.settings_panels import (
    AIM_PT_retarget_advanced,
    draw_settings,
)
from ..basics.text import draw_text
from ..jobs.preset_menus import WithPresets
from ..retargeting import region_panels


class AIM_PT_retarget(WithPresets, AimPanel, bpy.types.Panel):
    bl_label = "Retarget"
    bl_parent_id = "AIM_PT_main"
    bl_options = {"DEFAULT_CLOSED"}
    presets_of = "retarget"

    def draw(self, context: bpy.types.Context) -> None:
        layout, state = self.layout, context.scene.aim
        actor = actors.active_actor(context.scene)
        if actor is None:
            draw_text(layout, "make an actor first", "INFO")
            return
        take = actors.take_of(context.scene, actor)
        if take is None:
            draw_text(layout, f"fit a performance of {actor.name} first", "INFO")
        else:
            layout.label(text=f"{take.name} of {actor.name}", icon="ACTION")
        if not any(is_learned(other) for other in state.actors if other != actor):
            draw_text(layout, "no other actor is learned yet that could perform it", "INFO")
        column = settings_column(layout)
        column.prop_search(state, "retarget_target", state, "actors", icon="USER")
        draw_settings(column, state, RetargetSettings)
        row = column.row(heading="Neutral Offset")
        row.prop(state, "retarget_from_rest", text="")
        chosen = row.row()
        chosen.enabled = state.retarget_from_rest
        chosen.prop(state, "retarget_neutral_frame", text="")
        column.prop(state, "tolerance_mm", text="Tolerance (mm)")
        layout.prop(state, "beside", text="Beside the Target")
        region_panels.draw_preview(layout)
        draw_main_button(layout, "aim.performance_retarget", "COMMUNITY")
        layout.operator("aim.correspondence_show", icon="TEXTURE")
        draw_job(layout, actor, "retarget")
        chosen_take = actors.active_take(context.scene)
        figures = read_figures(chosen_take.figures) if chosen_take is not None else {}
        if figures.get("retarget_notes"):
            draw_text(layout, f"{chosen_take.name} was retargeted", "CHECKMARK")
            draw_notes(layout, results.notes_of(figures))


CLASSES = (
    AIM_PT_retarget,
    AIM_PT_retarget_advanced,
)
