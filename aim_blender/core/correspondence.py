# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place on one actor's face is which on another's, where their meshes differ: a dense map made once per pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import InputError
from .face_landmarks import MIDDLE_LANDMARKS, suggest_landmarks
from .face_profile import outward_sign
from .normals import vertex_normals
from .registration import REACH_MM, lay
from .surfaces import Surface
from .topology import Topology

Report = Callable[[dict], None]

SURE_MM = 3.0  # on a head: a place this far off is half believed
DOUBTFUL = 0.5  # confidence below which a vertex counts as doubtful


@dataclass(frozen=True)
class Correspondence:
    """For each of the target's W vertices a place on a triangle of the source's V vertices.

    source_digest, target_digest: of the two topologies. corners: (W, 3) int32 the source's vertices around the place.
    weights: (W, 3) float64 in [0, 1], their shares, which sum to 1. confidence: (W,) float32 in [0, 1]: 1 where the two
    faces lie on each other and face the same way. settings: how it was made. figures: what was measured then.
    """

    source_digest: str
    target_digest: str
    corners: np.ndarray
    weights: np.ndarray
    confidence: np.ndarray
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def carry(self, values: np.ndarray) -> np.ndarray:
        """Values (V, ...) of the source's vertices as values (W, ...) at the target's, in the values' own type."""
        weights = self.weights.astype(values.dtype).reshape(*self.weights.shape, *(1,) * (values.ndim - 1))
        return sum(weights[:, k] * values[self.corners[:, k]] for k in range(3))

    def check(self, source: Topology, target: Topology) -> None:
        """Raise InputError unless it leads from the one topology to the other."""
        for whose, digest, topology in (
            ("source", self.source_digest, source),
            ("target", self.target_digest, target),
        ):
            if digest != topology.digest:
                raise InputError(
                    f"the correspondence was made for another {whose} mesh; make one for this source and this target"
                )
        if self.corners.max() >= source.vertex_count or len(self.corners) != target.vertex_count:
            raise InputError("the correspondence is damaged: its points are not those of its meshes; make it again")


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
    meshes = [(np.asarray(source, np.float64), source_topology), (np.asarray(target, np.float64), target_topology)]
    (source, source_triangles), (target, target_triangles) = [_outward(p, t.triangles()) for p, t in meshes]
    named = landmarks or tuple(_suggested(*mesh) for mesh in ((source, source_triangles), (target, target_triangles)))
    names, pairs = _paired_landmarks(named[0], named[1], source, target)
    facing = [(name, name.replace("upper", "lower")) for name in names if "upper" in name]
    opposite = np.array([[names.index(name) for name in pair] for pair in facing if pair[1] in names], dtype=np.int64)
    held = landmarks is not None
    laid = lay(source, source_triangles, target, target_triangles, pairs, opposite.reshape(-1, 2), held, report)
    surface = Surface(laid.vertices, source_triangles, laid.source_sides, REACH_MM * laid.unit)
    found = surface.closest(target, vertex_normals(target, target_triangles), laid.target_sides)
    confidence = found.cosine.clip(min=0.0) / (1 + (found.distance / (SURE_MM * laid.unit)) ** 2)
    return Correspondence(
        source_digest=source_topology.digest,
        target_digest=target_topology.digest,
        corners=source_triangles[found.triangle].astype(np.int32),
        weights=found.barycentric,
        confidence=confidence.astype(np.float32),
        settings={"landmarks": list(names), "suggested": landmarks is None},
        figures={
            "points": len(target),
            "landmarks": len(names),
            "slits": int(laid.target_sides.max(initial=0)),
            "apart_mean_mm": float(found.distance.mean()),
            "apart_worst_mm": float(found.distance.max()),
            "doubtful_share": float((confidence < DOUBTFUL).mean()),
        },
    )


def _outward(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (V, 3) and triangles (T, 3), turned over if they face inwards."""
    return points, triangles if outward_sign(points[triangles]) > 0 else triangles[:, ::-1]


def _suggested(points: np.ndarray, triangles: np.ndarray) -> dict[str, int]:
    """The landmarks of the profile, or none where no face is found: those at the sides are placed by typical
    proportions."""
    try:
        found = suggest_landmarks(points, triangles)
    except InputError:
        return {}
    return {name: found[name] for name in MIDDLE_LANDMARKS if name in found}


def _paired_landmarks(
    one: Mapping[str, int], other: Mapping[str, int], source: np.ndarray, target: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray]:
    """The names in common, and their vertices (P, 2)."""
    for whose, named, points in (("source", one, source), ("target", other, target)):
        for name, vertex in named.items():
            if not 0 <= vertex < len(points):
                raise InputError(
                    f"the landmark {name} of the {whose} is vertex {vertex}, but its mesh has {len(points)} vertices; "
                    "pick it again"
                )
    names = tuple(name for name in one if name in other)
    return names, np.array([(one[name], other[name]) for name in names], dtype=np.int64).reshape(-1, 2)
