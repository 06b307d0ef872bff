# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu Object > AIM, with every operator: Blender's search (F3) finds what stands in a menu, and nothing else."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import bpy

from .. import ops


class _Operators:
    """Lists the operators of some modules, a group for each."""

    modules: tuple[ModuleType, ...] = ()

    def draw(self: Any, context: bpy.types.Context) -> None:
        for number, module in enumerate(self.modules):
            if number:
                self.layout.separator()
            for each in module.CLASSES:
                if issubclass(each, bpy.types.Operator):
                    self.layout.operator(each.bl_idname)


class AIM_MT_actor(_Operators, bpy.types.Menu):
    bl_label = "Actor"
    modules = (ops.actors, ops.characters)


class AIM_MT_anatomy(_Operators, bpy.types.Menu):
    bl_label = "Anatomy"
    modules = (ops.anatomy, ops.landmarks)


class AIM_MT_learn(_Operators, bpy.types.Menu):
    bl_label = "Learn"
    modules = (ops.learning, ops.parts)


class AIM_MT_fit(_Operators, bpy.types.Menu):
    bl_label = "Fit"
    modules = (ops.fitting, ops.sources, ops.live, ops.errors)


class AIM_MT_retarget(_Operators, bpy.types.Menu):
    bl_label = "Retarget"
    modules = (ops.retargeting, ops.retarget_pairs, ops.retarget_lists)


class AIM_MT_bake(_Operators, bpy.types.Menu):
    bl_label = "Bake"
    modules = (ops.baking, ops.gaze, ops.engines, ops.rig_controls, ops.layers, ops.pose_assets)


class AIM_MT_batch(_Operators, bpy.types.Menu):
    bl_label = "Batch"
    modules = (ops.batch,)


class AIM_MT_presets(_Operators, bpy.types.Menu):
    bl_label = "Presets"
    modules = (ops.presets,)


class AIM_MT_jobs(_Operators, bpy.types.Menu):
    bl_label = "Jobs"
    modules = (ops.jobs,)


class AIM_MT_environment(_Operators, bpy.types.Menu):
    bl_label = "Environment"
    modules = (ops.environment,)


SECTIONS = (
    AIM_MT_actor,
    AIM_MT_anatomy,
    AIM_MT_learn,
    AIM_MT_fit,
    AIM_MT_retarget,
    AIM_MT_bake,
    AIM_MT_batch,
    AIM_MT_presets,
    AIM_MT_jobs,
    AIM_MT_environment,
)


class AIM_MT_all(bpy.types.Menu):
    bl_label = "AIM"

    def draw(self, context: bpy.types.Context) -> None:
        for each in SECTIONS:
            self.layout.menu(each.__name__)


CLASSES = (*SECTIONS, AIM_MT_all)


def _in_object_menu(menu: Any, context: bpy.types.Context) -> None:
    menu.layout.separator()
    menu.layout.menu(AIM_MT_all.__name__)


def register() -> None:
    """Append the menu to the 3D view's menu Object."""
    bpy.types.VIEW3D_MT_object.append(_in_object_menu)


def unregister() -> None:
    """Take it out again."""
    bpy.types.VIEW3D_MT_object.remove(_in_object_menu)
