# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers of its takes."""

from __future__ import annotations

import bpy
from bpy.props import (
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ...aim_blender.scene.basics import versions


class AimTake(bpy.types.PropertyGroup):
    """A fitted performance of an actor."""

    name: StringProperty(name="Name", description="The take's name")
    actor: StringProperty(options={"HIDDEN"})
    file_path: StringProperty(
        name="Take", description="The file of the fitted take", subtype="FILE_PATH", options=versions.RELATIVE_PATH
    )
    bake_path: StringProperty(options={"HIDDEN"})
    figures: StringProperty(options={"HIDDEN"})
    frame_start: IntProperty(name="Start", description="The take's first frame")
    frame_end: IntProperty(name="End", description="The take's last frame")
    error_view: StringProperty(options={"HIDDEN"})
    error_largest: FloatProperty(options={"HIDDEN"})
    collection: PointerProperty(type=bpy.types.Collection)


CLASSES = (AimTake,)
