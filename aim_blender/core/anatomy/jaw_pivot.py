# SPDX-License-Identifier: GPL-3.0-or-later
"""What a jaw turns about: the hinge through the condyles, set right by what the face tells of its place.

Condyles lie deep. A mandible that was brought from another head stands right at the chin, where the skin is thin, and
some mm off at its condyles; and how the skin of the chin moves cannot tell, for on a longer lever it moves alike by a
smaller angle. But a mandible's teeth must stand behind the lower lip, as deep as the tables of tissue depth say. Over
identities of one face model that have an affine image of one mandible each (benchmarks/jaw.py), the two are off by
2.7 mm as a standard deviation, and that tells two fifths of the variance of the angle's error.
"""

from __future__ import annotations

import numpy as np

from ..shared.bones.tissue_depths import TISSUE_DEPTHS
from .anatomy import Hinge
from .incisors import lower_incisors
from .mandible_frame import find_mandible_frame

INCISORS_BEHIND_LIP_MM = TISSUE_DEPTHS["lower_lip_margin"]
FURTHEST_MM = 8.0  # that the hinge is moved
# Where the lower lip is, from the edge of the lower incisors: aside, then below it, and in front.
ASIDE_MM, BELOW_MM, AHEAD_MM = 6.0, 18.0, 30.0


def likely_pivot(hinge: Hinge, mandible: np.ndarray, bone: np.ndarray, neutral: np.ndarray) -> Hinge:
    """The hinge moved forward or back as far as the mandible's teeth are off their place behind the lower lip.

    mandible: (M, 3) mm. bone: (P, 3) mm points of it that lie under the skin, as estimate_jaw takes them. neutral:
    (V, 3) mm the skin at rest. Where no skin lies in front of the teeth, the hinge is what it was.
    """
    frame = find_mandible_frame(hinge, bone)
    teeth = frame.local(lower_incisors(mandible, hinge))
    aside, up, ahead = (frame.local(neutral) - [0.0, *teeth[1:]]).T
    in_front = (np.abs(aside) < ASIDE_MM) & (up < 0.0) & (up > -BELOW_MM) & (ahead > 0.0) & (ahead < AHEAD_MM)
    if not in_front.any():
        return hinge
    off = np.clip(ahead[in_front].max() - INCISORS_BEHIND_LIP_MM, -FURTHEST_MM, FURTHEST_MM)
    return Hinge(hinge.centre + off * frame.unit * frame.axes[2], hinge.axis, hinge.up)
