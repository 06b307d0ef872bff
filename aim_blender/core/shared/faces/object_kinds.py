# SPDX-License-Identifier: GPL-3.0-or-later
"""What objects beside a face are that are no part of its mesh: eyeballs, teeth, lashes, glasses, by form and place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..foundation.topology import Topology
from .face_profile import HeadFrame, find_head_frame
from .mouth_parts import kinds_in_mouth
from .spheres import BESIDE, EYE_RADIUS_MM, Sphere, sphere_of

# In mm of a typical adult.
REACH_MM = 15.0  # from the skin, that the furthest point of a lash may be
EYES_MM, EYES_HALF_MM = (0.0, -12.0, -20.0), (65.0, 40.0, 45.0)  # where eyeballs are: left, up, front of the nasion
SOME = 60  # points of a piece, by which its distance from the skin is measured
LEAST_FOLLOWING = 0.5  # of an object's vertices that lie along the skin, for the whole to be bound to it


@dataclass(frozen=True)
class ObjectParts:
    """What an object of n vertices is.

    kinds: of each of its pieces, turns, skull or jaw. piece_of: (n,) which piece each vertex is of. spheres: of each
    piece that turns, the eyeball that it is of. follows: whether the whole is bound to the skin instead, as lashes are.
    left, up: (3,) the face's.
    """

    kinds: tuple[str, ...]
    piece_of: np.ndarray
    spheres: dict[int, Sphere]
    follows: bool
    left: np.ndarray
    up: np.ndarray


def object_parts(
    neutral: np.ndarray, topology: Topology, objects: Sequence[tuple[np.ndarray, Topology]]
) -> list[ObjectParts]:
    """What objects are, each with points (n, 3) in the space of neutral (V, 3) mm and its own topology. They are judged
    together: upper teeth tell which are the lower ones. Raises InputError if neutral shows no face."""
    triangles = topology.triangles()
    frame = find_head_frame(neutral, triangles)
    pieces_of = [pieces_by_edges(len(points), own.edges()) for points, own in objects]
    spheres = [_eyeballs(frame, points, piece_of) for (points, _), piece_of in zip(objects, pieces_of, strict=True)]
    others, vertices, first = [], [], len(neutral)
    for number, piece_of in enumerate(pieces_of):
        for piece in range(piece_of.max() + 1):
            if piece not in spheres[number]:
                others.append((number, piece))
                vertices.append(first + np.flatnonzero(piece_of == piece))
        first += len(piece_of)
    together = np.concatenate([neutral, *(points for points, _ in objects)])
    in_mouth = kinds_in_mouth(together, triangles, frame, vertices)
    kinds = [["turns"] * (piece_of.max() + 1) for piece_of in pieces_of]
    following = np.zeros(len(objects))
    for row, (number, piece) in enumerate(others):
        kinds[number][piece] = "jaw" if in_mouth.get(row) in ("jaw", "bends") else "skull"
        if row not in in_mouth and _off_skin(neutral, together[vertices[row]]) <= REACH_MM * frame.scale:
            following[number] += len(vertices[row])
    return [
        ObjectParts(tuple(each), piece_of, balls, bool(bound >= LEAST_FOLLOWING * len(piece_of)), frame.left, frame.up)
        for each, piece_of, balls, bound in zip(kinds, pieces_of, spheres, following, strict=True)
    ]


def _eyeballs(frame: HeadFrame, points: np.ndarray, piece_of: np.ndarray) -> dict[int, Sphere]:
    """The eyeball that each piece of an object is of, of those that are of one: round ones where eyes are, and what
    lies in them or close before them."""
    low, high = (frame.scale * radius for radius in EYE_RADIUS_MM)
    pieces = [points[piece_of == piece] for piece in range(piece_of.max() + 1)]
    found: dict[int, Sphere] = {}
    for piece, own in enumerate(pieces):
        sphere = sphere_of(own)
        if sphere is None or not low <= sphere.radius <= high:
            continue
        if (np.abs(frame.local(sphere.centre) - EYES_MM) < EYES_HALF_MM).all():
            found[piece] = sphere
    for sphere in list(found.values()):
        for piece, own in enumerate(pieces):
            if np.linalg.norm(own - sphere.centre, axis=1).max() < BESIDE * sphere.radius:
                found[piece] = sphere
    return found


def pieces_by_edges(count: int, edges: np.ndarray) -> np.ndarray:
    """(n,) which piece that hangs together by edges (E, 2) each of so many vertices is of, from 0."""
    label = np.arange(count)
    while True:
        before = label.copy()
        for one, other in ((0, 1), (1, 0)):
            np.minimum.at(label, edges[:, one], label[edges[:, other]])
        label = label[label]  # what a label was given itself
        if np.array_equal(label, before):
            return np.unique(label, return_inverse=True)[1].reshape(-1)


def _off_skin(neutral: np.ndarray, points: np.ndarray) -> float:
    """How far the furthest of some points (n, 3) is from the nearest vertex of neutral (V, 3)."""
    some = points[:: -(-len(points) // SOME)]
    return max(float(np.linalg.norm(neutral - point, axis=1).min()) for point in some)
