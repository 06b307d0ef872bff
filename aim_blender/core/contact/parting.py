# SPDX-License-Identifier: GPL-3.0-or-later
"""How the sides of one slit are parted that still cross: by so much of the way back to the neutral, where they do not
cross, as it takes.

What brings sides together moves margins, within bounds that keep skin from folding. Performances that cross by more,
lips rolled through each other or lids closed twice as far as they can, are not parted by that. In the neutral nothing
crosses beyond what the neutral does, so that some share of the way back parts whatever it is. A side goes back beside
the other alone: what both do, as a mouth does that a jaw opens, stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..shared.foundation.smoothstep import smoothstep
from .gaps import Gaps
from .meeting import over, part_of
from .slits import STRIP_MM, Slit

ROUNDS = 16
WAYS = (0, 1), (1,)  # levels of modes, one after the other; the next where the first do not part
PARTED_MM = 0.04  # crossing beyond the neutral's that is left: a bake adds its tolerance
CROSSES_MM = 0.075  # crossing beyond the neutral's from which on sides are parted
FLAT = 0.42  # of the skin's reach about a margin, that goes along wholly
LARGEST_STEP = 0.1  # of the way, in a round
LEAST_GAIN = 0.1  # of a mm per share of the way; what changes a gap less tells nothing
WEIGHT_MM = 0.1  # of a common head, off at every point: what a weight of 1 costs
SMOOTHNESS = 0.05  # what shares cost that bend along a slit
DAMPING = 0.01
SOFT_MM = 0.02  # off by less, a column counts for less
DONE_MM = 0.02
FIRST = 10.0  # times as much as what stands open counts what crosses
# Of a common head, how far skin may be moved wholly, and from where on not at all: farther it crumples, and lids, of
# which little is seen where they overlap, open.
BEARABLE_MM = {"lips": (8.0, 12.0), "left lids": (3.0, 4.5), "right lids": (3.0, 4.5)}
# Of a common head, how deeply the lips of a face's own shapes cross for it to be made so: from the first on a little,
# from the second on surely. Scans rolled lip through lip cross by 4 to 5, shapes made by hand by 0 to 2.7.
MADE_TO_CROSS_MM = 3.0, 4.0
USEFUL = 0.6  # of a crossing may be left by a way back; otherwise it has only moved skin
LEAST_MODE = 1e-3  # of a mode; where it is less nothing is moved


@dataclass(frozen=True)
class _Piece:
    """A spline of a side: rows (v,) of frames, mode (v,), how expressions (v, N, 3) move these, and solves (N, 3v),
    what makes of a wanted motion, times the mode, weights of theirs."""

    rows: np.ndarray
    mode: np.ndarray
    expressions: np.ndarray
    solves: np.ndarray


class Parting:
    """Modes of one slit: each column of each side, first of the skin about it, then of all that touches.

    expressions: (W, N, 3) mm. place: (W,) where among the rows of frames the working mesh's vertices are.
    modes: (W, B), of the weights (B, N) that needed gives.
    """

    def __init__(self, slit: Slit, gaps: Gaps, expressions: np.ndarray, place: np.ndarray) -> None:
        self.slit, self.gaps, self.count = slit, gaps, slit.columns
        self.shapes = expressions.shape[1]
        moved = np.flatnonzero(place >= 0)
        self.rows = place[moved]
        splines = slit.splines(self.count)  # (W, K)
        everywhere = slit.splines(self.count, fading=False)
        self.along = everywhere[moved]  # (v, K)
        self.neutral = slit.neutral[moved]
        sides = (slit.upper, slit.lower)
        moves = np.array([side.moves for side in sides]).clip(min=1e-9)
        self.shares = moves[::-1] / moves.sum()  # of its own motion that a side keeps
        place_of = np.zeros(len(place), np.int64)
        place_of[moved] = np.arange(len(moved))
        self.margins = [place_of[side.margin] for side in sides]
        self.fits = [self._fitting(each) for each in self.margins]
        skin = slit.skin
        near = smoothstep((skin - slit.near) / (skin * (1.0 - FLAT)))
        touched = STRIP_MM[slit.name] * slit.unit
        far = smoothstep((touched + skin - slit.near) / skin)
        modes = []
        for spline in (splines * near[:, None], everywhere * far[:, None]):
            modes += [spline * share[:, None] for share in (slit.upwards, 1.0 - slit.upwards)]
        self.modes = np.concatenate(modes, axis=1)  # (W, 4 K)
        self._moved, self._expressions = moved, expressions
        self.crosses = CROSSES_MM * slit.unit
        beside = np.abs(np.arange(self.count)[:, None] - np.arange(self.count))
        of_columns = np.where(beside == 0, 0.75, np.where(beside == 1, 0.125, 0.0))  # of splines in a column's middle
        self.of_columns = of_columns / of_columns.sum(1, keepdims=True)  # (C, K)
        bend = np.diff(np.eye(self.count), n=2, axis=0)
        self.costs = np.linalg.inv(np.eye(self.count) + SMOOTHNESS * bend.T @ bend)

    def _fitting(self, margin: np.ndarray) -> np.ndarray:
        """(K, m) what makes of values at a margin's vertices those of splines."""
        own = self.along[margin]
        return np.linalg.solve(own.T @ own + 1e-3 * np.eye(self.count), own.T)

    @cached_property
    def _pieces(self) -> list[_Piece]:
        """Of each mode; few performances need them."""
        return [self._piece(mode[self._moved]) for mode in self.modes.T]

    def _piece(self, mode: np.ndarray) -> _Piece:
        on = np.flatnonzero(mode > LEAST_MODE)
        own, fields = mode[on], self._expressions[self._moved[on]].astype(np.float64)
        rows = (own[:, None, None] * fields.transpose(0, 2, 1)).reshape(-1, self.shapes)
        ridge = (WEIGHT_MM * self.slit.unit) ** 2 * max(np.square(own).sum(), 1e-9)
        solves = np.linalg.solve(rows.T @ rows + ridge * np.eye(self.shapes), rows.T)
        return _Piece(on, own, fields, solves)

    def needed(self, frames: np.ndarray, rest: np.ndarray, most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (f, B, N) of the modes that part frames (f, R, 3) by shares θ of the way back, docs/model.md (33c),
        and how they move these, (f, R, 3) mm.

        rest: (C,) mm the neutral's gaps. most: (f, C) mm that gaps may be.
        """
        weights = np.zeros((len(frames), self.modes.shape[1], self.shapes))
        moved = np.zeros(frames.shape)
        floor = np.minimum(rest, 0.0)
        crossing = np.full(len(frames), np.inf)
        left = np.arange(len(frames))
        for levels in WAYS:
            found, by = self._by_levels(frames[left], floor, most[left], levels)
            now = over(floor, self.gaps.of(frames[left] + by).gap).max(1, initial=0.0)
            better = now < crossing[left]
            chosen = left[better]
            weights[chosen], moved[chosen], crossing[chosen] = found[better], by[better], now[better]
            left = np.flatnonzero(crossing > self.crosses)
            if not len(left):
                break
        return weights, moved

    def as_made(self, gap: np.ndarray) -> float:
        """From 0 to 1, how surely sides that cross are as the face was made, by the gaps of its neutral and shapes
        (1 + N, C): lids always, since of closed ones that overlap nothing shows."""
        if self.slit.name != "lips":
            return 1.0
        deepest = over(np.minimum(gap[:1], 0.0), gap).max() / self.slit.unit
        return float(np.clip((deepest - MADE_TO_CROSS_MM[0]) / np.ptp(MADE_TO_CROSS_MM), 0.0, 1.0))

    def bearable(self, moved: np.ndarray) -> np.ndarray:
        """(f,) from 0 to 1, the share to take of what moves frames by (f, R, 3) mm."""
        near, far = (each * self.slit.unit for each in BEARABLE_MM[self.slit.name])
        furthest = np.linalg.norm(moved, axis=-1).max(1, initial=0.0)
        return np.asarray(((far - furthest) / (far - near)).clip(0.0, 1.0))

    def _by_levels(
        self, frames: np.ndarray, floor: np.ndarray, most: np.ndarray, levels: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights (f, B, N) and motion (f, R, 3) that part frames (f, R, 3) by modes of one level after the other."""
        weights = np.zeros((len(frames), self.modes.shape[1], self.shapes))
        moved = np.zeros(frames.shape)
        for level in levels:
            crossing = over(floor, self.gaps.of(frames + moved).gap).max(1, initial=0.0)
            left = np.flatnonzero(crossing > self.crosses)
            if not len(left):
                break
            found, by = self._parted(frames[left] + moved[left], floor, most[left], level)
            first = 2 * level * self.count
            weights[left, first : first + 2 * self.count] = found
            moved[left] += by
        return weights, moved

    def _parted(
        self, frames: np.ndarray, floor: np.ndarray, most: np.ndarray, level: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights (f, 2 K, N) and motion (f, R, 3) that part frames (f, R, 3) by modes of one level."""
        weights, fields = self._back(frames, level)
        shares = np.zeros((len(frames), self.count))
        best, off = shares.copy(), np.full(len(frames), np.inf)
        before, left_over = np.full((2, len(frames)), np.inf)
        left = np.arange(len(frames))
        for round_ in range(ROUNDS):
            moved = np.einsum("fk,fkrx->frx", shares[left], fields[left])
            now = self.gaps.of(frames[left] + moved)
            crossing = over(floor - PARTED_MM * self.slit.unit, now.gap)
            opened = over(now.gap, most[left])
            opened *= (shares[left] @ self.of_columns.T) > 0
            deepest = crossing.max(1, initial=0.0)
            worst = FIRST * deepest + opened.max(1, initial=0.0)
            better = worst < off[left]
            if round_ == 0:
                before[left] = deepest
            left_over[left[better]] = deepest[better]
            off[left[better]], best[left[better]] = worst[better], shares[left[better]]
            go = (deepest > DONE_MM * self.slit.unit) | (opened.max(1, initial=0.0) > self.crosses)
            left, crossing, opened, now = left[go], crossing[go], opened[go], part_of(now, go)
            if not len(left):
                break
            whole = fields[left].sum(1)
            rows = np.arange(len(left))[:, None, None]
            gain = np.einsum("fck,fckx,fcx->fc", now.shares, whole[rows, now.corners], now.direction)
            step = self._step(crossing - opened, gain)
            shares[left] = (shares[left] + step).clip(0.0, 1.0)
        best *= (left_over < USEFUL * before)[:, None]
        moved = np.einsum("fk,fkrx->frx", best, fields)
        return weights * np.concatenate([best, best], axis=1)[..., None], moved

    def _step(self, short: np.ndarray, gain: np.ndarray) -> np.ndarray:
        """(f, K) further shares of the way, for gaps that are short (f, C) and grow by a gain (f, C) a share."""
        wanted = short / np.maximum(gain, LEAST_GAIN * self.slit.unit)
        wanted = wanted.clip(-LARGEST_STEP, LARGEST_STEP)
        wanted = np.where((short < 0) & (gain < LEAST_GAIN * self.slit.unit), 0.0, wanted)
        counts = np.abs(short) / (np.abs(short) + SOFT_MM * self.slit.unit)
        grows = counts[..., None] * self.of_columns  # (f, C, K)
        spread = grows @ self.costs
        matrix = spread @ grows.transpose(0, 2, 1) + DAMPING * np.eye(self.count)
        found = np.linalg.solve(matrix, (counts * wanted)[..., None])
        return np.asarray((spread.transpose(0, 2, 1) @ found)[..., 0])

    def _back(self, frames: np.ndarray, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights (f, 2 K, N) that bring frames (f, R, 3) all the way back by modes of a level, and how each column's
        move them, (f, K, R, 3)."""
        known = frames[:, self.rows]
        both = np.zeros((len(frames), self.count, 3))
        for share, margin, fit in zip(self.shares, self.margins, self.fits, strict=True):
            both += share * np.einsum("km,fmx->fkx", fit, known[:, margin] - self.neutral[margin])
        way = self.neutral + np.einsum("vk,fkx->fvx", self.along, both) - known  # (f, v, 3)
        weights = np.zeros((len(frames), 2 * self.count, self.shapes))
        fields = np.zeros((len(frames), self.count, *frames.shape[1:]), np.float32)
        first = 2 * level * self.count
        for index, piece in enumerate(self._pieces[first : first + 2 * self.count]):
            wanted = (piece.mode[:, None] * way[:, piece.rows]).reshape(len(frames), -1)
            weights[:, index] = wanted @ piece.solves.T
            by = np.einsum("vnx,fn->fvx", piece.expressions, weights[:, index])
            fields[:, index % self.count, self.rows[piece.rows]] += piece.mode[:, None] * by
        return weights, fields

    def displacement(self, weights: np.ndarray, rows: int) -> np.ndarray:
        """(f, rows, 3) mm by which weights (f, B, N) of its modes move the rows of frames."""
        found = np.zeros((len(weights), rows, 3))
        for index in np.flatnonzero(np.abs(weights).max((0, 2), initial=0.0) > 0):
            piece = self._pieces[index]
            by = np.einsum("vnx,fn->fvx", piece.expressions, weights[:, index])
            found[:, self.rows[piece.rows]] += piece.mode[:, None] * by
        return found
