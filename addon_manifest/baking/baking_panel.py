# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels Bake and Onto a Rig: a take once more, in another form or on a character of one's own."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.scene.actors import actors
from ..basics.parts import AimPanel, ListRow, draw_job, draw_main_button, settings_column
from ..basics.text import draw_text
from ..jobs.preset_menus import WithPresets


class AIM_UL_rig_pairs(ListRow, bpy.types.UIList):
    """The take's expressions and the character's shape keys."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        row = layout.split(factor=0.42, align=True)
        row.label(text=item.name)
        if actors.is_there(data.mesh) and data.mesh.data.shape_keys is not None:
            row.prop_search(item, "target", data.mesh.data.shape_keys, "key_blocks", text="", icon="SHAPEKEY_DATA")
        else:
            row.prop(item, "target", text="")


class AIM_PT_bake(WithPresets, AimPanel, bpy.types.Panel):
    bl_label = "Bake"
    bl_parent_id = "AIM_PT_main"
    bl_options = {"DEFAULT_CLOSED"}
    presets_of = "bake"

    def draw(self, context: bpy.types.Context) -> None:
        layout, state = self.layout, context.scene.aim
        if not len(state.takes):
            draw_text(layout, "fit a performance first", "INFO")
            return
        take = actors.active_take(context.scene)
        if take is not None:
            layout.label(text=take.name, icon="ACTION")
        chosen = state.baking
        column = settings_column(layout)
        column.prop(chosen, "kind")
        column.prop(chosen, "use_range")
        if chosen.use_range:
            sub = column.column(align=True)
            sub.prop(chosen, "start")
            sub.prop(chosen, "end")
        column.prop(chosen, "step")
        row = column.row(heading="Start At")
        row.prop(chosen, "use_first", text="")
        sub = row.row()
        sub.active = chosen.use_first
        sub.prop(chosen, "first", text="")
        column.prop(chosen, "convert_rate")
        if chosen.kind == "KEYS":
            column.prop(chosen, "keys")
            column.prop(chosen, "jaw_as")
            column.prop(state, "tolerance_mm", text="Tolerance (mm)")
            column.prop(chosen, "reduce_keys_mm", text="Reduce (mm)")
        layout.prop(state, "beside", text="Beside the Neutral")
        draw_main_button(layout, "aim.take_bake", "ACTION")
        found = actors.find_actor(take.actor) if take is not None else None
        if found is not None:
            draw_job(layout, found[1], "bake")


class AIM_PT_engines(AimPanel, bpy.types.Panel):
    bl_label = "For Engines"
    bl_parent_id = "AIM_PT_bake"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, state = self.layout, context.scene.aim
        layout.operator_menu_enum("aim.engine_shapes_add", "keys", icon="SHAPEKEY_DATA")
        if len(state.takes):
            layout.operator("aim.live_link_export", icon="EXPORT")
        actor = actors.active_actor(context.scene)
        if actor is not None:
            draw_job(layout, actor, "arkit", "csv")


def _rig_column(layout: Any, context: bpy.types.Context, wanted: str) -> Any | None:
    """A column that begins with the mesh and the armature of the rig; None, and a line, without a take. wanted: what is
    said without a mesh."""
    rig = context.scene.aim.rig
    if not len(context.scene.aim.takes):
        draw_text(layout, "fit a performance first", "INFO")
        return None
    if rig.mesh is None:
        draw_text(layout, wanted, "INFO")
    column = settings_column(layout)
    column.prop(rig, "mesh")
    column.prop(rig, "armature")
    return column


def _draw_layer(layout: Any, rig: Any) -> None:
    """Which frames are keyed, and where the keys go."""
    column = settings_column(layout)
    column.prop(rig, "onto")
    if rig.onto == "action":
        column.prop(rig, "new_action")
    else:
        column.prop(rig, "blend_in")
        column.prop(rig, "blend_out")
    column.prop(rig, "use_range")
    if rig.use_range:
        sub = column.column(align=True)
        sub.prop(rig, "start")
        sub.prop(rig, "end")


class AIM_PT_rig(AimPanel, bpy.types.Panel):
    bl_label = "Onto a Rig"
    bl_parent_id = "AIM_PT_bake"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, rig = self.layout, context.scene.aim.rig
        column = _rig_column(layout, context, "pick the mesh of your character, with shape keys")
        if column is None:
            return
        if actors.is_there(rig.armature):
            column.prop_search(rig, "jaw_bone", rig.armature.data, "bones", icon="BONE_DATA")
            column.prop(rig, "jaw_location")
            column.prop_search(rig, "head_bone", rig.armature.data, "bones", icon="BONE_DATA")
            column.prop(rig, "head_location")
            draw_text(layout, "the actor's neutral and the character must face the same way", "INFO")
        layout.template_list("AIM_UL_rig_pairs", "", rig, "pairs", rig, "active_pair", rows=3)
        layout.operator("aim.rig_pairs_find", icon="FILE_REFRESH")
        layout.prop(rig, "drivers")
        _draw_layer(layout, rig)
        draw_main_button(layout, "aim.bake_to_rig", "ARMATURE_DATA")


class AIM_UL_rig_controls(ListRow, bpy.types.UIList):
    """The controls of a rig that move the face."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        row = layout.row(align=True)
        row.prop(item, "use", text="")
        split = row.split(factor=0.6, align=True)
        split.active = item.use
        split.label(text=item.name)
        split.prop(item, "least", text="")
        split.prop(item, "most", text="")


class AIM_PT_rig_controls(WithPresets, AimPanel, bpy.types.Panel):
    bl_label = "Onto Controls"
    bl_parent_id = "AIM_PT_bake"
    bl_options = {"DEFAULT_CLOSED"}
    presets_of = "rig"

    def draw(self, context: bpy.types.Context) -> None:
        layout, rig = self.layout, context.scene.aim.rig
        wanted = "pick the actor's mesh with a rig on it: bones, driven keys, properties"
        column = _rig_column(layout, context, wanted)
        if column is None:
            return
        if actors.is_there(rig.armature):
            column.prop_search(rig, "head_bone", rig.armature.data, "bones", icon="BONE_DATA")
        layout.operator("aim.rig_controls_propose", icon="VIEWZOOM")
        if len(rig.controls):
            layout.template_list("AIM_UL_rig_controls", "", rig, "controls", rig, "active_control", rows=5)
        column = settings_column(layout)
        column.prop(rig, "loss")
        column.prop(rig, "smoothing")
        column.prop(rig, "rounds")
        _draw_layer(layout, rig)
        draw_main_button(layout, "aim.take_bake_to_controls", "ARMATURE_DATA")


class AIM_PT_layers(AimPanel, bpy.types.Panel):
    bl_label = "Layers and Assets"
    bl_parent_id = "AIM_PT_bake"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        if not len(context.scene.aim.takes):
            draw_text(layout, "fit a performance first", "INFO")
            return
        layout.operator("aim.take_push_down", icon="NLA_PUSHDOWN")
        layout.label(text="As Pose Assets", icon="ASSET_MANAGER")
        column = layout.column(align=True)
        for rig, where in (("RESULT", "of the Result"), ("CONTROLS", "of the Rig's Controls")):
            if rig == "CONTROLS" and context.scene.aim.rig.mesh is None:
                continue
            row = column.row(align=True)
            for poses, what in (("EXPRESSIONS", "Expressions"), ("FRAME", "Frame")):
                button = row.operator("aim.pose_assets_add", text=f"{what} {where}" if poses == "EXPRESSIONS" else what)
                button.poses, button.rig = poses, rig


CLASSES = (
    AIM_UL_rig_pairs,
    AIM_UL_rig_controls,
    AIM_PT_bake,
    AIM_PT_engines,
    AIM_PT_rig,
    AIM_PT_rig_controls,
    AIM_PT_layers,
)
