# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of retargeting that a scene remembers: which expressions belong together, and how strong regions are."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, IntProperty, StringProperty


class AimPair(bpy.types.PropertyGroup):
    """An expression of who performed, and what does the same on the target."""

    name: StringProperty(name="Expression", description="The performer's expression")
    target: StringProperty(
        name="On the Target",
        description="What does the same on the target; while it is empty, the others show what they can of it",
    )
    left_out: BoolProperty(
        name="Leave Out",
        description="Show nothing of this expression on the target, not even its jaw",
    )


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


class AimRetarget(bpy.types.PropertyGroup):
    """The lists of retargeting. Empty ones count as not there: expressions pair by name, regions are alike."""

    pairs: CollectionProperty(type=AimPair)
    active_pair: IntProperty(name="Chosen", description="The selected expression")
    regions: CollectionProperty(type=AimRegion)
    active_region: IntProperty(name="Chosen", description="The region that is chosen in the list")


CLASSES = (AimPair, AimRegion, AimRetarget)
