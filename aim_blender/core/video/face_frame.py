# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way an actor's face looks, where it is, and its two sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.actor import Actor
from ..pictures.inspection import upright
from ..shared.demo.demo_curves import smooth_step

MOVED_SHARE = 0.15  # of the largest motion: what moves more is the face
MIDDLE_SHARE = 0.05  # of the face's height, to each side of the mirror plane: within it one side passes into the other


@dataclass(frozen=True)
class FaceFrame:
    """axes: (3, 3) rows: the character's left, up and front. middle: (3,) mm of the face. size: mm, its height."""

    axes: np.ndarray
    middle: np.ndarray
    size: float

    @staticmethod
    def of(actor: Actor) -> FaceFrame:
        """Of the actor's neutral and what its expressions move."""
        up, forward = upright(actor)
        axes = np.stack([np.cross(up, forward), up, forward])
        moved = np.linalg.norm(actor.offsets(), axis=2).max(1)
        face = actor.neutral[moved > MOVED_SHARE * moved.max()] @ axes.T
        low, high = face.min(0), face.max(0)
        return FaceFrame(axes, (low + high) / 2 @ axes, float((high - low)[1]))

    def placed(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) left, up and in front of the face's middle."""
        return (points - self.middle) @ self.axes.T


def sides_of(actor: Actor) -> np.ndarray:
    """(V, 2) how much of the left and of the right side of its character each point is; together 1."""
    frame = FaceFrame.of(actor)
    origin, normal = actor.mirror
    if normal @ frame.axes[0] < 0:
        normal = -normal
    wide = MIDDLE_SHARE * frame.size
    left = smooth_step((actor.neutral - origin) @ normal, -wide, wide)
    return np.stack([left, 1.0 - left], axis=1)
