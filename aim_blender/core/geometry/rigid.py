# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigid motions between point sets."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def apply_motion(points: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """H x: rigid motions (F, 4, 4) applied to points (F, V, 3), or to the same points (V, 3) in every frame."""
    return points @ motion[:, :3, :3].transpose(0, 2, 1) + motion[:, None, :3, 3]


def recentred(motion: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Rigid motions (F, 4, 4) of points as motions of points about centre (3,); about -centre leads back."""
    out = motion.copy()
    out[:, :3, 3] += motion[:, :3, :3] @ centre - centre
    return out


def motion_columns(arm: np.ndarray) -> np.ndarray:
    """(..., 3, 6) how points at arm (..., 3) from a pivot move with a small turn about it and a slide."""
    x, y, z = np.moveaxis(arm, -1, 0)
    columns = np.zeros((*arm.shape, 6))
    columns[..., 0, 1], columns[..., 0, 2], columns[..., 1, 2] = z, -y, x
    columns[..., 1, 0], columns[..., 2, 0], columns[..., 2, 1] = -z, y, -x
    columns[..., [0, 1, 2], [3, 4, 5]] = 1.0
    return columns


def small_motion(step: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """(F, 4, 4) of a turn about pivot (3,) and a slide, steps (F, 6) as motion_columns has them."""
    motion = np.tile(np.eye(4), (len(step), 1, 1))
    motion[:, :3, :3] = Rotation.from_rotvec(step[:, :3]).as_matrix()
    motion[:, :3, 3] = step[:, 3:]
    return recentred(motion, -pivot)


def angle_degrees(motion: np.ndarray) -> np.ndarray:
    """By what angles (F,) in degrees rigid motions (F, 4, 4) turn."""
    return np.rad2deg(Rotation.from_matrix(motion[:, :3, :3]).magnitude())


def rigid_registration(source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The rigid motions (F, 4, 4) that best carry source (P, 3) onto targets (F, P, 3) with weights (F, P) (Kabsch)."""
    share = (weight / weight.sum(1, keepdims=True))[:, None]  # (F, 1, P)
    source_middle = share @ source  # (F, 1, 3)
    target_middle = share @ target
    covariance = (share.transpose(0, 2, 1) * (source - source_middle)).transpose(0, 2, 1) @ (target - target_middle)
    u, _, vt = np.linalg.svd(covariance)
    v, ut = vt.transpose(0, 2, 1), u.transpose(0, 2, 1)
    flip = np.tile(np.eye(3), (len(target), 1, 1))
    flip[:, 2, 2] = np.sign(np.linalg.det(v @ ut))
    motion = np.tile(np.eye(4), (len(target), 1, 1))
    motion[:, :3, :3] = v @ flip @ ut
    motion[:, :3, 3] = target_middle[:, 0] - (motion[:, :3, :3] @ source_middle.transpose(0, 2, 1))[..., 0]
    return motion
