# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user sets once: which Python does the work, and on what device."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, StringProperty

from ..aim_blender.scene import ROOT_PACKAGE, jobs


class AimPreferences(bpy.types.AddonPreferences):
    """The extension's preferences."""

    bl_idname = ROOT_PACKAGE

    interpreter: StringProperty(
        name="Python",
        description="The Python interpreter that learns and fits: one that has torch. Leave it empty to use the "
        "environment beside the extension",
        subtype="FILE_PATH",
    )
    device: EnumProperty(
        name="Device",
        description="The device on which learning and fitting run",
        items=(
            ("auto", "Automatic", "Use the graphics card if torch can, else the processor"),
            ("cpu", "Processor", "Use the processor, which needs no graphics memory"),
            ("cuda", "Graphics Card", "Use the graphics card, and fail if torch cannot"),
        ),
        default="auto",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The preferences' own panel."""
        column = self.layout.column()
        column.use_property_split = True
        column.prop(self, "interpreter")
        column.prop(self, "device")
        row = column.row()
        row.enabled = not jobs.ENVIRONMENT.checking
        row.operator("aim.environment_check", icon="CHECKMARK")
        draw_environment(column)


def draw_environment(layout: bpy.types.UILayout) -> None:
    """What the last check of the interpreter found."""
    from .text import draw_text

    icons = {"checking": "SORTTIME", "ready": "CHECKMARK", "failed": "ERROR"}
    if jobs.ENVIRONMENT.state in icons:
        draw_text(layout, jobs.ENVIRONMENT.text, icons[jobs.ENVIRONMENT.state])


CLASSES = (AimPreferences,)
