# SPDX-License-Identifier: GPL-3.0-or-later
"""A take as a strip of Blender's NLA: over what is there, or in place of its own action. No key of the user's changes.

Blender's actions have one layer each as yet, so that a layer is a track of the NLA, in every version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.wording import listed
from ...core.shared.settings.rig_settings import LayerSettings
from . import versions


class Writer(Protocol):
    """What keys data-blocks: check() first, then write() each curve, then close()."""

    def check(self, properties: list[tuple[bpy.types.ID, str, int]]) -> None:
        """Raise InputError if one of the properties (data-block, path, index) may not be keyed."""

    def write(
        self, datablock: bpy.types.ID, data_path: str, index: int, group: str, frames: np.ndarray, values: np.ndarray
    ) -> None:
        """Key `datablock.data_path[index]` with values (F,) at frames (F,)."""

    def close(self) -> None:
        """Whatever is to be done when all is written."""


def writer_for(title: str, new_action: bool, layer: LayerSettings) -> Writer:
    """What keys a rig as the settings say. title: of a new action, and of a layer. new_action: as RigWriter has it."""
    return versions.RigWriter(title, new_action) if layer.onto == "action" else LayerWriter(title, layer)


class LayerWriter:
    """Writes keys into a new action, which becomes the uppermost strip in the NLA of each data-block.

    A data-block's own action goes below, as a strip of a track of its own, and shows what it showed; no key changes.
    """

    def __init__(self, title: str, layer: LayerSettings) -> None:
        self.title, self.layer = title, layer
        self._writer = versions.ActionWriter(title, assign=False)
        self._written: list[tuple[bpy.types.ID, str, int, str]] = []

    def check(self, properties: list[tuple[bpy.types.ID, str, int]]) -> None:
        """Raise InputError if a strip would not show, or not add."""
        _check_animation([datablock for datablock, _, _ in properties])
        turned = [path for _, path, _ in properties if path.endswith("rotation_axis_angle")]
        if self.layer.onto == "add" and turned:
            raise InputError(
                f"{turned[0].removesuffix('.rotation_axis_angle')} turns by an axis and an angle, to which nothing "
                "adds; set its rotation mode to Quaternion or XYZ, or let the layer replace"
            )

    def write(
        self, datablock: bpy.types.ID, data_path: str, index: int, group: str, frames: np.ndarray, values: np.ndarray
    ) -> None:
        """Key `datablock.data_path[index]` with values (F,) at frames (F,), joined by straight lines."""
        self._writer.write(datablock, data_path, index, group, frames, values)
        self._written.append((datablock, data_path, index, group))

    def close(self) -> None:
        """Put the strips over what is there."""
        for datablock, _, _ in self._writer.written:
            push_down(datablock)
        self._hold_the_rest()
        for datablock, action, slot in self._writer.written:
            strip = versions.add_strip(datablock, action, slot, self.title)
            if self.layer.onto == "replace":
                strip.blend_type = "REPLACE"
            elif isinstance(datablock, bpy.types.Key):
                # COMBINE takes off a property's default first, which is 1 of shape keys in Blender 5.0.
                strip.blend_type = "ADD"
            else:
                strip.blend_type = "COMBINE"  # lets turns follow each other, where ADD adds the numbers of quaternions
            strip.extrapolation = "NOTHING"
            strip.blend_in, strip.blend_out = self.layer.blend_in, self.layer.blend_out

    def _hold_the_rest(self) -> None:
        """Keep what nothing below animates where it is, by a strip of its own: outside of all its strips the NLA would
        set it to the property's default, which is 0 of shape keys, and 1 in Blender 5.0."""
        held = versions.ActionWriter(f"{self.title} rest", assign=False)
        animated = {datablock: _animated(datablock) for datablock, _, _ in self._writer.written}
        for datablock, path, index, group in self._written:
            value, default = _value_and_default(datablock, path, index)
            if (path, index) not in animated[datablock] and value != default:
                held.write(datablock, path, index, group, np.zeros(1), np.array([value]))
        for datablock, action, slot in held.written:
            versions.add_strip(datablock, action, slot, held.name).extrapolation = "HOLD"


def _animated(datablock: bpy.types.ID) -> set[tuple[str, int]]:
    """Path and index of what the NLA of a data-block animates."""
    animation = datablock.animation_data
    tracks = [] if animation is None else [each for each in animation.nla_tracks if not each.mute]
    curves = [curve for track in tracks for strip in track.strips for curve in versions.strip_curves(strip)]
    return {(curve.data_path, curve.array_index) for curve in curves if not curve.mute}


def _value_and_default(datablock: bpy.types.ID, path: str, index: int) -> tuple[float, float | None]:
    """What a number is now, and what Blender takes it for where nothing animates it; None of the user's own."""
    value = datablock.path_resolve(path)
    value = value[index] if hasattr(value, "__len__") else value
    if path.endswith("]"):
        return value, None
    owner, _, name = path.rpartition(".")
    found = (datablock.path_resolve(owner) if owner else datablock).bl_rna.properties[name]
    return value, found.default_array[index] if found.is_array else found.default


def push_down(datablock: bpy.types.ID) -> bpy.types.NlaStrip | None:
    """Make a data-block's action a strip over its NLA tracks, which shows the same in all frames of the scenes; None
    if it has no action."""
    animation = datablock.animation_data
    if animation is None or animation.action is None:
        return None
    action, slot = animation.action, versions.slot_of(animation)
    blend, influence, beyond = animation.action_blend_type, animation.action_influence, animation.action_extrapolation
    animation.action = None
    strip = versions.add_strip(datablock, action, slot, action.name)
    # Curves may go on before their first key and after the last, which a strip only does within its frames.
    ranges = [action.frame_range, action.curve_frame_range]
    ranges += [(scene.frame_start, scene.frame_end) for scene in bpy.data.scenes]
    first, last = min(each[0] for each in ranges), max(each[1] for each in ranges)
    strip.use_sync_length = False
    strip.action_frame_start, strip.action_frame_end = first, max(last, first + 1)
    strip.frame_start, strip.frame_end = first, max(last, first + 1)
    strip.blend_type, strip.extrapolation = blend, beyond
    if influence < 1.0:
        strip.use_animated_influence = False
        strip.influence = influence
    return strip


def push_down_all(collection: bpy.types.Collection, title: str) -> str:
    """Make the actions of what is in a collection strips. Returns what to tell. Raises InputError if it has none."""
    animated = [each for each in _datablocks(collection) if each.animation_data and each.animation_data.action]
    if not animated:
        raise InputError(f"nothing of {title!r} has an action; its keys are strips already, or it is a cache")
    _check_animation(animated)
    names = list(dict.fromkeys(each.animation_data.action.name for each in animated))
    for each in animated:
        push_down(each)
    bpy.context.view_layer.update()
    return f"{listed(names)} is a strip in the NLA of {len(animated)} data-blocks now, over which layers can go"


def _datablocks(collection: bpy.types.Collection) -> list[bpy.types.ID]:
    """What of a take's result may be animated: objects, and shape keys of meshes."""
    found: list[bpy.types.ID] = list(collection.all_objects)
    keys = [getattr(item.data, "shape_keys", None) for item in collection.all_objects]
    return found + [each for each in keys if each is not None]


def _check_animation(datablocks: Sequence[bpy.types.ID]) -> None:
    """Raise InputError if a strip of one of them would not show."""
    for datablock in datablocks:
        animation = datablock.animation_data
        if animation is None:
            continue
        if animation.use_tweak_mode:
            raise InputError(f"{datablock.name!r} is tweaked in the NLA editor; leave the tweak mode first")
        if not animation.use_nla:
            raise InputError(f"the NLA of {datablock.name!r} is switched off; switch it on in the NLA editor")
        alone = next((track.name for track in animation.nla_tracks if track.is_solo), None)
        if alone is not None:
            raise InputError(f"the track {alone!r} of {datablock.name!r} plays alone; let the others play, too")
