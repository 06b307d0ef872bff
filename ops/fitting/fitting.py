# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting a performance."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.core.shared.settings.baking_settings import BakingSettings
from ...aim_blender.core.shared.settings.option import options_of
from ...aim_blender.core.shared.settings.point_settings import FITS, PointFittingSettings
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import options
from ...aim_blender.scene.basics.records import SceneRecord
from ...aim_blender.scene.fitting.performances import video_path
from ...aim_blender.scene.jobs.job_making import PerformanceSource, learned_file, prepare_fitting
from ..basics.base import (
    AimOperator,
    in_object_mode,
    may_start_job,
    preferences,
    refused,
    require_actor,
    worker_device,
    worker_interpreter,
)
from ..basics.results import start_job

LEFT_TO_THE_METHOD = ("smoothness",)  # at 0, which scripts rely on


class _FittingOptions:
    """The settings of all kinds of fits as properties."""

    __annotations__ = options.operator_properties(*FITS, leave_out=LEFT_TO_THE_METHOD)


class AIM_OT_performance_fit(_FittingOptions, AimOperator, bpy.types.Operator):
    bl_idname = "aim.performance_fit"
    bl_label = "Fit"
    bl_description = (
        "Fit the learned actor to the performance. The result is a new mesh with the actor's shape keys, a head and a "
        "jaw bone and keys at every frame; the performance is not changed"
    )
    bl_options = {"REGISTER"}

    object_name: StringProperty(
        name="Performance", description="The object whose mesh changes over the frames; empty takes the scene's choice"
    )
    folder: StringProperty(
        name="Folder or File",
        description="A folder with one mesh per frame, or a file of meshes, of points or that a phone recorded, or a "
        "video; empty takes the scene's choice",
        subtype="FILE_PATH",
    )
    fps: FloatProperty(
        name="Frame Rate",
        description="Frames per second of the file; 0 takes the scene's setting, which may leave it to the file",
        min=0.0,
        max=1000.0,
    )
    millimetres_per_unit: FloatProperty(
        name="mm per Unit",
        description="How many millimetres a unit of the file is; 0 takes the scene's setting, which may leave it to "
        "the file's size",
        min=0.0,
    )
    landmarks_file: StringProperty(
        name="Landmarks",
        description="Of points of a file: a .json file of the vertex of each by its name; empty takes the scene's",
        subtype="FILE_PATH",
    )
    points: StringProperty(
        name="Points", description="A collection whose objects are points; empty takes the scene's choice"
    )
    frame_start: IntProperty(name="Start", description="The first frame; left out, the scene's setting counts")
    frame_end: IntProperty(name="End", description="The last frame; left out, the scene's setting counts")
    frame_step: IntProperty(name="Step", description="Every how many frames; 0 takes the scene's setting", min=0)
    tolerance_mm: options.operator_property(BakingSettings, "tolerance_mm")
    beside: BoolProperty(
        name="Beside the Performance",
        description=(
            "Place the result beside the performance, where nothing of AIM's is in the way; otherwise "
            "exactly on it. Left "
            "out, the scene's setting counts"
        ),
        default=True,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not may_start_job(cls, context):
            return False
        actor = actors.active_actor(context.scene)
        if not actor.file_path:
            return refused(cls, "Learn the actor first")
        return in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        learned_file(actor)
        source = self._source(context)
        given: dict[str, Any] = {"device": worker_device(context)}
        given |= options.operator_choices(self, *FITS, leave_out=LEFT_TO_THE_METHOD)
        if source.kind.name == "video":
            given = self._of_video(context, given)
        if self.rest_frame or source.kind.takes("rest_frame"):
            given["rest_frame"] = self._rest_frame(context.scene.aim, source.settings)
        choices = options.chosen(context.scene.aim, source.settings, given)
        tolerance = round(self.tolerance_mm or context.scene.aim.tolerance_mm, 6)  # 0.1, not its nearest float32
        interpreter = worker_interpreter(context)
        beside = self.beside if self.properties.is_property_set("beside") else context.scene.aim.beside
        work = prepare_fitting(context.scene, actor, source, choices, tolerance, beside)
        start_job(self, actor, "fit", interpreter, work, "fitting the performance")
        return {"FINISHED"}

    def _of_video(self, context: bpy.types.Context, given: dict[str, Any]) -> dict[str, Any]:
        """The choices, and those that a video has besides: the face model of the preferences, and its frames."""
        chosen, sources = preferences(context), context.scene.aim.sources
        of_scene = not self.folder and context.scene.aim.performance_kind == "VIDEO" and sources.use_video_range
        for name in ("start", "end"):
            if self.properties.is_property_set(f"frame_{name}"):
                given[name] = getattr(self, f"frame_{name}")
            elif of_scene:
                given[name] = getattr(sources, f"video_{name}")
        if chosen is not None and chosen.face_model:
            given.setdefault("face_model", bpy.path.abspath(chosen.face_model))
        return given

    def _rest_frame(self, state: SceneRecord, settings: type[Any]) -> int | str:
        if not self.rest_frame and "rest_frame" in options_of(settings):
            owner, name = options.owner_of(state, settings, "rest_frame")
            chosen = getattr(owner, name)
            return state.sources.rest_frame if chosen == "frame" else chosen
        names = options_of(PointFittingSettings)["rest_frame"].names
        if self.rest_frame in names:
            return self.rest_frame
        try:
            return int(self.rest_frame)
        except ValueError:
            raise InputError(
                f"the rest frame is {self.rest_frame!r}; it must be a frame's number, {' or '.join(names)}"
            ) from None

    def _source(self, context: bpy.types.Context) -> PerformanceSource:
        scene, state = context.scene, context.scene.aim
        kind = "FOLDER" if self.folder else "POINTS" if self.points else "OBJECT" if self.object_name else ""
        kind = kind or state.performance_kind
        if kind == "FOLDER":
            fps = self.fps or state.sources.performance_fps
            unit = self.millimetres_per_unit or state.sources.performance_unit
            folder = self.folder or state.performance_folder
            landmarks = self.landmarks_file or state.sources.landmarks_file
            return PerformanceSource(None, folder=folder, fps=fps, millimetres_per_unit=unit, landmarks=landmarks)
        if kind == "VIDEO":
            sources = state.sources
            return PerformanceSource(None, folder=video_path(sources.video_clip, sources.video_file), fps=self.fps)
        item = state.performance_object
        if self.object_name:
            item = scene.objects.get(self.object_name)
            if item is None:
                raise InputError(f"there is no object {self.object_name!r} in the scene {scene.name!r}")
        if item is None and kind == "OBJECT":
            raise InputError("no performance is picked; pick an object whose mesh changes over the frames")
        ranges = scene if state.use_scene_range else state
        start = self.frame_start if self.properties.is_property_set("frame_start") else ranges.frame_start
        end = self.frame_end if self.properties.is_property_set("frame_end") else ranges.frame_end
        step = self.frame_step or (1 if state.use_scene_range else state.frame_step)
        if kind == "IMAGES":
            return PerformanceSource(None, start, end, step, images=True)
        if kind == "POINTS":
            points = bpy.data.collections.get(self.points) if self.points else state.sources.points
            if points is None:
                raise InputError(
                    f"there is no collection {self.points!r}"
                    if self.points
                    else "no points are picked; pick a collection of empties, or select them and press Use Selected"
                )
            return PerformanceSource(None, start, end, step, points=points)
        return PerformanceSource(item, start, end, step)


CLASSES = (AIM_OT_performance_fit,)
