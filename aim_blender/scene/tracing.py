# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracing an actor's constraints in Blender, and the trusted region that an artist paints as a vertex group.

What was traced is kept for this session only: it is seen, and learning traces again for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mathutils.bvhtree import BVHTree

from ..core.bone_checks import set_bones_right
from ..core.captures import Bone
from ..core.constraints import Constraints, RayCaster, describe_tracing, trace
from ..core.face_landmarks import suggest_landmarks
from ..core.trusted_region import LEAST_TRUSTED, propose_trusted, trusted_points
from . import actors, vertex_groups

TRUSTED_GROUP = "AIM Trusted"


@dataclass(frozen=True)
class Traced:
    """The constraints of an actor as they were traced, in the actor's space in Blender units.

    skin, bone: (C, 3) the ends of the thickness. normal: (C, 3) of the skin point's bone. on_mandible: (C,) bool.
    sentence, notes: what to tell. made_of: by which it shows whether the meshes have been moved or changed since.
    """

    skin: np.ndarray
    bone: np.ndarray
    normal: np.ndarray
    on_mandible: np.ndarray
    figures: dict[str, Any]
    sentence: str
    notes: list[str] = field(default_factory=list)
    made_of: tuple[Any, ...] = ()


TRACED: dict[str, Traced] = {}  # by the actor's identifier


def trace_actor(actor: Any) -> Traced:
    """Trace the constraints of an actor and keep them for the overlay. Raises InputError naming what is missing."""
    found = actors.read_neutral(actor, with_bones=True)
    scale = actor.millimetres_per_unit
    bones = {name: Bone(points * scale, triangles) for name, (points, triangles) in found.bones.items()}
    neutral = found.vertices[0].astype(np.float64) * scale
    triangles = found.topology.triangles()
    triangles, bones, corrected = set_bones_right(neutral, triangles, bones)
    trusted = trusted_points(trusted_weights(actor))
    constraints, figures = trace(neutral, triangles, bones, ray_caster, trusted)
    sentence, notes = describe_tracing(figures)
    notes = [*corrected, *notes]
    TRACED[actor.identifier] = _in_units(constraints, neutral, scale, figures, sentence, notes, made_of(actor))
    return TRACED[actor.identifier]


def ray_caster(vertices: np.ndarray, triangles: np.ndarray) -> RayCaster:
    """Casts rays onto a mesh (V, 3), (T, 3) with Blender's own tree."""
    middle = vertices.mean(0)  # the tree counts in float32
    tree = BVHTree.FromPolygons((vertices - middle).tolist(), triangles.tolist(), all_triangles=True)

    def cast(origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        ray_cast = tree.ray_cast
        rays = zip((origins - middle).tolist(), directions.tolist(), strict=True)
        faces = (ray_cast(origin, direction)[2] for origin, direction in rays)
        return np.fromiter((-1 if face is None else face for face in faces), dtype=np.int64, count=len(origins))

    return cast


def made_of(actor: Any) -> tuple[Any, ...]:
    """What a tracing depends on and an artist changes knowingly: which objects, where they stand, how they are cut."""
    made: list[Any] = [actor.millimetres_per_unit]
    for item in (actor.neutral, actor.skull, actor.mandible):
        if actors.is_there(item):
            place = tuple(value for row in item.matrix_world for value in row)
            made.append((item.name, place, len(item.data.vertices)))
    return tuple(made)


def trusted_weights(actor: Any) -> np.ndarray | None:
    """(V,) float32 weights of the trusted region painted on the neutral; None where there is no such vertex group."""
    group = actor.neutral.vertex_groups.get(TRUSTED_GROUP)
    return None if group is None else vertex_groups.read_vertex_group(actor.neutral, group)


def paint_proposal(actor: Any) -> float:
    """Write the proposed trusted region into the neutral's vertex group, which is made if there is none.

    Returns the share of the points that are trusted. Raises InputError if no face is found to propose it on, or the
    mesh is linked.
    """
    found = actors.read_neutral(actor)
    vertex_groups.check_own_mesh(actor.neutral)
    triangles = found.topology.triangles()
    landmarks = {each.name: each.vertex for each in actor.landmarks if each.vertex < len(found.vertices[0])}
    if not landmarks:
        landmarks = suggest_landmarks(found.vertices[0], triangles)
    weights = propose_trusted(found.vertices[0], triangles, landmarks)
    vertex_groups.write_vertex_group(actor.neutral, TRUSTED_GROUP, weights)
    return float((weights >= LEAST_TRUSTED).mean())


def _in_units(
    constraints: Constraints,
    neutral: np.ndarray,
    scale: float,
    figures: dict[str, Any],
    sentence: str,
    notes: list[str],
    made: tuple[Any, ...],
) -> Traced:
    return Traced(
        skin=(neutral[constraints.points] / scale).astype(np.float32),
        bone=(constraints.bone / scale).astype(np.float32),
        normal=constraints.normal.astype(np.float32),
        on_mandible=constraints.on_mandible,
        figures=figures,
        sentence=sentence,
        notes=notes,
        made_of=made,
    )
