# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's rigid motion H_j in each frame, from the skin that expressions leave alone."""

from __future__ import annotations

import numpy as np

from ..geometry.rigid import angle_degrees, apply_motion, rigid_registration
from ..geometry.skinning import linear_blend_skinning
from ..shared.foundation.robust_weights import geman_mcclure
from .actor import Actor

QUIET_MM = 0.15  # a point that no expression moves by more than this says all it can about the head
LEAST_POINTS = 20  # of the quiet skin, to find the head by
POINTS_AT_ONCE = 2048  # that a core keeps at hand
MOST_POINTS = 2000  # likewise: more say nothing new, and cost


def squared_motions(actor: Actor) -> np.ndarray:
    """(N, V) mm² the squares of how far the actor's shapes move each point."""
    neutral, weight, expressions = actor.neutral, actor.skin_weight, actor.expressions
    found = np.empty((len(actor.jaw), len(neutral)))
    for first in range(0, len(neutral), POINTS_AT_ONCE):
        rows = slice(first, first + POINTS_AT_ONCE)
        moved = linear_blend_skinning(neutral[rows], actor.jaw, weight[rows])
        moved -= neutral[rows]
        moved += expressions[rows].transpose(1, 0, 2)
        np.einsum("nvc,nvc->nv", moved, moved, out=found[:, rows])
    return found


def quietness(actor: Actor, squared: np.ndarray | None = None) -> np.ndarray:
    """(V,) how much each point tells of the head: the inverse of the variance that the actor's shapes give it. squared:
    the actor's squared_motions, if they are known."""
    squared = squared_motions(actor) if squared is None else squared
    return 1.0 / (squared.mean(0) + QUIET_MM**2)


def estimate_head(
    actor: Actor, vertices: np.ndarray, trust: np.ndarray | None = None, quiet: np.ndarray | None = None
) -> np.ndarray:
    """H_j (F, 4, 4), rigid, that carries the quiet skin of the neutral to each of the frames (F, V, 3), robustly.

    trust: (F, V) how much each point counts; where it is 0 the point is not looked at, but must be a number. quiet:
    (V,) the actor's quietness, if it is known.
    """
    quiet = quietness(actor) if quiet is None else quiet
    quietest = np.flatnonzero(quiet > np.quantile(quiet, 0.5))
    chosen = quietest[:: -(-len(quietest) // MOST_POINTS)]
    weight = quiet[chosen]
    if trust is not None:
        seen = weight * trust[:, chosen]
        # Where next to nothing of the quiet skin is there, whatever is there has to do.
        poor = (seen > 0).sum(1) < LEAST_POINTS
        if poor.any():
            return robust_registration(actor.neutral, vertices, quiet * trust)
        weight = seen
    return robust_registration(actor.neutral[chosen], vertices[:, chosen], weight)


def robust_registration(source: np.ndarray, target: np.ndarray, trust: np.ndarray, rounds: int = 5) -> np.ndarray:
    """Rigid motions (F, 4, 4) that carry source (P, 3) onto targets (F, P, 3), whatever a few points do.

    trust: (P,) or (F, P) how much each point counts; 0 leaves it out.
    """
    weight = trust = np.broadcast_to(trust, target.shape[:2])
    absent = trust <= 0
    some_absent = bool(absent.any())
    for _ in range(rounds):
        motion = rigid_registration(source, target, weight)
        squared = ((target - apply_motion(source, motion)) ** 2).sum(-1)
        if some_absent:
            spread = np.nanmedian(np.where(absent, np.nan, squared), axis=1, keepdims=True) + 1e-8
        else:
            spread = np.median(squared, axis=1, keepdims=True) + 1e-8
        weight = trust * geman_mcclure(squared / spread)
    return motion


def moves(head: np.ndarray, middle: np.ndarray, degrees: float = 0.3, millimetres: float = 0.5) -> bool:
    """Whether head motions (F, 4, 4) about middle (3,) are more than a stabilized performance is off."""
    moved = np.linalg.norm(head[:, :3, :3] @ middle + head[:, :3, 3] - middle, axis=1)
    return bool(angle_degrees(head).max() > degrees or moved.max() > millimetres)


def without_head(frames: np.ndarray, head: np.ndarray) -> np.ndarray:
    """H⁻¹ s of docs/model.md (16), (f, V, 3), of frames (f, V, 3), float32 if they are, and heads (f, 4, 4)."""
    moved = np.empty_like(frames)
    np.subtract(frames, head[:, None, :3, 3], out=moved, casting="same_kind")  # in float64, however far the head is
    return moved @ head[:, :3, :3].astype(frames.dtype)
