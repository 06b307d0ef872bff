# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of regions below Retarget."""

from __future__ import annotations

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.retargeting import retarget_lists
from ..basics.base import AimOperator, require_actor
from ..basics.lists import remove_active


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
        remove_active(state, "regions", "active_region")
        return {"FINISHED"}


CLASSES = (
    AIM_OT_retarget_region_add,
    AIM_OT_retarget_region_remove,
)
