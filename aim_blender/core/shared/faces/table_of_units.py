# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of length that people work in. Needs the standard library alone, as the command line's help does."""

from __future__ import annotations

from dataclasses import dataclass

ANY_FACE = (0.5, 2.0)  # of an adult's face: a child's, a cartoon's
HUMAN_FACE = (0.75, 1.35)
ANY_HEAD = (120.0, 700.0)  # mm along the longest side, from a mask to a bust
HUMAN_HEAD = (160.0, 420.0)


@dataclass(frozen=True)
class Unit:
    """A unit of length. faces: how large a face may be in it, measured by an adult's. heads: likewise, in mm along the
    longest side. What few work in has to fit well."""

    symbol: str
    name: str
    millimetres: float
    faces: tuple[float, float] = ANY_FACE
    heads: tuple[float, float] = ANY_HEAD


UNITS = (
    Unit("mm", "millimetres", 1.0),
    Unit("cm", "centimetres", 10.0),
    Unit("dm", "decimetres", 100.0),
    Unit("m", "metres", 1000.0),
    Unit("in", "inches", 25.4, HUMAN_FACE, HUMAN_HEAD),
    Unit("ft", "feet", 304.8, HUMAN_FACE, HUMAN_HEAD),
)
MILLIMETRES_PER = {unit.symbol: unit.millimetres for unit in UNITS}
