# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigid motions between point sets."""

from __future__ import annotations

import numpy as np


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
