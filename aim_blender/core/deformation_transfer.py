# SPDX-License-Identifier: GPL-3.0-or-later
"""Deformation transfer (Sumner & Popović 2004): every triangle of the target deforms as the source's does.

It needs no shapes of the target, only its neutral. All in float64: the system is as badly conditioned as the mesh is
uneven.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

# Gradients say nothing of where a face is, and small misfits add up along the way: with only the stillest tenth of the
# points held, faces drift by 0.1 to 0.5 mm. So every point holds on by how still it is.
STILL_MM = 1.0  # a point that moves so far holds a quarter as much as one that does not move
FLAT = 1e-3  # sine between two sides below which a triangle of the source tells nothing
LOOSE = 1e-6  # how much every point holds on: enough for parts that no still point belongs to


class DeformationTransfer:
    """The linear system of one pair of neutrals, factored once.

    source, target: (V, 3) neutrals of one topology in mm. triangles: (T, 3); those without size in the source, where
    several of the target's vertices share a place, follow the others. movement: (V,) how far each point moves in the
    source: still ones hold the target in place.
    """

    def __init__(self, source: np.ndarray, target: np.ndarray, triangles: np.ndarray, movement: np.ndarray) -> None:
        self.triangles = np.asarray(triangles, dtype=np.int64)
        self.source, self.target = np.asarray(source, np.float64), np.asarray(target, np.float64)
        self.scale = float(np.sqrt(self.target.var(0).sum() / self.source.var(0).sum()))
        slopes, area = _hat_gradients(self.target, self.triangles)  # (T, 3 corners, 3), (T,)
        frames = _frames(self.source, self.triangles)
        edges = np.linalg.norm(frames, axis=1)  # (T, 3) of two edges, and the root of the area
        flat = edges[:, 2] ** 2 < FLAT * edges[:, :2].prod(1).clip(min=1e-9)
        frames[flat] = np.eye(3)
        self.usable = ~flat
        area = np.where(flat, FLAT * area, area)
        self.source_frame = np.linalg.inv(frames)  # (T, 3, 3)
        count, points = len(self.triangles), len(self.target)
        rows = np.repeat(np.arange(3 * count).reshape(count, 3), 3, axis=0).reshape(count, 3, 3)  # (T, corner, axis)
        columns = np.repeat(self.triangles[:, :, None], 3, axis=2)
        gradient = sparse.csr_matrix((slopes.ravel(), (rows.ravel(), columns.ravel())), shape=(3 * count, points))
        self.weighted = (gradient.T @ sparse.diags(np.repeat(area, 3))).tocsr()  # (V, 3T)
        hold = 1 / (1 + (movement / STILL_MM) ** 2) ** 2 + LOOSE
        self.hold = hold * abs(self.weighted @ gradient).diagonal().mean()
        system = (self.weighted @ gradient + sparse.diags(self.hold)).tocsc()
        self.factor = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})

    def transfer(self, frames: np.ndarray) -> np.ndarray:
        """The source's frames (F, V, 3) as frames of the target (F, V, 3) float64."""
        out = np.empty((len(frames), *self.target.shape))
        for index, frame in enumerate(frames):
            frame = frame.astype(np.float64)
            deformation = _frames(frame, self.triangles) @ self.source_frame  # (T, 3, 3) x' = Q x
            deformation[~self.usable] = np.eye(3)
            right = self.weighted @ deformation.transpose(0, 2, 1).reshape(-1, 3)
            held = self.target + self.scale * (frame - self.source)
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
