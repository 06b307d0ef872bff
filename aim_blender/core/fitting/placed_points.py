# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a performance where the actor's face would have them: head, size and the face at rest are seen to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry.rigid import apply_motion, recentred
from ..model.actor import Actor
from ..model.head import moves, quietness, robust_registration, without_head
from ..points.points import Binding, PointPerformance
from ..shared.foundation.errors import InputError
from .jaw_of_frame import FACE_MM, JawOfPoints
from .rest_offset import rest_offset, without_rest

if TYPE_CHECKING:
    from ..shared.settings.point_settings import PointFittingSettings

MOST_LOST = 0.5  # of all that was given: a fit to the rest says nothing of the performance
# What a still head must leave more than a moving one, which explains something by chance, too: in all, and for each of
# the numbers that are known of a frame.
MOVES_SHARE, MOVES_NUMBERS = 1.2, 30.0
BRIEFLY = 0.1  # of the frames: if the head moves in these alone, they leave twice as much
LOOSE_DEGREES = 0.75  # that points leave the head's turn open, on the median: an artist should know
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
        self.neutral, self.jaw_of_points = binding.of(actor.neutral), JawOfPoints(actor, binding)
        self.trust, self.given = trust.copy(), trust > 0
        self.positions = np.where(trust[..., None] > 0, points.positions, self.neutral)
        self.quiet = binding.of(quietness(actor)[:, None])[:, 0]
        self.head_choice = settings.head
        there = np.flatnonzero(~missing)
        shapes = actor.shapes()[1:] - actor.neutral
        self.reach = float(np.linalg.norm(shapes, axis=-1).max())
        moved = binding.of_fields(shapes.transpose(1, 0, 2))  # (P, N, 3)
        self.head = self._heads(self.neutral, there)
        self.rest, self.loose_degrees = None, 0.0
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
        if self.head_choice != "still" and actor.hinge is not None:
            self._settle_head(there)

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
        notes = [] if self.rest is None else self.rest.notes(self.points.names)
        if self.loose_degrees > LOOSE_DEGREES:
            notes.append(
                f"hardly a point lies where the face is quiet: they tell the head's turn to {self.loose_degrees:.1f} "
                "degrees only; give points of the forehead, temples or the bridge of the nose, or set Head to Still if "
                "it does not move"
            )
        return notes

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

    def _settle_head(self, there: np.ndarray) -> None:
        """The head of frames `there` again, solved along with the face: what expressions do to points is no head.

        A head that moves has to explain clearly more than one that stays.
        """
        scale, middle = (1.0, np.zeros(3)) if self.rest is None else (self.rest.scale, self.rest.middle)
        head = self.head[there]
        for _ in range(1 if self.rest is None else 2):  # the offset turns with the head, which the first leaves out
            found = self.jaw_of_points.face_of(self._known(head, there), head=True)
            turned = recentred(found.head, middle)
            turned[:, :3, 3] /= scale
            head = head @ recentred(turned, -middle)
        if self.head_choice == "auto":
            stays = [np.eye(4) if self.rest is None else self.placement, usual_motion(head, self.neutral.mean(0))]
            heads = [np.tile(each, (len(there), 1, 1)) for each in stays]
            costs = [self.jaw_of_points.face_of(self._known(each, there), head=False).costs for each in heads]
            numbers = 3 * np.median((self.trust[there] > 0).sum(1))
            best = int(explains_more(costs[1], costs[0], numbers))
            if not explains_more(found.costs, costs[best], numbers):
                self.head[there], self.loose_degrees = heads[best], 0.0
                return
        self.head[there], self.loose_degrees = head, float(np.median(found.loose))

    def _known(self, head: np.ndarray, there: np.ndarray) -> np.ndarray:
        """(f, P, 3) the points of frames `there` without a head (f, 4, 4), not a number where they do not count."""
        return np.where(self.trust[there, :, None] > 0, self.stabilized(head, there), np.nan)

    def _leave_out_wild(self) -> None:
        """Take the trust from points that lie where no face could have them, which would spoil jaw and rest frame."""
        placed = apply_motion(self.neutral, self.head)
        distance = np.linalg.norm(self.positions - placed, axis=-1)
        usual = np.nanmedian(np.where(self.trust > 0, distance, np.nan), axis=1, keepdims=True)
        wild = (self.trust > 0) & (distance > WILD_SPREADS * usual + WILD_REACHES * self.reach)
        self.trust[wild] = 0.0


def usual_motion(motion: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """(4, 4) the mean turn of motions (F, 4, 4) about middle (3,), and the median slide."""
    usual = np.eye(4)
    usual[:3, :3] = Rotation.from_matrix(motion[:, :3, :3]).mean().as_matrix()
    usual[:3, 3] = np.median(recentred(motion, middle)[:, :3, 3], axis=0)
    return recentred(usual[None], -middle)[0]


def explains_more(moving: np.ndarray, staying: np.ndarray, numbers: float) -> bool:
    """Whether a head explains frames better than by chance: costs (F,) with its motion and without; how many numbers
    are known of a frame."""
    share = staying / np.maximum(moving, 3.0 * FACE_MM**2)
    asked = MOVES_SHARE + MOVES_NUMBERS / numbers
    brief = np.sort(share)[-max(1, int(BRIEFLY * len(share))) :]
    return bool(staying.mean() > asked * moving.mean() or brief.mean() > 2.0 * asked)
