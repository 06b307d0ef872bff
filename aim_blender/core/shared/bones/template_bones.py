# SPDX-License-Identifier: GPL-3.0-or-later
"""The skull and the mandible that come with the extension, and where their landmarks are. Needs numpy only.

Millimetres, Z up, the face towards -Y, X to the character's left, the middle of the condyles at the origin; left and
right are mirror images. build.py makes them; NOTICE.txt beside them says from what.
"""

from __future__ import annotations

from pathlib import Path

from ..captured.captures import Bone, read_bones
from ..faces.face_landmarks import SIDES
from ..foundation.errors import InputError

FOLDER = Path(__file__).resolve().parents[3] / "template_bones"

# Where the bone is that lies under each landmark of the skin; of a pair, the left one.
MIDDLE_POINTS = {
    "supraglabella": (0.0, -69.3, 46.0),
    "glabella": (0.0, -70.2, 38.0),
    "nasion": (0.0, -67.8, 25.0),
    "rhinion": (0.0, -75.3, 8.5),
    "mid_philtrum": (0.0, -71.2, -32.0),
    "upper_lip_margin": (0.0, -71.8, -39.5),
    "lower_lip_margin": (0.0, -64.2, -57.0),
    "supramentale": (0.0, -59.7, -64.0),
    "pogonion": (0.0, -61.8, -74.0),
    "menton": (0.0, -57.0, -82.0),
}
LEFT_POINTS = {
    "frontal_eminence": (31.0, -61.0, 64.0),
    "supraorbital": (26.0, -65.8, 38.0),
    "suborbital": (27.0, -52.1, 1.0),
    "inferior_malar": (43.0, -52.0, -14.0),
    "lateral_orbit": (51.0, -47.2, 17.0),
    "zygion": (62.0, -25.0, -7.5),
    "supraglenoid": (59.5, 1.0, 6.0),
    "gonion": (44.7, -4.5, -53.0),
    "mid_masseter": (45.2, -17.0, -34.0),
    "above_second_molar": (28.4, -42.0, -28.0),
    "below_second_molar": (33.7, -40.7, -60.0),
}
BONE_LANDMARKS = {
    **MIDDLE_POINTS,
    **{name + side: (sign * x, y, z) for name, (x, y, z) in LEFT_POINTS.items() for side, sign in SIDES.items()},
}
INCISORS = (0.0, -71.5, -47.0)  # where upper and lower incisors meet
VAULT_ABOVE = 33.0  # Z above which the skull lies close under the scalp
UPPER_TEETH_BELOW, LOWER_TEETH_ABOVE = -36.0, -54.0  # Z; the teeth are in front of Y = TEETH_BEFORE
TEETH_BEFORE = -26.0


def read_template_bones() -> dict[str, Bone]:
    """Skull and mandible of the template. Raises InputError if they were not made."""
    if not (FOLDER / "skull.ply").is_file():
        raise InputError(
            f"the template bones are not in {FOLDER}: install the extension's zip, or run build.py once with a "
            "connection to a package index"
        )
    return read_bones(FOLDER)
