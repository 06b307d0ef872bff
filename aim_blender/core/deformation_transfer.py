# SPDX-License-Identifier: GPL-3.0-or-later
"""Deformation transfer (Sumner & Popović 2004): every triangle of the target deforms as the source's does.

It needs no shapes of the target, only its neutral. All in float64: the system is as badly conditioned as the mesh is
uneven.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

STILL_SHARE = 0.1  # of the points, those that move least hold the target in place
LOOSE = 1e-6  # how much every other point holds on: enough for parts that no still point belongs to


class DeformationTransfer:
    """The linear system of one pair of neutrals, factored once.

    source, target: (V, 3) neutrals of one topology. triangles: (T, 3). movement: (V,) how much each point moves in the
    source, from which the points that stay are chosen.
    """

    def __init__(self, source: np.ndarray, target: np.ndarray, triangles: np.ndarray, movement: np.ndarray) -> None:
        self.triangles = np.asarray(triangles, dtype=np.int64)
        self.source, self.target = np.asarray(source, np.float64), np.asarray(target, np.float64)
        self.source_frame = np.linalg.pinv(_frames(self.source, self.triangles))  # (T, 3, 3)
        slopes, area = _hat_gradients(self.target, self.triangles)  # (T, 3 corners, 3), (T,)
        count, points = len(self.triangles), len(self.target)
        rows = np.repeat(np.arange(3 * count).reshape(count, 3), 3, axis=0).reshape(count, 3, 3)  # (T, corner, axis)
        columns = np.repeat(self.triangles[:, :, None], 3, axis=2)
        gradient = sparse.csr_matrix((slopes.ravel(), (rows.ravel(), columns.ravel())), shape=(3 * count, points))
        self.weighted = (gradient.T @ sparse.diags(np.repeat(area, 3))).tocsr()  # (V, 3T)
        hold = np.where(movement <= np.quantile(movement, STILL_SHARE), 1.0, LOOSE)
        self.hold = hold * abs(self.weighted @ gradient).diagonal().mean()
        self.factor = splu((self.weighted @ gradient + sparse.diags(self.hold)).tocsc())

    def transfer(self, frames: np.ndarray) -> np.ndarray:
        """The source's frames (F, V, 3) as frames of the target (F, V, 3) float64."""
        out = np.empty((len(frames), *self.target.shape))
        for index, frame in enumerate(frames):
            frame = frame.astype(np.float64)
            deformation = _frames(frame, self.triangles) @ self.source_frame  # (T, 3, 3) x' = Q x
            right = self.weighted @ deformation.transpose(0, 2, 1).reshape(-1, 3)
            held = self.target + frame - self.source
            out[index] = self.factor.solve(right + self.hold[:, None] * held)
        return out


def _frames(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T, 3, 3) each triangle's two edges and its normal, as long as the root of the triangle's size, as columns."""
    first, second = (points[triangles[:, i]] - points[triangles[:, 0]] for i in (1, 2))
    normal = np.cross(first, second)
    length = np.linalg.norm(normal, axis=1, keepdims=True).clip(min=1e-12)
    return np.stack([first, second, normal / np.sqrt(length)], axis=-1)


def _hat_gradients(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient (T, 3, 3) of each corner's hat function in each triangle, and the triangles' areas (T,)."""
    corners = points[triangles]
    opposite = np.roll(corners, -2, axis=1) - np.roll(corners, -1, axis=1)  # (T, 3, 3) the edge across each corner
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    squared = (normal**2).sum(1).clip(min=1e-20)
    return np.cross(normal[:, None], opposite) / squared[:, None, None], np.sqrt(squared) / 2
