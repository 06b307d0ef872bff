# SPDX-License-Identifier: GPL-3.0-or-later
"""What gives the jaw exactly: meshes fixed to the mandible, such as the lower teeth."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from .anatomy import Hinge
from .errors import InputError
from .rigid import apply_motion, rigid_registration

RIGID_MM = 1.0  # how far a scanned rigid jaw may be off
OPENS_DEGREES = 4.0  # from where an opening tells where the hinge is


def jaw_of_points(points: np.ndarray) -> np.ndarray:
    """T_i (N, 4, 4) exactly, from points (N+1, J, 3) that move rigidly with the mandible, such as the lower teeth.

    Raises InputError if they do not move rigidly.
    """
    motion = rigid_registration(points[0], points[1:], np.ones(points[1:].shape[:2]))
    worst = np.linalg.norm(apply_motion(points[0], motion) - points[1:], axis=-1).max()
    if worst > RIGID_MM:
        raise InputError(
            f"the jaw's meshes change their form by {worst:.1f} mm from shape to shape; "
            "they must be rigid, as teeth are"
        )
    return motion


def hinge_of_motion(motion: np.ndarray, jaw_points: np.ndarray, neutral: np.ndarray) -> Hinge:
    """The hinge where there is no mandible: what the widest opening (of N, (N, 4, 4)) leaves in place.

    jaw_points: (J, 3) of the jaw at rest. neutral: (V, 3). Raises InputError if the jaw turns in no shape.
    """
    turn = Rotation.from_matrix(motion[:, :3, :3]).as_rotvec()
    widest = np.linalg.norm(turn, axis=1).argmax()
    angle = np.linalg.norm(turn[widest])
    if angle < np.deg2rad(OPENS_DEGREES):
        raise InputError("the jaw's meshes open in no shape; one shape must have the mouth wide open")
    axis = turn[widest] / angle
    rows = np.vstack([motion[widest, :3, :3] - np.eye(3), axis])
    centre = np.linalg.lstsq(rows, np.append(-motion[widest, :3, 3], axis @ jaw_points.mean(0)), rcond=None)[0]
    up = neutral.mean(0) - jaw_points.mean(0)
    up = up - (up @ axis) * axis
    return Hinge(centre, axis, up / np.linalg.norm(up))
