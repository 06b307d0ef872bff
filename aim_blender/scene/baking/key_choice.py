# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves that move a result's bones, and which keyframes of a baked take are needed.

Nothing of Blender's is touched, so that a thread can find them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...core.shared.results.key_reduction import keys_needed
from ..basics import rigging
from .baked_take import BakedTake

HEAD, JAW = "head", "jaw"
# The head turns by quaternions, the jaw by angles whose X is its opening about the hinge.
ROTATION_MODES: dict[str, Literal["QUATERNION", "XYZ"]] = {HEAD: "QUATERNION", JAW: "XYZ"}
CHUNK_FRAMES = 64


@dataclass(frozen=True)
class MotionCurve:
    """Values (F,) of a bone's property `path` at an index."""

    bone: str
    path: str
    index: int
    values: np.ndarray


def place_bones(baked: BakedTake) -> tuple[rigging.BoneRest, rigging.BoneRest]:
    """Where the bones HEAD and JAW of a take rest."""
    return rigging.place_bones(baked.neutral, baked.skin_weight, baked.hinge_centre, baked.hinge_axis, baked.jaw)


def motion_curves(baked: BakedTake, rests: Sequence[np.ndarray]) -> list[MotionCurve]:
    """Those of the bones HEAD and JAW, which rest at (4, 4): three of the location, then those of the rotation."""
    found = []
    for name, rest, motion in zip((HEAD, JAW), rests, (baked.head, baked.jaw), strict=True):
        local = rigging.local_motion(rest, motion)
        by_quaternion = ROTATION_MODES[name] == "QUATERNION"
        path = "rotation_quaternion" if by_quaternion else "rotation_euler"
        rotation = rigging.quaternions(local) if by_quaternion else rigging.euler_angles(local)
        for property_path, columns in (("location", local[:, :3, 3]), (path, rotation)):
            found += [MotionCurve(name, property_path, index, values) for index, values in enumerate(columns.T)]
    return found


def needed_keys(baked: BakedTake, tolerance: float) -> list[np.ndarray] | None:
    """Which keyframes (F,) bool of each curve are needed so that no point of any frame moves by more than tolerance.

    The curves are those of motion_curves(), then the shape keys'. tolerance: in Blender units; 0 gives None, for all.
    A bound is kept instead of every frame's mesh: the shape keys' change of a point, which bones that blend rotations
    never make longer, plus how far the bones' change moves the corners of the box in which all points stay.
    """
    if tolerance <= 0:
        return None
    box = baked.box()
    rests = [rigging.rest_matrix(rest) for rest in place_bones(baked)]
    motion = motion_curves(baked, rests)
    weights = (baked.key_weights / baked.factors).T  # (K, F)
    keys = (baked.keys * baked.factors[:, None, None]).astype(np.float32)
    reach = [_reach(curve, rests, box) for curve in motion]
    reach += np.linalg.norm(keys, axis=2).max(1, initial=0.0).tolist()
    corners = np.concatenate([box, np.ones((8, 1))], axis=1)  # (8, 4)
    flat = keys.reshape(len(keys), -1)
    bones = [baked.head, baked.head @ baked.jaw]

    def distance(values: list[np.ndarray]) -> float:
        of_head, of_jaw, of_keys = values[:7], values[7:13], np.array(values[13:]).reshape(weights.shape)
        head = _motion_of(rests[0], of_head[:3], rigging.rotation_of_quaternions(np.stack(of_head[3:], 1)))
        jaw = _motion_of(rests[1], of_jaw[:3], rigging.rotation_of_angles(np.stack(of_jaw[3:], 1)))
        moved = np.zeros(len(baked.frames))
        for before, after in zip(bones, (head, head @ jaw), strict=True):
            apart = np.linalg.norm((corners @ (after - before).transpose(0, 2, 1))[..., :3], axis=-1)
            moved = np.maximum(moved, apart.max(1))
        change = (of_keys - weights).T.astype(np.float32)  # (F, K)
        for first in range(0, len(change), CHUNK_FRAMES):
            part = slice(first, first + CHUNK_FRAMES)
            offsets = (change[part] @ flat).reshape(len(change[part]), -1, 3)
            moved[part] += np.sqrt(np.einsum("fvc,fvc->fv", offsets, offsets).max(1))
        return float(moved.max())

    return keys_needed(baked.frames, [*(curve.values for curve in motion), *weights], reach, distance, tolerance)


def _reach(curve: MotionCurve, rests: Sequence[np.ndarray], box: np.ndarray) -> float:
    """How far the farthest corner of a box (8, 3) moves when a curve's value changes by 1."""
    if curve.path == "location":
        return 1.0
    rest = rests[(HEAD, JAW).index(curve.bone)]
    lever = float(np.linalg.norm(box - rest[:3, 3], axis=1).max())
    return 2.0 * lever if curve.path == "rotation_quaternion" else lever  # a quaternion turns by twice its change


def _motion_of(rest: np.ndarray, location: Sequence[np.ndarray], rotation: np.ndarray) -> np.ndarray:
    """(F, 4, 4) how what hangs on a bone moves, from its local location (3, F) and rotation (F, 3, 3)."""
    local = np.tile(np.eye(4), (len(rotation), 1, 1))
    local[:, :3, :3], local[:, :3, 3] = rotation, np.stack(location, 1)
    return rest @ local @ np.linalg.inv(rest)
