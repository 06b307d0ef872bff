# SPDX-License-Identifier: GPL-3.0-or-later
"""How a recording turns an actor's eyes: by the angles that a phone wrote, else by the eight weights of looking."""

from __future__ import annotations

import numpy as np

from ..parts.parts import Parts
from ..parts.turning import gaze_of_angles
from ..shared.faces.arkit_names import SHAPES

# Degrees that a weight of 1 stands for: least squares over 4,030 frames of Live Link Face that have both.
OUT, IN, UP, DOWN = 39.0, 21.0, 26.0, 35.0


def phone_gaze(weights: np.ndarray, eyes: np.ndarray | None, parts: Parts | None) -> np.ndarray | None:
    """(F, E, 3) the gaze of weights (F, 52) and angles (F, 4) in degrees, as Rows has them; None without eyeballs.

    Programs write angles with either sign. Which way an eye looks, the weights say: what goes against them is turned.
    """
    if parts is None:
        return None
    angles = looked(weights)
    if eyes is not None:
        for columns in ([0, 2], [1, 3]):  # yaw, pitch
            against = float((eyes[:, columns] * angles[:, columns]).sum()) < 0
            angles[:, columns] = -eyes[:, columns] if against else eyes[:, columns]
    return gaze_of_angles(angles, parts)


def looked(weights: np.ndarray) -> np.ndarray:
    """(F, 4) degrees of what weights (F, 52) say: yaw to the character's left and pitch downwards, of the left eye,
    then of the right."""
    column = {name: weights[:, SHAPES.index(name)] for name in SHAPES if name.startswith("eyeLook")}
    found = []
    for side, outwards in (("Left", 1.0), ("Right", -1.0)):
        out, inwards, up, down = (column[f"eyeLook{way}{side}"] for way in ("Out", "In", "Up", "Down"))
        found += [outwards * (OUT * out - IN * inwards), DOWN * down - UP * up]
    return np.stack(found, axis=1)
