# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of classes, and what else is registered with Blender."""

from __future__ import annotations

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


def register() -> None:
    """Register the classes, the scene's property and the handlers. What fails half way is taken back."""
    registered: list[type[Any]] = []
    try:
        for each in CLASSES:
            bpy.utils.register_class(each)
            registered.append(each)
        bpy.types.Scene.aim = bpy.props.PointerProperty(type=properties.AimScene)
        jobs.register(deliver)
        live.register()
        errors.register()
        overlays.register()
        thumbnails.register()
        shape_preview.register()
        status_bar.register()
        menus.register()
        command_line.register()
    except BaseException:
        menus.unregister()
        status_bar.unregister()
        shape_preview.unregister()
        thumbnails.unregister()
        overlays.unregister()
        errors.unregister()
        live.unregister()
        jobs.unregister()
        for each in reversed(registered):
            bpy.utils.unregister_class(each)
        raise


def unregister() -> None:
    """Stop all workers, then unregister everything in reverse."""
    command_line.unregister()
    menus.unregister()
    status_bar.unregister()
    shape_preview.unregister()
    thumbnails.unregister()
    overlays.unregister()
    errors.unregister()
    live.unregister()
    jobs.unregister()
    del bpy.types.Scene.aim
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
