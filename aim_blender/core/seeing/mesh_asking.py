# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a mesh's face is: the detector is asked first, and the mesh's shape says whether that can be.

The detector knows faces of all makes and finds one in any position, but some mm off; the profile lies on a head more
closely, but not on every head. So the profile is laid on where the detector sees a face. Where it does not fit there,
the whole mesh is searched for one, and whichever is the likelier counts, and is said.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from pathlib import Path

import numpy as np

from ..shared.faces.face_profile import WORST_PROFILE_MM, HeadFrame, refined_frame, search_head_frame
from ..shared.foundation.errors import InputError
from ..shared.foundation.remembering import remembered
from ..video.face_detector import FaceDetector
from .kept_mesh_faces import KeptMeshFaces
from .mesh_faces import SeenOnMesh, see_face
from .seen_landmarks import frame_of_seen

ALIKE_DEGREES, ALIKE_MM, ALIKE_SIZE = 20.0, 15.0, 1.3  # of two frames of one face
SIZES, NODS_DEGREES, SLIDES_MM = (0.93, 1.0, 1.07), (-6.0, 0.0, 6.0), (-6.0, 0.0, 6.0)  # how far a detector may err
ROUNDED = 1e-5  # of the mesh's size: coordinates that differ by less are the same


class MeshFaces:
    """Asks a detector about meshes, each only once; what was found is told in `ways` and `notes`."""

    def __init__(self, model: Path, beside: Path | None = None) -> None:
        """beside: an actor's file, beside which it is kept what was seen."""
        self._model = model
        self._kept = None if beside is None else KeptMeshFaces(beside, model)
        self._detector: FaceDetector | None = None
        self._refused = False
        self._known: dict[str, SeenOnMesh | None] = {}
        self.ways: list[str] = []
        self.notes: list[str] = []
        self.head_frame = remembered(self._head_frame)

    def _head_frame(self, neutral: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None = None) -> HeadFrame:
        """How a head is turned: as search_head_frame, with what was seen. Raises InputError if no face is found."""
        seen = self._seen(neutral, triangles, moving)
        if seen is None:
            found = search_head_frame(neutral, triangles, moving)
            unseen = "the face detector sees no face on a mesh, whose shape alone says where it is"
            self._tell("shape alone", None if self._refused else unseen)
            return found
        near = seen.frame.around(neutral)[triangles].all(1)
        corners = neutral[triangles[near]]
        refined = refined_frame(neutral, corners, seen.frame, around_frame(seen.frame)) if near.any() else None
        if refined is not None and refined.error_mm <= WORST_PROFILE_MM and alike(refined, seen.frame):
            self._tell("detector and shape")
            return with_seen(refined, seen)
        try:
            searched = search_head_frame(neutral, triangles, moving)
        except InputError:
            self._tell(
                "detector alone", "a face has no profile as adults have it; it is where the face detector sees it"
            )
            return with_seen(seen.frame, seen)
        if alike(searched, seen.frame):
            self._tell("detector and shape")
            return with_seen(searched, seen)
        if seen.sure:
            self._tell(
                "detector alone",
                "the face detector sees a face where the mesh's shape has another: the detector's is taken, which "
                f"{seen.views} of {seen.tried} views show; look whether the landmarks are right",
            )
            return with_seen(seen.frame, seen)
        self._tell(
            "shape alone",
            "the mesh's shape has a face where the face detector sees another: the shape's is taken, as only "
            f"{seen.views} of {seen.tried} views show the other; look whether the landmarks are right",
        )
        return searched

    def _seen(self, neutral: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None) -> SeenOnMesh | None:
        """What is seen on a mesh, in its own unit and place; it is looked at in a place and size of its own."""
        used = np.unique(triangles)
        low = neutral[used].min(0)
        size = float(np.ptp(neutral[used], axis=0).max())
        if not size > 0:
            return None
        placed = (neutral - low) / size
        told = hashlib.sha256(np.round(placed[used] / ROUNDED).astype(np.int32).tobytes())
        told.update(np.ascontiguousarray(triangles, np.int64).tobytes())
        key = told.hexdigest()
        if key not in self._known:
            self._known[key] = self._looked(key, placed, triangles, moving)
        seen = self._known[key]
        if seen is None:
            return None
        places = {name: low + size * place for name, place in seen.places.items()}
        frame = frame_of_seen(places)
        return None if frame is None else dataclasses.replace(seen, places=places, frame=frame)

    def _looked(
        self, key: str, placed: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None
    ) -> SeenOnMesh | None:
        """What is seen on a mesh of a key, or was before."""
        kept = None if self._kept is None else self._kept.read(key)
        if kept is not None:
            return kept[0]
        detector = self._loaded()
        if detector is None:
            return None
        seen = see_face(detector, placed, triangles, moving)
        if self._kept is not None:
            self._kept.write(key, seen)
        return seen

    def _loaded(self) -> FaceDetector | None:
        """The detector; None where it does not run here, which is said."""
        if self._detector is None and not self._refused:
            try:
                self._detector = FaceDetector(self._model)
            except InputError as error:
                self._refused = True
                self.notes.append(f"faces on meshes were found by their shape alone: {error}")
        return self._detector

    def _tell(self, way: str, note: str | None = None) -> None:
        if way not in self.ways:
            self.ways.append(way)
        if note is not None and note not in self.notes:
            self.notes.append(note)


def around_frame(frame: HeadFrame) -> list[HeadFrame]:
    """Frames that differ from one as a detector may err: larger, smaller, nodding, and off along the nose."""
    found = []
    for size, nod, slide in itertools.product(SIZES, NODS_DEGREES, SLIDES_MM):
        cos, sin = np.cos(np.deg2rad(nod)), np.sin(np.deg2rad(nod))
        up, front = cos * frame.up + sin * frame.front, cos * frame.front - sin * frame.up
        nasion = frame.nasion + slide * frame.scale * frame.up
        found.append(dataclasses.replace(frame, up=up, front=front, nasion=nasion, scale=size * frame.scale))
    return found


def alike(one: HeadFrame, other: HeadFrame) -> bool:
    """Whether two frames are of one face."""
    turned = min(one.front @ other.front, one.up @ other.up) > np.cos(np.deg2rad(ALIKE_DEGREES))
    near = np.linalg.norm(one.local(other.nasion)) < ALIKE_MM
    return bool(turned and near and 1 / ALIKE_SIZE < one.scale / other.scale < ALIKE_SIZE)


def with_seen(frame: HeadFrame, seen: SeenOnMesh) -> HeadFrame:
    """A frame that knows what was seen."""
    places = {name: frame.local(place) for name, place in seen.places.items()}
    lips = [places[name] for name in ("inner_upper_lip", "inner_lower_lip") if name in places]
    if lips:
        places["stomion"] = np.mean(lips, axis=0)
    return dataclasses.replace(frame, seen=places)
