# SPDX-License-Identifier: GPL-3.0-or-later
"""What muscles do over the mandible, told by what is seen above it, where the jaw moves nothing.

In a smile over an open jaw, cheeks and upper lip show the smile, and another shape of the capture, without the jaw,
shows what a smile does to the chin. And where the whole mouth goes aside, the chin goes with it, jaw or not.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import lsq_linear

from ..shared.foundation.smoothstep import smoothstep
from .mandible_frame import MandibleFrame

JAW_FREE = 0.05  # up to this share of the jaw's motion, skin is the muscles' alone
ABOVE_HINGE_MM, AHEAD_OF_HINGE_MM = 10.0, 20.0  # the face beside and above the mouth: below the eyes, before the ears
FEWEST_POINTS, MOST_POINTS = 12, 1500
MOVES_MM = 0.5  # root mean square there, from where muscles are seen at work
# What share of the motion there, beside what the opening alone shows, other shapes must account for, to be heard, and
# to be heard fully. With the opening counted, a little of everything "told" a mouth that is stretched over an open jaw.
TOLD_FROM, TOLD_TO = 0.9, 0.97
MOST_WEIGHT, FEW_SHAPES = 1.5, 3
# How far the skin there goes aside, by how far the chin does: a jaw takes 0.02 to 0.14 of it along, and a mouth that
# goes aside 0.43 to 1.2 (of nine faces of five makes).
ASIDE_QUANTILE, ASIDE_FROM, ASIDE_TO = 0.9, 0.3, 0.42


def without_muscles(
    neutral: np.ndarray,
    shapes: np.ndarray,
    skin_weight: np.ndarray,
    opening: np.ndarray,
    muscles: np.ndarray,
    frame: MandibleFrame,
) -> np.ndarray:
    """The shapes (N, V, 3) mm less what other shapes, in which muscles work alone, tell of the muscles in them:
    docs/model.md (5b), β.

    neutral: (V, 3) mm. skin_weight: (V,). opening: (N,) how far the jaw opens. muscles: (N,) bool, the shapes in which
    it does not move. A shape is told by the others, as a sum in which none is undone, and of the purest opening.
    """
    points = above_the_mouth(neutral, skin_weight, frame)
    if len(points) < FEWEST_POINTS:
        return shapes
    shown = (shapes[:, points] - neutral[points]).reshape(len(shapes), -1)  # (N, 3P)
    shown = np.linalg.qr(shown.T).R.T  # (N, at most N): as long, and at the same angles
    moves = np.sqrt((shown**2).sum(1) / len(points)) / frame.unit
    purest = int((opening * ~muscles / np.maximum(moves, MOVES_MM)).argmax())
    seen = shapes.copy()
    for i in np.flatnonzero(moves > MOVES_MM).tolist():
        works = muscles & (moves > MOVES_MM)
        works[i] = False
        weights, told = _told(shown, i, np.flatnonzero(works), purest)
        # A few shapes are an explanation; with enough of them, anything can be explained.
        few = np.argsort(-weights * moves)[:FEW_SHAPES]
        weights, told = _told(shown, i, few[weights[few] > 0.0], purest)
        sure = smoothstep((told - TOLD_FROM) / (TOLD_TO - TOLD_FROM))
        if sure > 0.0:
            seen[i] -= sure * np.tensordot(weights, shapes - neutral, 1)
    return seen


def _told(shown: np.ndarray, index: int, others: np.ndarray, purest: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (N,) of others, and the share they tell of what one of N shapes shows (N, K) beside the opening."""
    weights = np.zeros(len(shown))
    if len(others) == 0:
        return weights, np.zeros(())
    opening = shown[[] if index == purest else [purest]]
    told_by = np.concatenate([shown[others], opening])
    found = lsq_linear(told_by.T, shown[index], (0.0, MOST_WEIGHT)).x
    weights[others] = found[: len(others)]
    left = shown[index] - found @ told_by
    beside = shown[index] - (shown[index] @ opening.T / (opening**2).sum(1)).clip(0.0, MOST_WEIGHT) @ opening
    return weights, np.asarray(1.0 - (left**2).sum() / (beside**2).sum().clip(1e-12))


def goes_aside_alone(
    neutral: np.ndarray, shapes: np.ndarray, skin_weight: np.ndarray, aside: np.ndarray, frame: MandibleFrame
) -> np.ndarray:
    """How much (N,) it is the jaw's that the chin goes aside (N,) mm in shapes (N, V, 3) mm, and not the mouth's.

    neutral: (V, 3) mm. skin_weight: (V,).
    """
    points = above_the_mouth(neutral, skin_weight, frame)
    if len(points) < FEWEST_POINTS:
        return np.ones(len(shapes))
    above = np.sign(aside)[:, None] * ((shapes[:, points] - neutral[points]) @ frame.axes[0])
    against, along = np.quantile(above, [1.0 - ASIDE_QUANTILE, ASIDE_QUANTILE], axis=1)  # cheeks go both ways
    along = (along + against.clip(max=0.0)) / np.abs(aside).clip(1e-9)
    return 1.0 - smoothstep((along - ASIDE_FROM) / (ASIDE_TO - ASIDE_FROM))


def above_the_mouth(neutral: np.ndarray, skin_weight: np.ndarray, frame: MandibleFrame) -> np.ndarray:
    """Some of the vertices of the face's lower half which the jaw does not move."""
    _, up, ahead = frame.local(neutral).T
    points = np.flatnonzero((skin_weight < JAW_FREE) & (up < ABOVE_HINGE_MM) & (ahead > AHEAD_OF_HINGE_MM))
    return points[:: -(-len(points) // MOST_POINTS)] if len(points) else points
