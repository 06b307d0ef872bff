# SPDX-License-Identifier: GPL-3.0-or-later
"""Solved values of a rig's controls as keyframes; whatever else is keyed stays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import bpy
import numpy as np
from mathutils import Quaternion

from ..basics import nla_strips
from . import rig_data
from .controls import Control
from .posing import owned, turned
from .rig_solving import SolvedRig

Curve = tuple[bpy.types.ID, str, int, str, np.ndarray]  # of what, its path and index, its group, and its values (F,)


def key_rig(
    solved: SolvedRig, frames: np.ndarray, writer: nla_strips.Writer, added: bool = False, head: Sequence[Curve] = ()
) -> None:
    """Key the controls at frames (F,). added: to what is there, by a layer. head: curves of the head's bone. Keys
    outside of these frames stay, and so does every other curve. Raises InputError before anything is changed."""
    curves = [*curves_of(solved.controls, solved.values, added), *head]
    rig_data.check_editable(list({rig_data.where(each[0]): each[0] for each in curves}.values()))
    writer.check([(datablock, path, index) for datablock, path, index, _, _ in curves])
    for datablock, path, index, group, values in curves:
        writer.write(datablock, path, index, group, frames, values)
    writer.close()
    bpy.context.view_layer.update()


def curves_of(controls: Sequence[Control], values: np.ndarray, added: bool = False) -> list[Curve]:
    """F-curves of values (F, C) of controls. added: a layer adds them to what is there, so that at rest they are what a
    layer adds nothing by: 1 for a scale, else the property's default."""
    found: list[Curve] = []
    turning: dict[tuple[rig_data.Where, str], np.ndarray] = {}
    first: dict[tuple[rig_data.Where, str], Control] = {}
    for control, column in zip(controls, values.T, strict=True):
        datablock = rig_data.data_at(control.place)
        owner = owned(datablock, control.owner)
        if control.custom and isinstance(_number_of(control, owner[control.name]), int):
            column = column.round()  # Blender cuts off what follows the point
        if added and control.kind == "SCALE":
            column = column / control.rest
        elif added:
            column = column - control.rest + _neutral_of(control, owner)
        if not control.turns:
            found.append((datablock, control.path, max(control.index, 0), control.group, column))
            continue
        key = (control.place, control.path)
        turning.setdefault(key, np.zeros((len(values), 3)))[:, control.index] = column
        first.setdefault(key, control)
    for (place, path), vectors in turning.items():
        control = first[place, path]
        rows = [turned(vector.tolist(), control.name) for vector in vectors]
        if control.name == "rotation_quaternion":
            quaternions = [Quaternion(row) for row in rows]
            for before, after in pairwise(quaternions):
                after.make_compatible(before)
            rows = [tuple(each[:]) for each in quaternions]
        datablock = rig_data.data_at(place)
        found += [(datablock, path, index, control.group, column) for index, column in enumerate(np.array(rows).T)]
    return found


def _neutral_of(control: Control, owner: Any) -> float:
    """What a layer that adds adds nothing by."""
    if not control.custom:
        return 0.0
    return float(_number_of(control, owner.id_properties_ui(control.name).as_dict().get("default", 0.0)))


def _number_of(control: Control, value: Any) -> Any:
    """A control's number of the value of its property, which may be an array."""
    return value[control.index] if control.index >= 0 and hasattr(value, "__len__") else value
