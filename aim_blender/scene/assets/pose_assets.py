# SPDX-License-Identifier: GPL-3.0-or-later
"""Poses as assets of Blender: actions of one frame, of a take's result or of a rig's controls, each with a picture.

Blender's pose library puts those of bones onto an armature; those of shape keys go into the NLA or the Action editor.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ..baking.baked import Channel, motion_channels
from ..baking.baked_take import BakedTake
from ..basics import versions
from ..basics.meshes import is_there
from ..basics.records import ActorRecord, TakeRecord
from ..rigs.rig_keying import curves_of
from ..rigs.rig_solving import SolvedRig
from .pose_pictures import PIXELS, pose_pictures

FRAME = 1.0  # where a pose has its keys


@dataclass(frozen=True)
class Poses:
    """names: of the poses. baked: with a frame each. whole: of the head and the eyes, too. notes: what to say."""

    names: list[str]
    baked: BakedTake
    whole: bool
    notes: list[str]


def expressions(baked: BakedTake, actor: ActorRecord) -> Poses:
    """Each named key of a bake at 1 alone, with what the jaw does in its expression; the head and the eyes rest."""
    count, total = baked.named_count, len(baked.key_names)
    rest = np.tile(np.eye(4), (count, 1, 1))
    eyes = baked.eyes
    notes = []
    if baked.key_jaw is None and not np.allclose(baked.jaw, np.eye(4)):
        notes.append("the bake does not say what the jaw does in them, so it rests; bake the take again for that")
    poses = replace(
        baked,
        key_weights=np.eye(count, total),
        jaw=rest if baked.key_jaw is None else baked.key_jaw,
        head=rest,
        frames=np.arange(1, count + 1),
        eyes=None if eyes is None else replace(eyes, gaze=np.zeros((count, *eyes.gaze.shape[1:]))),
    )
    return Poses([f"{actor.name} {name}" for name in baked.key_names[:count]], poses, False, notes)


def one_frame(baked: BakedTake, take: str, frame: int) -> Poses:
    """A frame of a take, all of it. Raises InputError if the take has none of this number."""
    chosen = np.flatnonzero(baked.frames == frame)
    if len(chosen) == 0:
        raise InputError(
            f"{take!r} has no frame {frame}; go to one from {int(baked.frames[0])} to {int(baked.frames[-1])}"
        )
    return Poses([f"{take} {frame}"], baked.at(chosen), True, [])


def draw(poses: Poses, actor: ActorRecord) -> Generator[tuple[str, float], None, list[np.ndarray]]:
    """A picture (PIXELS, PIXELS, 4) of each pose, as the scene shows the actor from in front. Yields in between."""
    return (yield from pose_pictures(poses.baked, actor.neutral if is_there(actor.neutral) else None))


def mark_result(take: TakeRecord, baked: BakedTake, poses: Poses, pictures: Sequence[np.ndarray]) -> str:
    """Make assets of poses of a take's result: its shape keys and bones. baked: the whole take. Returns what to tell.
    Raises InputError if the result is not there, or not what it was, before anything is made."""
    channels = _result_channels(take, baked, poses)
    for number, name in enumerate(poses.names):
        _mark(name, [(each, each.values[number]) for each in channels], pictures[number], take.name)
    return _told(poses)


def mark_controls(solved: SolvedRig, poses: Poses, pictures: Sequence[np.ndarray], take: str) -> str:
    """Make assets of poses that were solved for as values of a rig's controls. Returns what to tell."""
    channels = [Channel(*curve) for curve in curves_of(solved.controls, solved.values)]
    for number, name in enumerate(poses.names):
        _mark(name, [(each, each.values[number]) for each in channels], pictures[number], take)
    return f"{_told(poses)}, {solved.mean_mm:.2f} mm off on average, {solved.worst_mm:.1f} mm at worst"


def _result_channels(take: TakeRecord, baked: BakedTake, poses: Poses) -> list[Channel]:
    items = list(take.collection.all_objects) if take.collection is not None else []
    skin = next((each for each in items if each.type == "MESH" and each.data.shape_keys is not None), None)
    armature = next((each for each in items if each.type == "ARMATURE"), None)
    if skin is None or armature is None:
        raise InputError(f"the result of {take.name!r} has no shape keys and bones any more; bake the take again")
    keys, channels = skin.data.shape_keys, []
    for name, factor, weights in zip(baked.key_names, baked.factors, poses.baked.key_weights.T, strict=True):
        if name not in keys.key_blocks:
            raise InputError(f"{skin.name!r} has no shape key {name!r} any more; bake the take again")
        path = f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'
        channels.append(Channel(keys, path, 0, "Shapes", weights / factor))
    try:
        bones = motion_channels(armature, poses.baked)
    except KeyError as error:
        raise InputError(f"{armature.name!r} has no bone {error} any more; bake the take again") from None
    return channels + [each for each in bones if poses.whole or each.group == "jaw"]


def _mark(name: str, values: list[tuple[Channel, float]], picture: np.ndarray, take: str) -> None:
    writer = versions.ActionWriter(name, assign=False)
    for channel, value in values:
        writer.write(
            channel.datablock, channel.path, channel.index, channel.group, np.array([FRAME]), np.array([value])
        )
    for action in writer.actions:
        action.asset_mark()
        action.asset_data.description = f"{name}, of the take {take}"
        action.asset_data.tags.new("AIM")
        preview = action.preview_ensure()
        preview.image_size = (PIXELS, PIXELS)
        preview.image_pixels_float.foreach_set(picture.astype(np.float32).ravel())


def _told(poses: Poses) -> str:
    what = f"{len(poses.names)} poses are assets" if len(poses.names) > 1 else f"{poses.names[0]} is an asset"
    return "; ".join([f"{what} of this file now", *poses.notes])
