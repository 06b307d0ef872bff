# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bones of a result lie and how they move, as arrays: no Blender data is touched here.

A bone that rests at R (4, 4) and shall move what hangs on it by a rigid D gets the local transform inverse(R) D R;
for a child of a bone that moves by H, D is its motion beside H.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from mathutils import Matrix, Vector


@dataclass(frozen=True)
class BoneRest:
    """A bone at rest: from head (3,) to tail (3,); its local X axis points along x_axis (3,) as nearly as it can."""

    head: np.ndarray
    tail: np.ndarray
    x_axis: np.ndarray

    @property
    def z_axis(self) -> np.ndarray:
        """(3,) the local Z axis that goes with X and the bone's own Y."""
        return np.cross(self.x_axis, self.tail - self.head)


def place_bones(
    neutral: np.ndarray, skin_weight: np.ndarray, hinge_centre: np.ndarray, hinge_axis: np.ndarray, jaw: np.ndarray
) -> tuple[BoneRest, BoneRest]:
    """The bones `head` and `jaw` for a neutral (V, 3) with the jaw's share skin_weight (V,).

    Both start at the hinge: the jaw bone points at the chin, and its X axis is the hinge, turned so that the jaw opens
    by a positive rotation; the head bone points at the crown. jaw: (F, 4, 4) motions of the jaw, to tell opening.
    """
    axis = hinge_axis / np.linalg.norm(hinge_axis)
    chin = _far_part(neutral, skin_weight >= 0.9 * max(skin_weight.max(), 1e-6), hinge_centre)
    crown = _far_part(neutral, skin_weight <= 0.1, chin)
    to_chin = _across(chin - hinge_centre, axis)
    to_crown = _across(crown - hinge_centre, axis)
    turn = _largest_turn(jaw)
    if turn @ axis < 0:
        axis = -axis
    size = float(np.ptp(neutral, axis=0).max())
    jaw_bone = BoneRest(hinge_centre, hinge_centre + _of_length(to_chin, 0.1 * size), axis)
    head_bone = BoneRest(hinge_centre, hinge_centre + _of_length(to_crown, 0.1 * size), axis)
    return head_bone, jaw_bone


def place_eye(centre: np.ndarray, points: np.ndarray, front: np.ndarray, up: np.ndarray) -> BoneRest:
    """The bone of an eyeball of points (P, 3) about its centre (3,): it points where the face looks, and its X axis
    turns it up and down."""
    size = float(np.linalg.norm(points - centre, axis=1).max(initial=0.0)) if len(points) else 0.0
    return BoneRest(centre, centre + front * max(1.5 * size, 1e-3), np.cross(front, up))


def turn_about(centre: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """(F, 4, 4) turns about a centre (3,) by rotation vectors (F, 3) in radians."""
    motion = np.tile(np.eye(4), (len(turns), 1, 1))
    for index, turn in enumerate(turns):
        angle = float(np.linalg.norm(turn))
        if angle > 0:
            motion[index, :3, :3] = np.array(Matrix.Rotation(angle, 3, Vector((turn / angle).tolist())))
    motion[:, :3, 3] = centre - motion[:, :3, :3] @ centre
    return motion


def rest_matrix(rest: BoneRest) -> np.ndarray:
    """(4, 4) where a bone rests, as Blender has it in `Bone.matrix_local`."""
    along, up = rest.tail - rest.head, rest.z_axis
    y, z = along / np.linalg.norm(along), up / np.linalg.norm(up)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.stack([np.cross(y, z), y, z], axis=1), rest.head
    return matrix


def local_motion(rest: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """(F, 4, 4) local transforms of a bone resting at `rest` (4, 4), for motions (F, 4, 4) of what hangs on it."""
    return np.linalg.inv(rest) @ motion @ rest


def quaternions(matrices: np.ndarray) -> np.ndarray:
    """(F, 4) unit quaternions w, x, y, z of the rotations in (F, 4, 4); consecutive ones never flip their sign."""
    found = [Matrix(matrix.tolist()).to_quaternion() for matrix in matrices]
    for before, quaternion in pairwise(found):
        quaternion.make_compatible(before)
    return np.array(found, dtype=np.float64)


def euler_angles(matrices: np.ndarray) -> np.ndarray:
    """(F, 3) angles of Blender's order XYZ, in radians, of the rotations in (F, 4, 4); without jumps by full turns."""
    found = [Matrix(matrix.tolist()).to_euler("XYZ") for matrix in matrices]
    for before, angles in pairwise(found):
        angles.make_compatible(before)
    return np.array(found, dtype=np.float64)


def rotation_of_quaternions(values: np.ndarray) -> np.ndarray:
    """(F, 3, 3) of quaternions w, x, y, z (F, 4) of any length: the inverse of `quaternions`."""
    w, x, y, z = (values / np.linalg.norm(values, axis=1, keepdims=True)).T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.array(rows).transpose(2, 0, 1)


def rotation_of_angles(values: np.ndarray) -> np.ndarray:
    """(F, 3, 3) of angles in Blender's order XYZ (F, 3), in radians: the inverse of `euler_angles`."""
    turns = []
    for axis, angle in enumerate(values.T):
        turn = np.tile(np.eye(3), (len(values), 1, 1))
        one, other = (axis + 1) % 3, (axis + 2) % 3
        turn[:, one, one] = turn[:, other, other] = np.cos(angle)
        turn[:, other, one] = np.sin(angle)
        turn[:, one, other] = -np.sin(angle)
        turns.append(turn)
    return turns[2] @ turns[1] @ turns[0]


def _far_part(points: np.ndarray, chosen: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """(3,) the middle of those chosen points (V,) bool that lie farthest from the origin (the outer fifth)."""
    candidates = points[chosen] if chosen.any() else points
    distances = np.linalg.norm(candidates - origin, axis=1)
    return candidates[distances >= np.quantile(distances, 0.8)].mean(0)


def _across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The part of a vector (3,) at right angles to a unit axis (3,)."""
    return vector - (vector @ axis) * axis


def _of_length(vector: np.ndarray, shortest: float) -> np.ndarray:
    """The vector (3,), stretched where it is shorter than a bone may be."""
    length = float(np.linalg.norm(vector))
    if length < 1e-9:
        return np.array([0.0, 0.0, shortest])
    return vector * max(1.0, shortest / length)


def _largest_turn(motions: np.ndarray) -> np.ndarray:
    """(3,) the axis, times the sine of the angle, of the largest rotation among (F, 4, 4)."""
    rotation = motions[:, :3, :3]
    skew = (
        np.stack(
            [
                rotation[:, 2, 1] - rotation[:, 1, 2],
                rotation[:, 0, 2] - rotation[:, 2, 0],
                rotation[:, 1, 0] - rotation[:, 0, 1],
            ],
            axis=1,
        )
        / 2
    )
    return skew[np.linalg.norm(skew, axis=1).argmax()]
