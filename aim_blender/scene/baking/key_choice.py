# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves that move a result's bones, and which keyframes of a baked take are needed.

Nothing of Blender's is touched, so that a thread can find them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def bone_names(baked: BakedTake) -> tuple[str, ...]:
    """The bones of a take: HEAD, JAW, and one for each eye, with Blender's endings for sides."""
    eyes = () if baked.eyes is None else baked.eyes.names
    sided = {"eye_left": "eye.L", "eye_right": "eye.R"}
    return (HEAD, JAW, *(sided.get(name, name) for name in eyes))


def place_bones(baked: BakedTake) -> tuple[rigging.BoneRest, ...]:
    """Where the bones of bone_names() rest."""
    rests = rigging.place_bones(baked.neutral, baked.skin_weight, baked.hinge_centre, baked.hinge_axis, baked.jaw)
    if baked.eyes is None:
        return rests
    eyes = baked.eyes
    return (
        *rests,
        *(
            rigging.place_eye(centre, baked.neutral[eyes.of == eye], eyes.axes[0], eyes.axes[1])
            for eye, centre in enumerate(eyes.centres)
        ),
    )


def motion_curves(baked: BakedTake, rests: Sequence[np.ndarray]) -> list[MotionCurve]:
    """Those of the bones of bone_names(), which rest at (4, 4): three of the location, which eyes have not, then those
    of the rotation."""
    found = []
    for name, rest, motion in zip((HEAD, JAW), rests, (baked.head, baked.jaw), strict=False):
        local = rigging.local_motion(rest, motion)
        by_quaternion = ROTATION_MODES[name] == "QUATERNION"
        path = "rotation_quaternion" if by_quaternion else "rotation_euler"
        rotation = rigging.quaternions(local) if by_quaternion else rigging.euler_angles(local)
        for property_path, columns in (("location", local[:, :3, 3]), (path, rotation)):
            found += [MotionCurve(name, property_path, index, values) for index, values in enumerate(columns.T)]
    for name, rest, motion in zip(bone_names(baked)[2:], rests[2:], eye_motions(baked), strict=True):
        angles = rigging.euler_angles(rigging.local_motion(rest, motion))
        found += [MotionCurve(name, "rotation_euler", index, values) for index, values in enumerate(angles.T)]
    return found


def eye_motions(baked: BakedTake) -> list[np.ndarray]:
    """(F, 4, 4) how each eye moves beside the head."""
    if baked.eyes is None:
        return []
    eyes = baked.eyes
    return [rigging.turn_about(centre, eyes.gaze[:, eye]) for eye, centre in enumerate(eyes.centres)]


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
    reach = [_reach(curve, dict(zip(bone_names(baked), rests, strict=True)), box) for curve in motion]
    reach += np.linalg.norm(keys, axis=2).max(1, initial=0.0).tolist()
    corners = np.concatenate([box, np.ones((8, 1))], axis=1)  # (8, 4)
    flat = keys.reshape(len(keys), -1)
    bones = [baked.head, baked.head @ baked.jaw]
    eyes = eye_motions(baked)
    spheres = [_box(baked.neutral[baked.eyes.of == eye]) for eye in range(len(eyes))] if baked.eyes is not None else []
    first_key = len(motion)

    def distance(values: list[np.ndarray]) -> float:
        of_head, of_jaw, of_keys = values[:7], values[7:13], np.array(values[first_key:]).reshape(weights.shape)
        head = _motion_of(rests[0], of_head[:3], rigging.rotation_of_quaternions(np.stack(of_head[3:], 1)))
        jaw = _motion_of(rests[1], of_jaw[:3], rigging.rotation_of_angles(np.stack(of_jaw[3:], 1)))
        moved = np.zeros(len(baked.frames))
        for before, after in zip(bones, (head, head @ jaw), strict=True):
            apart = np.linalg.norm((corners @ (after - before).transpose(0, 2, 1))[..., :3], axis=-1)
            moved = np.maximum(moved, apart.max(1))
        for eye, (sphere, motion_of_eye) in enumerate(zip(spheres, eyes, strict=True)):
            angles = np.stack(values[13 + 3 * eye : 16 + 3 * eye], 1)
            turned = _motion_of(rests[2 + eye], list(np.zeros((3, len(angles)))), rigging.rotation_of_angles(angles))
            change = head @ turned - bones[0] @ motion_of_eye
            moved = np.maximum(moved, np.linalg.norm((sphere @ change.transpose(0, 2, 1))[..., :3], axis=-1).max(1))
        change = (of_keys - weights).T.astype(np.float32)  # (F, K)
        for first in range(0, len(change), CHUNK_FRAMES):
            part = slice(first, first + CHUNK_FRAMES)
            offsets = (change[part] @ flat).reshape(len(change[part]), -1, 3)
            moved[part] += np.sqrt(np.einsum("fvc,fvc->fv", offsets, offsets).max(1))
        return float(moved.max())

    return keys_needed(baked.frames, [*(curve.values for curve in motion), *weights], reach, distance, tolerance)


def _box(points: np.ndarray) -> np.ndarray:
    """(8, 4) the corners of the box about points (P, 3), homogeneous."""
    ends = np.stack([points.min(0), points.max(0)])
    corners = np.stack(np.meshgrid(*ends.T), axis=-1).reshape(-1, 3)
    return np.concatenate([corners, np.ones((8, 1))], axis=1)


def _reach(curve: MotionCurve, rests: Mapping[str, np.ndarray], box: np.ndarray) -> float:
    """How far the farthest corner of a box (8, 3) moves when a curve's value changes by 1."""
    if curve.path == "location":
        return 1.0
    rest = rests[curve.bone]
    lever = float(np.linalg.norm(box - rest[:3, 3], axis=1).max())
    return 2.0 * lever if curve.path == "rotation_quaternion" else lever  # a quaternion turns by twice its change


def _motion_of(rest: np.ndarray, location: Sequence[np.ndarray], rotation: np.ndarray) -> np.ndarray:
    """(F, 4, 4) how what hangs on a bone moves, from its local location (3, F) and rotation (F, 3, 3)."""
    local = np.tile(np.eye(4), (len(rotation), 1, 1))
    local[:, :3, :3], local[:, :3, 3] = rotation, np.stack(location, 1)
    return rest @ local @ np.linalg.inv(rest)
