# SPDX-License-Identifier: GPL-3.0-or-later
"""Where on an actor's mesh the detector's landmarks are: the actor's neutral is drawn from several sides, and what the
detector finds in each picture is looked up on the mesh."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..model.actor import Actor
from ..pictures.inspection import upright
from ..points.image_points import LandmarkMap
from ..shared.captured.cameras import Camera
from ..shared.foundation.drawing import draw
from ..shared.foundation.errors import InputError
from .face_detector import IRISES, LANDMARKS, FaceDetector

YAWS, PITCHES = (-30.0, -15.0, 0.0, 15.0, 30.0), (-12.0, 0.0, 12.0)  # degrees, from which the neutral is looked at
PICTURE = 384  # pixels across
AWAY = 4.0  # of the face's size: how far the camera stands
FRAMED = 1.6  # of the face's size, that the picture shows
MOVED_SHARE = 0.02  # of the largest motion: what moves more is the face
SKIN, BACKGROUND = np.array([0.80, 0.62, 0.53]), 0.35
LEAST_VIEWS = 3  # that must show a landmark
AGREED_MM = 2.0  # a landmark that views put this far apart keeps half of its trust


@dataclass(frozen=True)
class LandmarkPlaces:
    """Where the P landmarks lie. landmarks: by name, on the mesh. trust: (478,) in [0, 1], 0 where none is known."""

    landmarks: LandmarkMap
    trust: np.ndarray


def name_of(landmark: int) -> str:
    """What a landmark is called in a map of them."""
    return f"landmark_{landmark}"


def landmark_places(actor: Actor, detector: FaceDetector) -> LandmarkPlaces:
    """Where the detector's landmarks are on the actor's neutral. Raises InputError where it sees no face there."""
    triangles, faces = _triangles_of_faces(actor)
    points = actor.neutral
    hits = np.full((len(YAWS) * len(PITCHES), LANDMARKS, 3), np.nan)
    shares = np.zeros((len(hits), LANDMARKS, 3))
    owners = np.zeros((len(hits), LANDMARKS), dtype=np.int64)
    for index, (yaw, pitch) in enumerate(itertools.product(YAWS, PITCHES)):
        camera = camera_about(actor, yaw, pitch)
        found = detector.found(_photograph(points, triangles, camera))
        if found is not None:
            owners[index], shares[index] = _seen_at(points, triangles, camera, found.landmarks[:, :2])
            hits[index] = np.einsum("lc,lcx->lx", shares[index], points[triangles[owners[index]]])
            hits[index, shares[index].sum(1) == 0] = np.nan
    count = np.isfinite(hits[..., 0]).sum(0)
    if not (count >= LEAST_VIEWS).any():
        raise InputError(
            "the face detector sees no face in the actor's neutral; a video can be fitted to a human face only"
        )
    known = np.flatnonzero(count >= LEAST_VIEWS)
    middle = np.nanmedian(hits[:, known], axis=0)
    off = np.linalg.norm(hits[:, known] - middle, axis=2)  # (views, P)
    trust = np.zeros(LANDMARKS)
    places: dict[str, int | tuple[int, tuple[float, ...]]] = {}
    trust[known] = 1.0 / (1.0 + (np.nanmedian(off, axis=0) / AGREED_MM) ** 2)
    for first, last in IRISES:  # of which the skin tells nothing
        trust[first:last] = 0.0
    nearest = np.nanargmin(off, axis=0)
    for landmark, view in zip(known.tolist(), nearest.tolist(), strict=True):
        if trust[landmark] > 0:
            triangle = owners[view, landmark]
            places[name_of(landmark)] = _on_face(actor, triangles[triangle], faces[triangle], shares[view, landmark])
    return LandmarkPlaces(LandmarkMap(places, "the face detector"), trust)


def camera_about(actor: Actor, yaw_degrees: float, pitch_degrees: float) -> Camera:
    """A camera that looks at the actor's face at rest, from its left and from above by so many degrees."""
    up, forward = upright(actor)
    moved = np.linalg.norm(actor.shapes()[1:] - actor.neutral, axis=2).max(0)
    face = actor.neutral[moved > MOVED_SHARE * moved.max()]
    low, high = face.min(0), face.max(0)
    size = float(np.abs((high - low) @ up))
    yaw, pitch = np.radians(yaw_degrees), np.radians(pitch_degrees)
    left = np.cross(up, forward)
    back = np.cos(pitch) * (np.cos(yaw) * forward + np.sin(yaw) * left) + np.sin(pitch) * up
    right = np.cross(up, back) / np.linalg.norm(np.cross(up, back))
    rows = np.stack([right, np.cross(-back, right), -back])  # right, down, away from the camera
    centre = (low + high) / 2 + AWAY * size * back
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rows, -rows @ centre
    focal = PICTURE * AWAY / FRAMED
    return Camera("view", np.array([PICTURE, PICTURE]), np.full(2, focal), np.full(2, PICTURE / 2), motion)


def _photograph(points: np.ndarray, triangles: np.ndarray, camera: Camera) -> np.ndarray:
    """A picture (height, width, 3) of bytes of a mesh."""
    width, height = camera.size.tolist()
    pixels = camera.project(points)
    seen = np.column_stack([pixels[:, 0], height - pixels[:, 1], -camera.depth(points)])
    drawn = draw(seen, triangles, SKIN, width, height)[::-1]
    mixed = drawn[..., :3] * drawn[..., 3:] + BACKGROUND * (1.0 - drawn[..., 3:])
    return (255 * mixed.clip(0.0, 1.0)).astype(np.uint8)


def _seen_at(
    points: np.ndarray, triangles: np.ndarray, camera: Camera, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the triangles (T, 3) is seen at pixels (P, 2): their numbers (P,), and the corners' shares (P, 3), all 0
    where none is or it is seen from behind."""
    corners = camera.project(points)[triangles]  # (T, 3, 2)
    depth = camera.depth(points)[triangles]
    low, high = corners.min(1), corners.max(1)
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]  # negative from the front, as pixels count downwards
    owners, shares = np.zeros(len(pixels), dtype=np.int64), np.zeros((len(pixels), 3))
    for index, pixel in enumerate(pixels):
        near = np.flatnonzero((low <= pixel).all(1) & (high >= pixel).all(1) & (np.abs(area) > 1e-9))
        from_first = pixel - corners[near, 0]
        second = (from_first[:, 0] * other[near, 1] - from_first[:, 1] * other[near, 0]) / area[near]
        third = (one[near, 0] * from_first[:, 1] - one[near, 1] * from_first[:, 0]) / area[near]
        parts = np.stack([1.0 - second - third, second, third], axis=1)
        inside = parts.min(1) >= -1e-6
        if inside.any():
            near, parts = near[inside], parts[inside].clip(0.0)
            first = int((parts * depth[near]).sum(1).argmin())
            owners[index] = near[first]
            if area[near[first]] < 0:
                shares[index] = parts[first] / parts[first].sum()
    return owners, shares


def _triangles_of_faces(actor: Actor) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (T, 3) of the mesh, and the number of the face (T,) that each is of."""
    topology = actor.topology
    triangles, faces = [], []
    for size in np.unique(topology.sizes):
        whose = np.flatnonzero(topology.sizes == size)
        for corner in range(1, size - 1):
            triangles.append(topology.corners[topology.starts[whose][:, None] + [0, corner, corner + 1]])
            faces.append(whose)
    return np.concatenate(triangles), np.concatenate(faces)


def _on_face(actor: Actor, triangle: np.ndarray, face: int, shares: np.ndarray) -> tuple[int, tuple[float, ...]]:
    """A place on a triangle (3,) as the face's number, and a weight for each of its corners."""
    topology = actor.topology
    start = topology.starts[face]
    corners = topology.corners[start : start + topology.sizes[face]].tolist()
    weights = np.zeros(len(corners))
    for vertex, share in zip(triangle.tolist(), shares.tolist(), strict=True):
        weights[corners.index(vertex)] += share
    return int(face), tuple(weights.tolist())
