# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights of a performer's whole shapes, jaw included, at every point of a take's frames."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..geometry.rigid import recentred
from ..model.actor import Actor
from ..model.closed_form import agreement_matrix, offsets_of_parts, positive_factor
from ..model.frames_last import hinged_places, steps_last
from ..shared.results.takes import Take

SPARING = 2.5e-6, 1.25e-3  # what a weight of the slowest and of the fastest mode costs, in shares of a typical weight's


class WholeWeights:
    """Coefficients a (f, M, N) of weights of the source's whole shapes, settled where these leave them undetermined.

    energy: (V, N) |δ'|^2 of what the target shows of each. With δ_i = s_i - s0, they minimise over w, docs/model.md
    (30),
        sum_c |sum_i w_i(c) δ_i(c) - x(c)|^2 + sum_ci settling_i |δ'_i(c)|^2 |w_i(c) - u_i|^2
    with x the take's frame without its head, and u_i the weight of shape i over the whole face: what shows on
    the source stays, and what would show on the target alone comes to rest.
    """

    def __init__(self, take: Take, source: Actor, energy: Tensor, settling: np.ndarray) -> None:
        self.take, self.source = take, source
        self.modes = modes = torch.as_tensor(take.modes)  # (V, M)
        count, names = modes.shape[1], len(source.names)
        self.fields = torch.as_tensor(source.offsets()).float()  # (V, N, 3) δ
        self.expressions = torch.as_tensor(source.expressions).float()  # (V, N, 3)
        self.centre = source.neutral.mean(0)
        self.hinged = torch.as_tensor(hinged_places(source.neutral, source.skin_weight, self.centre)).float()  # (V, 4)
        matrix = agreement_matrix(modes, self.fields)
        diagonal = matrix.view(count * names, -1).diagonal()
        # The blocks, summed in float32, stay positive definite; and what neither actor shows stays small.
        finer = SPARING[0] + (SPARING[1] - SPARING[0]) * torch.arange(count) / count  # (M,) modes change ever faster
        diagonal.add_(float(diagonal.mean()) * finer.repeat_interleave(names) + 1e-9)
        self.factor = positive_factor(matrix.view(count * names, -1))
        self.inverse: Tensor | None = None
        self.rest: Tensor | None = None
        importance = self.fields.square().sum(-1)
        self.share = modes.T @ (importance / importance.sum(0).clamp(min=1e-12))  # (M, N): of a weight's mean
        if not settling.any():
            return
        rest = torch.stack([(modes.T @ (energy[:, i, None] * modes)).double() for i in range(names)])
        rest *= torch.as_tensor(settling)[:, None, None]  # (N, M, M)
        flat = torch.linalg.lstsq(modes.double(), torch.ones(len(modes), 1, dtype=torch.float64)).solution  # (M, 1): 1
        self.rest = rest @ flat[:, 0]  # (N, M)
        # u is linear in the right side, so that one solution a frame is enough.
        means = torch.einsum("mi,ij->mij", self.share.double(), torch.eye(names, dtype=torch.float64))
        self.overall = torch.cholesky_solve(means.view(count * names, names), self.factor)  # (M N, N)
        for i in range(names):
            matrix[:, i, :, i] += rest[i]
        self.factor = positive_factor(matrix.view(count * names, -1))

    def of(self, part: slice) -> Tensor:
        """The coefficients (f, M, N) float32 in a part of the take."""
        count, names = self.share.shape
        right = self._seen(part)
        frames = right.shape[1]
        if self.rest is not None:
            overall = self.overall.T @ right  # (N, f) u
            right = right + torch.einsum("im,if->mif", self.rest, overall).reshape(-1, frames)
        solution = torch.cholesky_solve(right, self.factor) if self.inverse is None else self.inverse @ right
        return solution.view(count, names, frames).permute(2, 0, 1).float().contiguous()

    def overall_of(self, weights: Tensor) -> np.ndarray:
        """(f, N) the weights over the whole face of coefficients (f, M, N)."""
        return torch.einsum("fmi,mi->fi", weights, self.share).double().numpy()

    def _seen(self, part: slice) -> Tensor:
        """(M N, f) float64 what the modes see of the take's frames x without head motion. Where these are known at some
        of the points they are seen there at once, and stand nowhere as a whole."""
        coefficients = torch.as_tensor(self.take.coefficients[part])
        count, names = self.share.shape
        step = steps_last(recentred(self.take.jaw[part], self.centre))  # (4, 3 f)
        found = torch.zeros(count, names * len(coefficients), dtype=torch.float64)
        for rows, moved in offsets_of_parts(self.modes, coefficients, self.expressions):
            moved.view(len(moved), -1).addmm_(self.hinged[rows], step)
            found += self.modes[rows].T @ torch.bmm(self.fields[rows], moved).flatten(1)
        return found.view(count * names, -1)
