# SPDX-License-Identifier: GPL-3.0-or-later
"""The one module that knows how Blender 4.2 to 5.2 differ."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError

# Actions got slots in 4.4: one action then animates the armature and the shape keys together.
HAS_SLOTS = hasattr(bpy.types, "ActionSlot")
# From 4.5 on Blender marks paths that begin with // unless a property says that it bears them.
RELATIVE_PATH = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()
LINEAR = 1  # the number foreach_set takes for the interpolation 'LINEAR'
VECTOR = 2  # and for handles of the type 'VECTOR'
KEYFRAME = 0  # and for keys of the type 'KEYFRAME'


class ActionWriter:
    """Writes F-curves for several data-blocks: into one action with a slot each (4.4 and newer), or one action each.

    name: the action's name; before 4.4 the data-block's kind is added to it. assign: the data-blocks get the action,
    else nothing of them is changed. written: each data-block, its action, and its slot where there are slots.
    """

    def __init__(self, name: str, assign: bool = True) -> None:
        self.name, self.assign = name, assign
        self.actions: list[bpy.types.Action] = []
        self.written: list[tuple[bpy.types.ID, bpy.types.Action, Any]] = []
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
        slot = None
        if not HAS_SLOTS:
            self.actions.append(bpy.data.actions.new(f"{self.name} {datablock.id_type.lower()}"))
            action = self._channels[key] = self.actions[-1]
            action.id_root = datablock.id_type
        else:
            if not self.actions:
                self.actions.append(bpy.data.actions.new(self.name))
                self.actions[0].layers.new("Layer").strips.new(type="KEYFRAME")
            action = self.actions[0]
            slot = action.slots.new(id_type=datablock.id_type, name=datablock.name)
            self._channels[key] = action.layers[0].strips[0].channelbag(slot, ensure=True)
        if self.assign:
            animation = datablock.animation_data or datablock.animation_data_create()
            animation.action = action
            if slot is not None:
                animation.action_slot = slot
        self.written.append((datablock, action, slot))
        return self._channels[key]


class RigWriter:
    """Writes keys into the F-curves of data-blocks that have animation of their own, and leaves the rest of it alone.

    name: of an action where there is none yet. new_action: an action that is there is copied, the copy is keyed and
    takes its place, and the original is kept in the file; else it is keyed itself.
    """

    def __init__(self, name: str, new_action: bool) -> None:
        self.name = name
        self.new_action = new_action
        self._copies: dict[str, bpy.types.Action] = {}
        self._channels: dict[str, Any] = {}

    def check(self, properties: list[tuple[bpy.types.ID, str, int]]) -> None:
        """Raise InputError if one of the properties (data-block, path, index) may not be keyed."""
        for datablock, path, index in properties:
            animation = datablock.animation_data
            if animation is not None and animation.use_tweak_mode:
                raise InputError(f"{datablock.name!r} is tweaked in the NLA editor; leave the tweak mode first")
            curve = next(
                (each for each in curves_of(datablock) if (each.data_path, each.array_index) == (path, index)), None
            )
            if curve is not None and curve.lock and not self.new_action:
                raise InputError(f"the curve {path} of {datablock.name!r} is locked; unlock it, or key a new action")
            if curve is not None and curve.mute and not self.new_action:
                raise InputError(f"the curve {path} of {datablock.name!r} is muted; unmute it, or key a new action")
            action = animation.action if animation is not None else None
            if action is not None and action.library is not None and not self.new_action:
                raise InputError(f"the action {action.name!r} is linked from another file; key a new action instead")

    def write(
        self, datablock: bpy.types.ID, data_path: str, index: int, group: str, frames: np.ndarray, values: np.ndarray
    ) -> None:
        """Key `datablock.data_path[index]` with values (F,) at frames (F,), joined by straight lines.

        Keys that were there from the first to the last of these frames are replaced; the others stay.
        """
        channels = self._channels_for(datablock)
        curve = channels.fcurves.find(data_path, index=index)
        if curve is None:
            curve = channels.fcurves.new(data_path, index=index)
            curve.group = channels.groups.get(group) or channels.groups.new(group)
        if self.new_action:  # a copy has what was muted
            curve.mute = False
        points = curve.keyframe_points
        times = np.empty((len(points), 2), dtype=np.float32)
        points.foreach_get("co", times.ravel())
        replaced = np.flatnonzero((times[:, 0] >= frames[0] - 1e-3) & (times[:, 0] <= frames[-1] + 1e-3))
        for place in reversed(replaced[len(frames) :].tolist()):
            points.remove(points[place], fast=True)
        # The others are written over: to remove and add a thousand takes long.
        before, replaced = len(points), replaced[: len(frames)]
        points.add(len(frames) - len(replaced))
        places = np.concatenate([replaced, np.arange(before, len(points))])
        for name, kind, added in (
            ("co", np.float32, np.stack([frames, values], axis=1)),
            ("interpolation", np.int32, LINEAR),
            ("type", np.int32, KEYFRAME),
            ("handle_left_type", np.int32, VECTOR),
            ("handle_right_type", np.int32, VECTOR),
        ):
            content = np.empty((len(points), 2 if name == "co" else 1), dtype=kind)
            points.foreach_get(name, content.ravel())
            content[places] = added
            points.foreach_set(name, content.ravel())
        points.sort()
        points.handles_recalc()
        curve.update()

    def close(self) -> None:
        """Nothing is left to do."""

    def _channels_for(self, datablock: bpy.types.ID) -> Any:
        """What holds the F-curves of a data-block; a new action is assigned at the first call."""
        key = _key(datablock)
        if key not in self._channels:
            self._channels[key] = self._prepared(datablock)
        return self._channels[key]

    def _prepared(self, datablock: bpy.types.ID) -> Any:
        animation = datablock.animation_data or datablock.animation_data_create()
        action = animation.action
        slot_name = animation.action_slot.identifier if HAS_SLOTS and animation.action_slot is not None else ""
        if action is None:
            if "" not in self._copies or not HAS_SLOTS:
                self._copies[""] = bpy.data.actions.new(self.name)
            animation.action = action = self._copies[""]
        elif self.new_action and action not in self._copies.values():
            if action.name_full not in self._copies:
                action.use_fake_user = action.use_fake_user or action.library is None
                self._copies[action.name_full] = action.copy()
            animation.action = action = self._copies[action.name_full]
        if not HAS_SLOTS:
            return action
        slot = action.slots.get(slot_name) if slot_name else None
        if slot is None:
            slot = action.slots.new(id_type=datablock.id_type, name=datablock.name)
        animation.action_slot = slot
        layer = action.layers[0] if len(action.layers) else action.layers.new("Layer")
        strip = layer.strips[0] if len(layer.strips) else layer.strips.new(type="KEYFRAME")
        return strip.channelbag(slot, ensure=True)


def add_strip(datablock: bpy.types.ID, action: bpy.types.Action, slot: Any, name: str) -> bpy.types.NlaStrip:
    """A strip of a whole action, on a new NLA track above what a data-block has. slot: of the action, where there are
    slots."""
    animation = datablock.animation_data or datablock.animation_data_create()
    track = animation.nla_tracks.new()
    track.name = name
    strip = track.strips.new(name, int(np.floor(action.frame_range[0])), action)
    if HAS_SLOTS:
        strip.action_slot = slot
    return strip


def slot_of(animation: bpy.types.AnimData) -> Any:
    """The slot that a data-block's action animates it with; None where there are no slots."""
    return animation.action_slot if HAS_SLOTS else None


def is_driven(datablock: bpy.types.ID, path: str) -> bool:
    """Whether a property is driven, so that keys would do nothing."""
    return any(not driver.mute for driver in drivers_of(datablock, path))


def drivers_of(datablock: bpy.types.ID, path: str) -> list[bpy.types.FCurve]:
    """The drivers of a property, muted ones too."""
    animation = datablock.animation_data
    return [] if animation is None else [driver for driver in animation.drivers if driver.data_path == path]


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
    return _curves(animation.action, slot_of(animation))


def strip_curves(strip: bpy.types.NlaStrip) -> list[bpy.types.FCurve]:
    """The F-curves that a strip of the NLA plays; none if it is muted."""
    if strip.mute or strip.action is None:
        return []
    return _curves(strip.action, strip.action_slot if HAS_SLOTS else None)


def _curves(action: bpy.types.Action, slot: Any) -> list[bpy.types.FCurve]:
    if not HAS_SLOTS:
        return list(action.fcurves)
    if slot is None:
        return []
    bags = [strip.channelbag(slot) for layer in action.layers for strip in layer.strips]
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def point_shader() -> Any:
    """The builtin shader of points with a colour each; since 4.5 it is one of its own."""
    return _builtin_shader("POINT_FLAT_COLOR")


def line_shader() -> Any:
    """The builtin shader of lines with a colour at each end."""
    return _builtin_shader("FLAT_COLOR")


def surface_shader() -> Any:
    """The builtin shader of triangles with a colour at each corner."""
    return _builtin_shader("SMOOTH_COLOR")


def _builtin_shader(name: str) -> Any:
    import gpu

    try:
        return gpu.shader.from_builtin(name)
    except ValueError:  # an older Blender
        return gpu.shader.from_builtin("FLAT_COLOR")


def gltf_animation_options() -> dict[str, Any]:
    """Options of the glTF exporter that keep the armature's and the shape keys' motions one animation.

    By default, with slots, it would add the actions of other takes, whose slots have names alike.
    """
    return {"export_animation_mode": "ACTIVE_ACTIONS"}


def ends_badly() -> bool:
    """Whether Python crashes when it ends: the bpy wheel of Blender 4.2 does, after any property with a callback was
    registered. Blender itself does not."""
    return not bpy.app.binary_path and bpy.app.version < (4, 5, 0)


def draw_progress(layout: bpy.types.UILayout, fraction: float, text: str) -> None:
    """A bar with text on it."""
    layout.progress(factor=fraction, type="BAR", text=text)


def _key(datablock: bpy.types.ID) -> str:
    return f"{datablock.id_type}/{datablock.name_full}"
