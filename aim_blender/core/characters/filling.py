# SPDX-License-Identifier: GPL-3.0-or-later
"""Offsets on a surface where only some are to be trusted: what is not follows its surroundings.

With u the displacement that is sought and g the one that is given, it minimises, docs/model.md (34),
    sum_t [ c_t (u - g)^T K_t (u - g) + (1 - c_t) u^T K_t u ] + sum_v h_v |u_v - g_v|^2
with K_t the stiffness of triangle t. Where all is sure, c = h = 1 and u = g.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

BLUNT = 1e-2  # sine between two sides from which on a triangle gets no stiffer
LOOSE = 1e-6  # how much every point holds on: enough for parts that no sure point belongs to
LEAST_WEIGHT = 1e-3  # of a triangle that follows whatever its corners do


def filled(
    points: np.ndarray,
    triangles: np.ndarray,
    given: np.ndarray,
    sure: np.ndarray,
    held: np.ndarray,
    free: np.ndarray,
    stiff: np.ndarray,
) -> np.ndarray:
    """u of docs/model.md (34), (N, V, 3), of g, given (N, V, 3), on a mesh of points (V, 3) and triangles (T, 3).

    sure: (V,) in [0, 1], and held: (V,) in [0, 1], how much a point goes where it is said to for what else is known.
    free: (T,) bool, triangles that follow whatever their corners do; stiff: (T,) bool, those that keep their shape as
    far as they can.
    """
    count = len(points)
    stiffness = stiffness_of(points, triangles)  # (T, 3, 3)
    weight = np.where(free, LEAST_WEIGHT, 1.0)
    trusted = weight * np.where(stiff, 0.0, sure[triangles].min(1) ** 2)
    rows, columns = np.repeat(triangles, 3, axis=1).ravel(), np.tile(triangles, 3).ravel()

    def assembled(share: np.ndarray) -> sparse.csr_matrix:
        values = (share[:, None, None] * stiffness).ravel()
        return sparse.csr_matrix((values, (rows, columns)), shape=(count, count))

    whole, given_part = assembled(weight), assembled(trusted)
    hold = sparse.diags((held * sure**2 + LOOSE) * float(np.mean(np.abs(whole.diagonal()))))
    system = (whole + hold).tocsc()
    factor = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    pull = (given_part + hold).tocsr()
    return np.stack([factor.solve(pull @ each) for each in given])


def stiffness_of(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T, 3, 3) the stiffness of each triangle: what the square of a gradient costs, by the values at the corners."""
    corners = points[triangles]
    opposite = np.roll(corners, -2, axis=1) - np.roll(corners, -1, axis=1)  # (T, 3, 3) the edge across each corner
    area = np.linalg.norm(np.cross(opposite[:, 0], opposite[:, 1]), axis=1)  # twice
    longest = (opposite**2).sum(2).max(1)
    return (
        opposite @ opposite.transpose(0, 2, 1) / (2 * np.maximum(area, BLUNT * longest).clip(min=1e-12))[:, None, None]
    )
