# SPDX-License-Identifier: GPL-3.0-or-later
"""In which unit a head is measured, told by its face or, where no face is found, by its size. Needs numpy only: Blender
and the worker ask the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..foundation.errors import InputError
from .face_profile import find_head_frame
from .table_of_units import ANY_HEAD, UNITS, Unit

SMALLEST = 80.0  # mm along the longest side of a head: a baby's, a doll's
FACE_MILLIMETRES = 115.0  # of a typical adult, from the root of the nose to the chin


@dataclass(frozen=True)
class Measured:
    """What tells the unit of a mesh. face: its face's size, in the mesh's units per mm of a typical adult; None where
    no face is found. size: the longest side of the box around it, or around what expressions move."""

    face: float | None
    size: float

    def fits(self, unit: Unit) -> bool:
        """Whether a head may be as large as this one is in a unit."""
        (lowest, highest), found = (unit.heads, self.size) if self.face is None else (unit.faces, self.face)
        return lowest <= found * unit.millimetres <= highest

    def length(self, unit: Unit) -> str:
        """How long, in a unit, is what the size is told by."""
        units = self.size if self.face is None else FACE_MILLIMETRES * self.face
        return f"{units * unit.millimetres:.4g} mm"

    @property
    def what(self) -> str:
        """What the size is told by."""
        return "its longest side" if self.face is None else "the face from the root of the nose to the chin"


def measure(points: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None = None) -> Measured:
    """What tells the unit of a mesh (V, 3), (T, 3). moving: (V,) bool, the vertices that expressions move, if known."""
    known = moving is not None and moving.any()
    size = size_of(points[moving] if known else points[np.unique(triangles)])
    try:
        face = find_head_frame(points, triangles, moving).scale
    except InputError:
        return Measured(None, size)
    return Measured(face, size)


def size_of(points: np.ndarray) -> float:
    """The longest side of the box around points (V, 3)."""
    return float(np.ptp(points, axis=0).max())


def possible_units(measured: Measured) -> list[Unit]:
    """The units in which a mesh may be a head's, none or several. Where no face tells, what few work in is not believed
    beside a small head in what most do: a baby's of 96 mm in decimetres is 293 mm in feet."""
    found = [unit for unit in UNITS if measured.fits(unit)]
    if measured.face is None and len(found) == 1 and found[0].heads != ANY_HEAD:
        small = [unit for unit in UNITS if unit.heads == ANY_HEAD and measured.size * unit.millimetres < ANY_HEAD[0]]
        return [*(unit for unit in small if measured.size * unit.millimetres >= SMALLEST), *found]
    return found


def unit_of(measured: Measured, whose: str, option: str) -> Unit:
    """The one unit in which a mesh is a head's. whose: the mesh, for the message. option: what sets the unit.

    Raises InputError, saying what each unit would mean, if there is none or more than one.
    """
    possible = possible_units(measured)
    if len(possible) == 1:
        return possible[0]
    raise InputError(f"{doubt_about(measured, whose)}; say which it is with {option}")


def doubt_about(measured: Measured, whose: str) -> str:
    """Why the unit of a mesh cannot be told, and what each would mean."""
    possible = possible_units(measured)
    told = [f"{measured.length(unit)} if a unit is 1 {unit.symbol}" for unit in possible or UNITS]
    problem = "may be in more than one unit" if possible else "is no head's size in any unit"
    return f"{whose} {problem}: {measured.what} would be {', '.join(told[:-1])} or {told[-1]}"


def unit_note(measured: Measured, unit: Unit, whose: str) -> str:
    """What a unit that was told by the size makes of a mesh."""
    return f"{whose} is in {unit.name}, told by its size: {measured.what} is then {measured.length(unit)}"


def named_unit(millimetres: float) -> Unit:
    """The unit of so many mm, which may have no name."""
    found = next((unit for unit in UNITS if unit.millimetres == millimetres), None)
    return found or Unit(f"{millimetres:g} mm", f"units of {millimetres:g} mm", millimetres)
