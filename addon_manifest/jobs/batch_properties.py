# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers of its batch: the list of shots, and what is the same for all of them."""

from __future__ import annotations

import bpy
from bpy.props import CollectionProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ...aim_blender.core.shared.settings.baking_settings import BakingSettings
from ...aim_blender.core.shared.sources.sources import SOURCES
from ...aim_blender.scene.basics import versions
from ...aim_blender.scene.basics.options import scene_property


class AimBatchShot(bpy.types.PropertyGroup):
    """A row of the batch's table."""

    name: StringProperty(name="Shot", description="The shot's name, with which its files begin")
    actor: StringProperty(
        name="Actor",
        description="The file of the learned actor that performed",
        subtype="FILE_PATH",
        options=versions.RELATIVE_PATH,
    )
    performance: StringProperty(
        name="Performance",
        description=f"What to fit, told by what it holds: {', '.join(source.label for source in SOURCES)}; a folder of "
        "meshes, or a file. Leave it empty where a take is given",
        subtype="FILE_PATH",
        options=versions.RELATIVE_PATH,
    )
    take: StringProperty(
        name="Take", description="A take that was fitted already", subtype="FILE_PATH", options=versions.RELATIVE_PATH
    )
    targets: StringProperty(
        name="Targets",
        description=(
            "The files of the learned actors that perform the shot, separated by |; empty means the actor itself"
        ),
    )
    more: StringProperty(options={"HIDDEN"})


class AimBatch(bpy.types.PropertyGroup):
    """The batch of a scene."""

    shots: CollectionProperty(type=AimBatchShot)
    active_shot: IntProperty(name="Chosen", description="The selected shot")
    folder: StringProperty(
        name="Folder",
        description="Where the results go, each shot into a folder of its own",
        subtype="DIR_PATH",
        options=versions.RELATIVE_PATH,
    )
    write: EnumProperty(
        name="Write",
        description="What to write for each target, where the table does not say",
        items=(
            ("bake", "Bake", "Shape keys, bones and their values as .npz"),
            ("pc2", "PC2", "Every vertex of every frame as a .pc2 cache"),
            ("mdd", "MDD", "Every vertex of every frame as an .mdd cache"),
            ("blend", "Blend", "A .blend with the baked object"),
        ),
        options={"ENUM_FLAG"},
        default={"bake", "blend"},
    )
    tolerance_mm: scene_property(BakingSettings, "tolerance_mm")
    fps: FloatProperty(
        name="Frame Rate", description="Convert to this many frames per second; 0 keeps the performance's", min=0.0
    )
    reduce_keys_mm: scene_property(BakingSettings, "reduce_keys_mm")


CLASSES = (AimBatchShot, AimBatch)
