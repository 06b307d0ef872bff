# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bone lies close under the skin and shapes it: a first proposal, for an artist to paint over.

Forehead, nasal bridge, cheekbones, jaw line and chin; not lips, lids, nose tip, the cheeks' hollow, ears or neck. Needs
numpy only; Blender's process imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..foundation.errors import InputError
from ..foundation.normals import vertex_normals
from ..foundation.smoothstep import smoothstep
from .face_landmarks import SIDES

LEAST_TRUSTED = 0.5  # the weight from which on a point is trusted: constraints start there
TYPICAL_FACE_MM = 113.0  # from nasion to menton in an adult; radii grow with it
SOFT = 0.25  # of a radius: the weight falls from 1 to 0 between this much inside and as much outside


@dataclass(frozen=True)
class Stroke:
    """A stroke of the brush from landmark to landmark. A name that comes in pairs stands for both sides."""

    landmarks: tuple[str, ...]
    radius_mm: float


TRUSTED = (
    Stroke(("frontal_eminence.R", "frontal_eminence.L"), 22.0),  # the forehead
    Stroke(("supraglabella", "glabella"), 12.0),
    Stroke(("nasion", "rhinion"), 6.0),  # the nasal bridge
    Stroke(("lateral_orbit", "zygion", "suborbital"), 10.0),  # the cheekbone
    Stroke(("gonion", "below_second_molar", "menton"), 13.0),  # the jaw line
    Stroke(("supramentale", "pogonion", "menton"), 13.0),  # the chin
)
NOT_TRUSTED = (
    Stroke(("mouth_corner.R", "stomion", "mouth_corner.L"), 11.0),  # the lips
    Stroke(("nose_tip",), 16.0),
    Stroke(("eye",), 15.0),  # the lids
)


def trusted_points(painted: np.ndarray | None) -> np.ndarray | None:
    """(V,) bool: where constraints may start. painted: (V,) weights of an artist.

    None, which is everywhere, where nothing was painted: the proposal is not taken unasked, for with constraints on a
    twentieth of the points the learned bone lies twice as far off between them. Raises InputError if what was painted
    is empty.
    """
    if painted is None:
        return None
    if not (painted >= LEAST_TRUSTED).any():
        raise InputError(
            "the trusted region is empty; paint forehead, nasal bridge, cheekbones, jaw line and chin, or remove it"
        )
    return painted >= LEAST_TRUSTED


def propose_trusted(neutral: np.ndarray, triangles: np.ndarray, landmarks: dict[str, int]) -> np.ndarray:
    """Weights (V,) in [0, 1] of a neutral (V, 3) in any unit with triangles (T, 3). landmarks: vertices by name.

    Raises InputError if the landmarks that tell the size of the face are missing.
    """
    missing = [name for name in ("nasion", "menton") if name not in landmarks]
    if missing:
        raise InputError(f"the landmark {missing[0]} is missing; pick it, a trusted region is proposed by it")
    points = np.asarray(neutral, dtype=np.float64)
    normals = vertex_normals(points, triangles)
    places = {name: points[vertex] for name, vertex in landmarks.items()}
    facing = {name: normals[vertex] for name, vertex in landmarks.items()}
    for side in SIDES:
        around = [name + side for name in ("supraorbital", "suborbital") if name + side in places]
        if len(around) == 2:
            places["eye" + side] = sum((places[name] for name in around), np.zeros(3)) / 2
            facing["eye" + side] = sum((facing[name] for name in around), np.zeros(3)) / 2
    scale = float(np.linalg.norm(places["nasion"] - places["menton"])) / TYPICAL_FACE_MM
    weights = np.zeros(len(points))
    for stroke in TRUSTED:
        for names in _sides(stroke, places):
            near = _nearness(points, [places[name] for name in names], stroke.radius_mm * scale)
            # What faces the other way, such as the inside of a lip, lies under the stroke and not on it.
            outwards = normals @ sum((facing[name] for name in names), np.zeros(3)) > 0
            weights = np.maximum(weights, near * outwards)
    for stroke in NOT_TRUSTED:
        for names in _sides(stroke, places):
            weights *= 1.0 - _nearness(points, [places[name] for name in names], stroke.radius_mm * scale)
    return weights


def _sides(stroke: Stroke, places: dict[str, np.ndarray]) -> list[list[str]]:
    """The strokes that a stroke stands for, by landmarks that there are; parts of it where some are missing."""
    found = []
    for side in SIDES:
        names = [name if name in places else name + side for name in stroke.landmarks]
        names = [name for name in names if name in places]
        if names and names not in found:
            found.append(names)
    return found


def _nearness(points: np.ndarray, way: list[np.ndarray], radius: float) -> np.ndarray:
    """(V,) 1 within a radius of a way through places (3,), falling smoothly to 0 about it."""
    distance = np.linalg.norm(points - way[0], axis=1)
    for start, end in pairwise(way):
        along = end - start
        share = ((points - start) @ along / max(along @ along, 1e-12)).clip(0.0, 1.0)
        distance = np.minimum(distance, np.linalg.norm(points - start - share[:, None] * along, axis=1))
    return smoothstep((1.0 + SOFT - distance / radius) / (2.0 * SOFT))
