# SPDX-License-Identifier: GPL-3.0-or-later
"""How the sides of one slit are moved together or apart, by local weights of the actor's own expressions."""

from __future__ import annotations

import numpy as np

from .gaps import Gaps, Touching
from .slits import Slit

TOUCHING_MM, OPEN_MM = 0.5, 1.0  # gap on the source up to which the target's is closed, and from where it is its own
CLOSED_MM = 0.3, 0.47  # gaps on the target up to which it is closed: the performed one, within these
ROUNDS = 24
PATIENCE = 10  # rounds without getting better, after which a frame is left
LATER = 0.9  # of a step is gone in every round, so that all come to rest
PARTING_MM = 3.0  # by which a side may be moved away from the other, at most
ALLOWED_MM = 0.04  # crossing beyond the neutral's: a bake adds its tolerance
TOLERANCE_MM = 0.03
SOFT_MM = 0.05  # off by less, a column counts for less, so that none begins to count at once
LEAST_ROOM = 0.05  # how readily a side still moves that has gone as far as it may
DAMPING = 0.02  # of what a mode's mm changes a gap by
SPLINES = {"lips": 11, "left lids": 7, "right lids": 7}  # modes of a side along a slit
WAYS = {"lips": 2, "left lids": 2, "right lids": 2}  # up and down, and to front and back
SMOOTHNESS = 1.0  # what amounts cost that bend along a slit
FRONT = 0.5  # as readily a side goes to front or back as up or down
TOO_FAR = 3.0  # times what a side may be moved: a slit that is so far off is left alone, in part from one less on
WIDE = 0.15  # of a slit's length, around a column: what its expressions are chosen for
LEAST_GAIN = 0.05  # of what is wanted; a column whose expressions move less is left alone
WEIGHT_MM = 1.0  # of a common head, off at every point: what a weight of 1 costs, so that what hardly moves is not used
# Crossings up to the first are parted wholly, from the second on not at all; those of lids from less on, as far as the
# performance crosses itself.
PARTED_MM = {"lips": (4.2, 5.0), "left lids": (2.6, 3.2), "right lids": (2.6, 3.2)}
PARTED_AS_CROSSED_MM = {"lips": (4.2, 5.0), "left lids": (1.4, 2.0), "right lids": (1.4, 2.0)}
CROSSES_MM = 0.3
MOST_MM = {"lips": 4.5, "left lids": 1.7, "right lids": 1.7}  # by which a side may be moved: more shows as a fold


class Meeting:
    """Modes of one slit: of each column of each side a smooth function with weights of the expressions that move the
    margin there by a mm, up or down, and again to front or back.

    expressions: (W, N, 3) mm. place: (W,) where among the rows of frames the working mesh's vertices are.
    modes: Ψ (W, B). weights: ν (B, N).
    """

    def __init__(self, slit: Slit, gaps: Gaps, expressions: np.ndarray, place: np.ndarray) -> None:
        self.slit, self.gaps = slit, gaps
        self.count, self.sides = SPLINES[slit.name], (slit.upper, slit.lower)
        splines = slit.splines(self.count)  # (W, K)
        up, front = slit.axes[1], slit.axes[2]
        signs = [up, -up, front, -front][: 2 * WAYS[slit.name]]
        self.modes = np.concatenate([splines * self.sides[i % 2].around[:, None] for i in range(len(signs))], axis=1)
        ways = np.repeat(signs, self.count, axis=0)  # (B, 3)
        self.weights = np.zeros((len(ways), expressions.shape[1]))
        moved = np.flatnonzero(place >= 0)
        self.rows = place[moved]
        self.fields = np.zeros((len(ways), int(place.max()) + 1, 3), np.float32)  # of all rows of frames
        for index, (mode, way) in enumerate(zip(self.modes.T, ways, strict=True)):
            side = self.sides[index // self.count % 2]
            margin = side.margin[mode[side.margin] > 0]
            if not len(margin):
                continue
            wide = self._wide(side.around, (index % self.count + 0.5) / self.count)
            near = expressions[wide > 0].astype(np.float64)
            self.weights[index] = _weights(wide[wide > 0], near, way, WEIGHT_MM * slit.unit)
            gain = _gain(mode[margin], expressions[margin] @ way, self.weights[index])
            self.weights[index] *= 0.0 if gain < LEAST_GAIN else 1.0 / gain
            on_rows = np.einsum("rnx,n->rx", expressions[moved], self.weights[index]) * mode[moved, None]
            self.fields[index, self.rows] = on_rows
        self.most = MOST_MM[slit.name] * slit.unit
        self.parting = PARTING_MM * slit.unit
        self.costs = self._costs()

    def _wide(self, around: np.ndarray, middle: float) -> np.ndarray:
        """(W,) a side's skin around a place of the slit, 0 to 1, so wide that neighbours do much the same."""
        at = (self.slit.across + 0.5) / self.slit.columns
        return around * np.where(np.abs(at - 0.5) < 0.6, np.exp(-0.5 * np.square((at - middle) / WIDE)), 0.0)

    def _costs(self) -> np.ndarray:
        """(B, B) the inverse of what amounts cost: a side moves as readily as the shapes move it, and smoothly."""
        bend = np.diff(np.eye(self.count), n=2, axis=0)
        smooth = np.linalg.inv(np.eye(self.count) + SMOOTHNESS * bend.T @ bend)
        moves = np.array([side.moves for side in self.sides]).clip(min=1e-9)
        shares = moves / moves.max()
        return np.kron(np.diag([*shares, *(FRONT * shares)][: len(self.weights) // self.count]), smooth)

    def needed(self, frames: np.ndarray, rest: np.ndarray, seen: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """y (f, B) amounts that frames (f, R, 3) need, where seen (f, C) mm was performed, and the neutral has gaps
        rest (C,) mm; and by how many mm (f,) they cross then beyond the neutral, as far as that is known."""
        amounts = np.zeros((len(frames), len(self.weights)))
        now = self.gaps.of(frames)
        first = now.gap
        least, most = self._least(first, rest, seen), self.most_of(first, seen)
        trust = (TOO_FAR - over(first, most).max(1) / self.most).clip(0.0, 1.0)  # (f,)
        left = np.flatnonzero(trust > 0)
        now = part_of(now, left)
        best, off, when = amounts.copy(), np.full(len(frames), np.inf), np.zeros(len(frames), np.int64)
        floor = np.minimum(rest, 0.0)
        left_over = over(floor, first).max(1, initial=0.0)  # (f,)
        for round_ in range(ROUNDS):
            if round_:
                now = self.gaps.of(self._moved(frames, amounts, left))
            crossing, open_ = over(least[left], now.gap), over(now.gap, most[left])
            worst = np.maximum(crossing.max(1, initial=0.0), open_.max(1, initial=0.0))
            better = worst < off[left]
            off[left[better]], best[left[better]] = worst[better], amounts[left[better]]
            left_over[left[better]] = over(floor, now.gap[better]).max(1, initial=0.0)
            when[left[better]] = round_
            short = crossing - open_
            need = np.abs(short).max(1, initial=0.0) > TOLERANCE_MM * self.slit.unit
            need &= round_ - when[left] < PATIENCE
            left, short, now = left[need], short[need], part_of(now, need)
            if not len(left):
                break
            step = self._step(now, short, amounts[left])
            amounts[left] = (amounts[left] + LATER**round_ * step).clip(-self.most, self.parting)
        left_over[(trust > 0) & (trust < 1)] = np.inf
        return best * trust[:, None], left_over

    def displacement(self, amounts: np.ndarray) -> np.ndarray:
        """(f, R, 3) mm by which amounts (f, B) of its modes move the rows."""
        flat = self.fields.reshape(len(self.fields), -1)
        return (amounts.astype(np.float32) @ flat).reshape(len(amounts), -1, 3)

    def _moved(self, frames: np.ndarray, amounts: np.ndarray, left: np.ndarray) -> np.ndarray:
        return frames[left] + self.displacement(amounts[left])

    def _step(self, now: Touching, short: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        """(f, B) further to amounts (f, B) for gaps that are short (f, C) of what they should be."""
        fields = self.fields.transpose(1, 0, 2)  # (R, B, 3)
        grows = np.zeros((*short.shape, len(self.weights)))
        for corner in range(4):
            along = now.shares[:, :, corner, None] * now.direction
            grows += np.einsum("fcbx,fcx->fcb", fields[now.corners[:, :, corner]], along)
        off = np.abs(short)
        counts = np.sqrt(off / (off + SOFT_MM * self.slit.unit))
        grows *= counts[..., None]
        room = np.where(amounts > 0, amounts / self.parting, amounts / -self.most)
        room = (1.0 - room**4).clip(min=LEAST_ROOM)[:, None]  # (f, 1, B)
        spread = ((grows * room) @ self.costs) * room  # (f, C, B)
        matrix = spread @ grows.transpose(0, 2, 1) + DAMPING * np.eye(short.shape[1])
        found = np.linalg.solve(matrix, (counts * short)[..., None])
        return np.asarray((spread.transpose(0, 2, 1) @ found)[..., 0])

    def _least(self, gap: np.ndarray, rest: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
        """(f, C) mm that gaps are to be at least, of those that are: frames that cross very deeply stay as they are,
        and less deep ones too where the performance, seen (f, C), crosses itself."""
        unit, floor = self.slit.unit, np.minimum(rest, 0.0) - ALLOWED_MM * self.slit.unit
        own = self.crosses_itself(seen)[:, None]  # (f, 1)
        deep, deepest = (
            unit * ((1.0 - own) * clean + own * less)
            for clean, less in zip(PARTED_MM[self.slit.name], PARTED_AS_CROSSED_MM[self.slit.name], strict=True)
        )
        crossing = over(floor, gap)
        return floor - crossing * ((crossing.max(1, keepdims=True) - deep) / (deepest - deep)).clip(0.0, 1.0)

    def crosses_itself(self, seen: np.ndarray | None) -> np.ndarray:
        """(f,) from 0 to 1, how surely the performance, seen (f, C) mm, crosses itself; (1,) 0 where none was."""
        if seen is None:
            return np.zeros(1)
        crossed = over(np.full(1, -ALLOWED_MM * self.slit.unit), seen).max(1)
        return np.asarray((crossed / (CROSSES_MM * self.slit.unit)).clip(0.0, 1.0))

    def most_of(self, gap: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
        """(f, C) mm that gaps may be at most, of those that are and of those that were performed."""
        if seen is None:
            return np.full(gap.shape, np.inf)
        unit = self.slit.unit
        alike = ((OPEN_MM - seen / unit) / (OPEN_MM - TOUCHING_MM)).clip(0.0, 1.0)
        closed = np.clip(seen / unit, *CLOSED_MM) * unit
        return np.where(alike > 0, closed + (1.0 - alike) * (over(gap, closed) + OPEN_MM * unit), np.inf)


def over(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """By how much one is more than the other, 0 where it is not or where it is not known."""
    known = np.isfinite(one) & np.isfinite(other)
    return np.subtract(one, other, out=np.zeros(np.broadcast_shapes(one.shape, other.shape)), where=known).clip(min=0.0)


def part_of(now: Touching, chosen: np.ndarray) -> Touching:
    """What is closest in chosen ones of the frames."""
    return Touching(now.gap[chosen], now.corners[chosen], now.shares[chosen], now.direction[chosen])


def _weights(mode: np.ndarray, fields: np.ndarray, way: np.ndarray, cost: float) -> np.ndarray:
    """(N,) of expressions with fields (v, N, 3), that go a way (3,) as much as a mode (v,) tells; a weight of 1 costs
    what being off by some mm everywhere does."""
    rows = (mode[:, None, None] * fields.transpose(0, 2, 1)).reshape(-1, fields.shape[1])
    matrix = rows.T @ rows
    ridge = cost**2 * np.square(mode).sum()
    return np.linalg.solve(matrix + ridge * np.eye(len(matrix)), rows.T @ (mode[:, None] * way).reshape(-1))


def _gain(mode: np.ndarray, along: np.ndarray, weights: np.ndarray) -> float:
    """How much of its way a margin goes, with mode (m,) and the expressions' way along it (m, N)."""
    return float(mode @ (mode * (along @ weights)) / np.square(mode).sum())
