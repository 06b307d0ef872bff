# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights within bounds for frames of sparse data, whose normal matrices differ from frame to frame.

The method is that of closed_form.WeightBounds, which whole meshes have: there all frames share one matrix, and what
a point counts less is made up by iteration, for which sparse data are too few.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import lsq_linear

from ..model.closed_form import BOUND_TOLERANCE, RELAXATION

# What a weight of 1 beyond its bounds costs at every point, in each round of a stage. Few points leave weights to the
# prior, so they go further beyond than those of whole meshes; where they go far, the later stages hold them.
STAGES_MM = (2.5, 5.0, 10.0, 20.0)
ROUNDS = 20
PLACES = 1000  # at which the bounds are kept: sparse data have few modes, and these are smooth


class BoundedWeights:
    """Keeps weights w_i(c) = sum_m Φ_m(c) a_mi of all points from 1 - largest to largest. modes: Φ (V, M)."""

    def __init__(self, modes: np.ndarray, largest: float) -> None:
        step = max(1, len(modes) // PLACES)
        self.modes = np.ascontiguousarray(modes[::step], dtype=np.float64)  # (S, M)
        self.least, self.most = 1.0 - largest, largest

    def beyond(self, free: np.ndarray, names: int, shift: np.ndarray | float = 0.0) -> np.ndarray:
        """(F,) bool: frames whose unknowns (U, F) leave the bounds, as kept has them."""
        return self._beyond(self._weights(free, names, shift)) > BOUND_TOLERANCE

    def kept(
        self,
        free: np.ndarray,
        normal: np.ndarray,
        right: np.ndarray,
        points: float,
        names: int,
        shift: np.ndarray | float = 0.0,
    ) -> np.ndarray:
        """The unknowns x (U, F) within the bounds that minimise ½ xᵀ Q x - bᵀ x, from those found without bounds.

        normal: Q (U, U). right: b (U, F). The last M N unknowns are the coefficients, mode by mode; those before them
        have no bounds. points: how many count in Q. names: N. shift: (N,) weights that come on top.
        """
        lead = len(free) - self.modes.shape[1] * names
        shift = np.broadcast_to(shift, (names,))
        weights = self._weights(free, names, shift)  # (S, N, F)
        wanted, push, found = weights.clip(self.least, self.most), np.zeros_like(weights), free
        cost, factor = 0.0, None
        for round_ in range(ROUNDS * len(STAGES_MM)):
            if round_ % ROUNDS == 0:
                before_cost, cost = cost, STAGES_MM[round_ // ROUNDS] ** 2 * points / len(self.modes)
                push *= before_cost / cost
                factor = self._factored(normal, cost, names, lead)
            whole = right.copy()
            aim = (wanted - push - shift[:, None]).reshape(len(weights), -1)
            whole[lead:] += cost * (self.modes.T @ aim).reshape(-1, free.shape[1])
            found = cho_solve(factor, whole, overwrite_b=True, check_finite=False)
            weights = self._weights(found, names, shift)
            relaxed = RELAXATION * weights + (1.0 - RELAXATION) * wanted + push
            before, wanted = wanted, relaxed.clip(self.least, self.most)
            push = relaxed - wanted
            if np.abs(wanted - before).max() + self._beyond(weights).max() <= BOUND_TOLERANCE:
                break
        return found

    def _factored(self, normal: np.ndarray, cost: float, names: int, lead: int) -> tuple[np.ndarray, bool]:
        held = normal.copy()
        gram = cost * self.modes.T @ self.modes
        for name in range(names):
            held[lead + name :: names, lead + name :: names] += gram
        factor: tuple[np.ndarray, bool] = cho_factor(held, overwrite_a=True, check_finite=False)
        return factor

    def _weights(self, unknowns: np.ndarray, names: int, shift: np.ndarray | float) -> np.ndarray:
        """(S, N, F) of unknowns (U, F)."""
        count = self.modes.shape[1]
        coefficients = unknowns[len(unknowns) - count * names :].reshape(count, -1)
        weights = (self.modes @ coefficients).reshape(len(self.modes), names, -1)
        return weights + np.broadcast_to(shift, (names,))[:, None]

    def _beyond(self, weights: np.ndarray) -> np.ndarray:
        """(F,) by how much the worst weight of each frame leaves the bounds."""
        return np.abs(weights - weights.clip(self.least, self.most)).max((0, 1))


def within_box(
    normal: np.ndarray, right: np.ndarray, free: np.ndarray, least: np.ndarray, most: np.ndarray
) -> np.ndarray:
    """x (U,) that minimises ½ xᵀ Q x - bᵀ x for Q (U, U), b (U,), its last N from least to most (N,); free: without."""
    lead = len(free) - len(least)
    if (free[lead:] >= least).all() and (free[lead:] <= most).all():
        return free
    factor = np.linalg.cholesky(normal)
    bounds = np.append(np.full(lead, -np.inf), least), np.append(np.full(lead, np.inf), most)
    return np.asarray(lsq_linear(factor.T, np.linalg.solve(factor, right), bounds=bounds, method="bvls").x)
