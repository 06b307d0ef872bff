# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that a job made, in Blender's image editor."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...core.shared.foundation.errors import InputError


def load(path: Path) -> bpy.types.Image:
    """The picture as Blender's data, as it is on the disk now. Raises InputError if it cannot be read."""
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError as error:
        raise InputError(f"the picture {path} cannot be read; make it again") from error
    image.reload()
    if image.size[0] == 0:
        bpy.data.images.remove(image)
        raise InputError(f"the picture {path} is damaged; make it again")
    return image


def show(context: bpy.types.Context, image: bpy.types.Image) -> None:
    """Show it in an image editor that is open, else in a window of its own; without windows nothing is shown."""
    if bpy.app.background or not context.window_manager.windows:
        return
    area = _image_editor(context) or _new_image_editor(context)
    area.spaces.active.image = image
    region = next(each for each in area.regions if each.type == "WINDOW")
    window = next(each for each in context.window_manager.windows if area in list(each.screen.areas))
    with context.temp_override(window=window, area=area, region=region):
        bpy.ops.image.view_all(fit_view=True)


def _image_editor(context: bpy.types.Context) -> bpy.types.Area | None:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and area.ui_type == "IMAGE_EDITOR":
                return area
    return None


def _new_image_editor(context: bpy.types.Context) -> bpy.types.Area:
    known = set(context.window_manager.windows)
    bpy.ops.wm.window_new()
    window = next(each for each in context.window_manager.windows if each not in known)
    area = window.screen.areas[0]
    area.ui_type = "IMAGE_EDITOR"
    return area
