# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels below Retarget: pairs of expressions, and regions."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.live import live
from ...aim_blender.scene.live.live_retargeting import LiveRetarget
from ...aim_blender.scene.retargeting import retarget_lists
from ..basics.parts import AimPanel
from ..basics.text import draw_text


def _target(context: bpy.types.Context) -> Any | None:
    """The actor that is picked as the target; None while none is."""
    try:
        return retarget_lists.picked_target(context.scene, actors.active_actor(context.scene), "")
    except InputError:
        return None


class AIM_UL_pairs(bpy.types.UIList):
    """Expressions of two actors."""

    def draw_item(
        self, context: Any, layout: Any, data: Any, item: Any, icon: Any, active_data: Any, active_property: Any
    ) -> None:
        row = layout.row(align=True)
        row.prop(item, "left_out", text="", icon="HIDE_ON" if item.left_out else "HIDE_OFF", emboss=False)
        row = row.split(factor=0.42, align=True)
        row.label(text=item.name)
        partner, target = row.row(align=True), _target(context)
        partner.enabled = not item.left_out
        if target is not None:
            partner.prop_search(item, "target", target, "shapes", text="", icon="SHAPEKEY_DATA")
        else:
            partner.prop(item, "target", text="")


class AIM_UL_regions(bpy.types.UIList):
    """Vertex groups and their strengths."""

    def draw_item(
        self, context: Any, layout: Any, data: Any, item: Any, icon: Any, active_data: Any, active_property: Any
    ) -> None:
        row = layout.split(factor=0.6, align=True)
        target = _target(context)
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


class _BelowRetarget(AimPanel):
    """Where these panels stand."""

    bl_parent_id = "AIM_PT_retarget"
    bl_options = {"DEFAULT_CLOSED"}


class AIM_PT_retarget_pairs(_BelowRetarget, bpy.types.Panel):
    bl_label = "Expressions"

    def draw(self, context: bpy.types.Context) -> None:
        state = context.scene.aim.retarget
        if not len(state.pairs):
            draw_text(self.layout, "they pair by name; list the pairs here to change some", "INFO")
        # The buttons stand below it, as below the rig's pairs: names need the width.
        self.layout.template_list("AIM_UL_pairs", "", state, "pairs", state, "active_pair", rows=3)
        row = self.layout.row(align=True)
        row.operator("aim.retarget_pairs_find", icon="FILE_REFRESH")
        row.operator("aim.retarget_pairs_clear", text="", icon="X")


class AIM_PT_retarget_regions(_BelowRetarget, bpy.types.Panel):
    bl_label = "Regions"

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


CLASSES = (AIM_UL_pairs, AIM_UL_regions, AIM_PT_retarget_pairs, AIM_PT_retarget_regions)
