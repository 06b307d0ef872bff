# SPDX-License-Identifier: GPL-3.0-or-later
"""The linear part of the closed-form fit: weights w_i(c) = sum_m Φ_m(c) a_mi of any number of frames
(docs/model.md section 3), from what is left of the frames after jaw and head."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .frames_last import frames_last

DETAIL_MM = 30.0  # a weight that goes up and down within this length costs `smoothness`
CLOSE_ENOUGH = 1e-4  # of the right side: where conjugate gradients end
MOST_ITERATIONS = 60
BOUNDED_POINTS = 4000  # at which bounds are kept; see WeightBounds
BOUND_MM = 0.8  # what a weight of 1 beyond its bounds costs at every point, in each round
BOUND_ROUNDS = 30
BOUND_TOLERANCE = 0.02  # of a weight: where the rounds end
RELAXATION = 1.7
POINTS_AT_ONCE, MODES_AT_ONCE = 4096, 4  # that a processor keeps at hand
NUMBERS_AT_ONCE = 2**19  # likewise, of weights of points: sums over them then cost half
MOST_UNKNOWNS = 8000  # M N, whose factor takes 0.5 GB, and the set-up twice as much beside


class Prior(Protocol):
    """What weights cost, as distances in mm."""

    @property
    def ridge(self) -> float:
        """What a weight of 1 everywhere costs."""

    @property
    def smoothness(self) -> float:
        """What a weight costs that changes across the face."""


class Fields(Protocol):
    """Φ_m(c) e_i(c) at V points, for the sums over them."""

    def agreement(self, trust: Tensor | None) -> Tensor:
        """(M, N, M, N) float64: sum over points of trust Φ_m Φ_p (e_i . e_j). trust: (V,), None for 1 everywhere."""

    def seen(self, offsets: Tensor) -> Tensor:
        """(M, N, F): sum over points of Φ_m (e_i . x) for offsets x (F, V, 3)."""

    def offsets(self, coefficients: Tensor) -> Tensor:
        """sum_i w_i(c) e_i(c) (F, V, 3) of coefficients (F, M, N)."""

    def distance(self, coefficients: Tensor, residual: Tensor) -> Tensor:
        """(F, V) how far the offsets of coefficients (F, M, N) are from residual (F, V, 3)."""


class ModeFields:
    """Every point with all modes Φ (V, M) and expressions e (V, N, 3)."""

    def __init__(self, modes: Tensor, expressions: Tensor) -> None:
        self.modes, self.expressions = modes, expressions

    def agreement(self, trust: Tensor | None) -> Tensor:
        """As Fields has it."""
        trusted = self.modes if trust is None else self.modes * trust.sqrt()[:, None]
        return agreement_matrix(trusted, self.expressions)

    def seen(self, offsets: Tensor) -> Tensor:
        """As Fields has it."""
        return seen_by_modes(self.modes, self.expressions, offsets)

    def offsets(self, coefficients: Tensor) -> Tensor:
        """As Fields has it."""
        return expression_offsets(self.modes, coefficients, self.expressions)

    def distance(self, coefficients: Tensor, residual: Tensor) -> Tensor:
        """As Fields has it."""
        there = frames_last(residual)
        found = residual.new_empty(len(there), len(residual))
        for rows, offsets in offsets_of_parts(self.modes, coefficients, self.expressions):
            offsets -= there[rows]
            x, y, z = offsets.square_().unbind(1)  # many times faster than a norm along the middle
            torch.sqrt((x + y).add_(z), out=found[rows])
        return found.T


def prior_of_modes(eigenvalues: np.ndarray, settings: Prior) -> np.ndarray:
    """(M,) mm² λ of docs/model.md (18): what a coefficient of 1 costs a point. eigenvalues: (M,) of the modes in 1 /
    mm².

    A mode that goes up and down within DETAIL_MM costs `smoothness`; a constant weight costs `ridge`.
    """
    return settings.ridge**2 + settings.smoothness**2 * eigenvalues * (DETAIL_MM / (2 * np.pi)) ** 2


class ClosedForm:
    """The normal matrix of the M N unknowns is the same for all frames, and inverted once.

    expressions: e (V, N, 3) mm. modes: Φ (V, M) of unit mean square. prior: (M,) mm² of prior_of_modes. trust: (V,) in
    [0, 1] how much each point counts in most frames, None for all alike. inverse: (M N, M N) float64, if it is known;
    with it a frame takes a quarter of what its factor would.
    fields: what sums up Φ e over the points, None to do so at each with all modes. bounds: what keeps the weights, None
    where nothing does.
    """

    def __init__(
        self,
        expressions: Tensor,
        modes: Tensor,
        prior: Tensor,
        trust: Tensor | None = None,
        inverse: Tensor | None = None,
        fields: Fields | None = None,
    ) -> None:
        self.expressions = expressions.contiguous()  # (V, N, 3)
        self.modes = modes.contiguous()  # (V, M)
        self.fields = fields or ModeFields(self.modes, self.expressions)
        cost = len(expressions) * prior.double()
        self.prior = cost.repeat_interleave(expressions.shape[1])  # (M N,), unknowns ordered mode by mode
        self.trust = trust
        self.inverse = torch.cholesky_inverse(positive_factor(self.normal_matrix())) if inverse is None else inverse
        self.bounds: WeightBounds | None = None

    def normal_matrix(self) -> Tensor:
        """(M N, M N) float64: the matrix of docs/model.md (17): sum over points of trust Φ_m Φ_p (e_i . e_j), and
        the prior."""
        matrix = self.fields.agreement(self.trust).view(len(self.prior), len(self.prior))
        matrix.diagonal().add_(self.prior)
        return matrix

    def solve(self, residual: Tensor, trust: Tensor | None = None, start: Tensor | None = None) -> Tensor:
        """Coefficients a (F, M, N) that explain residual (F, V, 3) best, docs/model.md (17).

        trust: (F, V) how much each point counts in each frame, None where it is what the matrix was inverted for;
        the difference is made up by conjugate gradients, which begin at start (F, M, N).
        """
        right = self.seen(residual if trust is None else residual * trust[..., None])  # (M N, F)
        if trust is None:
            found = self.shaped(self.inverse @ right, residual)
            return found if self.bounds is None else self.bounds.kept(found, right, self.trust)
        known = torch.zeros_like(right) if start is None else self._flat(start)
        missing = right if start is None else right - self._matrix_times(known, trust)
        goal = CLOSE_ENOUGH * right.norm(dim=0)
        direction = preconditioned = self.inverse @ missing
        energy = (missing * preconditioned).sum(0)
        for _ in range(MOST_ITERATIONS):
            if bool((missing.norm(dim=0) <= goal).all()):
                break
            image = self._matrix_times(direction, trust)
            step = energy / (direction * image).sum(0).clamp(min=1e-30)
            known = known + step * direction
            missing = missing - step * image
            preconditioned = self.inverse @ missing
            before, energy = energy, (missing * preconditioned).sum(0)
            direction = preconditioned + energy / before.clamp(min=1e-30) * direction
        found = self.shaped(known, residual)
        return found if self.bounds is None else self.bounds.kept(found, right, trust)

    def offsets(self, coefficients: Tensor) -> Tensor:
        """sum_i w_i(c) e_i(c) (F, V, 3) of coefficients (F, M, N)."""
        return self.fields.offsets(coefficients)

    def _matrix_times(self, flat: Tensor, trust: Tensor) -> Tensor:
        """The normal matrix of every frame's own trust (F, V) times flat (M N, F)."""
        offsets = self.offsets(self.shaped(flat, self.modes)) * trust[..., None]
        return self.seen(offsets) + self.prior[:, None] * flat

    def seen(self, offsets: Tensor) -> Tensor:
        """(M N, F) float64: what the modes see of offsets (F, V, 3)."""
        return self.fields.seen(offsets).reshape(-1, len(offsets)).double()

    def _flat(self, coefficients: Tensor) -> Tensor:
        return coefficients.permute(1, 2, 0).reshape(-1, len(coefficients)).double()

    def shaped(self, flat: Tensor, like: Tensor) -> Tensor:
        """Unknowns flat (M N, F) as coefficients (F, M, N) of the kind of `like`."""
        shaped = flat.to(like.dtype).view(self.modes.shape[1], -1, flat.shape[1])
        return shaped.permute(2, 0, 1).contiguous()


class WeightBounds:
    """Keeps the weights of all points between `least` and `most`, 0 between them, by the alternating direction method
    of multipliers: weights w within the bounds, and coefficients a that explain the frames and come near to w, take
    turns to be found.

    Smooth functions that are held at some points go a little further between them, and the rounds end before all has
    settled: on actor 3, weights bounded by 1.5 go beyond by 0.10 at most, and by more than 0.02 at 11 of a million.
    Bounds at every point and 200 rounds leave 0.02 but take 20 times as long; making each shape that goes beyond
    smaller as a whole leaves nothing, but raises the mean error from 0.034 to 0.041 mm (benchmarks/bounds.py).

    The least squares over a have one matrix again, factored once. Where a point counts less than fully, the fit's own
    offset stands in for what does not count, which changes nothing once it has settled.
    """

    def __init__(self, form: ClosedForm, least: float, most: float) -> None:
        self.form, self.least, self.most = form, least, most
        self.step = max(1, len(form.modes) // BOUNDED_POINTS)
        self.modes = form.modes[:: self.step].contiguous()  # (P, M)
        self.cost = BOUND_MM**2 * self.step

    @cached_property
    def inverse(self) -> Tensor:
        """(M N, M N); made when a frame first leaves the bounds, for many performances never do."""
        form = self.form
        matrix = form.fields.agreement(None)
        gram = self.cost * (self.modes.T @ self.modes).double()
        for name in range(matrix.shape[1]):
            matrix[:, name, :, name] += gram
        matrix = matrix.view(len(form.prior), -1)
        matrix.diagonal().add_(form.prior)
        return torch.cholesky_inverse(positive_factor(matrix)).to(form.modes.dtype)

    def kept(self, found: Tensor, right: Tensor, trust: Tensor | None) -> Tensor:
        """Coefficients (F, M, N) whose weights w_i are within the bounds, from what is found without them.

        right: (M N, F) what the modes see of the frames. trust: (V,) or (F, V) how much each point counted in it.
        """
        weights = weights_at(self.modes, found)  # (P, F, N)
        rows = self._beyond(weights) > BOUND_TOLERANCE
        if not bool(rows.any()):
            return found
        some, right, weights = found[rows], right[:, rows].to(self.inverse.dtype), weights[:, rows]
        filled_in = None if trust is None else 1.0 - (trust if trust.dim() == 1 else trust[rows])
        wanted, push = weights.clamp(self.least, self.most), torch.zeros_like(weights)
        for _ in range(BOUND_ROUNDS):
            back = self.cost * (self.modes.T @ (wanted - push).flatten(1)).view(some.shape[1], len(some), -1)
            whole = right + back.transpose(1, 2).reshape(right.shape)
            if filled_in is not None:
                whole = whole + self.form.seen(self.form.offsets(some) * filled_in[..., None]).to(whole.dtype)
            some = self.form.shaped(self.inverse @ whole, found)
            weights = weights_at(self.modes, some)
            relaxed = RELAXATION * weights + (1.0 - RELAXATION) * wanted + push
            before, wanted = wanted, relaxed.clamp(self.least, self.most)
            push = relaxed - wanted
            if float((wanted - before).abs().max() + self._beyond(weights).max()) <= BOUND_TOLERANCE:
                break
        found = found.clone()
        found[rows] = some
        return found

    def _beyond(self, weights: Tensor) -> Tensor:
        """(F,) by how much the worst weight of each frame leaves the bounds."""
        return (weights - weights.clamp(self.least, self.most)).abs().amax((0, 2))


def affordable_modes(modes: int, expressions: int) -> int:
    """As many of the modes as a fit with so many expressions has memory for: the factor's size is (M N)²."""
    return max(1, min(modes, MOST_UNKNOWNS // max(expressions, 1)))


def positive_factor(matrix: Tensor) -> Tensor:
    """The Cholesky factor of a matrix (U, U) that is positive definite but for what float32 rounded off its sums.

    Shapes that move metres round off more than the ridge holds: then as little as is needed is added to the diagonal.
    """
    more = 1e-7
    while True:
        try:
            return torch.linalg.cholesky(matrix)
        except torch.linalg.LinAlgError:
            if not bool(matrix.isfinite().all()) or more > 1.0:
                raise
        matrix = matrix + more * matrix.diagonal().mean() * torch.eye(
            len(matrix), dtype=matrix.dtype, device=matrix.device
        )
        more *= 10.0


def agreement_matrix(modes: Tensor, expressions: Tensor) -> Tensor:
    """(M, N, M, N) float64: sum over points of Φ_m Φ_p (e_i . e_j). modes: (V, M). expressions: (V, N, 3).

    Each pair of modes meets each pair of expressions once: a quarter of the matrix says it all.
    """
    names, count = expressions.shape[1], modes.shape[1]
    one, other = torch.triu_indices(names, names, device=modes.device)  # (P,)
    found = torch.zeros(count, count, len(one), dtype=torch.float64, device=modes.device)
    for part, fields in zip(modes.split(POINTS_AT_ONCE), expressions.split(POINTS_AT_ONCE), strict=True):
        agreement = (fields[:, one] * fields[:, other]).sum(-1)  # (v, P)
        rows = part.T.contiguous()  # (M, v)
        for first in range(0, count, MODES_AT_ONCE):
            some = rows[first : first + MODES_AT_ONCE]
            products = (some[:, None] * rows[first:]).flatten(0, 1)
            found[first : first + len(some), first:] += (products @ agreement).view(len(some), -1, len(one))
    for first in range(MODES_AT_ONCE, count, MODES_AT_ONCE):
        found[first:, first - MODES_AT_ONCE : first] = found[first - MODES_AT_ONCE : first, first:].transpose(0, 1)
    pair = torch.empty(names, names, dtype=torch.int64, device=modes.device)
    pair[one, other] = pair[other, one] = torch.arange(len(one), device=modes.device)
    matrix = torch.empty(count, names, count, names, dtype=torch.float64, device=modes.device)
    for mode in range(count):  # one at a time, so that no second matrix stands beside it
        matrix[mode] = found[mode][:, pair].transpose(0, 1)
    return matrix


def seen_by_modes(modes: Tensor, expressions: Tensor, offsets: Tensor) -> Tensor:
    """(M, N, F) float64: sum over points of Φ_m (e_i . x) for offsets x (F, V, 3). modes: (V, M). expressions:
    (V, N, 3)."""
    # Contract e before Φ, so that the (3V, MN) matrix is never formed.
    count, names, frames = modes.shape[1], expressions.shape[1], len(offsets)
    found = offsets.new_zeros(count, names * frames, dtype=torch.float64)  # so that the parts' size hardly shows
    there = frames_last(offsets)
    for rows in _parts(modes, names * frames):
        near = torch.bmm(expressions[rows], there[rows])  # (v, N, F)
        found += modes[rows].T @ near.flatten(1)
    return found.view(count, names, frames)


def weights_at(modes: Tensor, coefficients: Tensor) -> Tensor:
    """w_i(c) = sum_m Φ_m(c) a_mi (V, F, N), docs/model.md (15), of modes (V, M) and coefficients (F, M, N)."""
    frames, count, names = coefficients.shape
    return (modes @ coefficients.transpose(0, 1).reshape(count, frames * names)).view(-1, frames, names)


def expression_offsets(modes: Tensor, coefficients: Tensor, expressions: Tensor) -> Tensor:
    """sum_i w_i(c) e_i(c) with w_i(c) = sum_m Φ_m(c) a_mi.

    modes: (V, M). coefficients: (F, M, N). expressions: (V, N, 3). Returns (F, V, 3).
    """
    found = coefficients.new_empty(len(coefficients), *expressions.shape[::2])
    for rows, offsets in offsets_of_parts(modes, coefficients, expressions):
        found[:, rows] = offsets.permute(2, 0, 1)
    return found


def weights_of_parts(modes: Tensor, coefficients: Tensor, most: int = 0) -> Iterator[tuple[slice, Tensor]]:
    """Some points after the other, and their weights w_i(c), frames last: (v, N, F). modes: (V, M). coefficients:
    (F, M, N). most: numbers for each point and frame that are made of them, if more than N."""
    frames, _, names = coefficients.shape
    flat = coefficients.permute(1, 2, 0).flatten(1)  # (M, N F)
    for rows in _parts(modes, max(names, most) * frames):
        yield rows, (modes[rows] @ flat).view(-1, names, frames)


def offsets_of_parts(modes: Tensor, coefficients: Tensor, expressions: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Some points after the other, and expression_offsets there, frames last: (v, 3, F)."""
    for rows, weights in weights_of_parts(modes, coefficients):
        yield rows, torch.bmm(expressions[rows].transpose(1, 2), weights)


def _parts(modes: Tensor, numbers: int) -> Iterator[slice]:
    """The points of modes (V, M), as many at once as a processor has at hand with so many numbers each."""
    length = len(modes)
    if modes.device.type == "cpu":
        length = max(1, NUMBERS_AT_ONCE // max(numbers, 1))
    for first in range(0, len(modes), length):
        yield slice(first, first + length)
