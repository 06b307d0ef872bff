# SPDX-License-Identifier: GPL-3.0-or-later
"""One actor's jaw carried into another's range (MODEL.md section 4): about its own hinge, as wide as it opens there.

Poses (F, 6) are those of decompose_jaw: a rotation vector in radians about the hinge, then a slide in mm.
"""

from __future__ import annotations

import numpy as np

from .actor import Actor
from .jaw import compose_jaw, decompose_jaw, hinge_axes

LEAST_TURN, LEAST_SLIDE_MM = np.deg2rad(3.0), 2.0  # of a jaw's motion, from where its range can be compared
LEVER_MM = 80.0  # from the hinge to the teeth: what a turn moves
REST_MM = 3.0  # a shape whose jaw moves less does not stand for a motion of the jaw


class JawRange:
    """From a source whose shapes from_index (P,) pair with shapes to_index (P,) of a target; both have a hinge.

    told: (Q,) the source's shapes among which a frame is shared out, those that pair and others.
    """

    def __init__(
        self, source: Actor, target: Actor, from_index: np.ndarray, to_index: np.ndarray, told: np.ndarray
    ) -> None:
        assert source.hinge is not None
        assert target.hinge is not None
        self.source, self.target = source.hinge, target.hinge
        own, other = decompose_jaw(source.jaw, self.source), decompose_jaw(target.jaw, self.target)  # (N, 6), (N', 6)
        self.axes = hinge_axes(self.source).T @ hinge_axes(self.target)  # (3, 3) turns rows from one hinge to the other
        self.turn, self.slide = (
            _ratio(own[:, part] @ self.axes, other[:, part], from_index, to_index, least)
            for part, least in ((slice(3), LEAST_TURN), (slice(3, 6), LEAST_SLIDE_MM))
        )
        lever = np.repeat([LEVER_MM, 1.0], 3)
        known = own[told] * lever  # (Q, 6)
        within = known.T @ np.linalg.solve(known @ known.T + REST_MM**2 * np.eye(len(known)), known)
        self._within = lever[:, None] * within / lever

    def within(self, poses: np.ndarray) -> np.ndarray:
        """Of the source's poses (F, 6) that part which the shapes told can show."""
        return poses @ self._within

    def carried(self, poses: np.ndarray) -> np.ndarray:
        """The target's jaw (F, 4, 4) for the source's poses (F, 6)."""
        turned = self.turn * poses[:, :3] @ self.axes, self.slide * poses[:, 3:] @ self.axes
        return compose_jaw(np.concatenate(turned, axis=1), self.target)


def _ratio(one: np.ndarray, other: np.ndarray, from_index: np.ndarray, to_index: np.ndarray, least: float) -> float:
    """By how much further other (N', 3) goes than one (N, 3): in the pairs, or else at its furthest; 1 if unknown."""
    mine, theirs = one[from_index], other[to_index]
    if np.linalg.norm(mine, axis=1).max(initial=0.0) > least:
        return max(float((mine * theirs).sum() / (mine * mine).sum()), 0.0)
    furthest = [np.linalg.norm(each, axis=1).max(initial=0.0) for each in (one, other)]
    return float(furthest[1] / furthest[0]) if min(furthest) > least else 1.0
