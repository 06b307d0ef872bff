# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a rig's controls, as normal equations: small, however many points a mesh has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_EFFECT = 1e-12  # of a control's squared effect against the largest: what is below moves nothing


@dataclass(frozen=True)
class ControlEquations:
    """½ zᵀ H z - bᵀ z + ½ energy for every frame, the mean squared error of all points in units of length squared.

    A control is counted by its effect: z = scale x is the root mean square distance by which it moves the points.
    gram: H (K, C, C), about each of K poses of the rig. pose_of: (F,) which of them a frame is near. right: b (C, F).
    energy: (F,) the mean squared distance that is wanted. scale: (C,), 0 of a control that moves nothing.
    """

    gram: np.ndarray
    pose_of: np.ndarray
    right: np.ndarray
    energy: np.ndarray
    scale: np.ndarray

    def errors(self, z: np.ndarray) -> np.ndarray:
        """(F,) root mean square error of z (C, F) by these equations."""
        product = times(self.gram, self.pose_of, z)  # (C, F)
        return np.sqrt(np.maximum((z * (product - 2 * self.right)).sum(0) + self.energy, 0.0))


def times(gram: np.ndarray, pose_of: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(C, F) the gram (K, C, C) of each frame's pose times its z (C, F)."""
    found = np.empty_like(z)
    for pose in range(len(gram)):
        at = pose_of == pose
        found[:, at] = gram[pose] @ z[:, at]
    return found


def control_equations(effects: np.ndarray, wanted: np.ndarray, pose_of: np.ndarray | None = None) -> ControlEquations:
    """effects: (K, C, P, 3) how far a change by 1 of each control moves each point, about K poses of the rig. wanted:
    (F, P, 3) how far each point shall be moved. pose_of: (F,) the pose that a frame is near, 0 if left out."""
    poses, count, points = effects.shape[:3]
    pose_of = np.zeros(len(wanted), dtype=int) if pose_of is None else pose_of
    flat = effects.reshape(poses, count, -1) / np.sqrt(points)
    gram = np.stack([each @ each.T for each in flat])
    squares = np.diagonal(gram, axis1=1, axis2=2).max(0)  # (C,)
    scale = np.sqrt(np.where(squares > LEAST_EFFECT * squares.max(initial=0.0), squares, 0.0))
    per_unit = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    targets = wanted.reshape(len(wanted), -1) / np.sqrt(points)
    right = np.empty((count, len(wanted)))
    for pose in range(poses):
        right[:, pose_of == pose] = flat[pose] @ targets[pose_of == pose].T
    return ControlEquations(
        gram * per_unit[:, None] * per_unit, pose_of, right * per_unit[:, None], (targets**2).sum(1), scale
    )
