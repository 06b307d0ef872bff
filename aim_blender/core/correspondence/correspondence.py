# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place on one actor's face is which on another's, where their meshes differ: a dense map made once per pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..geometry.surfaces import Found, Surface
from ..shared.foundation.errors import InputError
from ..shared.foundation.normals import vertex_normals
from ..shared.foundation.topology import Topology
from ..shared.results.correspondences import Correspondence
from .corresponding_face import CorrespondingFace
from .registration import REACH_MM, Laid, lay

Report = Callable[[dict], None]

SURE_MM = 3.0  # on a head: a place this far off has half the confidence
DOUBTFUL = 0.5  # confidence below which a vertex counts as doubtful
ASTRAY = 0.1  # confidence below which a place that faces the same way is none
MUCH_NEARER = 0.5  # how near, beside a place that faces the same way, one must be that does not
FACING_AWAY = 0.4  # confidence of such a place at best
SEEN_MM = 3.0  # of a typical adult: what lies so much deeper than what is before it is not seen


def make_correspondence(
    source: np.ndarray,
    source_topology: Topology,
    target: np.ndarray,
    target_topology: Topology,
    landmarks: tuple[Mapping[str, int], Mapping[str, int]] | None = None,
    report: Report | None = None,
) -> Correspondence:
    """Find for each of the target's vertices its place on the source.

    source: (V, 3), target: (W, 3) neutrals in any place and size. landmarks: vertices by name of each, of which the
    names in common count. They are where they are said to be; None suggests some, which only tell how the faces lie. A
    name with `upper` and the same with `lower` are the two sides of a slit. Without landmarks the surfaces are laid on
    each other as they are. Raises InputError if a landmark is no vertex.
    """
    report = report or (lambda _: None)
    report({"message": "Aligning the faces", "done": 0, "total": 1})
    suggested = landmarks is None
    look = landmarks is None or any(landmarks)
    one = CorrespondingFace.of(source, source_topology, look)
    other = CorrespondingFace.of(target, target_topology, look)
    if landmarks is None:
        named = one.suggested(), other.suggested()
    else:
        _check_landmarks(landmarks, (source_topology, target_topology))
        named = one.known(landmarks[0]), other.known(landmarks[1])
    names = tuple(name for name in named[0] if name in named[1])
    pairs = np.array([(named[0][name], named[1][name]) for name in names], dtype=np.int64).reshape(-1, 2)
    facing = [(name, name.replace("upper", "lower")) for name in names if "upper" in name]
    opposite = np.array([[names.index(name) for name in pair] for pair in facing if pair[1] in names], dtype=np.int64)
    laid = lay(
        (one.vertices, one.triangles),
        (other.vertices, other.triangles),
        pairs,
        opposite.reshape(-1, 2),
        not suggested,
        other.unit,
        report,
        other.openings(),
    )
    found, confidence = _found(one, other, laid)
    apart = found.distance / laid.unit
    follows = other.mesh.follows
    spread = np.where(other.mesh.loose, 0.0, confidence[follows]).astype(np.float32)
    return Correspondence(
        source_digest=source_topology.digest,
        target_digest=target_topology.digest,
        corners=one.mesh.chosen[one.skin[one.triangles[found.triangle]]][follows].astype(np.int32),
        weights=found.barycentric[follows],
        confidence=spread,
        settings={"landmarks": list(names), "suggested": suggested},
        figures={
            "points": len(spread),
            "landmarks": len(names),
            "slits": int(laid.target_sides.max(initial=0)),
            "apart_mean_mm": float(apart.mean()),
            "apart_worst_mm": float(apart.max()),
            "doubtful_share": float((spread[~other.mesh.loose] < DOUBTFUL).mean()),
            **_doubts(other, confidence),
        },
    )


def _found(one: CorrespondingFace, other: CorrespondingFace, laid: Laid) -> tuple[Found, np.ndarray]:
    """Where each vertex (W,) of the target's surface lies on the source's skin, and how sure that is (W,)."""
    points, normals = other.mesh.vertices, vertex_normals(other.mesh.vertices, other.mesh.triangles)
    sides = np.zeros(len(points), np.int64)
    sides[other.skin] = laid.target_sides
    surface = Surface(laid.vertices, one.triangles, laid.source_sides, REACH_MM * laid.unit)
    found = surface.closest(points, normals, sides)
    confidence = found.cosine.clip(min=0.0) / (1 + (found.distance / (SURE_MM * laid.unit)) ** 2)
    # The inside of a thick skin, and what lies in bags, faces the wrong way: the nearest skin is as good as any.
    doubtful = np.flatnonzero(confidence < ASTRAY)
    if len(doubtful):
        surface = Surface(laid.vertices, one.triangles, laid.source_sides, 0.0)
        nearest = surface.closest(points[doubtful], normals[doubtful], sides[doubtful])
        nearer = nearest.distance < MUCH_NEARER * found.distance[doubtful]
        rows = doubtful[nearer]
        for name in ("triangle", "barycentric", "distance", "cosine"):
            getattr(found, name)[rows] = getattr(nearest, name)[nearer]
        confidence[rows] = FACING_AWAY / (1 + (found.distance[rows] / (SURE_MM * laid.unit)) ** 2)
    return found, confidence


def _doubts(face: CorrespondingFace, confidence: np.ndarray) -> dict[str, float]:
    """Which share of what is seen of the target's mouth, and of its eyes, is doubtful; nothing where no face is found.

    confidence: (W,) of the surface's vertices.
    """
    if face.frame is None:
        return {}
    seen = _seen_from_front(face.frame.local(face.vertices))
    shares = {}
    for name, inside in (("mouth", face.mouth(face.vertices)), ("eyes", face.eyes(face.vertices))):
        if inside is not None and (inside & seen).any():
            shares[f"doubtful_{name}_share"] = float((confidence[face.skin][inside & seen] < DOUBTFUL).mean())
    return shares


def _seen_from_front(local: np.ndarray) -> np.ndarray:
    """(V,) bool: which of points (V, 3), left, up and front, no other hides from in front."""
    _, cell = np.unique(np.round(local[:, :2] / SEEN_MM).astype(int), axis=0, return_inverse=True)
    foremost = np.full(cell.max() + 1, -np.inf)
    np.maximum.at(foremost, cell.ravel(), local[:, 2])
    return local[:, 2] > foremost[cell.ravel()] - SEEN_MM


def _check_landmarks(
    landmarks: tuple[Mapping[str, int], Mapping[str, int]], topologies: tuple[Topology, Topology]
) -> None:
    """Raise InputError if a landmark is no vertex of its mesh."""
    for whose, named, topology in zip(("source", "target"), landmarks, topologies, strict=True):
        for name, vertex in named.items():
            if not 0 <= vertex < topology.vertex_count:
                raise InputError(
                    f"the landmark {name} of the {whose} is vertex {vertex}, but its mesh has {topology.vertex_count} "
                    "vertices; pick it again"
                )
