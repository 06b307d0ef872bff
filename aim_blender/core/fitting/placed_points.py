# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a performance where the actor's face would have them: head, size and the face at rest are seen to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..geometry.rigid import apply_motion
from ..model.actor import Actor
from ..model.head import moves, quietness, robust_registration, without_head
from ..points.points import Binding, PointPerformance
from ..shared.foundation.errors import InputError
from .rest_offset import rest_offset, without_rest

if TYPE_CHECKING:
    from ..shared.settings.point_settings import PointFittingSettings

MOST_LOST = 0.5  # of all that was given: a fit to the rest says nothing of the performance
WILD_SPREADS, WILD_REACHES = 20.0, 2.0  # times a frame's median distance, and what the shapes move any point


class PlacedPoints:
    """neutral: (P, 3) where the points are on the actor at rest. head: H (F, 4, 4) of their frames. trust: (F, P) how
    much each point counts, 0 where it is not there, or is an outlier whatever the face does."""

    def __init__(
        self,
        actor: Actor,
        binding: Binding,
        points: PointPerformance,
        trust: np.ndarray,
        missing: np.ndarray,
        settings: PointFittingSettings,
    ) -> None:
        """trust: (F, P), 0 where there is no point. missing: (F,) bool frames without enough."""
        self.points, self.missing = points, missing
        self.neutral = binding.of(actor.neutral)
        self.trust, self.given = trust.copy(), trust > 0
        self.positions = np.where(trust[..., None] > 0, points.positions, self.neutral)
        self.quiet = binding.of(quietness(actor)[:, None])[:, 0]
        self.head_choice = settings.head
        there = np.flatnonzero(~missing)
        shapes = actor.shapes()[1:] - actor.neutral
        self.reach = float(np.linalg.norm(shapes, axis=-1).max())
        moved = binding.of_fields(shapes.transpose(1, 0, 2))  # (P, N, 3)
        self.head = self._heads(self.neutral, there)
        self.rest = None
        if settings.outlier_mm > 0:
            self._leave_out_wild()
        placement, head = np.eye(4), self.head
        if self.head_choice == "still":  # but it may stand elsewhere
            often = self.trust[there].sum(0)
            middle = np.median(self.positions[there], axis=0)
            placement = robust_registration(self.neutral, middle[None], (often * self.quiet)[None])[0]
            head = np.tile(placement, (len(head), 1, 1))
        stabilized = without_head(self.positions, head)
        self.rest = rest_offset(
            stabilized[there],
            self.trust[there],
            self.neutral,
            moved,
            points.frames[there],
            settings.rest_frame,
            points.source,
        )
        if self.rest is not None:
            self.head = self._heads(self.rest.places, there)
            self.placement = placement @ self.rest.placement
            self.trust[:, self.rest.strange > 0] = 0.0

    def stabilized(self, head: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(f, P, 3) mm where the actor's face has the points of some frames, without the head's motion (f, 4, 4)."""
        if self.rest is None:
            return without_head(self.positions[rows], head)
        if self.head_choice == "still":
            head = np.tile(self.placement, (len(head), 1, 1))
        stabilized = self.rest.taken_off(without_head(self.positions[rows], head))
        return np.where(self.given[rows][..., None], stabilized, self.neutral)

    def beside(
        self, positions: np.ndarray, places: np.ndarray, trust: np.ndarray, head: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """As stabilized, of other points (F, Q, 3), which belong to places (Q, 3) of the actor at rest; and what is
        left of the trust (F, Q) in them."""
        if self.rest is None:
            return without_head(positions, head), trust
        if self.head_choice == "still":
            head = np.tile(self.placement, (len(head), 1, 1))
        found = self.rest.middle + self.rest.scale * (without_head(positions, head) - self.rest.middle)
        return without_rest(found, places, trust, self.points.frames == self.rest.frame)

    def notes(self) -> list[str]:
        """What an artist should know of them."""
        return [] if self.rest is None else self.rest.notes(self.points.names)

    def figures(self) -> dict[str, Any]:
        """What is told of the rest frame; nothing where the points are the actor's own."""
        return {} if self.rest is None else self.rest.figures()

    def refuse_if_most_are_lost(self, given: np.ndarray, robust_weight: np.ndarray) -> None:
        """Raise InputError, with the likely reason, if most of what was given (F, P) has no robust_weight (F, P)."""
        there = np.flatnonzero(~self.missing)
        lost = float(1.0 - (robust_weight[there] > 0).sum() / (given[there] > 0).sum())
        if lost <= MOST_LOST:
            return
        known = self.trust[there] > 0
        off = np.linalg.norm(self.stabilized(self.head)[there] - self.neutral, axis=-1)[known]
        median = float(np.median(off)) if len(off) else np.inf
        told = f"{self.points.source} does not fit: {lost:.0%} of its points lie far from what the face can do"
        if self.head_choice == "still":
            moved = robust_registration(self.neutral, self.positions[there], self.trust[there] * self.quiet)
            settled = np.linalg.norm(without_head(self.positions[there], moved) - self.neutral, axis=-1)[known]
            if np.median(settled) < 0.5 * median:
                raise InputError(f"{told}; the head moves, or is not where the actor's is: let it be free, not still")
        if median > self.reach:
            raise InputError(
                f"{told}, {median:.0f} mm from where they belong on the median; see which vertex each names, that they "
                "are of this mesh, and that they are in mm"
            )
        if self.rest is None:
            raise InputError(f"{told}; they seem to be of another face: name a rest frame, in which that face rests")
        raise InputError(f"{told}; frame {self.rest.frame}, taken as the rest frame, may be none: name another")

    def _heads(self, places: np.ndarray, there: np.ndarray) -> np.ndarray:
        """H (F, 4, 4) that carries places (P, 3) of a face at rest to where the frames have them."""
        head = np.tile(np.eye(4), (len(self.positions), 1, 1))
        if self.head_choice == "still":
            return head
        found = robust_registration(places, self.positions[there], self.trust[there] * self.quiet)
        if self.head_choice == "free" or moves(found, places.mean(0)):
            head[there] = found
        return head

    def _leave_out_wild(self) -> None:
        """Take the trust from points that lie where no face could have them, which would spoil jaw and rest frame."""
        placed = apply_motion(self.neutral, self.head)
        distance = np.linalg.norm(self.positions - placed, axis=-1)
        usual = np.nanmedian(np.where(self.trust > 0, distance, np.nan), axis=1, keepdims=True)
        wild = (self.trust > 0) & (distance > WILD_SPREADS * usual + WILD_REACHES * self.reach)
        self.trust[wild] = 0.0
