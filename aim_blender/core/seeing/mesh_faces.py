# SPDX-License-Identifier: GPL-3.0-or-later
"""The face of a mesh as the face detector sees it: looked for from all sides, then looked at from in front.

Nothing is known of front and up at first. Where a view shows a face, its landmarks are lifted to the surface; a face
must have the depth that the detector's own landmarks have, or it is a pattern on the back of something. Then views all
about its front tell each landmark again, and those that disagree are trusted less: docs/model.md (43).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..shared.faces.face_profile import HeadFrame, may_be_body
from ..shared.faces.head_region import around, ends
from ..video.face_detector import PRESENT_SCORE, Crop, FaceDetector, FoundFace
from .mesh_views import LIGHT, Sitter, View
from .seen_landmarks import INDICES, frame_of_seen

COARSE_PIXELS, FINE_PIXELS = 256, 320
QUARTERS = 4
# Sides from which a mesh is looked at, those along its axes first: most heads stand upright in some axis.
SIDES = np.array([[x, y, z] for x in (0, 1, -1) for y in (0, 1, -1) for z in (0, 1, -1)][1:], dtype=np.float64)
SIDES = SIDES[np.argsort(np.abs(SIDES).sum(1), kind="stable")]
AXES = 6  # of these along an axis
TURNS_DEGREES = [(yaw, pitch) for pitch in (-12.0, 10.0) for yaw in (-32.0, -16.0, 0.0, 16.0, 32.0)]
FACE_MIDDLE_MM, FACE_SIDE_MM = (0.0, -40.0, 0.0), 230.0  # what fine views show, about the nasion of a typical adult
ROUNDS = 2
LEAST_LIKENESS = 0.6  # of a surface in depth, to that which the detector expects there
NEAR_MM = 2.0  # views that put a landmark so far from the others count half
LEAST_VIEWS = 3  # in which a landmark, or a face, must be seen
SURE_SPREAD_MM = 6.0


@dataclass(frozen=True)
class SeenOnMesh:
    """A face that is seen on a mesh. frame: how its head is turned, roughly. places: (3,) of the surface by name, see
    seen_landmarks. spread_mm: by name, how far views disagree. views: in how many of those about its front it is seen,
    of tried. likeness: as of likeness, the views' median."""

    frame: HeadFrame
    places: dict[str, np.ndarray]
    spread_mm: dict[str, float]
    views: int
    tried: int
    likeness: float

    @property
    def sure(self) -> bool:
        """Whether most views show a face, and the same one."""
        return self.views >= 0.7 * self.tried and float(np.median(list(self.spread_mm.values()))) < SURE_SPREAD_MM


def see_face(
    detector: FaceDetector, vertices: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None = None
) -> SeenOnMesh | None:
    """The face that a detector sees on vertices (V, 3) with triangles (T, 3), in any unit and turned anyhow; None if
    it sees none. moving: (V,) bool, the vertices that expressions move, if they are known."""
    for part in _parts(vertices, triangles, moving):
        sitter = Sitter(vertices, part)
        frame = _from_all_sides(detector, sitter)
        seen = None if frame is None else _from_in_front(detector, sitter, frame)
        if seen is not None:
            return seen
    return None


def _parts(vertices: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None) -> Iterator[np.ndarray]:
    """Triangles among which to look for a face, the likeliest first: what moves, all, the ends of a body."""
    if moving is not None and moving.any():
        near = around(vertices, moving)[triangles].all(1)
        if near.any() and not near.all():
            yield triangles[near]
    yield triangles
    corners = vertices[triangles]
    if may_be_body(corners):
        for end in ends(corners):
            yield triangles[end]


def _axes_towards(front: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(3, 3) right, up, towards the viewer of a view from a side, front (3,)."""
    front = front / np.linalg.norm(front)
    up = up - (up @ front) * front
    up /= np.linalg.norm(up)
    return np.stack([np.cross(up, front), up, front])


def _from_all_sides(detector: FaceDetector, sitter: Sitter) -> HeadFrame | None:
    """How the head is turned that most views show, weighted by how sure they are; None without a face."""
    found: list[tuple[float, HeadFrame]] = []
    for number, side in enumerate(SIDES):
        axes = _axes_towards(side, np.roll(np.eye(3)[np.abs(side).argmax()], 1))
        view = sitter.view(axes, COARSE_PIXELS)
        best = max(_faces_in(detector, view), key=lambda each: each[0], default=None)
        if best is not None:
            found.append(best)
        if number == AXES - 1 and found and max(each[0] for each in found) > 0.8:
            break
    return (
        max(found, key=lambda each: sum(other[0] * _alike(each[1], other[1]) for other in found))[1] if found else None
    )


def _alike(one: HeadFrame, other: HeadFrame) -> float:
    """1 if two frames are of one face, else 0."""
    near = np.linalg.norm(one.local(other.nasion)) < 40.0
    return float(near and one.front @ other.front > 0.7 and one.up @ other.up > 0.7)


def _faces_in(detector: FaceDetector, view: View) -> Iterator[tuple[float, HeadFrame]]:
    """How sure faces in a view are, whichever way up they stand, and how their heads are turned."""
    pixels = len(view.picture)
    for quarter in range(QUARTERS):
        picture = np.ascontiguousarray(np.rot90(view.picture, quarter))
        for score, crop in detector.faces(picture)[:1]:
            face = detector.landmarks(picture, crop)
            if face.presence < PRESENT_SCORE:
                continue
            face = detector.landmarks(picture, face.next_crop())
            if face.presence < PRESENT_SCORE:
                continue
            turned = _turned_back(face.landmarks, quarter, pixels)
            places, _ = view.lifted(turned[:, :2])
            like = likeness(places @ view.axes[2] * pixels / view.side, turned)
            frame = frame_of_seen(_named(places)) if like > LEAST_LIKENESS else None
            if frame is not None:
                yield score * face.presence * like, frame


def _turned_back(landmarks: np.ndarray, quarters: int, pixels: int) -> np.ndarray:
    """Landmarks (L, 3) of a picture that was turned by quarters, in the picture as it was."""
    landmarks = landmarks.copy()
    for _ in range(quarters):
        landmarks[:, :2] = np.column_stack([pixels - landmarks[:, 1], landmarks[:, 0]])
    return landmarks


def likeness(depth: np.ndarray, landmarks: np.ndarray) -> float:
    """c of docs/model.md (42): how a surface's depth d (L,) towards the viewer in pixels, nan where there is none, goes
    with that of a detector's landmarks (L, 3): their correlation, slopes left out, since detectors see too little of a
    head's turn. 0 where the surface is hollow where a face is not, or most of it is not there."""
    seen = np.isfinite(depth)
    if seen.sum() < len(depth) / 2:
        return 0.0
    x, y, away = landmarks[seen].T
    slopes = np.column_stack([x, y, np.ones(len(x))])
    both = np.column_stack([depth[seen], -away])
    rest = both - slopes @ np.linalg.lstsq(slopes, both, rcond=None)[0]
    return float(max(0.0, (rest[:, 0] * rest[:, 1]).sum() / np.linalg.norm(rest, axis=0).prod().clip(1e-12)))


def _named(places: np.ndarray) -> dict[str, np.ndarray]:
    """The named of the landmarks' places (478, 3), those that were lifted."""
    return {name: places[index] for name, index in INDICES.items() if np.isfinite(places[index]).all()}


def _from_in_front(detector: FaceDetector, sitter: Sitter, frame: HeadFrame) -> SeenOnMesh | None:
    """The face once more in views all about its front, each round about that of the one before; None if few show it."""
    for _ in range(ROUNDS):
        told, alike = [], []
        for yaw, pitch in TURNS_DEGREES:
            view = _view_about(sitter, frame, yaw, pitch)
            face = _face_about(detector, view)
            if face is None:
                continue
            places, facing = view.lifted(face.landmarks[:, :2])
            alike.append(likeness(places @ view.axes[2] * len(view.picture) / view.side, face.landmarks))
            told.append((places, facing))
        if len(told) < LEAST_VIEWS:
            return None
        places, spread = agreed(np.stack([each[0] for each in told]), np.stack([each[1] for each in told]), frame.scale)
        found = frame_of_seen(_named(places))
        if found is None:
            return None
        frame = found
    named = _named(places)
    spreads = {name: float(spread[INDICES[name]] / frame.scale) for name in named}
    return SeenOnMesh(frame, named, spreads, len(told), len(TURNS_DEGREES), float(np.median(alike)))


def _view_about(sitter: Sitter, frame: HeadFrame, yaw: float, pitch: float) -> View:
    """The face turned by degrees; the light goes to its other side with it, so that none is favoured."""
    turn = Rotation.from_euler("YX", [yaw, pitch], degrees=True).as_matrix()
    axes = turn @ np.stack([frame.left, frame.up, frame.front])
    left, up, front = FACE_MIDDLE_MM
    middle = frame.nasion + frame.scale * (left * frame.left + up * frame.up + front * frame.front)
    light = (LIGHT[0] if yaw >= 0 else -LIGHT[0], *LIGHT[1:])
    return sitter.view(axes, FINE_PIXELS, (middle, FACE_SIDE_MM * frame.scale), light)


def _face_about(detector: FaceDetector, view: View) -> FoundFace | None:
    """The face in a view about where it is known to be."""
    pixels = len(view.picture)
    face = detector.landmarks(view.picture, Crop(np.array([pixels, pixels]) / 2, 0.95 * pixels, 0.0))
    if face.presence < PRESENT_SCORE:
        return None
    face = detector.landmarks(view.picture, face.next_crop())
    return face if face.presence >= PRESENT_SCORE else None


def agreed(places: np.ndarray, facing: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """p of docs/model.md (43): where views put landmarks, (L, 3), nan for those that too few see, and how far they
    disagree (L,).

    places: (N, L, 3) by each view, nan where it sees none. facing: (N, L) cosine to the viewer. scale: of a mm.
    """
    seen = np.isfinite(places).all(2)
    own = np.where(seen, facing**2, 0.0)
    filled = np.nan_to_num(places)
    with np.errstate(invalid="ignore"):
        middle = np.nanmedian(np.where(seen[..., None], places, np.nan), axis=0)
    weight = own
    for _ in range(5):
        off = np.linalg.norm(filled - np.nan_to_num(middle), axis=2) / (NEAR_MM * scale)
        weight = own / (1.0 + off**2)
        total = weight.sum(0).clip(1e-12)
        middle = (weight[..., None] * filled).sum(0) / total[:, None]
    off = np.linalg.norm(filled - middle, axis=2)
    spread = np.sqrt((weight * off**2).sum(0) / total)
    return np.where((seen.sum(0) >= LEAST_VIEWS)[:, None], middle, np.nan), spread
