# SPDX-License-Identifier: GPL-3.0-or-later
"""The menus of presets, behind an icon in the headers of the panels whose settings they hold."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.scene.jobs import presets


class _Presets:
    """Lists the presets of a kind; in the header of a region it is a menu only."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "HEADER"
    bl_label = "Presets"
    kind = ""

    def draw(self: Any, context: bpy.types.Context) -> None:
        layout = self.layout
        column = layout.column(align=True)
        own = presets.saved(self.kind)
        for name in [*presets.SHIPPED[self.kind], *own]:
            row = column.row(align=True)
            _button(row, "aim.preset_load", self.kind, name, text=name)
            if name in own:
                _button(row, "aim.preset_remove", self.kind, name, text="", icon="REMOVE")
        _button(layout, "aim.preset_save", self.kind, "", icon="ADD")


def _button(layout: bpy.types.UILayout, operator: str, kind: str, name: str, **settings: Any) -> None:
    button = layout.operator(operator, **settings)
    button.kind, button.name = kind, name


class AIM_PT_presets_learn(_Presets, bpy.types.Panel):
    kind = "learn"


class AIM_PT_presets_fit(_Presets, bpy.types.Panel):
    kind = "fit"


class AIM_PT_presets_retarget(_Presets, bpy.types.Panel):
    kind = "retarget"


class AIM_PT_presets_bake(_Presets, bpy.types.Panel):
    kind = "bake"


class AIM_PT_presets_rig(_Presets, bpy.types.Panel):
    kind = "rig"


CLASSES = (
    AIM_PT_presets_learn,
    AIM_PT_presets_fit,
    AIM_PT_presets_retarget,
    AIM_PT_presets_bake,
    AIM_PT_presets_rig,
)


class WithPresets:
    """For a panel: an icon in its header opens the presets of a kind."""

    presets_of = ""

    def draw_header_preset(self: Any, context: bpy.types.Context) -> None:
        self.layout.emboss = "NONE"
        self.layout.popover(panel=f"AIM_PT_presets_{self.presets_of}", icon="PRESET", text="")
