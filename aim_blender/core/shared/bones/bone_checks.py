# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with bones that somebody brings: set right where that is safe and said, else refused.

Needs numpy only: Blender and the worker ask the same.
"""

from __future__ import annotations

import numpy as np

from ..captured.captures import Bone
from ..foundation.errors import InputError

UNITS = {"metres": 1000.0, "centimetres": 10.0, "inches": 25.4, "tenths of a millimetre": 0.1, "micrometres": 0.001}
BONES_TO_NEUTRAL = (0.3, 1.6)  # the size of both bones together, measured in that of the neutral, busts included
TYPICAL_TO_NEUTRAL = 0.65
LARGER = 1.15  # by how much a mandible must be larger than the skull for the two to be swapped
LEAST_INSIDE = 0.5  # of a bone's vertices, in the box around the head
INVERTED = -0.1  # outwardness below which normals surely point inwards


def set_bones_right(
    neutral: np.ndarray, triangles: np.ndarray, bones: dict[str, Bone]
) -> tuple[np.ndarray, dict[str, Bone], list[str]]:
    """Triangles of the skin that face outwards, skull and mandible as they must be, and sentences on what was changed.

    neutral: (V, 3) mm. triangles: (T, 3). Raises InputError if a bone lies outside of the neutral, whatever its unit.
    """
    notes = []
    if outwardness(neutral, triangles) < INVERTED:
        triangles = triangles[:, ::-1]
        notes.append("the neutral's normals point inwards and were taken the other way")
    skull, mandible = bones["skull"], bones["mandible"]
    if _size(mandible.vertices) > LARGER * _size(skull.vertices):
        skull, mandible = mandible, skull
        notes.append("skull and mandible were swapped, for the skull is the larger one")
    both = np.concatenate([skull.vertices, mandible.vertices])
    unit, factor = _unit_of(neutral, both)
    if factor != 1.0:
        notes.append(f"the bones are in {unit} and were brought to millimetres")
    low, high = _around(neutral, both * factor)
    found = {}
    for name, bone in (("skull", skull), ("mandible", mandible)):
        vertices, faces = bone.vertices * factor, bone.triangles
        inside = ((vertices > low) & (vertices < high)).all(1).mean()
        if inside < LEAST_INSIDE:
            raise InputError(
                f"the {name} lies outside of the neutral, {1 - inside:.0%} of it; it must sit inside the head, in its "
                "unit and place"
            )
        if outwardness(vertices, faces) < INVERTED:
            faces = faces[:, ::-1]
            notes.append(f"the normals of the {name} point inwards and were taken the other way")
        found[name] = Bone(vertices, faces)
    return triangles, found, notes


def _around(neutral: np.ndarray, bones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest corner of the box where bones may lie: the neutral's, and, where that is a mask and less
    deep or tall than a skull, as much more on either side."""
    more = (np.ptp(bones, axis=0) - np.ptp(neutral, axis=0)).clip(min=0.0)
    return neutral.min(0) - more, neutral.max(0) + more


def outwardness(vertices: np.ndarray, triangles: np.ndarray) -> float:
    """From 1, where all triangles (T, 3) face away from the middle of their surface, to -1, where all face it."""
    corners = vertices[triangles]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.linalg.norm(area, axis=1)
    middle = corners.mean(1)
    middle = middle - (size[:, None] * middle).sum(0) / max(size.sum(), 1e-12)
    return float((area * middle).sum() / max((size * np.linalg.norm(middle, axis=1)).sum(), 1e-12))


def _unit_of(neutral: np.ndarray, bones: np.ndarray) -> tuple[str, float]:
    """The unit of the bones, and its millimetres, judged by their size and by where they then lie."""
    share = _size(bones) / _size(neutral)
    if BONES_TO_NEUTRAL[0] <= share <= BONES_TO_NEUTRAL[1]:
        return "millimetres", 1.0
    low, high = neutral.min(0), neutral.max(0)
    middle = (bones.min(0) + bones.max(0)) / 2
    fitting = [
        (abs(np.log(share * factor / TYPICAL_TO_NEUTRAL)), name, factor)
        for name, factor in UNITS.items()
        if BONES_TO_NEUTRAL[0] <= share * factor <= BONES_TO_NEUTRAL[1]
        and (factor * middle > low).all()
        and (factor * middle < high).all()
    ]
    return min(fitting)[1:] if fitting else ("millimetres", 1.0)


def _size(points: np.ndarray) -> float:
    return float(np.linalg.norm(np.ptp(points, axis=0)))
