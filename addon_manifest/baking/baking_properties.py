# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers of baking: which frames of a take, in what form, and the rig of one's own that is keyed."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ...aim_blender.core.shared.settings.baking_settings import BakingSettings
from ...aim_blender.core.shared.settings.rig_settings import LayerSettings, RigSettings
from ...aim_blender.core.shared.settings.timing_settings import Timing
from ...aim_blender.scene.basics.options import scene_property
from ..retargeting.retarget_properties import AimPair


def _is_mesh(_: object, item: bpy.types.Object) -> bool:
    return item.type == "MESH"


def _is_armature(_: object, item: bpy.types.Object) -> bool:
    return item.type == "ARMATURE"


class AimBaking(bpy.types.PropertyGroup):
    """How a take is baked again."""

    kind: EnumProperty(
        name="As",
        description="What to turn the take into",
        items=(
            ("KEYS", "Keys and Bones", "A mesh with named shape keys, correctives, a head and a jaw bone"),
            ("PC2", "PC2 Cache", "A mesh that a .pc2 file moves: every vertex exactly, but nothing to edit"),
            ("MDD", "MDD Cache", "A mesh that an .mdd file moves: every vertex exactly, but nothing to edit"),
        ),
    )
    use_range: BoolProperty(name="Frame Range", description="Bake only some frames of the take", default=False)
    start: scene_property(Timing, "start", default=1)
    end: scene_property(Timing, "end", default=250)
    step: scene_property(Timing, "step")
    use_first: BoolProperty(name="Start At", description="Let the result begin at another frame", default=False)
    first: scene_property(Timing, "first", default=1)
    convert_rate: BoolProperty(
        name="Scene Frame Rate",
        description="Convert the take to the frame rate of the scene; otherwise each of its frames stays one frame",
        default=False,
    )
    reduce_keys_mm: scene_property(BakingSettings, "reduce_keys_mm")
    keys: scene_property(BakingSettings, "keys")
    jaw_as: scene_property(BakingSettings, "jaw_as")


class AimRigControl(bpy.types.PropertyGroup):
    """A control of a rig that moves the face."""

    identifier: StringProperty(options={"HIDDEN"})
    use: BoolProperty(name="Key", description="Key this control; otherwise it stays as it is", default=True)
    least: FloatProperty(name="Least", description="The smallest value that it may be keyed with", precision=3)
    most: FloatProperty(name="Most", description="The largest value that it may be keyed with", precision=3)


class AimRig(bpy.types.PropertyGroup):
    """A character of one's own that a take is keyed onto."""

    mesh: PointerProperty(
        type=bpy.types.Object,
        poll=_is_mesh,
        name="Mesh",
        description="The character's mesh, whose shape keys are keyed, or whose rig is",
    )
    armature: PointerProperty(
        type=bpy.types.Object, poll=_is_armature, name="Armature", description="The character's armature, if it has one"
    )
    jaw_bone: StringProperty(name="Jaw Bone", description="The bone that opens the mouth; empty keys none")
    head_bone: StringProperty(name="Head Bone", description="The bone that turns the head; empty keys none")
    jaw_location: BoolProperty(name="Jaw Location", description="Also key how the jaw slides", default=True)
    head_location: BoolProperty(
        name="Head Location",
        description="Also key where the head moves. Leave it off for a head that sits on a neck",
        default=False,
    )
    new_action: BoolProperty(
        name="New Action",
        description=(
            "Key a copy of the character's action and keep the current one; otherwise only the chosen "
            "curves of the current action change, in the take's frames"
        ),
        default=True,
    )
    drivers: EnumProperty(
        name="Drivers",
        description="What to do with paired shape keys that drivers move, on which keyframes have no effect",
        items=(
            ("KEEP", "Keep", "Leave these shape keys to their drivers"),
            (
                "MUTE",
                "Mute",
                "Mute their drivers and key them; unmute the drivers in the Drivers editor to let them take over again",
            ),
            ("BESIDE", "Add Keys Beside", "Key copies of them, whose shapes add to those of the drivers"),
        ),
    )
    pairs: CollectionProperty(type=AimPair)
    active_pair: IntProperty(name="Chosen", description="The selected expression")
    controls: CollectionProperty(type=AimRigControl)
    active_control: IntProperty(name="Chosen", description="The selected control")
    loss: scene_property(RigSettings, "loss")
    smoothing: scene_property(RigSettings, "smoothing")
    rounds: scene_property(RigSettings, "rounds")
    onto: scene_property(LayerSettings, "onto")
    blend_in: scene_property(LayerSettings, "blend_in")
    blend_out: scene_property(LayerSettings, "blend_out")
    use_range: BoolProperty(name="Frame Range", description="Key only some frames of the take", default=False)
    start: scene_property(LayerSettings, "start", default=1)
    end: scene_property(LayerSettings, "end", default=250)


CLASSES = (AimBaking, AimRigControl, AimRig)
