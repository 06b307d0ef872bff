# SPDX-License-Identifier: GPL-3.0-or-later
"""Poses of the jaw about its hinge, the rigid motions T they are, and what is estimated of an actor's jaw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .anatomy import Hinge

# Posselt's envelope as standard deviations about the hinge. Opening is wide, nothing else is: the condyles slide
# forward along the skull and a little aside, but not up or down.
ROTATION_DEGREES = (0.3, 4.0, 1.0)  # opening, yaw, roll
SLIDE_MM = (3.0, 1.0, 8.0)  # aside, up, forward


@dataclass(frozen=True)
class JawEstimate:
    """jaw: (N, 4, 4) rigid motion T_i of the mandible from the neutral. skin_weight: (V,) k in [0, 1].

    trust: (V,) in [0, 1], how well the motion seen at a point determines its skin weight.
    """

    jaw: np.ndarray
    skin_weight: np.ndarray
    trust: np.ndarray


def rest_jaw(count: int, vertex_count: int) -> JawEstimate:
    """The estimate where there is no mandible to follow: a jaw that stays at rest."""
    return JawEstimate(np.tile(np.eye(4), (count, 1, 1)), np.zeros(vertex_count), np.zeros(vertex_count))


def compose_jaw(pose: np.ndarray, hinge: Hinge) -> np.ndarray:
    """Rigid motions (..., 4, 4) of poses (..., 6): rotation vector in radians about the hinge's centre, then a slide
    in mm."""
    pose = np.asarray(pose, dtype=np.float64)
    rotation = Rotation.from_rotvec(pose[..., :3].reshape(-1, 3)).as_matrix().reshape(*pose.shape[:-1], 3, 3)
    motion = np.zeros((*pose.shape[:-1], 4, 4))
    motion[..., :3, :3] = rotation
    motion[..., :3, 3] = hinge.centre - rotation @ hinge.centre + pose[..., 3:]
    motion[..., 3, 3] = 1.0
    return motion


def decompose_jaw(motion: np.ndarray, hinge: Hinge) -> np.ndarray:
    """Poses (..., 6) of rigid motions (..., 4, 4): the inverse of compose_jaw."""
    rotation = motion[..., :3, :3]
    rotvec = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_rotvec().reshape(*motion.shape[:-2], 3)
    slide = motion[..., :3, 3] - hinge.centre + rotation @ hinge.centre
    return np.concatenate([rotvec, slide], axis=-1)


def hinge_axes(hinge: Hinge) -> np.ndarray:
    """(3, 3) rows: the axes of opening, yaw and roll, along which lie aside, up and forward."""
    return np.stack([hinge.axis, hinge.up, hinge.forward])


def envelope(hinge: Hinge) -> np.ndarray:
    """(6, 6) matrix that turns a pose into standard deviations of the envelope."""
    axes = hinge_axes(hinge)
    scale = np.zeros((6, 6))
    scale[:3, :3] = axes / np.deg2rad(ROTATION_DEGREES)[:, None]
    scale[3:, 3:] = axes / np.array(SLIDE_MM)[:, None]
    return scale
