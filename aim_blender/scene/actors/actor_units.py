# SPDX-License-Identifier: GPL-3.0-or-later
"""How many millimetres a unit of an actor's meshes is: told by the face, by the scene, or by the artist."""

from __future__ import annotations

import bpy

from ...core.shared.faces.units import Measured, doubt_about, named_unit, possible_units, unit_note


def guess_millimetres_per_unit(measured: Measured, scene_millimetres: float) -> tuple[float, str]:
    """How many millimetres a Blender unit is, told by the face of the neutral.

    scene_millimetres: what the scene's units say, which counts if it makes a head of it. Returns the guess and a note,
    empty if the scene's units fit.
    """
    possible = possible_units(measured)
    if measured.fits(named_unit(scene_millimetres)):
        return scene_millimetres, ""
    if len(possible) == 1:
        return possible[0].millimetres, unit_note(measured, possible[0], "the neutral")
    guess = possible[0].millimetres if possible else scene_millimetres
    return guess, f"{doubt_about(measured, 'the neutral')}; {guess:g} mm was taken, set Millimetres per Unit"


def note_on_unit(measured: Measured, millimetres: float) -> str:
    """A sentence if a unit that somebody set makes no head of the neutral, else nothing."""
    unit = named_unit(millimetres)
    if measured.fits(unit):
        return ""
    told = f"in {unit.name} {measured.what} measures {measured.length(unit)}, which is no head's size"
    return f"{told}; look whether Millimetres per Unit is right"


def scene_millimetres_per_unit(scene: bpy.types.Scene) -> float:
    """What the scene's unit settings say: millimetres in a Blender unit."""
    settings = scene.unit_settings
    return 1000.0 if settings.system == "NONE" else 1000.0 * settings.scale_length
