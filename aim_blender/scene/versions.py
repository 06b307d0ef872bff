# SPDX-License-Identifier: GPL-3.0-or-later
"""The one module that knows how Blender 4.2 to 5.2 differ."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

# Actions got slots in 4.4: one action then animates the armature and the shape keys together.
HAS_SLOTS = hasattr(bpy.types, "ActionSlot")
LINEAR = 1  # the number foreach_set takes for the interpolation 'LINEAR'


class ActionWriter:
    """Writes F-curves for several data-blocks: into one action with a slot each (4.4 and newer), or one action each.

    name: the action's name; before 4.4 the data-block's kind is added to it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.actions: list[bpy.types.Action] = []
        self._channels: dict[str, Any] = {}
        self._groups: dict[tuple[str, str], Any] = {}

    def write(
        self, datablock: bpy.types.ID, data_path: str, index: int, group: str, frames: np.ndarray, values: np.ndarray
    ) -> None:
        """Key `datablock.data_path[index]` with values (F,) at frames (F,), joined by straight lines."""
        channels = self._channels_for(datablock)
        key = (_key(datablock), group)
        if key not in self._groups:
            self._groups[key] = channels.groups.new(group)
        curve = channels.fcurves.new(data_path, index=index)
        curve.group = self._groups[key]
        points = curve.keyframe_points
        points.add(len(frames))
        points.foreach_set("co", np.stack([frames, values], axis=1).astype(np.float32).ravel())
        points.foreach_set("interpolation", np.full(len(frames), LINEAR, dtype=np.int32))
        curve.update()

    def _channels_for(self, datablock: bpy.types.ID) -> Any:
        """What holds the groups and F-curves of a data-block; its action is assigned at the first call."""
        key = _key(datablock)
        if key in self._channels:
            return self._channels[key]
        animation = datablock.animation_data or datablock.animation_data_create()
        if not HAS_SLOTS:
            action = bpy.data.actions.new(f"{self.name} {datablock.id_type.lower()}")
            self.actions.append(action)
            animation.action = action
            self._channels[key] = action
            return action
        if not self.actions:
            self.actions.append(bpy.data.actions.new(self.name))
            self.actions[0].layers.new("Layer").strips.new(type="KEYFRAME")
        action = self.actions[0]
        slot = action.slots.new(id_type=datablock.id_type, name=datablock.name)
        animation.action = action
        animation.action_slot = slot
        self._channels[key] = action.layers[0].strips[0].channelbag(slot, ensure=True)
        return self._channels[key]


def add_shape_key(item: bpy.types.Object, name: str) -> bpy.types.ShapeKey:
    """A new shape key of an object's mesh, equal to the basis and switched off; since 5.0 Blender makes them with 1."""
    key = item.shape_key_add(name=name, from_mix=False)
    key.value = 0.0
    return key


def use_nodes(material: bpy.types.Material) -> None:
    """Give a new material its nodes; since 5.0 every material has them, and the switch is going to be removed."""
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True


def curves_of(datablock: bpy.types.ID) -> list[bpy.types.FCurve]:
    """The F-curves that animate a data-block, whatever the version keeps them in."""
    animation = datablock.animation_data
    if animation is None or animation.action is None:
        return []
    if not HAS_SLOTS:
        return list(animation.action.fcurves)
    if animation.action_slot is None:
        return []
    bags = [strip.channelbag(animation.action_slot) for layer in animation.action.layers for strip in layer.strips]
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def point_shader() -> Any:
    """The builtin shader of points with a colour each; since 4.5 it is one of its own."""
    return _builtin_shader("POINT_FLAT_COLOR")


def line_shader() -> Any:
    """The builtin shader of lines with a colour at each end."""
    return _builtin_shader("FLAT_COLOR")


def _builtin_shader(name: str) -> Any:
    import gpu

    try:
        return gpu.shader.from_builtin(name)
    except ValueError:  # an older Blender
        return gpu.shader.from_builtin("FLAT_COLOR")


def draw_progress(layout: bpy.types.UILayout, fraction: float, text: str) -> None:
    """A bar with text on it."""
    layout.progress(factor=fraction, type="BAR", text=text)


def _key(datablock: bpy.types.ID) -> str:
    return f"{datablock.id_type}/{datablock.name_full}"
