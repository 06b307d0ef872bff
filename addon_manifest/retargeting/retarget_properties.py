# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of retargeting that a scene remembers: which expressions belong together, and how strong regions are."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, IntProperty, StringProperty

from ...aim_blender.scene.basics.records import PairRecord
from ...aim_blender.scene.retargeting import retarget_lists


# Blender reads annotations of a class where no module's names are known, so a lambda there would not find them.
def _suggested(pair: PairRecord, _: object, typed: str) -> list[str]:
    return retarget_lists.suggested(pair.id_data, pair, typed)


class AimPair(bpy.types.PropertyGroup):
    """An expression of who performed, and what does the same on the target: see scene/retargeting/pair_rows.py."""

    name: StringProperty(name="Expression", description="The performer's expression")
    target: StringProperty(
        name="On the Target",
        description='What you choose for it on the target: one shape, or several joined by " + ". While it is empty, '
        "what was found counts; in a list that was paired by name, the others show what they can of it",
        search=_suggested,
    )
    left_out: BoolProperty(
        name="Leave Out",
        description="Show nothing of this expression on the target, not even its jaw",
    )
    accepted: BoolProperty(name="Accepted", description="What was found is good as it is")
    found: StringProperty(options={"HIDDEN"})
    compared: StringProperty(options={"HIDDEN"})
    likeness: FloatProperty(options={"HIDDEN"})


class AimRegion(bpy.types.PropertyGroup):
    """A part of the target's face that performs more or less strongly."""

    name: StringProperty(name="Vertex Group", description="A vertex group of the target's neutral")
    strength: FloatProperty(
        name="Strength",
        description="How strongly the expressions show there, on top of the overall strength: 1 as everywhere else",
        default=1.0,
        min=0.0,
        soft_max=1.5,
        max=10.0,
    )


class AimKeptPairs(bpy.types.PropertyGroup):
    """The list of pairs of a performer and a target who are not chosen now."""

    name: StringProperty(options={"HIDDEN"})
    content: StringProperty(options={"HIDDEN"})


class AimRetarget(bpy.types.PropertyGroup):
    """The lists of retargeting. Empty ones count as not there: expressions pair by name and by what they do, regions
    are alike."""

    pairs: CollectionProperty(type=AimPair)
    active_pair: IntProperty(name="Chosen", description="The selected expression")
    source: StringProperty(options={"HIDDEN"})
    target: StringProperty(options={"HIDDEN"})
    proposed: BoolProperty(options={"HIDDEN"})
    made_of: StringProperty(options={"HIDDEN"})
    target_shapes: StringProperty(options={"HIDDEN"})
    notes: StringProperty(options={"HIDDEN"})
    kept: CollectionProperty(type=AimKeptPairs)
    regions: CollectionProperty(type=AimRegion)
    active_region: IntProperty(name="Chosen", description="The region that is chosen in the list")


CLASSES = (AimPair, AimRegion, AimKeptPairs, AimRetarget)
