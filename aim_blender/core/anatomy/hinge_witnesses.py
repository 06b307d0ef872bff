# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the jaw's hinge is, told by several witnesses: the mandible's own symmetry, the face's, and the motion itself.

The mirror plane of a mandible alone can be taken wrong by 90 degrees; then no shape turns about the hinge that follows,
and a jaw that opens is taken to rest. So the witnesses are heard apart, and the capture's own motion decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..shared.bones.constraints import Constraints
from ..shared.captured.captures import Bone
from ..shared.foundation.errors import InputError
from .anatomy import Hinge, find_hinge, symmetry_plane
from .jaw_estimate import opening_share
from .mandible_frame import find_mandible_frame

AGREE_DEGREES, AGREE_MM = 10.0, 8.0  # witnesses whose hinges lie so near to each other say the same
TELLS = 0.6  # share of the skin's motion that a turn about a hinge must explain to speak for it
BETTER = 0.05  # by how much more another hinge must explain, to be preferred
FLAT_MOTION = 0.35  # the motion across a plane, in that along it, up to which an opening shows the plane


@dataclass(frozen=True)
class Witness:
    """what: who says it, for a sentence. hinge: what it says. share: of the widest opening's motion over the mandible
    that a turn about this hinge explains."""

    what: str
    hinge: Hinge
    share: float


def settle_hinge(
    bones: dict[str, Bone],
    neutral: np.ndarray,
    shapes: np.ndarray,
    constraints: Constraints,
    face_plane: np.ndarray,
) -> tuple[Hinge, list[str]]:
    """The hinge on which the witnesses agree or which the motion confirms, and sentences where they disagree.

    bones: skull and mandible. neutral: (V, 3) mm. shapes: (N, V, 3) mm. constraints: all that lies over bone.
    face_plane: (2, 3) a point of the face's mirror plane, and its normal. Raises InputError if the mandible has no two
    sides for any of them.
    """
    mandible = bones["mandible"].vertices
    over = constraints.points[constraints.on_mandible]
    planes = {
        "the mandible's own symmetry": np.stack(symmetry_plane(mandible)),
        "the mirror plane of the face": face_plane,
        "the symmetry of the mandible near that of the face": np.stack(symmetry_plane(mandible, face_plane[1])),
    }
    moving = _plane_of_motion(neutral[over], shapes[:, over])
    if moving is not None:
        planes["the motion of the skin"] = np.stack([mandible.mean(0), moving])
    witnesses, refused = [], None
    for what, plane in planes.items():
        try:
            hinge = find_hinge(bones, plane)
        except InputError as error:
            refused = error
            continue
        witnesses.append(Witness(what, hinge, opening_share(neutral, shapes, constraints, hinge)))
    if not witnesses:
        raise refused or InputError("the mandible has no hinge; is it the mandible's mesh?")
    return _settled(witnesses, mandible, face_plane)


def _settled(witnesses: list[Witness], mandible: np.ndarray, face_plane: np.ndarray) -> tuple[Hinge, list[str]]:
    first = witnesses[0]
    unit = find_mandible_frame(first.hinge, mandible).unit
    face = next((each for each in witnesses if "face" in each.what), first)
    if max(each.share for each in witnesses) >= TELLS:
        chosen = first
        for each in witnesses[1:]:
            if each.share > chosen.share + BETTER:
                chosen = each
        reason = f"a turn about it explains {chosen.share:.0%} of how the skin moves when the jaw opens"
    else:  # nothing opens, so the motion cannot tell; faces are more alike than mandibles
        chosen = first if _agree(first.hinge, face.hinge, unit) else face
        reason = "no shape opens the jaw to tell better"
    notes = []
    if not _agree(first.hinge, chosen.hinge, unit):
        turned, apart = _between(first.hinge, chosen.hinge)
        notes.append(
            f"{first.what} puts the jaw's hinge {apart:.0f} mm beside and {turned:.0f}° askew of {chosen.what}; the "
            f"latter was taken, for {reason}"
        )
    aside = abs(float((chosen.hinge.centre - face_plane[0]) @ face_plane[1]))
    askew = np.degrees(np.arccos(min(1.0, abs(float(chosen.hinge.axis @ face_plane[1])))))
    if aside > AGREE_MM * unit or askew > AGREE_DEGREES:
        notes.append(
            f"the jaw's hinge lies {aside:.0f} mm beside the middle of the face and {askew:.0f}° askew of it; look "
            "whether the mandible is in its place"
        )
    return chosen.hinge, notes


def _agree(one: Hinge, other: Hinge, unit: float) -> bool:
    turned, apart = _between(one, other)
    return turned <= AGREE_DEGREES and apart <= AGREE_MM * unit


def _between(one: Hinge, other: Hinge) -> tuple[float, float]:
    """Degrees between two axes, and mm between two centres."""
    turned = np.degrees(np.arccos(min(1.0, abs(float(one.axis @ other.axis)))))
    return float(turned), float(np.linalg.norm(one.centre - other.centre))


def _plane_of_motion(neutral: np.ndarray, shapes: np.ndarray) -> np.ndarray | None:
    """The unit normal (3,) of the plane in which points (P, 3) move in the shape (of N, (N, P, 3)) that moves most of
    them furthest; None if they do not move in a plane."""
    if len(neutral) == 0:
        return None
    moved = shapes - neutral
    widest = np.median(np.linalg.norm(moved, axis=-1), axis=1).argmax()
    _, spread, normals = np.linalg.svd(moved[widest], full_matrices=False)
    flat = len(spread) == 3 and spread[0] > 0 and spread[2] < FLAT_MOTION * spread[1]
    return normals[2] if flat else None
