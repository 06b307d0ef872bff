# SPDX-License-Identifier: GPL-3.0-or-later
"""The section Actor of the tab AIM: who it is, and the expressions."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.scene.actors import actors, thumbnails
from ...aim_blender.scene.basics import meshes
from ...aim_blender.scene.jobs import jobs
from ..basics.parts import AimPanel, ListRow, OfActor, draw_name, settings_column

THUMBNAIL_SCALE = 5.0  # how many lines of text the chosen shape's picture is high


class AIM_UL_actors(ListRow, bpy.types.UIList):
    """The scene's actors."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        run = jobs.of(item)
        row = layout.row(align=True)
        draw_name(row, item, "USER", thumbnails.icon(item))
        if run is not None and run.waiting:
            row.label(text="", icon="SORTTIME")
        elif run is not None and run.active:
            share = row.row()
            share.alignment = "RIGHT"
            share.label(text=f"{run.status.fraction:.0%}")
        elif run is not None and run.status.error:
            row.label(text="", icon="ERROR")
        elif item.file_path:
            row.label(text="", icon="CHECKMARK")


class AIM_UL_shapes(ListRow, bpy.types.UIList):
    """An actor's shapes."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        lost = not meshes.is_there(item.object)
        row = layout.row(align=True)
        draw_name(row, item, "ERROR" if lost else "SHAPEKEY_DATA", 0 if lost else thumbnails.icon(data, item))
        row.operator("aim.shape_remove", text="", icon="X", emboss=False).index = index


class AIM_PT_actor(AimPanel, bpy.types.Panel):
    bl_label = "Actor"
    bl_parent_id = "AIM_PT_main"

    def draw(self, context: bpy.types.Context) -> None:
        layout, state = self.layout, context.scene.aim
        actor = actors.active_actor(context.scene)
        if actor is None:
            layout.operator("aim.actor_add", icon="ADD")
            layout.operator("aim.demo_actor_add", icon="OUTLINER_OB_ARMATURE")
            return
        row = layout.row()
        row.template_list("AIM_UL_actors", "", state, "actors", state, "active_actor", rows=2)
        column = row.column(align=True)
        column.operator("aim.actor_add", text="", icon="ADD")
        column.operator("aim.character_add", text="", icon="USER")
        column.operator("aim.actor_remove", text="", icon="REMOVE")
        column = settings_column(layout)
        column.prop(actor, "neutral")
        column.prop(actor, "millimetres_per_unit", text="mm per Unit")
        column.prop(actor, "skull", icon="BONE_DATA")
        column.prop(actor, "mandible", icon="BONE_DATA")
        column.prop(actor, "jaw")


class AIM_PT_shapes(OfActor, bpy.types.Panel):
    bl_label = "Shapes"
    bl_parent_id = "AIM_PT_actor"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.label(text=str(len(actors.active_actor(context.scene).shapes)))

    def draw(self, context: bpy.types.Context) -> None:
        actor = actors.active_actor(context.scene)
        row = self.layout.row()
        row.template_list("AIM_UL_shapes", "", actor, "shapes", actor, "active_shape", rows=4)
        row.column(align=True).prop(context.scene.aim, "show_shape", text="", icon="HIDE_OFF")
        if 0 <= actor.active_shape < len(actor.shapes):
            picture = thumbnails.icon(actor, actor.shapes[actor.active_shape])
            if picture:
                self.layout.template_icon(picture, scale=THUMBNAIL_SCALE)


CLASSES = (
    AIM_UL_actors,
    AIM_UL_shapes,
    AIM_PT_actor,
    AIM_PT_shapes,
)
