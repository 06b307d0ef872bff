# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw T_j of a frame, read from the skin by a regression on the actor's own shapes.

Left to compete with the weights, the jaw comes out half (MODEL.md section 3); the idea is of Zoss et al. 2019.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .actor import Actor
from .jaw import compose_jaw, decompose_jaw

RIDGE = 1e-3  # of the mean squared motion of the shapes: more pulls every jaw towards rest, less follows noise


class JawOfFrame:
    """Ridge regression from the offsets of some points to the jaw's pose about its hinge.

    points: (P,) indices of the points it looks at: those over the mandible, or without bones those that follow the jaw
    most.
    """

    def __init__(self, actor: Actor) -> None:
        points = actor.constraints.points[actor.constraints.on_mandible]
        share = actor.skin_weight[:, 0]
        self.points = points if len(points) else np.flatnonzero(share > 0.5 * share.max())
        self.regression = JawRegression(actor, actor.shapes()[:, self.points])

    def predict(self, vertices: np.ndarray) -> np.ndarray:
        """T_j (F, 4, 4) of frames (F, V, 3) without head motion. Rest where the actor has no mandible."""
        return self.regression.predict(vertices[:, self.points])


class JawRegression:
    """The regression itself, for any points on the skin: shapes (N+1, P, 3) are their places in the actor's shapes."""

    def __init__(self, actor: Actor, shapes: np.ndarray) -> None:
        self.hinge = actor.hinge
        self.neutral = shapes[0]
        self.offsets = (shapes[1:] - shapes[0]).reshape(len(actor.names), -1)  # (N, 3P)
        self.poses = np.zeros((len(actor.names), 6))  # (N, 6)
        if self.hinge is not None:
            self.poses = decompose_jaw(actor.jaw, self.hinge)

    def predict(self, positions: np.ndarray) -> np.ndarray:
        """T_j (F, 4, 4) of positions (F, P, 3) without head motion; points that are not numbers are left out."""
        if self.hinge is None:
            return np.tile(np.eye(4), (len(positions), 1, 1))
        moved = (positions - self.neutral).reshape(len(positions), -1)
        present = np.isfinite(moved)
        if present.all():
            return compose_jaw(moved @ self._of_all, self.hinge)
        poses = np.empty((len(moved), 6))
        patterns, which = np.unique(present, axis=0, return_inverse=True)  # frames that miss the same points
        for index, pattern in enumerate(patterns):
            frames = which.ravel() == index
            poses[frames] = moved[np.ix_(frames, pattern)] @ self._poses_of_offsets(self.offsets[:, pattern])
        return compose_jaw(poses, self.hinge)

    @cached_property
    def _of_all(self) -> np.ndarray:
        return self._poses_of_offsets(self.offsets)

    def _poses_of_offsets(self, offsets: np.ndarray) -> np.ndarray:
        agreement = offsets @ offsets.T  # (N, N): fewer shapes than points, so solved in their span
        agreement += (RIDGE * np.trace(agreement) / len(agreement) + 1e-12) * np.eye(len(agreement))
        return offsets.T @ np.linalg.solve(agreement, self.poses)  # (3P, 6)
