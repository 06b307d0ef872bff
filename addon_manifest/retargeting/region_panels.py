# SPDX-License-Identifier: GPL-3.0-or-later
"""Below Retarget: the switch of its preview, and the panel of regions."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.live import live
from ...aim_blender.scene.live.live_retargeting import LiveRetarget
from ..basics.parts import AimPanel, ListRow
from ..basics.text import draw_text
from .pair_panels import target_of


class AIM_UL_regions(ListRow, bpy.types.UIList):
    """Vertex groups and their strengths."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        row = layout.split(factor=0.6, align=True)
        target = target_of(context)
        if target is not None and actors.is_there(target.neutral):
            row.prop_search(item, "name", target.neutral, "vertex_groups", text="")
        else:
            row.prop(item, "name", text="")
        row.prop(item, "strength", text="")


def draw_preview(layout: bpy.types.UILayout) -> None:
    """The switch of the preview, and how it goes."""
    now = live.CURRENT if isinstance(live.CURRENT, LiveRetarget) else None
    layout.operator(
        "aim.retarget_preview",
        text="Stop Preview" if now is not None else "Preview",
        icon="PAUSE" if now is not None else "PLAY",
        depress=now is not None,
    )
    if now is not None:
        draw_text(layout, now.message, "ERROR" if now.problem else "INFO")
    elif live.LATEST_PROBLEM and live.LATEST_KIND is LiveRetarget:
        draw_text(layout, live.LATEST_PROBLEM, "ERROR")


class AIM_PT_retarget_regions(AimPanel, bpy.types.Panel):
    bl_label = "Regions"
    bl_parent_id = "AIM_PT_retarget"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        state = context.scene.aim.retarget
        if not len(state.regions):
            text = "all of the face performs alike; add a vertex group of the target's neutral that should not"
            draw_text(self.layout, text, "INFO")
        row = self.layout.row()
        row.template_list("AIM_UL_regions", "", state, "regions", state, "active_region", rows=2)
        column = row.column(align=True)
        column.operator("aim.retarget_region_add", text="", icon="ADD")
        column.operator("aim.retarget_region_remove", text="", icon="REMOVE")


CLASSES = (AIM_UL_regions, AIM_PT_retarget_regions)
