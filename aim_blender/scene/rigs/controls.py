# SPDX-License-Identifier: GPL-3.0-or-later
"""The controls that a rig has: channels of bones and objects, shape keys and custom properties that nothing drives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import bpy
import numpy as np
from idprop.types import IDPropertyArray

from . import rig_data

Kind = Literal["LOCATION", "ROTATION", "SCALE", "KEY", "PROPERTY", "SWITCH"]
# How far from rest a control may go where its rig says nothing: of the mesh's size, in radians, times its size, and of
# a property without a range.
REACH, TURN, GROWTH, RANGE = 0.15, 1.0, 0.5, 1.0
TRIED = 0.1  # the share of that by which it is moved to see what it does; keys and properties go all the way
LARGEST_RANGE = 1e4  # of a property: what goes beyond has none
FINE = 20  # steps of a property of whole numbers, from which on it is a slider, as of per cent, and no switch
AXES = "XYZ"


@dataclass(frozen=True)
class Control:
    """A number of a rig that an artist can key.

    place: of its data-block. owner: the path of what has it, such as a bone, empty if the data-block itself. name: the
    property's, `custom` if it is one of the user's own. index: of an array, -1 of none. A bone whose turns are
    quaternions or an axis and an angle is turned by three numbers, a rotation vector. rest, least, most: where it
    rests and may go. step: by how much it is moved to see what it does. group: what its curves are listed below.
    """

    place: rig_data.Where
    owner: str
    name: str
    index: int
    kind: Kind
    rest: float
    least: float
    most: float
    step: float
    group: str
    custom: bool = False

    @property
    def identifier(self) -> str:
        """By which it is found again."""
        return f"{'/'.join(self.place)}|{self.path}|{self.index}"

    @property
    def path(self) -> str:
        """Of its property, from the data-block."""
        if self.custom:
            return f'{self.owner}["{bpy.utils.escape_identifier(self.name)}"]'
        return f"{self.owner}.{self.name}" if self.owner else self.name

    @property
    def label(self) -> str:
        """As an artist knows it."""
        what = {"LOCATION": "Location", "ROTATION": "Rotation", "SCALE": "Scale"}.get(self.kind)
        if what is None:
            which = "" if self.index < 0 else f" {self.index + 1}"
            return self.group if self.kind == "KEY" else f"{self.group} {self.name}{which}"
        return f"{self.group} {what} {AXES[self.index]}"

    @property
    def turns(self) -> bool:
        """Whether it is a number of a rotation vector, which is written in another way."""
        return self.name in ("rotation_quaternion", "rotation_axis_angle")


def controls_of(mesh: bpy.types.Object, datablocks: list[bpy.types.ID], size: float) -> list[Control]:
    """All controls of a mesh's rig whose bones are shown. size: of the mesh, in the scene."""
    found: list[Control] = []
    for each in datablocks:
        driven = {(curve.data_path, curve.array_index) for curve in rig_data.drivers(each)}
        controls: Iterator[Control]
        if isinstance(each, bpy.types.Key):
            controls = _keys(each)
        elif isinstance(each, bpy.types.Object):
            controls = _of_object(each, size, each == mesh)
        else:
            controls = _properties(each, each, "", each.name)
        found += [control for control in controls if not _is_driven(control, driven)]
    return found


def _is_driven(control: Control, driven: set[tuple[str, int]]) -> bool:
    if control.turns:
        return any(path == control.path for path, _ in driven)
    return (control.path, max(control.index, 0)) in driven


def _keys(keys: bpy.types.Key) -> Iterator[Control]:
    for key in keys.key_blocks[1:]:
        if not key.mute and not key.lock_shape and key.slider_min <= 0.0 <= key.slider_max:
            owner = f'key_blocks["{bpy.utils.escape_identifier(key.name)}"]'
            step = key.slider_max or key.slider_min
            where = rig_data.where(keys)
            if step:
                yield Control(where, owner, "value", -1, "KEY", 0.0, key.slider_min, key.slider_max, step, key.name)


def _of_object(item: bpy.types.Object, size: float, is_face: bool) -> Iterator[Control]:
    yield from _properties(item, item, "", item.name)
    scale = float(np.cbrt(abs(item.matrix_world.to_3x3().determinant()))) or 1.0
    if item.type != "ARMATURE":
        if not is_face and item.type == "EMPTY":
            yield from _channels(item, item, "", item.name, size * REACH)
        return
    for bone in item.pose.bones:
        if not _is_shown(bone.bone):
            continue
        owner = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"]'
        yield from _channels(item, bone, owner, bone.name, size * REACH / scale)
        yield from _properties(item, bone, owner, bone.name)


def _is_shown(bone: bpy.types.Bone) -> bool:
    return not bone.hide and (
        not len(bone.collections) or any(each.is_visible_effectively for each in bone.collections)
    )


def _channels(item: bpy.types.Object, moved: Any, owner: str, group: str, reach: float) -> Iterator[Control]:
    """Of a bone, which rests in zeros, or of an object, which rests where it is."""
    place, is_bone = rig_data.where(item), bool(owner)
    turning = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(
        moved.rotation_mode, "rotation_euler"
    )
    connected = is_bone and moved.bone.use_connect and moved.parent is not None
    rows: tuple[tuple[str, Kind, Any, float, float], ...] = (
        ("location", "LOCATION", (True,) * 3 if connected else moved.lock_location, 0.0, reach),
        (turning, "ROTATION", moved.lock_rotation, 0.0, TURN),
        ("scale", "SCALE", moved.lock_scale, 1.0, GROWTH),
    )
    for name, kind, locks, at, far in rows:
        if not is_bone and name in ("rotation_quaternion", "rotation_axis_angle"):
            continue  # of an object that rests turned they are no three numbers about its rest
        for index in range(3):
            if not locks[index]:
                rest = at if is_bone else getattr(moved, name)[index]
                yield Control(place, owner, name, index, kind, rest, rest - far, rest + far, far * TRIED, group)


def _properties(datablock: bpy.types.ID, owner: Any, path: str, group: str) -> Iterator[Control]:
    """The user's own numbers of something, one by one of an array. What has few values, such as a tick, is a switch."""
    for name, value in owner.items():
        single = isinstance(value, (float, int))
        if name.startswith("_") or not (single or isinstance(value, IDPropertyArray)):
            continue
        numbers = [value] if single else list(value)
        said = owner.id_properties_ui(name).as_dict()
        defaults = said.get("default", 0.0)
        for index, number in enumerate(numbers):
            rest = float(defaults[index] if isinstance(defaults, (list, tuple)) else defaults)
            least, most = float(said.get("soft_min", -np.inf)), float(said.get("soft_max", np.inf))
            if isinstance(number, bool):
                least, most = 0.0, 1.0
            least = least if abs(least) < LARGEST_RANGE else rest - RANGE
            most = most if abs(most) < LARGEST_RANGE else rest + RANGE
            rest = min(max(rest, least), most)
            step = most - rest if most - rest >= rest - least else least - rest
            kind: Kind = "SWITCH" if isinstance(number, int) and most - least < FINE else "PROPERTY"
            if step:
                at = -1 if single else index
                place = rig_data.where(datablock)
                yield Control(place, path, name, at, kind, rest, least, most, step, group, custom=True)
