# SPDX-License-Identifier: GPL-3.0-or-later
"""The section Anatomy of the tab AIM: bones, landmarks, the trusted region, constraints, and what was learned."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.scene.actors import actors, inspected, tracing
from ...aim_blender.scene.jobs import anatomy_jobs
from ..basics.parts import AimPanel, ListRow, OfActor, draw_job, is_learned, read_figures, settings_column
from ..basics.text import draw_text

SHOWN_ICONS: dict[str, Any] = {
    "anatomy": "MESH_DATA",
    "thickness": "MOD_THICKNESS",
    "normals": "NORMALS_VERTEX",
    "skin_weight": "MOD_VERTEX_WEIGHT",
    "error": "ZOOM_ALL",
    "symmetry": "MOD_MIRROR",
}


class AIM_UL_landmarks(ListRow, bpy.types.UIList):
    """An actor's landmarks."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        row = layout.row(align=True)
        row.label(text=item.name, icon="PINNED" if item.picked else "LIGHT_POINT")
        sub = row.row()
        sub.alignment = "RIGHT"
        sub.label(text=str(item.vertex))


class AIM_UL_depths(ListRow, bpy.types.UIList):
    """How thick the soft tissue is meant to be."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        row = layout.split(factor=0.6, align=True)
        row.label(text=item.name, icon="GREASEPENCIL" if item.changed else "BLANK1")
        row.prop(item, "millimetres", text="", emboss=False)


class AIM_PT_anatomy(AimPanel, bpy.types.Panel):
    bl_label = "Anatomy"
    bl_parent_id = "AIM_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header(self, context: bpy.types.Context) -> None:
        actor = actors.active_actor(context.scene)
        if actor is not None and actors.is_there(actor.skull) and actors.is_there(actor.mandible):
            self.layout.label(text="", icon="CHECKMARK")

    def draw(self, context: bpy.types.Context) -> None:
        layout, actor = self.layout, actors.active_actor(context.scene)
        if actor is None:
            draw_text(layout, "make an actor first", "INFO")
            return
        has_bones = actors.is_there(actor.skull) and actors.is_there(actor.mandible)
        figures = read_figures(actor.anatomy_figures)
        own = has_bones and anatomy_jobs.is_fitted(actor.skull) and anatomy_jobs.is_fitted(actor.mandible)
        if has_bones:
            bones = f"{actor.skull.name} and {actor.mandible.name} are the bones"
            draw_text(layout, anatomy_jobs.describe_fit(actor.name, figures) if own else bones, "CHECKMARK")
            for note in figures.get("notes", []) if own else []:
                draw_text(layout, note, "INFO")
        else:
            draw_text(layout, "no bones yet: fit some, or pick a skull and a mandible above", "INFO")
        layout.operator("aim.anatomy_fit", icon="BONE_DATA", text="Fit Bones Again" if own else "Fit Bones")
        draw_job(layout, actor, "anatomy")
        row = layout.row(align=True)
        row.operator("aim.constraints_trace", icon="TRACKING")
        row.prop(context.scene.aim, "show_constraints", text="", icon="HIDE_OFF")
        traced = tracing.TRACED.get(actor.identifier)
        if traced is None:
            return
        if traced.made_of != tracing.made_of(actor):
            draw_text(layout, "neutral or bones were moved or changed since; trace again", "ERROR")
            return
        draw_text(layout, traced.sentence, "CHECKMARK")
        for note in traced.notes:
            draw_text(layout, note, "ERROR")


class AIM_PT_landmarks(OfActor, bpy.types.Panel):
    bl_label = "Landmarks"
    bl_parent_id = "AIM_PT_anatomy"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, actor = self.layout, actors.active_actor(context.scene)
        if not len(actor.landmarks):
            draw_text(layout, "they are suggested by themselves; suggest them here to correct some", "INFO")
        row = layout.row()
        row.template_list("AIM_UL_landmarks", "", actor, "landmarks", actor, "active_landmark", rows=4)
        column = row.column(align=True)
        column.operator("aim.landmark_pick", text="", icon="EYEDROPPER")
        column.operator("aim.landmark_remove", text="", icon="REMOVE")
        column.prop(context.scene.aim, "show_landmarks", text="", icon="HIDE_OFF")
        layout.operator("aim.landmarks_suggest", icon="VIEWZOOM")
        column = settings_column(layout)
        column.prop(actor, "upper_teeth")
        column.prop(actor, "lower_teeth")


class AIM_PT_depths(OfActor, bpy.types.Panel):
    bl_label = "Tissue Depths in mm"
    bl_parent_id = "AIM_PT_anatomy"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, actor = self.layout, actors.active_actor(context.scene)
        if not len(actor.depths):
            draw_text(layout, "those of a published table are used", "INFO")
            layout.operator("aim.depths_reset", text="Edit Depths", icon="GREASEPENCIL")
            return
        layout.template_list("AIM_UL_depths", "", actor, "depths", actor, "active_depth", rows=4)
        layout.operator("aim.depths_reset", icon="LOOP_BACK")


class AIM_PT_trusted(OfActor, bpy.types.Panel):
    bl_label = "Trusted Region"
    bl_parent_id = "AIM_PT_anatomy"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, actor = self.layout, actors.active_actor(context.scene)
        painted = actors.is_there(actor.neutral) and tracing.TRUSTED_GROUP in actor.neutral.vertex_groups
        if painted:
            draw_text(layout, f"the vertex group {tracing.TRUSTED_GROUP} of the neutral says where", "CHECKMARK")
        else:
            draw_text(layout, "not painted: constraints start wherever bone lies under the skin", "INFO")
        row = layout.row(align=True)
        row.operator("aim.trusted_propose", icon="VIEWZOOM", text="Propose Again" if painted else "Propose")
        row.operator("aim.trusted_paint", icon="BRUSH_DATA", text="Paint")


class AIM_PT_inside(OfActor, bpy.types.Panel):
    bl_label = "What Was Learned"
    bl_parent_id = "AIM_PT_anatomy"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, actor = self.layout, actors.active_actor(context.scene)
        if not is_learned(actor):
            draw_text(layout, "learn the actor first", "INFO")
        grid = layout.grid_flow(row_major=True, columns=2, align=True)
        for what, view in inspected.VIEWS.items():
            grid.operator("aim.anatomy_show", text=view.title, icon=SHOWN_ICONS[what]).what = what
        layout.operator("aim.anatomy_show", text="Picture Sheet", icon="IMAGE_DATA").what = anatomy_jobs.SHEET
        draw_job(layout, actor, "inspect")


CLASSES = (
    AIM_UL_landmarks,
    AIM_UL_depths,
    AIM_PT_anatomy,
    AIM_PT_landmarks,
    AIM_PT_depths,
    AIM_PT_trusted,
    AIM_PT_inside,
)
