# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves over the frames of a take: smoothed without delay, and filled in where frames are missing."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

from ..geometry.rigid import recentred
from .retiming import between

CURVES_AT_ONCE = 512


def smoothed(values: np.ndarray, frames: np.ndarray, length: float) -> np.ndarray:
    """Curves (F, ...) at frame numbers (F,), without what goes to and fro within `length` frames.

    Minimises |x - values|² + strength |x''|², docs/model.md (26), which treats past and future alike and so delays
    nothing; straight lines stay as they are. What has a period of `length` frames is halved. 0 changes nothing.
    """
    if length <= 0 or len(frames) < 3:
        return values
    strength = (2.0 * np.sin(np.pi / max(length, 2.0))) ** -4
    before, after = np.diff(frames.astype(np.float64))[:-1], np.diff(frames.astype(np.float64))[1:]
    # Rows of the second derivative, each on three frames.
    row = np.stack([1.0 / before, -1.0 / before - 1.0 / after, 1.0 / after]) * 2.0 / (before + after)  # (3, F-2)
    band = np.zeros((3, len(frames)))  # upper form: band[2] is the diagonal
    band[2] = 1.0
    for one in range(3):
        for other in range(one, 3):
            band[2 - (other - one), other : len(frames) - 2 + other] += strength * row[one] * row[other]
    flat = values.reshape(len(values), -1)
    found = np.empty_like(flat)
    for first in range(0, flat.shape[1], CURVES_AT_ONCE):  # all of a long take at once would fill the memory
        part = slice(first, first + CURVES_AT_ONCE)
        found[:, part] = solveh_banded(band, flat[:, part].astype(np.float64))
    return found.reshape(values.shape)


def smoothed_motion(motion: np.ndarray, frames: np.ndarray, length: float, pivot: np.ndarray) -> np.ndarray:
    """Rigid motions (F, 4, 4) smoothed as curves are: how they turn, and the path of pivot (3,)."""
    if length <= 0 or len(frames) < 3:
        return motion
    mean = smoothed(recentred(motion, pivot), frames, length)
    u, _, vt = np.linalg.svd(mean[:, :3, :3])  # the rotation nearest to the mean of some
    mean[:, :3, :3] = u @ vt
    mean[:, 3] = 0, 0, 0, 1  # to the last digit
    return recentred(mean, -pivot)


class Gaps:
    """Frames without data, and the frames with data before and after each.

    frames: (F,) frame numbers. missing: (F,) bool. Before the first frame with data and after the last, what they hold
    is held. stretch: (F,) rising; where a frame has a neighbour with data in its own stretch, it takes it from there
    alone.
    """

    def __init__(self, frames: np.ndarray, missing: np.ndarray, stretch: np.ndarray | None = None) -> None:
        known = np.flatnonzero(~missing)
        self.missing = np.flatnonzero(missing)
        after = np.searchsorted(known, self.missing)
        self.before = known[(after - 1).clip(min=0)]
        self.after = known[after.clip(max=len(known) - 1)]
        if stretch is not None:
            own = stretch[self.missing]
            elsewhere, besides = stretch[self.before] != own, stretch[self.after] != own
            before = np.where(elsewhere & ~besides, self.after, self.before)
            self.after = np.where(besides & ~elsewhere, self.before, self.after)
            self.before = before
        span = (frames[self.after] - frames[self.before]).astype(np.float64)
        self.share = (frames[self.missing] - frames[self.before]) / np.where(span > 0, span, 1.0)
        self.share = np.where(span > 0, self.share, 0.0)

    def fill(self, values: np.ndarray) -> None:
        """Fill curves (F, ...) in place, straight from frame to frame."""
        share = self.share.reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
        values[self.missing] = values[self.before] * (1 - share) + values[self.after] * share

    def fill_motion(self, motion: np.ndarray, pivot: np.ndarray) -> None:
        """Fill rigid motions (F, 4, 4) in place; pivot (3,) as in between."""
        motion[self.missing] = between(motion[self.before], motion[self.after], self.share, pivot)
