# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own ways with results: strips of the NLA."""

from __future__ import annotations

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import nla_strips
from ..basics.base import AimOperator, OfTake


class AIM_OT_take_push_down(OfTake, AimOperator, bpy.types.Operator):
    bl_idname = "aim.take_push_down"
    bl_label = "Push Down"
    bl_description = (
        "Make the action of the take's result a strip in Blender's NLA, of its bones and of its shape keys at once, so "
        "that other takes and keys can go over it. It plays as before, and no key changes"
    )
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        take, _ = actors.take_and_actor(context.scene, self.take)
        if take.collection is None:
            raise InputError(f"the result of {take.name!r} was removed; bake the take again")
        self.tell(nla_strips.push_down_all(take.collection, take.name))
        return {"FINISHED"}


CLASSES = (AIM_OT_take_push_down,)
