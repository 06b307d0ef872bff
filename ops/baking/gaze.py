# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes that follow a target, and go back to their keys; eyeballs and teeth that are objects of their own."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.baking import gaze, own_objects
from ..basics.base import AimOperator, OfTake, has_take, in_object_mode


class AIM_OT_gaze_follow(OfTake, AimOperator, bpy.types.Operator):
    bl_idname = "aim.gaze_follow"
    bl_label = "Eyes Follow Target"
    bl_description = (
        "Let the eyes of the chosen take look at the selected empty or camera or, without one, at a new empty before "
        "them. Their keys stay, and the lids keep theirs"
    )
    bl_options = {"REGISTER", "UNDO"}

    target: StringProperty(name="Target", description="The object that they look at; empty takes the selected one")

    def run(self, context: bpy.types.Context) -> set[str]:
        take, _ = actors.take_and_actor(context.scene, self.take)
        target, count = gaze.follow(context, take, self._target(context))
        self.tell(f"{count} eye{'s' * (count != 1)} of {take.name} look{'s' * (count == 1)} at {target.name}")
        return {"FINISHED"}

    def _target(self, context: bpy.types.Context) -> bpy.types.Object | None:
        if self.target:
            named = context.scene.objects.get(self.target)
            if named is None:
                raise InputError(f"there is no object {self.target!r} in the scene {context.scene.name!r}")
            return named
        chosen = context.active_object
        if chosen is None or not chosen.select_get() or chosen.type not in ("EMPTY", "CAMERA"):
            return None
        return chosen


class AIM_OT_gaze_release(OfTake, AimOperator, bpy.types.Operator):
    bl_idname = "aim.gaze_release"
    bl_label = "Eyes by Their Keys"
    bl_description = "Let the eyes of the chosen take follow no target any more. The target stays"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        take, _ = actors.take_and_actor(context.scene, self.take)
        gaze.release(context, take)
        self.tell(f"the eyes of {take.name} go by their keys")
        return {"FINISHED"}


class AIM_OT_objects_hang(OfTake, AimOperator, bpy.types.Operator):
    bl_idname = "aim.objects_hang"
    bl_label = "Hang on the Bones"
    bl_description = (
        "Let copies of eyeballs, teeth, lashes and glasses that are objects of their own go with the chosen take: the "
        "selected meshes that stand at the actor's neutral or, with none selected, all that do. The objects stay"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_take(cls, context) and in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        take, actor = actors.take_and_actor(context.scene, self.take)
        near = own_objects.objects_near(context.scene, actor)
        chosen = [each for each in near if each.select_get()] or near
        if not chosen:
            raise InputError(
                f"no mesh of its own stands at the neutral of {actor.name!r}; put eyeballs and teeth where they belong "
                "in it, visible"
            )
        found = own_objects.hang(context, take, actor, chosen, near)
        self.tell(found.sentence(), warning=bool(found.left))
        return {"FINISHED"}


CLASSES = (AIM_OT_gaze_follow, AIM_OT_gaze_release, AIM_OT_objects_hang)
