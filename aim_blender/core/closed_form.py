# SPDX-License-Identifier: GPL-3.0-or-later
"""The linear part of the closed-form fit: weights w_i(c) = sum_m Φ_m(c) a_mi of any number of frames (MODEL.md
section 3), from what is left of the frames after jaw and head."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

DETAIL_MM = 30.0  # a weight that goes up and down within this length costs `smoothness`
CLOSE_ENOUGH = 1e-4  # of the right side: where conjugate gradients end
MOST_ITERATIONS = 60


class Prior(Protocol):
    """ridge: what a weight of 1 everywhere costs, as a distance in mm. smoothness: what one costs that changes."""

    @property
    def ridge(self) -> float: ...
    @property
    def smoothness(self) -> float: ...


def prior_of_modes(eigenvalues: np.ndarray, settings: Prior) -> np.ndarray:
    """(M,) mm² what a coefficient of 1 costs a point. eigenvalues: (M,) of the modes in 1 / mm².

    A mode that goes up and down within DETAIL_MM costs `smoothness`; a constant weight costs `ridge`.
    """
    return settings.ridge**2 + settings.smoothness**2 * eigenvalues * (DETAIL_MM / (2 * np.pi)) ** 2


class ClosedForm:
    """The normal matrix of the M N unknowns is the same for all frames, and factored once.

    expressions: e (V, N, 3) mm. modes: Φ (V, M) of unit mean square. prior: (M,) mm² of prior_of_modes. trust: (V,) in
    [0, 1] how much each point counts in most frames, None for all alike. factor: (M N, M N) float64, if it is known.
    """

    def __init__(
        self,
        expressions: Tensor,
        modes: Tensor,
        prior: Tensor,
        trust: Tensor | None = None,
        factor: Tensor | None = None,
    ) -> None:
        self.expressions = expressions.contiguous()  # (V, N, 3)
        self.modes = modes.contiguous()  # (V, M)
        cost = len(expressions) * prior.double()
        self.prior = cost.repeat_interleave(expressions.shape[1])  # (M N,), unknowns ordered mode by mode
        self.trust = trust
        self.factor = torch.linalg.cholesky(self.normal_matrix()) if factor is None else factor
        self.inverse: Tensor | None = None

    def normal_matrix(self) -> Tensor:
        """(M N, M N) float64: sum over points of trust Φ_m Φ_p (e_i . e_j), and the prior."""
        trusted = self.modes if self.trust is None else self.modes * self.trust.sqrt()[:, None]
        matrix = agreement_matrix(trusted, self.expressions).view(len(self.prior), len(self.prior))
        matrix.diagonal().add_(self.prior)
        return matrix

    def prepare_for_single_frames(self) -> None:
        """Make a frame alone four times as fast, for half a second now: a factor is quick for many frames at once."""
        self.inverse = torch.cholesky_inverse(self.factor)

    def solve(self, residual: Tensor, trust: Tensor | None = None, start: Tensor | None = None) -> Tensor:
        """Coefficients a (F, M, N) that explain residual (F, V, 3) best.

        trust: (F, V) how much each point counts in each frame, None where it is what the matrix was factored for;
        the difference is made up by conjugate gradients, which begin at start (F, M, N).
        """
        right = self._seen(residual if trust is None else residual * trust[..., None])  # (M N, F)
        if trust is None:
            return self._shaped(self._factored(right), residual)
        known = torch.zeros_like(right) if start is None else self._flat(start)
        missing = right if start is None else right - self._matrix_times(known, trust)
        goal = CLOSE_ENOUGH * right.norm(dim=0)
        direction = preconditioned = self._factored(missing)
        energy = (missing * preconditioned).sum(0)
        for _ in range(MOST_ITERATIONS):
            if bool((missing.norm(dim=0) <= goal).all()):
                break
            image = self._matrix_times(direction, trust)
            step = energy / (direction * image).sum(0).clamp(min=1e-30)
            known = known + step * direction
            missing = missing - step * image
            preconditioned = self._factored(missing)
            before, energy = energy, (missing * preconditioned).sum(0)
            direction = preconditioned + energy / before.clamp(min=1e-30) * direction
        return self._shaped(known, residual)

    def offsets(self, coefficients: Tensor) -> Tensor:
        """sum_i w_i(c) e_i(c) (F, V, 3) of coefficients (F, M, N)."""
        return expression_offsets(self.modes, coefficients, self.expressions)

    def _matrix_times(self, flat: Tensor, trust: Tensor) -> Tensor:
        """The normal matrix of every frame's own trust (F, V) times flat (M N, F)."""
        offsets = self.offsets(self._shaped(flat, self.modes)) * trust[..., None]
        return self._seen(offsets) + self.prior[:, None] * flat

    def _factored(self, right: Tensor) -> Tensor:
        """The inverse of the normal matrix times right (M N, F)."""
        return torch.cholesky_solve(right, self.factor) if self.inverse is None else self.inverse @ right

    def _seen(self, offsets: Tensor) -> Tensor:
        seen = seen_by_modes(self.modes, self.expressions, offsets)
        return seen.reshape(-1, len(offsets)).double()  # (M N, F)

    def _flat(self, coefficients: Tensor) -> Tensor:
        return coefficients.permute(1, 2, 0).reshape(-1, len(coefficients)).double()

    def _shaped(self, flat: Tensor, like: Tensor) -> Tensor:
        shaped = flat.to(like.dtype).view(self.modes.shape[1], -1, flat.shape[1])
        return shaped.permute(2, 0, 1).contiguous()


def agreement_matrix(modes: Tensor, expressions: Tensor) -> Tensor:
    """(M, N, M, N) float64: sum over points of Φ_m Φ_p (e_i . e_j). modes: (V, M). expressions: (V, N, 3)."""
    names, count = expressions.shape[1], modes.shape[1]
    matrix = torch.empty(count, names, count, names, dtype=torch.float64, device=modes.device)
    for i in range(names):
        for j in range(i, names):
            agreement = (expressions[:, i] * expressions[:, j]).sum(-1, keepdim=True)  # (V, 1)
            block = (modes.T @ (agreement * modes)).double()  # (M, M)
            matrix[:, i, :, j] = matrix[:, j, :, i] = block
    return matrix


def seen_by_modes(modes: Tensor, expressions: Tensor, offsets: Tensor) -> Tensor:
    """(M, N, F): sum over points of Φ_m (e_i . x) for offsets x (F, V, 3). modes: (V, M). expressions: (V, N, 3)."""
    # Contract e before Φ, so that the (3V, MN) matrix is never formed.
    seen = torch.matmul(offsets.transpose(0, 1), expressions.transpose(1, 2))  # (V, F, N)
    return (modes.T @ seen.reshape(len(modes), -1)).view(-1, *seen.shape[1:]).transpose(1, 2)


def expression_offsets(modes: Tensor, coefficients: Tensor, expressions: Tensor) -> Tensor:
    """sum_i w_i(c) e_i(c) with w_i(c) = sum_m Φ_m(c) a_mi.

    modes: (V, M). coefficients: (F, M, N). expressions: (V, N, 3). Returns (F, V, 3).
    """
    frames, count, names = coefficients.shape
    weights = modes @ coefficients.transpose(0, 1).reshape(count, frames * names)  # (V, F N)
    return torch.matmul(weights.view(-1, frames, names), expressions).transpose(0, 1)
