# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keyframes: those that straight lines between the others miss by more than a tolerance. Needs numpy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

FINER = 0.75  # by how much the tolerance of single curves shrinks while all of them together are too far off


def needed_keys(frames: np.ndarray, values: np.ndarray, tolerance: float) -> np.ndarray:
    """(F,) bool: keys of a curve, values (F,) at frames (F,), the lines between which miss no value by more than
    tolerance (Ramer, Douglas and Peucker, with the distance taken along the values)."""
    count = len(frames)
    needed = np.zeros(count, dtype=bool)
    needed[[0, -1]] = True
    if count < 3:
        return needed
    stretches = [(0, count - 1)]
    while stretches:
        first, last = stretches.pop()
        if last - first < 2:
            continue
        inside = slice(first + 1, last)
        along = (frames[inside] - frames[first]) / (frames[last] - frames[first])
        off = np.abs(values[inside] - values[first] - along * (values[last] - values[first]))
        worst = int(off.argmax())
        if off[worst] > tolerance:
            middle = first + 1 + worst
            needed[middle] = True
            stretches += [(first, middle), (middle, last)]
    return needed


def keys_needed(
    frames: np.ndarray,
    curves: Sequence[np.ndarray],
    reach: Sequence[float],
    distance: Callable[[list[np.ndarray]], float],
    tolerance: float,
) -> list[np.ndarray]:
    """Which keys (F,) bool of each curve (F,) are needed so that together they are off by no more than tolerance.

    reach: by how much the farthest point moves when a curve changes by 1. distance: the largest distance of any point
    in any frame that other values for the curves lead to, or a bound of it.
    """
    share = tolerance
    while share > tolerance / 1000:
        needed = [needed_keys(frames, v, share / max(r, 1e-12)) for v, r in zip(curves, reach, strict=True)]
        lines = [np.interp(frames, frames[kept], v[kept]) for v, kept in zip(curves, needed, strict=True)]
        if distance(lines) <= tolerance:
            return needed
        share *= FINER
    return [np.ones(len(frames), dtype=bool) for _ in curves]
