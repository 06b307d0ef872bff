# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings lips and lids together or apart, as local weights of the actor's own expressions (docs/model.md,
section 4)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..model.actor import Actor
from ..shared.results.takes import Take
from .gaps import Gaps
from .slits import Slit, find_slits

TOUCHING_MM, OPEN_MM = 0.5, 1.5  # gap on the source up to which a target's is the same, and from where it is its own
ROUNDS = 4
TOLERANCE_MM = 0.02
NEAR = 0.2  # of a column: of the points that it lifts by so much, none may cross
RIDGE = 1e-3  # of the expressions' mean square: what their weights cost
MOST_MM = 8.0  # by which a side may be moved


class Contact:
    """What an actor's lips and lids can do, found once. slits: those of the actor. rest: for each (C,) mm the gaps of
    its neutral.

    modes: (V, B) float32 a smooth function of each column of each side. weights: (B, N) of the expressions, with which
    it moves the margin by a mm towards the other side's opposite.
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
        """(f, B) how much of each mode brings lips and lids of frames (f, V, 3) together as they were performed.

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
        self.near = slit.hats(columns) > NEAR  # (P, C)
        self.own = np.concatenate([slit.upper.column, slit.lower.column]).round().astype(int).clip(0, slit.columns - 1)

    def closing(self, frames: np.ndarray, gaps: Gaps, rest: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
        """(f, 2C) amounts that frames (f, V, 3) need, where seen (f, C) mm was performed."""
        columns = self.slit.columns
        amounts = np.zeros((len(frames), 2 * columns))
        points = gaps.at_points(frames)
        first = gaps.least(points)
        floor = np.minimum(rest, 0.0)
        wanted = np.maximum(first, floor)
        if seen is not None:
            alike = ((OPEN_MM - seen / self.slit.unit) / (OPEN_MM - TOUCHING_MM)).clip(0.0, 1.0)
            target = np.maximum(seen, floor)
            known = np.isfinite(first) & (alike > 0)
            change = np.subtract(target, wanted, out=np.zeros_like(wanted), where=known)
            wanted = wanted + alike * change
        most = MOST_MM * self.slit.unit
        left = np.arange(len(frames))
        now = frames.copy()
        for round_ in range(ROUNDS):
            some = gaps.at_points(now[left]) if round_ else points
            least = gaps.least(some)
            known = np.isfinite(least) & np.isfinite(wanted[left])
            short = np.subtract(wanted[left], least, out=np.zeros_like(least), where=known)
            crossing = np.where(self.near, (floor[self.own] - some)[..., None], -np.inf).max(1)  # (f, C)
            short = np.maximum(short, np.where(crossing > 0, crossing, -np.inf))
            need = np.abs(short).max(1) > TOLERANCE_MM * self.slit.unit
            left, short = left[need], short[need]
            if not len(left):
                break
            amounts[left] = (amounts[left] + np.concatenate([short * each for each in self.share], axis=1)).clip(-most, most)
            now[np.ix_(left, self.rows)] = frames[np.ix_(left, self.rows)] + np.einsum(
                "fb,brx->frx", amounts[left], self.fields
            )
        return amounts
