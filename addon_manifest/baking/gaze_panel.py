# SPDX-License-Identifier: GPL-3.0-or-later
"""The section Eyes and Teeth below Performance: a target for the eyes of a take, and objects that go with it."""

from __future__ import annotations

import bpy

from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.baking import gaze
from ..basics.parts import AimPanel
from ..basics.text import draw_text


class AIM_PT_gaze(AimPanel, bpy.types.Panel):
    bl_label = "Eyes and Teeth"
    bl_parent_id = "AIM_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return actors.active_take(context.scene) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout, take = self.layout, actors.active_take(context.scene)
        armature = gaze.armature_of(take)
        eyes = gaze.eye_bones(armature)
        if not eyes:
            draw_text(layout, "the take has no eye bones", "INFO")
        elif gaze.is_followed(armature):
            target = eyes[0].constraints[gaze.CONSTRAINT].target
            layout.label(text=target.name if target is not None else "the target is gone", icon="CON_TRACKTO")
            layout.prop(armature, f'["{gaze.INFLUENCE}"]', text="Look At", slider=True)
            layout.operator("aim.gaze_release", icon="X")
        if eyes:
            layout.operator("aim.gaze_follow", icon="CON_TRACKTO")
        layout.operator("aim.objects_hang", icon="BONE_DATA")


CLASSES = (AIM_PT_gaze,)
