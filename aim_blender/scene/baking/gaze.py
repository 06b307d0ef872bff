# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes that follow a target instead of their keys, which stay; and eyes that go back to them.

Each eye bone of a take gets a Damped Track constraint, and the armature one number, `look_at`, that drives how strongly
all of them count: it is what an artist moves or keys.
"""

from __future__ import annotations

import bpy
import mathutils

from ...core.shared.foundation.errors import InputError
from ..basics.records import TakeRecord
from .key_choice import HEAD, JAW

CONSTRAINT = "AIM Look At"
INFLUENCE = "look_at"
AWAY_HEADS = 4.0  # how far before the eyes a new target stands, in head bones' lengths
SIZE = 0.1  # of the target, likewise


def armature_of(take: TakeRecord) -> bpy.types.Object | None:
    """The armature of a take, None if it has none."""
    items = take.collection.objects if take.collection is not None else ()
    return next((each for each in items if each.type == "ARMATURE" and HEAD in each.data.bones), None)


def eye_bones(armature: bpy.types.Object | None) -> list[bpy.types.PoseBone]:
    """Those of a take's armature that are eyes."""
    bones = armature.pose.bones if armature is not None and armature.pose is not None else ()
    return [bone for bone in bones if bone.name not in (HEAD, JAW) and bone.name.startswith("eye")]


def is_followed(armature: bpy.types.Object | None) -> bool:
    """Whether the eyes of an armature follow a target."""
    return any(CONSTRAINT in bone.constraints for bone in eye_bones(armature))


def follow(
    context: bpy.types.Context, take: TakeRecord, target: bpy.types.Object | None = None
) -> tuple[bpy.types.Object, int]:
    """Let the eyes of a take look at a target, a new empty before them without one. Returns it, and how many eyes do.

    Their keys, and what other constraints they have, stay. Raises InputError if the take has no eye bones, or the
    target is the take's own armature or hangs on an eye.
    """
    armature = armature_of(take)
    eyes = eye_bones(armature)
    if armature is None or not eyes:
        raise InputError(
            f"the take {take.name!r} has no eye bones, as where its mesh has no eyeballs; hang eyeballs of their own "
            "on it by Hang on the Bones first, or choose another take"
        )
    if target is not None and (target == armature or (target.parent == armature and target.parent_bone != "")):
        raise InputError(
            f"{target.name!r} moves with the head itself; choose an empty, or another object, as the target"
        )
    target = target or _new_target(take, armature, eyes)
    if INFLUENCE not in armature.keys():  # noqa: SIM118 - as Blender's types have it
        armature[INFLUENCE] = 1.0
        armature.id_properties_ui(INFLUENCE).update(
            min=0.0, max=1.0, soft_min=0.0, soft_max=1.0, default=1.0, description="How far eyes follow the target"
        )
    for bone in eyes:
        constraint = bone.constraints.get(CONSTRAINT)
        if constraint is None:
            constraint = bone.constraints.new("DAMPED_TRACK")
            constraint.name = CONSTRAINT
            _drive(armature, constraint)
        constraint.target = target
        constraint.track_axis = "TRACK_Y"
    context.view_layer.update()
    return target, len(eyes)


def release(context: bpy.types.Context, take: TakeRecord) -> int:
    """Let the eyes of a take go by their keys alone. Returns how many followed a target. The target stays.

    Raises InputError if none did.
    """
    armature = armature_of(take)
    found = 0
    for bone in eye_bones(armature):
        constraint = bone.constraints.get(CONSTRAINT)
        if constraint is not None:
            constraint.driver_remove("influence")
            bone.constraints.remove(constraint)
            found += 1
    if armature is None or not found:
        raise InputError(f"the eyes of {take.name!r} follow no target")
    context.view_layer.update()
    return found


def _drive(armature: bpy.types.Object, constraint: bpy.types.Constraint) -> None:
    """Let a constraint count as strongly as the armature's number says."""
    driver = constraint.driver_add("influence").driver
    driver.type = "AVERAGE"  # needs no Python in the file
    variable = driver.variables.new()
    variable.targets[0].id = armature
    variable.targets[0].data_path = f'["{INFLUENCE}"]'


def _new_target(take: TakeRecord, armature: bpy.types.Object, eyes: list[bpy.types.PoseBone]) -> bpy.types.Object:
    """A new empty of the take's collection, straight before the eyes as they rest on the head of this frame."""
    bones = armature.data.bones
    head = armature.pose.bones[HEAD]
    carried = armature.matrix_world @ head.matrix @ bones[HEAD].matrix_local.inverted()
    size = bones[HEAD].length
    middle, front = mathutils.Vector(), mathutils.Vector()
    for eye in eyes:
        rest = bones[eye.name].matrix_local
        middle += rest.translation / len(eyes)
        front += rest.col[1].to_3d() / len(eyes)
    target = bpy.data.objects.new(f"{take.collection.name} look at", None)
    target.empty_display_type = "SPHERE"
    target.empty_display_size = SIZE * size
    target.location = carried @ (middle + AWAY_HEADS * size * front.normalized())
    take.collection.objects.link(target)
    return target
