# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's weights of ARKit's 52 shapes, in [0, 1]: bounded least squares over all frames, smooth in time, few of them
at work, and of two that undo each other one at a time (after Racković et al. 2023, arXiv 2302.04843).

A first solve, in which every weight costs something, says which shapes are needed in which frames; a second one, of
these alone and without that cost, how much of each. A cost that knew each shape's own size would make small ones follow
what others leave: weights would be further from those that were performed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..anatomy.jaw import decompose_jaw, envelope
from ..baking.baking import TEMPORAL_SMOOTHNESS, shared_with
from ..shared.faces.arkit_names import JAW, OPPOSITES, SHAPES
from .arkit_shapes import ArkitShapes

Report = Callable[[dict], None]

ITERATIONS = 1500  # shapes of one mouth are alike, which takes longer than captured ones do
COST = 1e-3  # of the shapes' mean squared offset: what a full weight costs in the first solve
SPARING = 2e-3  # alike, twice what the square of a weight costs in both, so that like shapes do not fight
NEEDED = 5e-3  # of a weight: what has less after the first solve rests
MOVES_MM = 1e-3  # a key that moves no point further stays at 0
COLUMNS = [SHAPES.index(shape) for shape in JAW]
PAIRS = [(SHAPES.index(one), SHAPES.index(other)) for one, other in OPPOSITES]


def jaw_weights(shapes: ArkitShapes, jaw: np.ndarray, report: Report = lambda _: None) -> np.ndarray:
    """(F, 4) in [0, 1] how much of each of the jaw's own shapes a take's jaw (F, 4, 4) does; 0 where no jaw moves.
    report as for key_weights."""
    if shapes.hinge is None:
        return np.zeros((len(jaw), len(JAW)))
    measure = envelope(shapes.hinge)  # poses of all sorts in one measure
    poses = shapes.poses[COLUMNS] @ measure.T
    opposite = [(JAW.index("jawLeft"), JAW.index("jawRight"))]
    moved = decompose_jaw(jaw, shapes.hinge) @ measure.T
    return key_weights(poses, moved, opposite=opposite, temporal=0.0, report=report)


def key_weights(
    keys: np.ndarray,
    frames: np.ndarray,
    fixed: np.ndarray | None = None,
    free: np.ndarray | None = None,
    opposite: Sequence[tuple[int, int]] = (),
    temporal: float = TEMPORAL_SMOOTHNESS,
    report: Report = lambda _: None,
) -> np.ndarray:
    """Weights g (F, N) in [0, 1] of keys (N, X) that bring them closest to frames (F, X).

    fixed: (F, N) weights that are known, those of keys that are not free (N,) bool. opposite: pairs of keys of which
    one at most is at work in a frame. Keys that move nothing stay at 0.
    report is called with {"message", "done", "total"}.
    """
    found = np.zeros((len(frames), len(keys))) if fixed is None else fixed.copy()
    moving = np.abs(keys).max(1, initial=0.0) > MOVES_MM
    chosen = moving if free is None else moving & free
    if not chosen.any():
        return found
    some = keys[chosen]
    gram, right = (some @ some.T).astype(np.float64), shared_with(frames, some, report)
    right -= found @ (keys @ some.T).astype(np.float64)  # what the fixed ones do, without a copy of all frames
    highest = np.where(chosen, 1.0, 0.0) * np.ones((len(frames), 1))  # (F, N)
    found[:, chosen] = _solved(
        gram, right - COST * np.trace(gram) / len(gram), highest[:, chosen], temporal, partial(_tell, report, 0)
    )
    highest[found < NEEDED] = 0.0
    for one, other in opposite:
        if chosen[one] and chosen[other]:
            first = found[:, one] >= found[:, other]
            highest[first, other], highest[~first, one] = 0.0, 0.0
    found[:, chosen] = _solved(gram, right, highest[:, chosen], temporal, partial(_tell, report, ITERATIONS))
    return found


def _tell(report: Report, before: int, iteration: int) -> None:
    report({"message": "Weighting the keys", "done": before + iteration, "total": 2 * ITERATIONS})


def _solved(
    gram: np.ndarray, right: np.ndarray, highest: np.ndarray, temporal: float, tell: Callable[[int], None]
) -> np.ndarray:
    """g (F, N) in [0, highest] that minimises gᵀ gram g / 2 - gᵀ right + size SPARING |g|² / 2 + size temporal Σ |g_f -
    g_f-1|² / 2, size the mean of the diagonal of gram (N, N), by accelerated projected gradient."""
    size = float(np.trace(gram)) / len(gram)
    system, smoothness = gram + SPARING * size * np.eye(len(gram)), temporal * size
    step = 1.0 / (np.linalg.eigvalsh(system)[-1] + 4 * smoothness)
    found = momentum = np.zeros_like(right)
    speed = 1.0
    for iteration in range(ITERATIONS):
        tell(iteration)
        gradient = momentum @ system - right
        change = np.diff(momentum, axis=0) * smoothness
        gradient[1:] += change
        gradient[:-1] -= change
        following = np.clip(momentum - step * gradient, 0.0, highest)
        next_speed = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        momentum = following + (speed - 1) / next_speed * (following - found)
        found, speed = following, next_speed
    return found
