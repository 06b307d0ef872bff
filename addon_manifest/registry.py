# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of classes, and what else is registered with Blender."""

from __future__ import annotations

import contextlib
from typing import Any

import bpy

from .. import ops
from ..aim_blender.scene import errors, jobs, live, thumbnails
from ..ops.results import deliver
from . import (
    baking_panel,
    baking_properties,
    batch_panel,
    batch_properties,
    command_line,
    fitting_properties,
    menus,
    overlays,
    panels,
    preferences,
    preset_menus,
    properties,
    retarget_panels,
    retarget_properties,
    shape_preview,
    status_bar,
)

CLASSES: tuple[type[Any], ...] = (
    *retarget_properties.CLASSES,
    *baking_properties.CLASSES,
    *batch_properties.CLASSES,
    *fitting_properties.CLASSES,
    *properties.CLASSES,
    *preferences.CLASSES,
    *ops.CLASSES,
    *preset_menus.CLASSES,
    *menus.CLASSES,
    *panels.CLASSES,
    *retarget_panels.CLASSES,
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
