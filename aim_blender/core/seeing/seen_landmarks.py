# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the detector's 478 landmarks are named places of a face, and how a head is turned that shows them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..shared.faces.face_landmarks import SIDES
from ..shared.faces.face_profile import PROFILE, HeadFrame
from ..shared.faces.similarity import similarity

# On the mirror plane. `inner_` are the margins where the lips meet.
MIDDLE = {
    "glabella": 9,
    "nasion": 168,
    "nose_tip": 4,
    "subnasale": 2,
    "upper_lip_border": 0,
    "inner_upper_lip": 13,
    "inner_lower_lip": 14,
    "lower_lip_border": 17,
    "pogonion": 199,
    "menton": 152,
}
# Left and right of the character.
PAIRS = {
    "mouth_corner": (291, 61),
    "outer_eye": (263, 33),
    "inner_eye": (362, 133),
    "upper_lid": (386, 159),
    "lower_lid": (374, 145),
    "inner_brow": (285, 55),
    "outer_brow": (276, 46),
    "nose_wing": (358, 129),
    "face_side": (454, 234),
    "jaw_angle": (397, 172),
}
INDICES = {**MIDDLE, **{name + side: pair[k] for name, pair in PAIRS.items() for k, side in enumerate(SIDES)}}
# Left, up and front of the nasion, in mm of a typical adult, of those that tell how a head is turned.
TYPICAL_PAIRS = {
    "mouth_corner": (25.0, -72.0, -6.0),
    "outer_eye": (42.5, -6.0, -15.0),
    "inner_eye": (16.5, -7.0, -11.0),
}
TYPICAL_MIDDLE = ("nasion", "nose_tip", "subnasale", "menton")
LEAST_TOLD = 6  # of them must be seen


def typical_places() -> dict[str, np.ndarray]:
    """Where they lie in the frame of a typical adult's head, (3,) each."""
    found = {name: np.array([0.0, *PROFILE[name]]) for name in TYPICAL_MIDDLE}
    for name, (left, up, front) in TYPICAL_PAIRS.items():
        found |= {name + side: np.array([sign * left, up, front]) for side, sign in SIDES.items()}
    return found


def frame_of_seen(places: Mapping[str, np.ndarray]) -> HeadFrame | None:
    """How a head is turned, from named places (3,) on it; None if they are too few, or a mirror image."""
    typical = typical_places()
    known = [name for name in typical if name in places]
    if len(known) < LEAST_TOLD:
        return None
    source, target = (np.array([of[name] for name in known]) for of in (typical, places))
    scale, rotation, shift = similarity(source, target)
    off = np.linalg.norm(scale * source @ rotation.T + shift - target, axis=1)
    if not scale > 0:
        return None
    left, up, front = rotation.T
    return HeadFrame(left, up, front, shift, float(scale), float(off.mean() / scale))
