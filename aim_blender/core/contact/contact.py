# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings lips and lids together or apart, as local weights of the actor's own expressions
(docs/model.md section 4)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..model.actor import Actor
from ..shared.results.takes import Take
from .gaps import Gaps
from .slits import Slit, find_slits

TOUCHING_MM, OPEN_MM = 0.5, 1.0  # gap on the source up to which a target's is the same, and from where it is its own
CLOSED_MM = 0.4  # a gap on the target that is no larger stays as it is, where the source's is as large
CLOSING_ROUNDS, ROUNDS = 6, 9  # in the last, sides only part: they end apart rather than crossing
TOLERANCE_MM = 0.02
DAMPING = 0.05  # of a round's step
TOO_FAR = 3.0  # times what a side may be moved: a slit that is so far off is left alone, in part from one less on
LEAST_GAIN = 0.2  # of what is wanted; a column whose expressions move less is left alone
RIDGE = 1e-3  # of the expressions' mean square: what their weights cost
SMOOTHNESS = 0.15  # what amounts cost that bend along a slit, beside gaps that are not as they should be
MOST_MM = {"lips": 3.0, "left lids": 1.0, "right lids": 1.0}  # by which a side may be moved: more shows as a fold


class Contact:
    """What an actor's lips and lids can do, found once. slits: those of the actor. rest: for each (C,) mm the gaps of
    its neutral.

    modes: Ψ (V, B) float32 a smooth function of each column of each side. weights: ν (B, N) of the expressions, with
    which it moves the margin by a mm, the upper side's up and the lower's down.
    """

    def __init__(self, actor: Actor) -> None:
        self.slits = find_slits(actor)
        self.gaps = [Gaps(each) for each in self.slits]
        self.rest = [each.of(actor.neutral[None])[0] for each in self.gaps]
        self._parts = [_Part(each, actor.expressions) for each in self.slits]
        empty = np.zeros((len(actor.bone), 0), np.float32)
        self.modes = np.concatenate([empty, *(part.modes for part in self._parts)], axis=1)
        self.weights = np.concatenate([np.zeros((0, len(actor.names))), *(part.weights for part in self._parts)])

    def measured(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        """{slit: (f, C) mm} the gaps of frames (f, V, 3) without head motion."""
        return {slit.name: gaps.of(frames) for slit, gaps in zip(self.slits, self.gaps, strict=True)}

    def amounts(self, frames: np.ndarray, performed: dict[str, np.ndarray], strength: float = 1.0) -> np.ndarray:
        """y (f, B) how much of each mode brings lips and lids of frames (f, V, 3) together as they were performed.

        performed: as another's measured has them, of the same frames. What is not among them only does not cross.
        """
        found = [np.zeros((len(frames), 0))]
        for gaps, rest, part in zip(self.gaps, self.rest, self._parts, strict=True):
            seen = performed.get(gaps.slit.name)
            found.append(part.closing(frames, gaps, rest, seen))
        return strength * np.concatenate(found, axis=1)

    def added(self, take: Take, amounts: np.ndarray) -> Take:
        """The take with amounts (F, B) of the modes: as it is where none is needed."""
        used = np.flatnonzero(np.abs(amounts).max(0, initial=0.0) > 0)
        if not len(used):
            return take
        more = (amounts[:, used, None] * self.weights[used]).astype(np.float32)
        kept = {"first": take.modes.shape[1], "count": len(used)}
        return dataclasses.replace(
            take,
            modes=np.concatenate([take.modes, self.modes[:, used]], axis=1),
            coefficients=np.concatenate([take.coefficients, more], axis=1),
            settings={**take.settings, "contact_modes": kept},
        )


def without_contact(take: Take) -> Take:
    """The take without the modes that Contact added."""
    kept: dict[str, Any] | None = take.settings.get("contact_modes")
    if kept is None:
        return take
    chosen = np.delete(np.arange(take.modes.shape[1]), slice(kept["first"], kept["first"] + kept["count"]))
    settings = {name: value for name, value in take.settings.items() if name != "contact_modes"}
    return dataclasses.replace(
        take, modes=take.modes[:, chosen], coefficients=take.coefficients[:, chosen], settings=settings
    )


class _Part:
    """The modes of one slit and what they do at its points. moves: (P, B, 3) mm of the points of both sides."""

    def __init__(self, slit: Slit, expressions: np.ndarray) -> None:
        self.slit = slit
        hats = slit.hats(slit.across)  # (V, C)
        up = slit.axes[1]
        self.rows = np.flatnonzero((slit.upper.around + slit.lower.around > 0) & (hats.sum(1) > 0))
        around = np.stack([slit.upper.around, slit.lower.around])[:, self.rows]
        modes = np.concatenate([hats[self.rows] * each[:, None] for each in around], axis=1)  # (R, 2C)
        fields = expressions[self.rows].astype(np.float64)  # (R, N, 3)
        self.weights = np.zeros((modes.shape[1], fields.shape[1]))
        self.fields = np.zeros((modes.shape[1], len(self.rows), 3))
        for index, mode in enumerate(modes.T):
            here = np.flatnonzero(mode > 0)
            if not len(here):
                continue
            rows = (mode[here, None, None] * fields[here].transpose(0, 2, 1)).reshape(-1, fields.shape[1])
            goal = (mode[here, None] * (up if index < slit.columns else -up)).reshape(-1)
            matrix = rows.T @ rows
            cost = RIDGE * np.trace(matrix) / len(matrix)
            self.weights[index] = np.linalg.solve(matrix + (cost + 1e-12) * np.eye(len(matrix)), rows.T @ goal)
            self.fields[index, here] = mode[here, None] * np.einsum("rnx,n->rx", fields[here], self.weights[index])
        self.modes = np.zeros((len(slit.across), modes.shape[1]), np.float32)
        self.modes[self.rows] = modes
        total = slit.upper.moves + slit.lower.moves
        self.share = np.array([slit.upper.moves, slit.lower.moves]) / max(total, 1e-9)
        columns = np.concatenate([slit.upper.column, slit.lower.column])
        self.hats = slit.hats(columns)  # (P, C)
        self._calibrate(up)

    def _calibrate(self, up: np.ndarray) -> None:
        """Let a weight of 1 move the margin by a mm on the mean: the expressions alone move it by less."""
        slit, columns = self.slit, self.slit.columns
        place = np.full(len(slit.across), -1)
        place[self.rows] = np.arange(len(self.rows))
        for side, first, sign in ((slit.upper, 0, 1.0), (slit.lower, columns, -1.0)):
            points = place[side.points]
            hats = slit.hats(side.column)[points >= 0]  # (p, C)
            moved = sign * self.fields[first : first + columns][:, points[points >= 0]] @ up  # (C, p)
            gain = (hats.T * moved).sum(1) / np.square(hats).sum(0).clip(min=1e-9)
            gain = np.where(gain > LEAST_GAIN, gain, np.inf)
            self.weights[first : first + columns] /= gain[:, None]
            self.fields[first : first + columns] /= gain[:, None, None]

    def closing(self, frames: np.ndarray, gaps: Gaps, rest: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
        """(f, 2C) amounts that frames (f, V, 3) need, where seen (f, C) mm was performed."""
        columns, most = self.slit.columns, MOST_MM[self.slit.name] * self.slit.unit
        amounts = np.zeros((len(frames), 2 * columns))
        apart, which = gaps.lowest(frames)
        wanted = self._wanted(apart, np.minimum(rest, 0.0), seen)
        known = np.isfinite(apart) & np.isfinite(wanted)
        missing = np.abs(np.subtract(wanted, apart, out=np.zeros_like(apart), where=known)).max(1)
        trust = (TOO_FAR - missing / most).clip(0.0, 1.0)  # (f,)
        bend = np.diff(np.eye(columns), n=2, axis=0)
        bends = SMOOTHNESS * bend.T @ bend
        left, now = np.arange(len(frames)), frames.copy()
        for round_ in range(ROUNDS):
            if round_:
                apart, which = gaps.lowest(now[left])
            known = np.isfinite(apart) & np.isfinite(wanted[left])
            short = np.subtract(wanted[left], apart, out=np.zeros_like(apart), where=known)
            if round_ >= CLOSING_ROUNDS:
                short = short.clip(min=0.0)
            need = np.abs(short).max(1) > TOLERANCE_MM * self.slit.unit
            left, short = left[need], short[need]
            if not len(left):
                break
            hats = self.hats[which[need]]  # (f, C, C): what each column does at the closest point of each
            matrix = hats.transpose(0, 2, 1) @ hats + DAMPING * np.eye(columns) + bends
            total = amounts[left][:, :columns] + amounts[left][:, columns:]
            right = (hats.transpose(0, 2, 1) @ short[..., None])[..., 0] - total @ bends
            more = np.linalg.solve(matrix, right[..., None])[..., 0]
            amounts[left] += np.concatenate([more * each for each in self.share], axis=1)
            amounts[left] = amounts[left].clip(-most, most)
            now[np.ix_(left, self.rows)] = frames[np.ix_(left, self.rows)] + np.einsum(
                "fb,brx->frx", amounts[left], self.fields
            )
        return amounts * trust[:, None]

    def _wanted(self, apart: np.ndarray, floor: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
        """(f, C) mm the gaps that are to be, of those that are, of the least (C,) and of those that were performed."""
        wanted = np.maximum(apart, floor)
        if seen is None:
            return wanted
        alike = ((OPEN_MM - seen / self.slit.unit) / (OPEN_MM - TOUCHING_MM)).clip(0.0, 1.0)
        known = np.isfinite(apart) & (alike > 0)
        target = np.minimum(np.maximum(np.minimum(seen, CLOSED_MM * self.slit.unit), floor), wanted)
        return wanted + alike * np.subtract(target, wanted, out=np.zeros_like(wanted), where=known)
