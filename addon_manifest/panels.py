# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab AIM in the 3D view's side bar: actor, learning, performance. It only draws; nothing is computed here."""

from __future__ import annotations

from typing import Any

import bpy

from ..aim_blender.core.shared.settings.learning_settings import LearningSettings
from ..aim_blender.core.shared.settings.retarget_settings import RetargetSettings
from ..aim_blender.scene.actors import actors, thumbnails
from ..aim_blender.scene.basics import meshes
from ..aim_blender.scene.jobs import jobs, results
from ..aim_blender.scene.jobs.environment import ENVIRONMENT
from ..aim_blender.scene.live import live
from ..aim_blender.scene.live.live_correcting import LiveCorrection
from ..aim_blender.scene.live.live_fitting import LiveFit
from ..aim_blender.scene.live.live_retargeting import LiveRetarget
from ..ops.basics import base
from .actors import anatomy_panels
from .basics.parts import (
    AimPanel,
    OfActor,
    doing,
    draw_figure,
    draw_job,
    draw_main_button,
    draw_name,
    draw_notes,
    draw_rows,
    is_learned,
    read_figures,
    settings_column,
)
from .basics.settings_panels import (
    AIM_PT_fit_advanced,
    AIM_PT_learn_advanced,
    AIM_PT_retarget_advanced,
    draw_settings,
)
from .basics.text import draw_problem, draw_text
from .fitting import fitting_panels
from .jobs.preferences import draw_environment
from .jobs.preset_menus import WithPresets
from .retargeting import retarget_panels

COLUMN_WIDTH = 2.15  # of a table's numbers, in buttons' heights
THUMBNAIL_SCALE = 5.0  # how many lines of text the chosen shape's picture is high
WHILE_LIVE: dict[type, str] = {
    LiveCorrection: "add handles, drag them, and press Keep Frame",
    LiveFit: "change the performance or drag a handle: the face follows",
    LiveRetarget: "change the settings of Retarget, and press Retarget when it looks right",
}


class AIM_UL_actors(bpy.types.UIList):
    """The scene's actors."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: Any,
        item: Any,
        icon: int,
        active_data: Any,
        active_property: str,
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


class AIM_UL_shapes(bpy.types.UIList):
    """An actor's shapes."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: Any,
        item: Any,
        icon: int,
        active_data: Any,
        active_property: str,
        index: int,
    ) -> None:
        lost = not meshes.is_there(item.object)
        row = layout.row(align=True)
        draw_name(row, item, "ERROR" if lost else "SHAPEKEY_DATA", 0 if lost else thumbnails.icon(data, item))
        row.operator("aim.shape_remove", text="", icon="X", emboss=False).index = index


class AIM_UL_takes(bpy.types.UIList):
    """The scene's takes."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: Any,
        item: Any,
        icon: int,
        active_data: Any,
        active_property: str,
    ) -> None:
        row = layout.split(factor=0.7, align=True)
        row.prop(item, "name", text="", emboss=False, icon="ACTION")
        row.label(text=f"{item.frame_start} to {item.frame_end}")


class AIM_PT_main(AimPanel, bpy.types.Panel):
    bl_label = "AIM"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        if base.latest_problem and not _is_shown_by_job(context, base.latest_problem):
            draw_problem(layout, base.latest_problem)
        chosen = base.preferences(context)
        if chosen is not None and (ENVIRONMENT.state == "making" or ENVIRONMENT.missing(chosen.interpreter)):
            _draw_first_run(layout, chosen)
        draw_text(layout, next_step(context), "FORWARD")


def _draw_first_run(layout: bpy.types.UILayout, chosen: Any) -> None:
    """While there is no Python that can learn: what to do about it."""
    box = layout.box()
    if not ENVIRONMENT.active and ENVIRONMENT.state != "failed":
        draw_text(box, "learning and fitting need a Python with PyTorch: set it up, or name one that has it", "INFO")
    else:
        draw_environment(box, chosen.interpreter)
    if ENVIRONMENT.state != "making":
        box.operator("aim.environment_install", icon="IMPORT")
        box.prop(chosen, "interpreter", text="", placeholder="Python with PyTorch")


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
        column.prop(context.scene.aim, "keep_shapes")
        chosen = base.preferences(context)
        if chosen is not None:
            column.prop(chosen, "device")
            column.prop(chosen, "interpreter")
            column.operator("aim.environment_check", icon="CHECKMARK")
            draw_environment(column, chosen.interpreter)


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
        retarget_panels.draw_preview(layout)
        draw_main_button(layout, "aim.performance_retarget", "COMMUNITY")
        layout.operator("aim.correspondence_show", icon="TEXTURE")
        draw_job(layout, actor, "retarget")
        chosen_take = actors.active_take(context.scene)
        figures = read_figures(chosen_take.figures) if chosen_take is not None else {}
        if figures.get("retarget_notes"):
            draw_text(layout, f"{chosen_take.name} was retargeted", "CHECKMARK")
            draw_notes(layout, results.notes_of(figures))


def next_step(context: bpy.types.Context) -> str:
    """One sentence: what to do now."""
    state, actor = context.scene.aim, actors.active_actor(context.scene)
    if actor is None:
        return "select the meshes of one face, the neutral last, and press New Actor; or try Add Demo Actor"
    run = jobs.of(actor)
    if type(live.CURRENT) in WHILE_LIVE:
        return WHILE_LIVE[type(live.CURRENT)]
    if run is not None and run.active:
        return f"{doing(run)}{' waits its turn' if run.waiting else ''}; you can go on working"
    if not actors.is_there(actor.neutral):
        return f"the neutral of {actor.name} was deleted; undo, or make the actor again"
    if run is not None and run.resumable:
        return "resume the job, or start it again"
    if not is_learned(actor):
        if actor.skull is None and actor.mandible is None:
            return f"open Anatomy and press Fit Bones, so that the jaw is known, or learn {actor.name} without bones"
        return f"press Learn to learn {actor.name}"
    if not any(take.actor == actor.identifier for take in state.takes):
        if state.performance_kind == "OBJECT" and actors.is_there(state.performance_object):
            return f"press Fit to fit {state.performance_object.name}"
        return "pick a performance and press Fit"
    return "play the animation, or fit another performance"


def _is_shown_by_job(context: bpy.types.Context, sentence: str) -> bool:
    actor = actors.active_actor(context.scene)
    run = jobs.of(actor) if actor is not None else None
    return run is not None and run.status.error == sentence


def _draw_columns(layout: bpy.types.UILayout, name: str, *values: str) -> None:
    """A line of a table: a name, and values that are aligned to the right."""
    row = layout.row(align=True)
    row.label(text=name, translate=False)
    for value in values:
        draw_figure(row, value, COLUMN_WIDTH)


CLASSES = (
    AIM_UL_actors,
    AIM_UL_shapes,
    AIM_UL_takes,
    AIM_PT_main,
    AIM_PT_actor,
    AIM_PT_shapes,
    *anatomy_panels.CLASSES,
    AIM_PT_learn,
    AIM_PT_jaw,
    AIM_PT_learn_settings,
    AIM_PT_learn_advanced,
    AIM_PT_performance,
    AIM_PT_fit_advanced,
    *fitting_panels.CLASSES,
    AIM_PT_retarget,
    AIM_PT_retarget_advanced,
)
