# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying points onto a face's skin as one rigid piece, where the performer's head was not where the actor's is."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.rigid import apply_motion, motion_columns, small_motion
from ..shared.foundation.robust_weights import cauchy

ROUNDS = 40
ROBUST_MM = 2.0
FIRM = 0.05  # of all points: what holds a step that none of them sees


def laid_on(points: np.ndarray, tree: cKDTree, normals: np.ndarray) -> np.ndarray:
    """Points (P, 3) in mm that are near a skin, laid onto it as a rigid piece: each onto the plane of the nearest of
    its places, those of the tree (S, 3) with normals (S, 3), robustly (Chen and Medioni 1991)."""
    for _ in range(ROUNDS):
        far, nearest = tree.query(points)
        off = np.einsum("px,px->p", tree.data[nearest] - points, normals[nearest])
        trust = cauchy(off**2 / (ROBUST_MM**2 + np.median(far) ** 2))
        middle = points.mean(0)
        columns = np.einsum("px,pxk->pk", normals[nearest], motion_columns(points - middle))  # (P, 6)
        arm = np.linalg.norm(points - middle, axis=1).mean()
        firm = FIRM * len(points) * np.diag([arm**2] * 3 + [1.0] * 3)
        step = np.linalg.solve((columns * trust[:, None]).T @ columns + firm, columns.T @ (trust * off))
        points = apply_motion(points, small_motion(step[None], middle))[0]
    return points
