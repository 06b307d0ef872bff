# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a take was fitted: its pictures, and its error on the face."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty, IntProperty

from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import pictures
from ...aim_blender.scene.jobs import errors
from ..basics.base import AimOperator, has_take, in_object_mode, is_idle, worker_interpreter
from ..basics.results import start_job


class AIM_OT_take_picture_show(AimOperator, bpy.types.Operator):
    bl_idname = "aim.take_picture_show"
    bl_label = "Show Picture of Take"
    bl_description = "Show a picture that was made with the take, and is stored beside its file, in an image editor"
    bl_options = {"REGISTER"}

    picture: EnumProperty(
        name="Picture",
        description="Which picture to show",
        items=(
            ("ERROR", "Error Curve", "How far off the fit of each frame is, on average and at the worst point"),
            ("JAW", "Jaw Path", "Where the lower front teeth go, from the front and the side, and how the jaw turns"),
            ("FACE", "Face", "How the jaw, the lips and the lids move over the frames of a video"),
            ("SHEET", "Frames", "Some frames as they were performed, and as the take has them, with their error"),
        ),
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        """Blender's tooltip: that of the picture."""
        return str(properties.bl_rna.properties["picture"].enum_items[properties.picture].description)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_take(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        pictures.show(context, pictures.load(errors.picture_of(actors.active_take(context.scene), self.picture)))
        return {"FINISHED"}


class AIM_OT_error_show(AimOperator, bpy.types.Operator):
    bl_idname = "aim.error_show"
    bl_label = "Show Error"
    bl_description = "Colour the result by how far each of its points is from the performance, with a legend in mm"
    bl_options = {"REGISTER", "UNDO"}

    view: EnumProperty(
        name="Show",
        description="Which error the colours mean",
        items=(
            ("FRAME", "This Frame", "The error in the current frame; the colours follow when the frame changes"),
            ("WORST", "Worst of All", "The worst error of each point over all frames"),
            ("NONE", "Nothing", "Take the colours and the legend away"),
        ),
        default="FRAME",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not (has_take(cls, context) and in_object_mode(cls, context)):
            return False
        found = actors.find_actor(actors.active_take(context.scene).actor)
        return found is None or is_idle(cls, found[1])

    def run(self, context: bpy.types.Context) -> set[str]:
        take = actors.active_take(context.scene)
        if self.view == "NONE":
            errors.hide(take)
            return {"FINISHED"}
        if errors.beside(take, errors.SUFFIX).is_file():
            self.tell(errors.show(context, take, self.view))
            return {"FINISHED"}
        actor, interpreter = actors.actor_of(take), worker_interpreter(context)
        start_job(self, actor, "errors", interpreter, errors.prepare(actor, take, self.view), f"measuring {take.name}")
        return {"FINISHED"}


class AIM_OT_frame_jump(AimOperator, bpy.types.Operator):
    bl_idname = "aim.frame_jump"
    bl_label = "Jump to Frame"
    bl_description = "Go to this frame, in which the fit is further off than in most"
    bl_options = {"REGISTER"}

    frame: IntProperty(name="Frame", description="The frame to go to")

    def run(self, context: bpy.types.Context) -> set[str]:
        context.scene.frame_set(self.frame)
        return {"FINISHED"}


CLASSES = (AIM_OT_take_picture_show, AIM_OT_error_show, AIM_OT_frame_jump)
