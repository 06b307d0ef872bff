# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's rigid motion H_j in each frame, from the skin that expressions leave alone."""

from __future__ import annotations

import numpy as np

from .actor import Actor
from .rigid import apply_motion, rigid_registration

QUIET_MM = 0.15  # a point that no expression moves by more than this says all it can about the head


def stillness(actor: Actor) -> np.ndarray:
    """(V,) how much each point tells of the head: the inverse of the variance that the actor's shapes give it."""
    moved = actor.shapes()[1:] - actor.neutral
    return 1.0 / ((moved**2).sum(-1).mean(0) + QUIET_MM**2)


def estimate_head(actor: Actor, vertices: np.ndarray) -> np.ndarray:
    """H_j (F, 4, 4), rigid, that carries the still skin of the neutral to each of the frames (F, V, 3), robustly."""
    quiet = stillness(actor)
    chosen = quiet > np.quantile(quiet, 0.5)
    return robust_registration(actor.neutral[chosen], vertices[:, chosen], quiet[chosen])


def robust_registration(source: np.ndarray, target: np.ndarray, trust: np.ndarray, rounds: int = 5) -> np.ndarray:
    """Rigid motions (F, 4, 4) that carry source (P, 3) onto targets (F, P, 3), whatever a few points do.

    trust: (P,) or (F, P) how much each point counts; 0 leaves it out.
    """
    weight = trust = np.broadcast_to(trust, target.shape[:2])
    for _ in range(rounds):
        motion = rigid_registration(source, target, weight)
        squared = ((target - apply_motion(source, motion)) ** 2).sum(-1)
        spread = np.median(squared, axis=1, keepdims=True) + 1e-8
        weight = trust / (1.0 + squared / spread) ** 2  # Geman-McClure
    return motion
