# SPDX-License-Identifier: GPL-3.0-or-later
"""How thick the soft tissue of a face is: published depths at the landmarks of face_landmarks. Needs numpy only."""

from __future__ import annotations

from collections.abc import Mapping

from ..faces.face_landmarks import LANDMARK_NAMES, SIDES
from ..foundation.errors import InputError

SOURCE = "Rhine 1983 in Taylor 2001, table 2 of doi:10.4995/var.2024.24796, one reference group"
# Millimetres, from the skin to the bone across the skin. One value for both of a pair.
TISSUE_DEPTHS = {
    "supraglabella": 4.5,
    "glabella": 4.5,
    "nasion": 7.0,
    "rhinion": 2.5,
    "mid_philtrum": 10.0,
    "upper_lip_margin": 11.0,
    "lower_lip_margin": 12.25,
    "supramentale": 10.0,
    "pogonion": 13.0,
    "menton": 8.0,
    "frontal_eminence": 4.0,
    "supraorbital": 8.5,
    "suborbital": 6.25,
    "inferior_malar": 12.0,
    "lateral_orbit": 11.5,
    "zygion": 7.0,
    "supraglenoid": 6.25,
    "gonion": 10.5,
    "above_second_molar": 18.0,
    "mid_masseter": 17.5,
    "below_second_molar": 17.0,
}
DEEPEST_MM = 60.0


def depths_of_landmarks(changed: Mapping[str, float]) -> dict[str, float]:
    """The depth in mm at every landmark that has one, with both of each pair.

    changed: depths to put in place of the published ones, under the name of a pair or of one of the two. Raises
    InputError for a name that is no landmark's and for a depth that none can have.
    """
    known = {name.removesuffix(".L").removesuffix(".R") for name in LANDMARK_NAMES}
    for name, depth in changed.items():
        if name not in LANDMARK_NAMES and name not in known:
            raise InputError(f"there is no landmark {name!r} to give a depth; there are {', '.join(sorted(known))}")
        if isinstance(depth, bool) or not isinstance(depth, (int, float)) or not 0.0 < depth < DEEPEST_MM:
            raise InputError(f"the depth at {name} is {depth}; it must be a number of mm between 0 and {DEEPEST_MM:g}")
    found = {}
    for name in LANDMARK_NAMES:
        pair = name[:-2] if name.endswith(tuple(SIDES)) else name
        asked = changed.get(name, changed.get(pair)) or TISSUE_DEPTHS.get(pair)
        if asked is not None:
            found[name] = float(asked)
    return found
