# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pieces of a mesh at rest lie in the mouth, and what they are there: no shape is needed to tell teeth.

A piece is in the mouth if skin hides it from the front and it lies behind the lips. What fills the mouth from front to
back along its middle is a tongue, or a palate if it lies above it; of what is left, the upper goes with the skull.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .face_landmarks import landmarks_in_frame
from .face_profile import PROFILE, HeadFrame

# In mm of a typical adult.
HALF_WIDTH_MM, HALF_HEIGHT_MM = 42.0, 40.0  # of the space about the lips' meeting in which teeth and tongue lie
BEHIND_MM, BEFORE_MM = 95.0, 6.0  # and how far behind and before it
INSIDE = 0.9  # of a piece's points that lie there, at least
HIDDEN = 0.5  # of a piece's points that skin hides from the front, at least
MOST_POINTS = 80  # of a piece that are looked at
LEAST_LENGTH_MM, LEAST_WIDTH_MM = 24.0, 16.0  # of a tongue
MIDDLE, FILLED = 0.2, 0.75  # of its half width, and of its length that points so near to its middle take up
APART_MM = 5.0  # between the middles of upper and lower teeth


def kinds_in_mouth(
    neutral: np.ndarray, skin: np.ndarray, frame: HeadFrame, pieces: Sequence[np.ndarray]
) -> dict[int, str]:
    """{which of the pieces: skull, jaw or bends} of those that lie in the mouth.

    neutral: (V, 3) mm. skin: (T, 3) its triangles. pieces: the vertices of each.
    """
    local = frame.local(neutral)
    landmarks = landmarks_in_frame(neutral, skin, frame)
    lips = local[landmarks["stomion"]] if "stomion" in landmarks else np.array([0.0, *PROFILE["stomion"]])
    inside = {}
    corners = local[skin]
    beside = np.abs(corners.mean(1)[:, :2] - lips[:2]).max(1) < 2 * HALF_WIDTH_MM
    for number, vertices in enumerate(pieces):
        off = local[vertices] - lips
        around = (np.abs(off[:, 0]) < HALF_WIDTH_MM) & (np.abs(off[:, 1]) < HALF_HEIGHT_MM)
        if (around & (off[:, 2] < BEFORE_MM) & (off[:, 2] > -BEHIND_MM)).mean() >= INSIDE:
            some = local[vertices[:: -(-len(vertices) // MOST_POINTS)]]
            if _hidden(some, corners[beside]).mean() >= HIDDEN:
                inside[number] = off
    return _told_apart(inside)


def share_of_jaw(points: np.ndarray, up: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """(n,) how much gums and a tongue (n, 3) go with the jaw: not at the height of the upper teeth (m, 3), wholly at
    that of the lower ones (k, 3), and wholly if either are missing. up: (3,) the face's."""
    if len(upper) == 0 or len(lower) == 0:
        return np.ones(len(points))
    high, low = float((upper @ up).mean()), float((lower @ up).mean())
    return np.clip((high - points @ up) / max(high - low, 1e-9), 0.0, 1.0)


def _told_apart(inside: dict[int, np.ndarray]) -> dict[int, str]:
    """What pieces in the mouth are, by their points (n, 3) about the lips' meeting."""
    filling = {number for number, points in inside.items() if _fills(points)}
    middles = {number: float(points[:, 1].mean()) for number, points in inside.items()}
    divide = _between(np.array([middles[number] for number in inside if number not in filling]))
    found = {}
    for number, middle in middles.items():
        above = middle > divide + (APART_MM if number in filling else 0.0)  # a palate lies above the teeth's edges
        high, low = inside[number][:, 1].max(), inside[number][:, 1].min()
        both = number in filling and high - divide > APART_MM < divide - low  # gums of both jaws, perhaps with a tongue
        found[number] = "bends" if both else "skull" if above else "bends" if number in filling else "jaw"
    return found


def _fills(points: np.ndarray) -> bool:
    """Whether points (n, 3) lie along their middle from front to back, which those of an arch do not."""
    width, _, length = np.ptp(points, axis=0)
    if length < LEAST_LENGTH_MM or width < LEAST_WIDTH_MM:
        return False
    aside = points[:, 0] - (points[:, 0].max() + points[:, 0].min()) / 2
    middle = points[np.abs(aside) < MIDDLE * width / 2, 2]
    return len(middle) > 1 and float(np.ptp(middle)) >= FILLED * length


def _between(heights: np.ndarray) -> float:
    """What divides heights (n,) into upper and lower ones: where they fall into two groups, the middle between them,
    else where the lips meet, 0."""
    if len(heights) < 2:
        return 0.0
    ordered = np.sort(heights)
    # The division with the least spread on both its sides.
    spread = [ordered[:at].var() * at + ordered[at:].var() * (len(ordered) - at) for at in range(1, len(ordered))]
    at = int(np.argmin(spread)) + 1
    low, high = float(ordered[:at].mean()), float(ordered[at:].mean())
    return (low + high) / 2 if high - low >= APART_MM else 0.0


def _hidden(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(n,) bool: before which of points (n, 3) a triangle (T, 3, 3) lies, seen from the front, the last axis."""
    first, second, third = (corners[:, corner, :2] for corner in range(3))
    area = _cross(second - first, third - first)
    flat = np.abs(area) < 1e-9
    area = np.where(flat, 1.0, area)
    found = np.zeros(len(points), dtype=bool)
    for row, point in enumerate(points):
        away = point[:2] - first
        one = _cross(away, third - first) / area
        other = _cross(second - first, away) / area
        over = ~flat & (one >= 0) & (other >= 0) & (one + other <= 1)
        depth = corners[:, 0, 2] + one * (corners[:, 1, 2] - corners[:, 0, 2])
        depth = depth + other * (corners[:, 2, 2] - corners[:, 0, 2])
        found[row] = bool((over & (depth > point[2])).any())
    return found


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
