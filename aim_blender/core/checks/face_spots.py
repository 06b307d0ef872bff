# SPDX-License-Identifier: GPL-3.0-or-later
"""Where on a face a vertex lies, in words, and the few vertices that the self-checks look at.

They are found once, when an actor is made, and kept in its file: finding them takes as long as a short fit. Among them
are the places that are measured.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ..model.actor import Actor
from ..shared.faces.face_landmarks import SIDES, landmarks_in_frame
from ..shared.faces.face_profile import HeadFrame
from ..shared.foundation.errors import InputError
from ..shared.foundation.remembering import remembered
from ..shared.foundation.topology import Topology
from .face_measures import FacePlaces, Places, find_places

KEPT = "face_spots"  # in the actor's settings
REGIONS = {
    "supraglabella": "forehead",
    "frontal_eminence": "forehead",
    "glabella": "brows",
    "supraorbital": "brow",
    "nasion": "nose",
    "rhinion": "nose",
    "nose_tip": "nose",
    "subnasale": "nose",
    "mid_philtrum": "upper lip",
    "upper_lip_margin": "upper lip",
    "stomion": "lips",
    "lower_lip_margin": "lower lip",
    "supramentale": "chin",
    "pogonion": "chin",
    "menton": "chin",
    "lateral_orbit": "eye",
    "upper_lid": "eye",
    "lower_lid": "eye",
    "inner_brow": "brow",
    "outer_brow": "brow",
    "suborbital": "lower lid",
    "zygion": "cheek",
    "supraglenoid": "temple",
    "condyle": "ear",
    "inferior_malar": "cheek",
    "above_second_molar": "cheek",
    "mid_masseter": "cheek",
    "mouth_corner": "mouth corner",
    "below_second_molar": "jaw line",
    "gonion": "jaw line",
}
WITHOUT_SIDE = ("forehead",)
# What an artist names when a shape falls short there.
AREAS = {
    "lips": ("upper lip", "lips", "lower lip", "mouth corner"),
    "lids": ("eye", "lower lid"),
    "brows": ("brow", "brows", "forehead"),
    "nose": ("nose",),
    "cheeks": ("cheek",),
    "chin": ("chin", "jaw line"),
}
# Beside the landmarks: left, up, front of the nasion in mm of a typical adult.
BEYOND = {
    "neck": ((0.0, -140.0, -40.0), (45.0, -135.0, -70.0), (-45.0, -135.0, -70.0)),
    "back of the head": ((0.0, 20.0, -170.0), (0.0, -70.0, -160.0), (55.0, 20.0, -140.0), (-55.0, 20.0, -140.0)),
    "top of the head": ((0.0, 100.0, -70.0), (0.0, 70.0, -20.0)),
    "body": ((0.0, -300.0, -60.0), (150.0, -250.0, -80.0), (-150.0, -250.0, -80.0)),
}
LANDMARKS_TOO = ("upper_lid", "lower_lid", "inner_brow", "outer_brow")  # of the places that are measured
MOST_NAMED = 200  # of many vertices, more say nothing new


@dataclass(frozen=True)
class FaceSpots:
    """frame: how the head is turned. landmarks: vertices by name, lids and brows among them. upper_lip, lower_lip:
    vertices in the middle of the lips' margins, None where they are not found. corners: the mouth's, left and right,
    each likewise; None for both where they were not looked for, as in files of earlier versions."""

    frame: HeadFrame
    landmarks: dict[str, int]
    upper_lip: int | None
    lower_lip: int | None
    corners: tuple[int | None, int | None] | None

    def region(self, neutral: np.ndarray, vertices: np.ndarray) -> str:
        """Where most of some vertices (K,) of neutral (V, 3) lie, such as `upper lip` or `left cheek`; left is the
        character's."""
        names, places = self._anchors(neutral)
        at = self.frame.local(neutral[vertices[:: -(-len(vertices) // MOST_NAMED)]])
        nearest = np.linalg.norm(at[:, None] - places, axis=-1).argmin(1)
        return Counter(names[i] for i in nearest).most_common(1)[0][0]

    def areas(self, neutral: np.ndarray) -> np.ndarray:
        """(V,) str in which of AREAS each vertex of neutral (V, 3) lies, "" in none."""
        names, places = self._anchors(neutral)
        of = {word: area for area, words in AREAS.items() for word in words}
        found = np.array([of.get(name.removeprefix("left ").removeprefix("right "), "") for name in names])
        return found[cKDTree(places).query(self.frame.local(neutral))[1]]

    def _anchors(self, neutral: np.ndarray) -> tuple[list[str], np.ndarray]:
        names, places = [], []
        for name, vertex in self.landmarks.items():
            stem, _, side = name.partition(".")
            word = REGIONS.get(stem)
            if word is not None:
                sided = {"L": "left ", "R": "right "}.get(side, "") if word not in WITHOUT_SIDE else ""
                names.append(sided + word)
                places.append(self.frame.local(neutral[vertex]))
        for word, some in BEYOND.items():
            for place in some:
                names.append(word)
                places.append(np.array(place))
        return names, np.array(places)


def find_spots(actor: Actor) -> FaceSpots | None:
    """The spots of an actor's face; None if its mesh shows no face."""
    places = _found(actor)
    if places is None:
        return None
    landmarks = landmarks_in_frame(actor.neutral, actor.topology.triangles(), places.frame)
    for name in LANDMARKS_TOO:
        for side, vertex in zip(SIDES, getattr(places, name), strict=True):
            if vertex is not None:
                landmarks[name + side] = vertex
    return FaceSpots(places.frame, landmarks, places.upper_lip, places.lower_lip, places.mouth_corner)


def places_of(actor: Actor) -> Places | None:
    """The places that are measured on an actor's face: those it has kept, or found now; None if it shows no face."""
    if not keeps_places(actor):
        return _found(actor)
    _, spots = kept_spots(actor)
    if spots is None or spots.corners is None:
        return None
    landmarks, (left, right) = spots.landmarks, SIDES
    pairs = {name: (landmarks.get(name + left), landmarks.get(name + right)) for name in LANDMARKS_TOO}
    return Places(spots.frame, spots.upper_lip, spots.lower_lip, spots.corners, **pairs)


def keeps_places(actor: Actor) -> bool:
    """Whether places_of need not look for them, and so has nothing to tell of how they were found."""
    known, spots = kept_spots(actor)
    return known and (spots is None or (spots.corners is not None and not _on_parts(actor, spots)))


_find_places = remembered(find_places)


def _found(actor: Actor) -> FacePlaces | None:
    try:
        return _find_places(actor.neutral, _skin_of(actor), actor.shapes()[1:])
    except InputError:
        return None


def _skin_of(actor: Actor) -> Topology:
    """The faces without those of parts: an eyeball is no lid."""
    return actor.topology if actor.parts is None else actor.topology.within(actor.parts.part_of < 0)


def _on_parts(actor: Actor, spots: FaceSpots) -> bool:
    """Whether a lid was taken for one that is no skin, as earlier versions did."""
    lids = [spots.landmarks.get(name + side) for name in ("upper_lid", "lower_lid") for side in SIDES]
    return actor.parts is not None and any(each is not None and actor.parts.part_of[each] >= 0 for each in lids)


def keep_spots(actor: Actor) -> None:
    """Find the spots of an actor that has just been made, and keep them in its settings, and so in its file."""
    spots = find_spots(actor)
    kept: dict[str, Any] = {"topology": actor.topology.digest}
    if spots is not None:
        frame = spots.frame
        kept |= {name: getattr(frame, name).tolist() for name in ("left", "up", "front", "nasion")}
        kept |= {"scale": float(frame.scale), "error_mm": float(frame.error_mm), "landmarks": spots.landmarks}
        kept |= {"upper_lip": spots.upper_lip, "lower_lip": spots.lower_lip, "corners": spots.corners}
    actor.settings[KEPT] = kept


def spots_of(actor: Actor) -> FaceSpots | None:
    """The spots that an actor has kept, or, where it has none, those found now; None if its mesh shows no face."""
    known, spots = kept_spots(actor)
    return spots if known else find_spots(actor)


def kept_spots(actor: Actor) -> tuple[bool, FaceSpots | None]:
    """Whether the actor has kept what was found of its mesh, and the spots, None if its mesh shows no face."""
    kept = actor.settings.get(KEPT)
    if not isinstance(kept, dict) or kept.get("topology") != actor.topology.digest:
        return False, None
    if "landmarks" not in kept:
        return True, None
    try:
        left, up, front, nasion = (np.array(kept[name], dtype=np.float64) for name in ("left", "up", "front", "nasion"))
        frame = HeadFrame(left, up, front, nasion, float(kept["scale"]), float(kept["error_mm"]))
        lips = _vertex(kept["upper_lip"]), _vertex(kept["lower_lip"])
        corners = (_vertex(kept["corners"][0]), _vertex(kept["corners"][1])) if "corners" in kept else None
        spots = FaceSpots(frame, {str(name): int(vertex) for name, vertex in kept["landmarks"].items()}, *lips, corners)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return False, None
    vertices = [*spots.landmarks.values(), *(each for each in (*lips, *(corners or ())) if each is not None)]
    sound = all(0 <= vertex < len(actor.bone) for vertex in vertices) and frame.scale > 0
    axes = [frame.left, frame.up, frame.front, frame.nasion]
    sound = sound and all(each.shape == (3,) and bool(np.isfinite(each).all()) for each in axes)
    return sound, spots if sound else None


def _vertex(kept: Any) -> int | None:
    return None if kept is None else int(kept)
