# SPDX-License-Identifier: GPL-3.0-or-later
"""In which unit a head is measured, told by its size. Needs numpy only: Blender and the worker ask the same."""

from __future__ import annotations

import numpy as np

HEAD_MILLIMETRES = (150.0, 700.0)  # a head, with or without its neck, along its longest side
TYPICAL_HEAD_MILLIMETRES = 300.0
COMMON_UNITS = {"metres": 1000.0, "centimetres": 10.0, "millimetres": 1.0, "inches": 25.4, "feet": 304.8}


def size_of(points: np.ndarray) -> float:
    """The longest side of the box around points (V, 3)."""
    return float(np.ptp(points, axis=0).max())


def unit_of_head(size: float, supposed: float) -> tuple[str, float] | None:
    """The unit in which a head measures `size`, and how many millimetres it is; None if it is no head's in any.

    supposed: the millimetres of a unit that is taken, without a name, if a head's size agrees with it.
    """
    lowest, highest = HEAD_MILLIMETRES
    if lowest <= size * supposed <= highest:
        return "", supposed
    fitting = [(name, unit) for name, unit in COMMON_UNITS.items() if lowest <= size * unit <= highest]
    return min(fitting, key=lambda each: abs(np.log(size * each[1] / TYPICAL_HEAD_MILLIMETRES)), default=None)
