# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists below Retarget: pairs of expressions, and regions."""

from __future__ import annotations

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import naming
from ...aim_blender.scene.retargeting import retarget_lists
from ..basics.base import AimOperator, require_actor


class AIM_OT_retarget_pairs_find(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_pairs_find"
    bl_label = "Pair by Name"
    bl_description = "List the actor's expressions with the target's that mean the same, to change what was not found"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        target = retarget_lists.picked_target(context.scene, actor, "")
        missing = retarget_lists.list_pairs(context.scene.aim.retarget, actor, target)
        count = len(actor.shapes)
        text = f"paired {count - len(missing)} of {count} expressions"
        self.tell(text + (f"; none for {naming.listed(missing)}" if missing else ""))
        return {"FINISHED"}


class AIM_OT_retarget_pairs_clear(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_pairs_clear"
    bl_label = "Clear Pairs"
    bl_description = "Empty the list, so that expressions pair by name"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        context.scene.aim.retarget.pairs.clear()
        return {"FINISHED"}


class AIM_OT_retarget_region_add(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_region_add"
    bl_label = "Add Region"
    bl_description = "Add a vertex group of the target's neutral that performs more or less strongly"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        state = context.scene.aim.retarget
        target = retarget_lists.picked_target(context.scene, require_actor(context), "")
        groups = target.neutral.vertex_groups if actors.is_there(target.neutral) else []
        listed = {region.name for region in state.regions}
        region = state.regions.add()
        region.name = next((group.name for group in groups if group.name not in listed), "")
        state.active_region = len(state.regions) - 1
        return {"FINISHED"}


class AIM_OT_retarget_region_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_region_remove"
    bl_label = "Remove Region"
    bl_description = "Take the chosen region off the list"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        state = context.scene.aim.retarget
        if not 0 <= state.active_region < len(state.regions):
            raise InputError("no region is chosen; choose one in the list")
        state.regions.remove(state.active_region)
        state.active_region = max(0, min(state.active_region, len(state.regions) - 1))
        return {"FINISHED"}


CLASSES = (
    AIM_OT_retarget_pairs_find,
    AIM_OT_retarget_pairs_clear,
    AIM_OT_retarget_region_add,
    AIM_OT_retarget_region_remove,
)
