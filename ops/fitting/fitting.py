# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting a performance."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.core.shared.settings.fitting_settings import REST_CHOICES
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.jobs.job_making import PerformanceSource, learned_file, prepare_fitting
from ..basics.base import (
    AimOperator,
    in_object_mode,
    may_start_job,
    refused,
    require_actor,
    worker_device,
    worker_interpreter,
)
from ..basics.results import start_job

SOLVERS = (
    ("closed-form", "Closed Form", "The closest fit, at many frames a second"),
    ("neural", "Neural", "The paper's networks, begun at the closed form: some tenths of a second a frame"),
)


class AIM_OT_performance_fit(AimOperator, bpy.types.Operator):
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
        description="A folder with one mesh a frame, or a file of meshes, points or a phone's recording; empty takes "
        "the scene's choice",
        subtype="FILE_PATH",
    )
    fps: FloatProperty(
        name="Frame Rate",
        description="Frames a second of the file; 0 takes the scene's setting, which may leave it to the file",
        min=0.0,
        max=1000.0,
    )
    points: StringProperty(
        name="Points", description="A collection whose objects are points; empty takes the scene's choice"
    )
    frame_start: IntProperty(name="Start", description="The first frame; left out, the scene's setting counts")
    frame_end: IntProperty(name="End", description="The last frame; left out, the scene's setting counts")
    frame_step: IntProperty(name="Step", description="Every how many frames; 0 takes the scene's setting", min=0)
    tolerance_mm: FloatProperty(
        name="Tolerance", description="The largest error of any point in mm; 0 takes the scene's setting", min=0.0
    )
    solver: EnumProperty(
        name="Solver",
        description="How to fit; left out, the scene's setting counts",
        items=SOLVERS,
    )
    modes: IntProperty(
        name="Modes",
        description="How many smooth functions the weights of a shape are made of; 0 leaves it to the method",
        min=0,
    )
    largest_weight: FloatProperty(
        name="Largest Weight",
        description="Keep every point's weights between 1 minus this and this; 0 sets no bounds. Left out, the scene's "
        "setting counts",
        min=0.0,
        max=100.0,
    )
    rest_frame: StringProperty(
        name="Rest Frame",
        description="Of points or a phone: the number of a frame in which the face is at rest, auto to have it found, "
        "or off; empty takes the scene's setting",
    )
    gains: StringProperty(
        name="Gains",
        description="Of a phone's recording: what shapes are multiplied by, such as jawOpen=1.2, mouthSmile=0.9; empty "
        "takes the scene's setting",
    )
    keep_timecode: BoolProperty(
        name="Keep Timecode",
        description="Of a phone's recording: begin at the frame of its timecode; left out, the scene's setting counts",
    )
    ridge: FloatProperty(
        name="Ridge",
        description="What a weight of 1 costs, as a distance in mm: more keeps weights nearer to 0; 0 leaves it to the "
        "method",
        min=0.0,
    )
    smoothness: FloatProperty(
        name="Smoothness",
        description="What a weight costs that changes across the face, in mm; 0 leaves it to the method",
        min=0.0,
    )
    beside: BoolProperty(
        name="Beside the Performance",
        description="Place the result beside the performance, where nothing of AIM's stands; else exactly on it. Left "
        "out, the scene's setting counts",
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
        solver = self.solver if self.properties.is_property_set("solver") else context.scene.aim.solver
        bounded = self.properties.is_property_set("largest_weight")
        largest = self.largest_weight if bounded else context.scene.aim.sources.largest_weight
        choices = {"solver": solver, "largest_weight": round(largest, 6)}
        if source.of_phone:
            choices = self._phone_choices(context.scene.aim.sources)
        elif source.of_points:  # which the scene's settings are not for
            choices = {name: value for name, value in choices.items() if self.properties.is_property_set(name)}
            choices["rest_frame"] = self._rest_frame(context.scene.aim.sources, context.scene.aim.sources.rest)
        elif self.rest_frame:
            raise InputError("a rest frame is of points or of a phone; whole meshes have none, leave it out")
        if not source.of_phone and (self.gains or self.properties.is_property_set("keep_timecode")):
            raise InputError("gains and timecodes are of a phone's recording, which this is not; leave them out")
        choices["device"] = worker_device(context)
        asked = {name: getattr(self, name) for name in ("modes", "ridge", "smoothness")}
        choices |= {name: round(value, 6) for name, value in asked.items() if value}
        tolerance = round(self.tolerance_mm or context.scene.aim.tolerance_mm, 6)  # 0.1, not its nearest float32
        interpreter = worker_interpreter(context)
        beside = self.beside if self.properties.is_property_set("beside") else context.scene.aim.beside
        work = prepare_fitting(context.scene, actor, source, choices, tolerance, beside)
        start_job(self, actor, "fit", interpreter, work, "fitting the performance")
        return {"FINISHED"}

    def _phone_choices(self, sources: Any) -> dict[str, Any]:
        """What the task takes of a phone's recording; a solver that is asked for is refused there."""
        choices: dict[str, Any] = {"solver": self.solver} if self.properties.is_property_set("solver") else {}
        choices["rest_frame"] = self._rest_frame(sources, sources.phone_rest)
        choices["gains"] = self.gains or sources.phone_gains
        kept = self.properties.is_property_set("keep_timecode")
        choices["keep_timecode"] = self.keep_timecode if kept else sources.keep_timecode
        return choices

    def _rest_frame(self, sources: Any, chosen: str) -> int | str:
        if not self.rest_frame:
            return sources.rest_frame if chosen == "frame" else chosen
        if self.rest_frame in REST_CHOICES:
            return self.rest_frame
        try:
            return int(self.rest_frame)
        except ValueError:
            raise InputError(
                f"the rest frame is {self.rest_frame!r}; it must be a frame's number, {' or '.join(REST_CHOICES)}"
            ) from None

    def _source(self, context: bpy.types.Context) -> PerformanceSource:
        scene, state = context.scene, context.scene.aim
        kind = "FOLDER" if self.folder else "POINTS" if self.points else "OBJECT" if self.object_name else ""
        kind = kind or state.performance_kind
        if kind == "FOLDER":
            fps = self.fps or state.sources.performance_fps
            return PerformanceSource(None, folder=self.folder or state.performance_folder, fps=fps)
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
