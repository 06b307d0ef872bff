# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rig holds together though a take parts it: lips that one bone moves, as automatic weights make them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLOSE = 0.03  # of a face's extent: what lies so near at rest touches, or is next to it on the skin
# Parted is what gets this many times as far from each other, and this share of the extent on top: skin stretches less.
TIMES, BEYOND = 2.0, 0.03
FOLLOWED = 0.5  # of the way apart: a pair that shows less is held
LEAST_PAIRS = 4
LOOKED = 40  # frames, evenly of all
BLOCK = 256  # points whose distances are looked at at once


@dataclass(frozen=True)
class Held:
    """frame: the index of the one where it is worst. wanted, shown: the median distance of what is to part there."""

    frame: int
    wanted: float
    shown: float


def held_together(rest: np.ndarray, offsets: np.ndarray, gap: np.ndarray) -> Held | None:
    """Whether points stay together that shall part. rest: (P, 3). offsets: (F, P, 3) what is wanted. gap: (F, P, 3)
    what of it is lacking."""
    extent = float(np.linalg.norm(np.ptp(rest, axis=0)) / np.sqrt(3))
    one, other = _pairs(rest, CLOSE * extent)
    between = rest[one] - rest[other]
    apart = np.linalg.norm(between, axis=1)
    worst: Held | None = None
    for frame in np.unique(np.linspace(0, len(offsets) - 1, LOOKED).astype(int)):
        wanted = np.linalg.norm(between + offsets[frame, one] - offsets[frame, other], axis=1)
        parted = np.flatnonzero(wanted > TIMES * apart + BEYOND * extent)
        if len(parted) < LEAST_PAIRS:
            continue
        moved = (offsets[frame] - gap[frame]).astype(np.float64)
        shown = np.linalg.norm(between[parted] + moved[one[parted]] - moved[other[parted]], axis=1)
        share = np.median((shown - apart[parted]) / (wanted[parted] - apart[parted]))
        median = float(np.median(wanted[parted]))
        if share < FOLLOWED and (worst is None or median > worst.wanted):
            worst = Held(int(frame), median, float(np.median(shown)))
    return worst


def _pairs(points: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """(N,) and (N,) which of points (P, 3) lie within a radius of each other, each pair once."""
    found = []
    for first in range(0, len(points), BLOCK):
        part = points[first : first + BLOCK]
        near = np.linalg.norm(part[:, None] - points[first:], axis=2) < radius
        rows, columns = np.nonzero(near)
        found.append(np.stack([rows, columns])[:, columns > rows] + first)
    one, other = np.concatenate(found, axis=1)
    return one, other
