# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking, saving and removing presets of the settings."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty, StringProperty

from ...aim_blender.scene.jobs import presets
from ..basics.base import AimOperator

KINDS = (
    ("learn", "Learn", "Settings of learning"),
    ("fit", "Fit", "Settings of fitting"),
    ("retarget", "Retarget", "Settings of retargeting"),
    ("bake", "Bake", "Settings of baking"),
    ("rig", "Onto Controls", "Settings of keying a rig"),
)


# Blender reads annotations of a class where no module's names are known, so a lambda there would not find them.
def _all_names(operator: Any, context: bpy.types.Context, typed: str) -> list[str]:
    return [*presets.SHIPPED[operator.kind], *presets.saved(operator.kind)]


def _own_names(operator: Any, context: bpy.types.Context, typed: str) -> list[str]:
    return presets.saved(operator.kind)


class _OfPresets(AimOperator):
    """What the operators share: for what the preset is, and a dialog that asks for its name."""

    kind: EnumProperty(name="For", description="For what the preset is", items=KINDS)

    def invoke(self: Any, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the name where none is given, as when it is called from the search."""
        if self.name:
            return self.execute(context)
        return set(context.window_manager.invoke_props_dialog(self))


class AIM_OT_preset_load(_OfPresets, bpy.types.Operator):
    bl_idname = "aim.preset_load"
    bl_label = "Load Preset"
    bl_description = "Take the settings from a preset"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(
        name="Name",
        description="The preset's name",
        search=_all_names,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        """Blender's tooltip: what the preset sets."""
        if properties.name == presets.DEFAULT:
            return "Set all of these settings, the advanced ones included, as they are at first"
        settings = presets.SHIPPED[properties.kind].get(properties.name)
        if settings is None:
            return f"Take the settings from the preset {properties.name}, which you saved"
        return "Set " + ", ".join(presets.described(context.scene, settings))

    def run(self, context: bpy.types.Context) -> set[str]:
        presets.load(context.scene, self.kind, self.name)
        self.tell(f"the settings are those of {self.name}")
        return {"FINISHED"}


class AIM_OT_preset_save(_OfPresets, bpy.types.Operator):
    bl_idname = "aim.preset_save"
    bl_label = "Save Preset"
    bl_description = "Save the current settings as a preset; one of yours of the same name is replaced"
    bl_options = {"REGISTER"}

    name: StringProperty(name="Name", description="The preset's name", options={"SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> set[str]:
        self.tell(f"saved {presets.save(context.scene, self.kind, self.name)}")
        return {"FINISHED"}


class AIM_OT_preset_remove(_OfPresets, bpy.types.Operator):
    bl_idname = "aim.preset_remove"
    bl_label = "Remove Preset"
    bl_description = "Remove a preset that you saved; the current settings stay"
    bl_options = {"REGISTER"}

    name: StringProperty(
        name="Name",
        description="The preset's name",
        search=_own_names,
        options={"SKIP_SAVE"},
    )

    def run(self, context: bpy.types.Context) -> set[str]:
        presets.remove(self.kind, self.name)
        return {"FINISHED"}


CLASSES = (AIM_OT_preset_load, AIM_OT_preset_save, AIM_OT_preset_remove)
