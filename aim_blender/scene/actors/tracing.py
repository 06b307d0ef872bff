# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracing an actor's constraints in Blender, and the trusted region that an artist paints as a vertex group.

What was traced is kept for this session only: it is seen, and learning traces again for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mathutils.bvhtree import BVHTree

from ...core.shared.bones.bone_checks import set_bones_right
from ...core.shared.bones.constraints import RayCaster, describe_tracing, trace
from ...core.shared.captured.captures import Bone
from ...core.shared.faces.face_landmarks import suggest_landmarks
from ...core.shared.faces.trusted_region import LEAST_TRUSTED, propose_trusted, trusted_points
from ...core.shared.foundation.errors import InputError
from ..basics import vertex_groups
from ..basics.records import ActorRecord
from . import actors

TRUSTED_GROUP = "AIM Trusted"


@dataclass(frozen=True)
class Traced:
    """The constraints of an actor as they were traced, in the actor's space in Blender units.

    actor: its identifier. skin, bone: (C, 3) the ends of the thickness. normal: (C, 3) of the skin point's bone.
    on_mandible: (C,) bool. sentence, notes: what to tell. made_of: by which it shows whether the meshes have been moved
    or changed since.
    """

    actor: str
    skin: np.ndarray
    bone: np.ndarray
    normal: np.ndarray
    on_mandible: np.ndarray
    figures: dict[str, Any]
    sentence: str
    notes: list[str] = field(default_factory=list)
    made_of: tuple[Any, ...] = ()


TRACED: dict[str, Traced] = {}  # by the actor's identifier


def trace_actor(actor: ActorRecord) -> Traced:
    """Trace the constraints of an actor and keep them for the overlay. Raises InputError naming what is missing."""
    return keep(read_for_tracing(actor)())


def keep(traced: Traced) -> Traced:
    """Let the overlay show it. Returns it."""
    TRACED[traced.actor] = traced
    return traced


def read_for_tracing(actor: ActorRecord) -> Callable[[], Traced]:
    """Read what tracing takes. Returns what traces, without touching Blender's data.

    Raises InputError naming what is missing, and so may what it returns.
    """
    found = actors.read_neutral(actor, with_bones=True)
    scale, identifier = actor.millimetres_per_unit, actor.identifier
    made, painted = made_of(actor), trusted_weights(actor)

    def traced() -> Traced:
        bones = {name: Bone(points * scale, triangles) for name, (points, triangles) in found.bones.items()}
        neutral = found.vertices[0].astype(np.float64) * scale
        triangles, bones, corrected = set_bones_right(neutral, found.topology.triangles(), bones)
        constraints, figures = trace(neutral, triangles, bones, ray_caster, trusted_points(painted))
        sentence, notes = describe_tracing(figures)
        return Traced(
            actor=identifier,
            skin=(neutral[constraints.points] / scale).astype(np.float32),
            bone=(constraints.bone / scale).astype(np.float32),
            normal=constraints.normal.astype(np.float32),
            on_mandible=constraints.on_mandible,
            figures=figures,
            sentence=sentence,
            notes=[*corrected, *notes],
            made_of=made,
        )

    return traced


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


def made_of(actor: ActorRecord) -> tuple[Any, ...]:
    """What a tracing depends on and an artist changes knowingly: which objects, where they stand, how they are cut."""
    made: list[Any] = [actor.millimetres_per_unit]
    for item in (actor.neutral, actor.skull, actor.mandible):
        if actors.is_there(item):
            place = tuple(value for row in item.matrix_world for value in row)
            made.append((item.name, place, len(item.data.vertices)))
    return tuple(made)


def trusted_weights(actor: ActorRecord) -> np.ndarray | None:
    """(V,) float32 weights of the trusted region painted on the neutral; None where there is no such vertex group."""
    group = actor.neutral.vertex_groups.get(TRUSTED_GROUP)
    return None if group is None else vertex_groups.read_vertex_group(actor.neutral, group)


def read_for_proposal(actor: ActorRecord) -> Callable[[], np.ndarray]:
    """Read what proposing a trusted region takes. Returns what finds its weights (V,), without touching Blender's data.

    Raises InputError if the mesh is linked; what it returns does so if no face is found to propose it on.
    """
    found = actors.read_neutral(actor)
    vertex_groups.check_own_mesh(actor.neutral)
    landmarks = {each.name: each.vertex for each in actor.landmarks if each.vertex < len(found.vertices[0])}

    def proposed() -> np.ndarray:
        triangles = found.topology.triangles()
        return propose_trusted(
            found.vertices[0], triangles, landmarks or suggest_landmarks(found.vertices[0], triangles)
        )

    return proposed


def paint_proposal(actor: ActorRecord, weights: np.ndarray) -> float:
    """Write weights (V,) into the neutral's vertex group of the trusted region, which is made if there is none.

    Returns the share of the points that are trusted. Raises InputError if the mesh is linked or was changed since.
    """
    if len(weights) != len(actor.neutral.data.vertices):
        raise InputError(f"{actor.neutral.name!r} was changed meanwhile; propose the region again")
    vertex_groups.write_vertex_group(actor.neutral, TRUSTED_GROUP, weights)
    return float((weights >= LEAST_TRUSTED).mean())
