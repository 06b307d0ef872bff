# SPDX-License-Identifier: GPL-3.0-or-later
"""The section Parts below Learn: what beside the skin the mesh has, and what each was taken for."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors, part_choices
from ..basics.parts import AimPanel, is_learned, settings_column
from ..basics.text import draw_problem, draw_text

ICONS: dict[str, Any] = {
    "turns": "HIDE_OFF",
    "skull": "TRIA_UP",
    "jaw": "TRIA_DOWN",
    "follows": "MOD_SIMPLEDEFORM",
    "bends": "MOD_SMOOTH",
    "still": "PINNED",
}


class AIM_PT_parts(AimPanel, bpy.types.Panel):
    bl_label = "Parts"
    bl_parent_id = "AIM_PT_learn"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return is_learned(actors.active_actor(context.scene))

    def draw(self, context: bpy.types.Context) -> None:
        layout, actor = self.layout, actors.active_actor(context.scene)
        settings_column(layout).prop(actor, "parts", text="Corrections")
        try:
            rows = part_choices.part_rows(actor)
        except InputError as error:
            draw_problem(layout, str(error))
            return
        if not rows:
            draw_text(layout, "the mesh is all skin: no part of it lies apart", "INFO")
            return
        column = layout.column(align=True)
        for row in rows:
            line = column.split(factor=0.62, align=True)
            line.label(text=f"{row.name}: {row.vertices}", icon=ICONS.get(row.chosen, "BLANK1"))
            menu = line.operator_menu_enum("aim.part_choose", "kind", text=row.chosen.capitalize())
            menu.part = row.name
        if any(row.waits for row in rows):
            draw_text(layout, f"learn {actor.name} again, so that what was chosen counts", "INFO")


CLASSES = (AIM_PT_parts,)
