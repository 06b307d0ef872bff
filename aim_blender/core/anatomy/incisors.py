# SPDX-License-Identifier: GPL-3.0-or-later
"""The lower incisors: where they are on a mandible, and where a jaw's motion carries them."""

from __future__ import annotations

import numpy as np

from .anatomy import Hinge
from .mandible_frame import find_mandible_frame

BESIDE_MIDDLE_MM = 8.0
BEHIND_FRONT_MM = 14.0  # the chin may lie in front of the teeth


def lower_incisors(mandible: np.ndarray, hinge: Hinge) -> np.ndarray:
    """(3,) the highest point in the middle of the front of a mandible (P, 3) mm; a typical place, if it has no middle.

    A bone without teeth has the edge in which they were there.
    """
    frame = find_mandible_frame(hinge, mandible)
    place = frame.local(mandible)
    middle = np.abs(place[:, 0]) < BESIDE_MIDDLE_MM
    if not middle.any():
        return frame.incisors
    front = middle & (place[:, 2] > place[middle, 2].max() - BEHIND_FRONT_MM)
    return mandible[front][place[front, 1].argmax()]
