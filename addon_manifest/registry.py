# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of classes, and what else is registered with Blender."""

from __future__ import annotations

import contextlib
from typing import Any

import bpy

from .. import ops
from ..aim_blender.scene.actors import thumbnails
from ..aim_blender.scene.jobs import errors, jobs
from ..aim_blender.scene.live import live
from ..ops.basics.results import deliver
from . import command_line, menus, overlays, panels, properties
from .actors import actor_panels, actor_properties, anatomy_panels, learning_panels, parts_panel, shape_preview
from .baking import baking_panel, baking_properties, gaze_panel
from .basics import settings_groups
from .fitting import fitting_properties, performance_panels, take_properties
from .jobs import batch_panel, batch_properties, preferences, preset_menus, status_bar
from .retargeting import pair_panels, region_panels, retarget_panels, retarget_properties

CLASSES: tuple[type[Any], ...] = (
    *retarget_properties.CLASSES,
    *baking_properties.CLASSES,
    *batch_properties.CLASSES,
    *fitting_properties.CLASSES,
    *settings_groups.CLASSES,
    *actor_properties.CLASSES,
    *take_properties.CLASSES,
    *properties.CLASSES,
    *preferences.CLASSES,
    *ops.CLASSES,
    *preset_menus.CLASSES,
    *menus.CLASSES,
    *panels.CLASSES,
    *actor_panels.CLASSES,
    *anatomy_panels.CLASSES,
    *learning_panels.CLASSES,
    *performance_panels.CLASSES,
    *retarget_panels.CLASSES,
    *parts_panel.CLASSES,
    *gaze_panel.CLASSES,
    *pair_panels.CLASSES,
    *region_panels.CLASSES,
    *baking_panel.CLASSES,
    *batch_panel.CLASSES,
)


# What Blender calls by itself: timers, handlers, and what is drawn over its views and in its menus.
PARTS = (live, errors, overlays, thumbnails, shape_preview, status_bar, menus, command_line)

_registered = contextlib.ExitStack()  # how all of it is taken back, the last first


def register() -> None:
    """Register the classes, the scene's property and the handlers. What fails half way is taken back."""
    global _registered
    with contextlib.ExitStack() as stack:
        for each in CLASSES:
            bpy.utils.register_class(each)
            stack.callback(bpy.utils.unregister_class, each)
        bpy.types.Scene.aim = bpy.props.PointerProperty(type=properties.AimScene)
        stack.callback(delattr, bpy.types.Scene, "aim")
        stack.callback(jobs.unregister)
        jobs.register(deliver)
        for part in PARTS:
            stack.callback(part.unregister)
            part.register()
        _registered = stack.pop_all()


def unregister() -> None:
    """Stop all workers, then unregister everything in reverse."""
    _registered.close()
