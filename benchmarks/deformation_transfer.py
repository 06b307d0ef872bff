# SPDX-License-Identifier: GPL-3.0-or-later
"""Deformation transfer (Sumner & Popović 2004): every triangle of the target deforms as the source's does.

It needs no shapes of the target, only its neutral. All in float64: the system is as badly conditioned as the mesh is
uneven.

The plain method that others are measured beside. With u the target's displacement, it minimises
    sum_t c_t sum_jk K_t,jk (u_j - d_t,j) (u_k - d_t,k) + sum_v h_v |u_v - g_v|²
with K_t the stiffness of the target's triangle t, d_t what the source's deformation would do to its corners, and g_v
the source's displacement, size apart. Written so, nothing is divided by the size of a triangle but in d_t, which is
bounded: a sliver on either side pulls no further than the source moves.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from aim_blender.core.characters.filling import stiffness_of
from aim_blender.core.shared.foundation.robust_weights import geman_mcclure

# Gradients tell nothing of where a face is, and small misfits add up along the way: with only the tenth of the points
# held that moves least, faces drift by 0.1 to 0.5 mm. So every point holds on by how little it moves.
UNMOVED_MM = 1.0  # a point that moves so far holds a quarter as much as one that does not move
FLAT = 1e-3  # sine between two sides below which a triangle of the source tells nothing
LOOSE = 1e-6  # how much every point holds on: enough for parts that no unmoved point belongs to
# A triangle of the target may be larger than the one of the source that it deforms as, and its corners part by as much
# more; beyond this it is no triangle of the same place, and parts no further.
LARGEST_GROWTH = 3.0
LEAST_WEIGHT = 1e-3  # of a triangle that nothing is known of
# How much further than the source around its place, size apart, a point may go; and what is too little to look at.
FURTHER, FURTHER_MM = 1.5, 0.5
AROUND_MM = 8.0  # on the source: what is around a place
MOST_RINGS = 8
HELD_MORE, HOLDING_ROUNDS, LEAST_HOLD = 30.0, 6, 1e-3  # where a point goes further, it holds on more, until it does not


class DeformationTransfer:
    """The linear system of one pair of neutrals, factored once.

    source, target: (V, 3) neutrals of one topology in mm. triangles: (T, 3); those without size in the source, where
    several of the target's vertices share a place, follow the others. movement: (V,) how far each point moves in the
    source: those that do not move hold the target in place. confidence: (V,) in [0, 1] how sure it is that a place of
    the target is this place of the source; what is not sure follows its surroundings. free: (T,) bool, triangles that
    follow whatever their corners do, and stiff: (T,) bool, triangles that keep their shape, instead of the source's.
    """

    def __init__(
        self,
        source: np.ndarray,
        target: np.ndarray,
        triangles: np.ndarray,
        movement: np.ndarray,
        confidence: np.ndarray | None = None,
        free: np.ndarray | None = None,
        stiff: np.ndarray | None = None,
    ) -> None:
        self.triangles = np.asarray(triangles, dtype=np.int64)
        self.source, self.target = np.asarray(source, np.float64), np.asarray(target, np.float64)
        sure = np.ones(len(self.target)) if confidence is None else np.asarray(confidence, np.float64)
        self.scale = float(np.sqrt(_spread(self.target, sure) / _spread(self.source, sure)))
        weight = sure[self.triangles].mean(1) ** 2
        self.source_matrices = _triangle_matrices(self.source, self.triangles)
        target_matrices = _triangle_matrices(self.target, self.triangles)
        self.carried, growth = _carried_edges(self.source_matrices, target_matrices, self.scale, weight)
        weight = weight / growth.clip(min=1.0) ** 2
        for some, value in ((free, LEAST_WEIGHT), (stiff, 1.0)):
            if some is not None:
                weight[some] = value
                self.carried[some] = 0.0
        count, points = len(self.triangles), len(self.target)
        stiffness = weight.clip(min=LEAST_WEIGHT)[:, None, None] * stiffness_of(
            self.target, self.triangles
        )  # (T, 3, 3)
        rows = np.repeat(self.triangles[:, :, None], 3, axis=2)
        columns = np.arange(3 * count).reshape(count, 1, 3).repeat(3, axis=1)
        self.pull = sparse.csr_matrix((stiffness.ravel(), (rows.ravel(), columns.ravel())), shape=(points, 3 * count))
        corner = (np.ones(3 * count), (np.arange(3 * count), self.triangles.ravel()))
        self.system = (self.pull @ sparse.csr_matrix(corner, shape=(3 * count, points))).tocsr()
        self.typical = float(abs(self.system).diagonal().mean())
        hold = sure**2 * geman_mcclure((movement / UNMOVED_MM) ** 2) + LOOSE
        self._hold(hold * self.typical)

    def transfer(self, frames: np.ndarray) -> np.ndarray:
        """The source's frames (F, V, 3) as frames of the target (F, V, 3) float64."""
        own = np.asarray(frames, np.float64) - self.source
        parted = np.empty((len(own), 3 * len(self.triangles), 3))
        for index, frame in enumerate(own):
            parted[index] = self._parted(self.source + frame)
        most = self._reach(np.linalg.norm(own, axis=-1))
        for _ in range(HOLDING_ROUNDS):
            moved = self._solved(own, parted)
            astray = (np.linalg.norm(moved, axis=-1) > most).any(0)
            if not astray.any():
                break
            self._hold(np.where(astray, (HELD_MORE * self.hold).clip(min=LEAST_HOLD * self.typical), self.hold))
        return self.target + moved

    def _parted(self, frame: np.ndarray) -> np.ndarray:
        """d_t (3T, 3) of a frame of the source (V, 3)."""
        change = _triangle_matrices(frame, self.triangles) - self.source_matrices  # (T, 3, 3)
        corners = np.zeros((len(change), 3, 3))
        corners[:, 1:] = (change @ self.carried).transpose(0, 2, 1)
        return corners.reshape(-1, 3)

    def _solved(self, own: np.ndarray, parted: np.ndarray) -> np.ndarray:
        """The target's displacements (F, V, 3) by those of the source (F, V, 3) and d_t (F, 3T, 3)."""
        out = np.empty_like(own)
        for index, (displaced, corners) in enumerate(zip(own, parted, strict=True)):
            out[index] = self.factor.solve(self.pull @ corners + self.hold[:, None] * (self.scale * displaced))
        return out

    def _hold(self, hold: np.ndarray) -> None:
        """Factor the system with holds (V,)."""
        self.hold = hold
        system = (self.system + sparse.diags(hold)).tocsc()
        self.factor = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})

    def _reach(self, movement: np.ndarray) -> np.ndarray:
        """(F, V) how far each point may go, by how far the source moves around it, movement (F, V)."""
        edges = self.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        length = np.linalg.norm(self.target[edges[:, 0]] - self.target[edges[:, 1]], axis=1)
        rings = int(np.clip(np.ceil(AROUND_MM * self.scale / np.median(length)), 1, MOST_RINGS))
        count = len(self.target)
        around = sparse.csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
        around = around + around.T + sparse.identity(count, format="csr")
        most = movement
        for _ in range(rings):
            most = np.maximum.reduceat(most[:, around.indices], around.indptr[:-1], axis=1)
        return self.scale * (FURTHER * most + FURTHER_MM)


def _spread(points: np.ndarray, sure: np.ndarray) -> float:
    """The mean square distance of points (V, 3) from their middle, where they count as much as they are sure (V,)."""
    share = sure / sure.sum()
    return float(share @ ((points - share @ points) ** 2).sum(1))


def _carried_edges(
    source: np.ndarray, target: np.ndarray, scale: float, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What brings the change of a source's frame to the two edges of the target's triangle, (T, 3, 2), bounded; and by
    how much too large (T,) the target's triangle was for it.

    source, target: (T, 3, 3) of _triangle_matrices. weight: (T,) in [0, 1]: of a triangle that has none, edges part as
    the source's.
    """
    edges = np.linalg.norm(source, axis=1)  # (T, 3) of two edges, and the root of the area
    flat = edges[:, 2] ** 2 < FLAT * edges[:, :2].prod(1).clip(min=1e-9)
    usable = np.where(flat[:, None, None], np.eye(3), source)
    between = np.where(flat[:, None, None], np.eye(3), np.linalg.solve(usable, target) / scale)
    left, sizes, right = np.linalg.svd(between)
    largest = 1.0 + (LARGEST_GROWTH - 1.0) * weight[:, None]
    bounded = (left * np.minimum(sizes, largest)[:, None]) @ right
    growth = np.where(flat, np.inf, sizes[:, 0] / largest[:, 0])
    return scale * bounded[:, :, :2], growth


def _triangle_matrices(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T, 3, 3) each triangle's two edges and its normal, as long as the root of the triangle's size, as columns."""
    first, second = (points[triangles[:, i]] - points[triangles[:, 0]] for i in (1, 2))
    normal = np.cross(first, second)
    length = np.linalg.norm(normal, axis=1, keepdims=True).clip(min=1e-12)
    return np.stack([first, second, normal / np.sqrt(length)], axis=-1)
