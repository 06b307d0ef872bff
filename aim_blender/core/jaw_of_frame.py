# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw T_j of a frame, read from the skin over the mandible by a regression on the actor's own shapes.

Left to compete with the weights, the jaw comes out half (MODEL.md section 3); the idea is of Zoss et al. 2019.
"""

from __future__ import annotations

import numpy as np

from .actor import Actor
from .jaw import compose_jaw, decompose_jaw

RIDGE = 0.02  # of the mean squared motion of the shapes


class JawOfFrame:
    """Ridge regression from the offsets of the points over the mandible to the jaw's pose about its hinge."""

    def __init__(self, actor: Actor) -> None:
        self.hinge = actor.hinge
        if self.hinge is None:
            return
        self.points = actor.constraints.points[actor.constraints.on_mandible]
        if len(self.points) == 0:
            self.points = np.flatnonzero(actor.skin_weight[:, 0] > 0.5)
        shapes = actor.shapes()[:, self.points]
        self.neutral = shapes[0]
        offsets = (shapes[1:] - self.neutral).reshape(len(actor.names), -1)  # (N, 3P)
        poses = decompose_jaw(actor.jaw, self.hinge)  # (N, 6)
        agreement = offsets @ offsets.T  # (N, N): fewer shapes than points, so solved in their span
        agreement += RIDGE * np.trace(agreement) / len(agreement) * np.eye(len(agreement))
        self.poses_of_offsets = offsets.T @ np.linalg.solve(agreement, poses)  # (3P, 6)

    def predict(self, vertices: np.ndarray) -> np.ndarray:
        """T_j (F, 4, 4) of frames (F, V, 3) without head motion. Rest where the actor has no mandible."""
        if self.hinge is None:
            return np.tile(np.eye(4), (len(vertices), 1, 1))
        offsets = (vertices[:, self.points] - self.neutral).reshape(len(vertices), -1)
        return compose_jaw(offsets @ self.poses_of_offsets, self.hinge)
