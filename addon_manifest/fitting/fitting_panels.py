# SPDX-License-Identifier: GPL-3.0-or-later
"""Below Performance in the tab AIM: where the performance comes from, and how well it was fitted."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.core.shared.settings.option import options_of
from ...aim_blender.jobs.environment import video_plan
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import options
from ...aim_blender.scene.basics.records import SceneRecord, TakeRecord
from ...aim_blender.scene.fitting import markers
from ...aim_blender.scene.fitting.performances import picked_source
from ...aim_blender.scene.jobs import errors, results
from ...aim_blender.scene.jobs.environment import ENVIRONMENT
from ...aim_blender.scene.jobs.job_making import chosen_settings
from ...aim_blender.scene.live import live
from ...aim_blender.scene.live.live_correcting import LiveCorrection
from ...aim_blender.scene.live.live_fitting import LiveFit
from ...ops.basics.base import preferences
from ..basics.parts import ListRow, OfActor, draw_job, draw_notes, read_figures
from ..basics.settings_panels import draw_settings
from ..basics.text import draw_text
from ..jobs.preferences import draw_environment


class AIM_UL_views(ListRow, bpy.types.UIList):
    """The cameras whose images show points."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        row = layout.row(align=True)
        lost = not actors.is_there(item.camera)
        row.label(text="no camera" if lost else item.camera.name, icon="ERROR" if lost else "CAMERA_DATA")
        sub = row.row()
        sub.alignment = "RIGHT"
        sub.label(text=bpy.path.basename(item.file) or (item.clip.name if item.clip is not None else "no clip"))


class AIM_UL_image_landmarks(ListRow, bpy.types.UIList):
    """The points of the images, and the vertices they belong to."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        row = layout.split(factor=0.6, align=True)
        row.label(text=item.name, icon="TRACKER" if item.vertex >= 0 else "ERROR")
        row.prop(item, "vertex", text="", emboss=False)


def draw_source(column: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What the performance is, for each kind."""
    state = context.scene.aim
    kind = state.performance_kind
    if kind == "FOLDER":
        column.prop(state, "performance_folder")
        column.prop(state.sources, "performance_fps")
        picked = picked_source(state.performance_folder)
        if picked.name not in ("phone", "video"):  # which have no unit
            column.prop(state.sources, "performance_unit")
        if "landmarks" in picked.usable:
            column.prop(state.sources, "landmarks_file")
        return
    if kind == "OBJECT":
        column.prop(state, "performance_object", text="Object")
    elif kind == "VIDEO":
        _draw_video(column, context)
        return
    elif kind == "POINTS":
        _draw_points(column, context)
    else:
        _draw_views(column, context)
    column.prop(state, "use_scene_range")
    if not state.use_scene_range:
        sub = column.column(align=True)
        sub.prop(state, "frame_start")
        sub.prop(state, "frame_end")
        sub.prop(state, "frame_step")


def draw_method(column: bpy.types.UILayout, layout: bpy.types.UILayout, state: SceneRecord) -> None:
    """How it is fitted, as far as there is a choice for this kind of performance, and where the result stands."""
    kind, settings = state.performance_kind, chosen_settings(state)
    draw_settings(column, state, settings)
    if "rest_frame" in options_of(settings):
        owner, name = options.owner_of(state, settings, "rest_frame")
        column.prop(owner, name)
        if getattr(owner, name) == "frame":
            column.prop(state.sources, "rest_frame")
    column.prop(state, "tolerance_mm", text="Tolerance (mm)")
    if kind != "IMAGES":  # what cameras see has its place
        layout.prop(state, "beside", text=f"Beside the {'Performance' if kind == 'OBJECT' else 'Neutral'}")


def _draw_video(column: bpy.types.UILayout, context: bpy.types.Context) -> None:
    sources = context.scene.aim.sources
    column.prop(sources, "video_clip")
    if sources.video_clip is None:
        column.prop(sources, "video_file")
    column.prop(sources, "use_video_range")
    if sources.use_video_range:
        sub = column.column(align=True)
        sub.prop(sources, "video_start")
        sub.prop(sources, "video_end")
    chosen = preferences(context)
    if (chosen is None or not chosen.face_model) and ENVIRONMENT.lacks_video(getattr(chosen, "interpreter", "")):
        unavailable = video_plan.unavailable()
        draw_text(column, unavailable or "the face detector is not installed yet", "ERROR" if unavailable else "INFO")
        column.operator("aim.video_install", icon="IMPORT")
        if ENVIRONMENT.active or ENVIRONMENT.state == "failed":
            draw_environment(column, getattr(chosen, "interpreter", ""))


def _draw_points(column: bpy.types.UILayout, context: bpy.types.Context) -> None:
    sources = context.scene.aim.sources
    column.prop(sources, "points")
    row = column.row(align=True)
    row.operator("aim.points_collect", icon="RESTRICT_SELECT_OFF")
    row.operator("aim.handle_add", icon="EMPTY_AXIS")
    column.operator("aim.point_bind", icon="EYEDROPPER")
    try:
        points = markers.points_of(sources.points) if sources.points is not None else []
    except InputError as error:
        draw_text(column, str(error), "ERROR")
        return
    bound = sum(item.get(markers.VERTEX) is not None for item in points)
    if points:
        free = f"; the other {len(points) - bound} belong to the skin nearest to where they first are"
        draw_text(
            column, f"{bound} of {len(points)} points name their vertex{free if bound < len(points) else ''}", "INFO"
        )


def _draw_views(column: bpy.types.UILayout, context: bpy.types.Context) -> None:
    sources = context.scene.aim.sources
    row = column.row()
    row.template_list("AIM_UL_views", "", sources, "views", sources, "active_view", rows=2)
    side = row.column(align=True)
    side.operator("aim.view_add", text="", icon="ADD")
    side.operator("aim.view_remove", text="", icon="REMOVE")
    if 0 <= sources.active_view < len(sources.views):
        view = sources.views[sources.active_view]
        column.prop(view, "camera")
        column.prop(view, "clip")
        if view.clip is None:
            column.prop(view, "file")
    if not len(sources.views):
        draw_text(column, "add a view: a camera, with the clip or the file of what was tracked", "INFO")
        return
    row = column.row()
    row.template_list("AIM_UL_image_landmarks", "", sources, "landmarks", sources, "active_landmark", rows=3)
    side = row.column(align=True)
    side.operator("aim.image_landmark_pick", text="", icon="EYEDROPPER")
    side.operator("aim.image_landmark_remove", text="", icon="REMOVE")
    side.operator("aim.image_landmarks_list", text="", icon="FILE_REFRESH")
    if not len(sources.landmarks):
        draw_text(column, "list the points of the images here, then pick the vertex of each", "INFO")
    unplaced = sum(each.vertex < 0 for each in sources.landmarks)
    if unplaced:
        count = len(sources.landmarks)
        text = f"{unplaced} of {count} points have no vertex and are left out; pick theirs on the neutral"
        draw_text(column, text, "INFO")


def draw_quality(layout: bpy.types.UILayout, take: TakeRecord) -> None:
    """What to know of a take before trusting it: notes, the worst frames, and ways to see the error."""
    figures = read_figures(take.figures)
    is_retargeted = "retarget_paired" in figures
    draw_notes(layout, results.notes_of(figures))
    worst = errors.worst_frames(take)
    if worst:
        layout.label(text="Worst frames, mm")
        grid = layout.grid_flow(row_major=True, columns=3, align=True)
        for frame, millimetres in worst:
            grid.operator("aim.frame_jump", text=f"{frame}: {millimetres:.2f}").frame = frame
    row = layout.row(align=True)
    row.label(text="Pictures")
    for which in errors.PICTURES:
        of_videos = which == "FACE" and "fit_movie_fps" not in figures
        if not (of_videos or (is_retargeted and which == "ERROR")):
            row.operator("aim.take_picture_show", text=which.title()).picture = which
    if is_retargeted:  # there is nothing that it could be compared with
        return
    row = layout.row(align=True)
    row.label(text="Error")
    for view, text in (("FRAME", "Frame"), ("WORST", "Worst"), ("NONE", "Off")):
        button = row.operator("aim.error_show", text=text, depress=view == (take.error_view or "NONE"))
        button.view = view
    if take.error_view:
        draw_text(layout, f"dark is 0, the brightest {take.error_largest:.2f} mm and more", "COLOR")
    found = actors.find_actor(take.actor)
    if found is not None:
        draw_job(layout, found[1], "errors")


class AIM_PT_live(OfActor, bpy.types.Panel):
    bl_label = "Live"
    bl_parent_id = "AIM_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, now = self.layout, live.CURRENT if isinstance(live.CURRENT, LiveFit) else None
        layout.operator(
            "aim.live_fit",
            text="Stop Live Fit" if now is not None else "Live Fit",
            icon="PAUSE" if now is not None else "PLAY",
            depress=now is not None,
        )
        if now is not None:
            draw_text(layout, f"{now.shown} follows {now.source}", "CHECKMARK")
            draw_text(layout, now.message, "ERROR" if now.problem else "INFO")
            _draw_keeping(layout, context)
        elif live.LATEST_PROBLEM and live.LATEST_KIND is LiveFit:
            draw_text(layout, live.LATEST_PROBLEM, "ERROR")
        else:
            draw_text(layout, "fits again whenever the object changes, or a handle is dragged", "INFO")


class AIM_PT_correct(OfActor, bpy.types.Panel):
    bl_label = "Corrections"
    bl_parent_id = "AIM_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        now = live.CURRENT if isinstance(live.CURRENT, LiveCorrection) else None
        layout.operator(
            "aim.frame_correct",
            text="Stop Correcting" if now is not None else "Correct Frames",
            icon="PAUSE" if now is not None else "PLAY",
            depress=now is not None,
        )
        if now is not None:
            draw_text(layout, now.message, "ERROR" if now.problem else "INFO")
            layout.operator("aim.handle_add", icon="EMPTY_AXIS")
            _draw_keeping(layout, context)
        elif live.LATEST_PROBLEM and live.LATEST_KIND is LiveCorrection:
            draw_text(layout, live.LATEST_PROBLEM, "ERROR")
        elif (take := actors.active_take(context.scene)) is not None:
            draw_text(layout, f"pull single frames of {take.name} by handles", "INFO")
        else:
            draw_text(layout, "fit a performance first; its frames can be pulled by handles", "INFO")


def _draw_keeping(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    row = layout.row(align=True)
    row.operator("aim.frame_keep", text=f"Keep Frame {context.scene.frame_current}", icon="KEY_HLT")
    row.prop(context.scene.aim.sources, "blend")


CLASSES = (AIM_UL_views, AIM_UL_image_landmarks, AIM_PT_live, AIM_PT_correct)
