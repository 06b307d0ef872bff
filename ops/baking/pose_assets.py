# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions, or a frame of a take, as poses that are assets."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import bpy
from bpy.props import EnumProperty

from ...aim_blender.core.shared.settings.rig_settings import RigSettings
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.assets import pose_assets
from ...aim_blender.scene.baking import rig_baking
from ...aim_blender.scene.basics import options
from ...aim_blender.scene.basics.meanwhile import meanwhile
from ...aim_blender.scene.rigs import rig_results
from ..basics.base import OfTake, has_take, in_object_mode
from ..basics.computing import SteppingOperator

POSES = (
    ("EXPRESSIONS", "Expressions", "Each expression of the take's bake, with what the jaw does in it"),
    ("FRAME", "Frame", "The present frame of the take"),
)
RIGS = (
    ("RESULT", "Result", "Shape keys and bones of the take's result"),
    ("CONTROLS", "Controls", "Controls of the rig that is chosen in Onto Controls, which are solved for"),
)


class AIM_OT_pose_assets_add(OfTake, SteppingOperator, bpy.types.Operator):
    bl_idname = "aim.pose_assets_add"
    bl_label = "Add Pose Assets"
    bl_description = (
        "Add actions of one frame, and mark them as assets with pictures, for Blender's pose library and asset "
        "browser. Nothing that is there is changed"
    )
    bl_options = {"REGISTER", "UNDO"}

    poses: EnumProperty(name="Poses", description="What becomes an asset", items=POSES)
    rig: EnumProperty(name="Of", description="What the poses key", items=RIGS)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_take(cls, context) and in_object_mode(cls, context)

    def steps(self, context: bpy.types.Context) -> Generator[tuple[str, float], None, Any]:
        """The poses, their pictures, and what of a rig does them."""
        take, actor = actors.take_and_actor(context.scene, self.take)
        name, scale, frame = take.name, actor.millimetres_per_unit, context.scene.frame_current
        baked = yield from meanwhile("reading the take", rig_baking.bake_of(take, actor))
        _, actor = actors.take_and_actor(context.scene, name)
        if self.poses == "EXPRESSIONS":
            poses = pose_assets.expressions(baked, actor)
        else:
            poses = pose_assets.one_frame(baked, name, frame)
        pictures = yield from pose_assets.draw(poses, actor)
        solved = None
        if self.rig == "CONTROLS":
            settings = RigSettings(**{**options.chosen(context.scene.aim, RigSettings), "smoothing": 0.0})
            solved = yield from rig_results.solve(context, poses.baked, scale, settings)
        return name, baked, poses, pictures, solved

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        name, baked, poses, pictures, solved = found
        take, _ = actors.take_and_actor(context.scene, name)
        if solved is not None:
            self.tell(pose_assets.mark_controls(solved, poses, pictures, name))
        else:
            self.tell(pose_assets.mark_result(take, baked, poses, pictures))
        return {"FINISHED"}


CLASSES = (AIM_OT_pose_assets_add,)
