# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures, actors, performances and takes of a whole mesh, as those of its working mesh and back."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..geometry.coarse_mesh import PLACES_PER_MODE, CoarseMesh, coarse_mesh, coarse_modes
from ..geometry.modes import laplacian_modes
from ..geometry.skinning import linear_blend_skinning
from ..geometry.working_mesh import WorkingMesh
from ..parts.parts import Parts
from ..shared.captured.captures import Capture
from ..shared.captured.performances import Performance
from ..shared.foundation.large_arrays import room_for
from ..shared.foundation.normals import vertex_normals
from ..shared.foundation.topology import same_surface
from ..shared.results.takes import Take
from .actor import Actor
from .model import UNIT_MM


def working_capture(capture: Capture, work: WorkingMesh) -> Capture:
    """What is learned of a capture."""
    if work.is_whole:
        return capture
    return dataclasses.replace(
        capture,
        vertices=capture.vertices[:, work.chosen],
        topology=work.topology,
        trusted=None if capture.trusted is None else capture.trusted[work.chosen],
        notes=(*capture.notes, *work.notes()),
    )


def whole_actor(actor: Actor, capture: Capture, work: WorkingMesh, parts: Parts | None = None) -> Actor:
    """An actor learned from the working capture, for all vertices of the capture's mesh. parts: of that mesh."""
    if work.is_whole:
        return dataclasses.replace(actor, parts=parts)
    neutral, unmoved = capture.neutral, work.unmoved
    thickness, normal = work.spread(actor.thickness), work.spread(actor.normal)
    normal[unmoved] = vertex_normals(neutral, capture.topology.triangles())[unmoved]
    bone = work.spread(actor.bone) + (neutral - actor.neutral[work.follows]).astype(np.float32)
    bone[unmoved] = neutral[unmoved]
    template = work.spread(actor.template)
    template[unmoved, :3] = (neutral[unmoved] - np.asarray(actor.settings["centre_mm"])) / UNIT_MM
    skin_weight, expressions = work.spread(actor.skin_weight), work.spread(actor.implicit_expressions)
    residual = work.spread(actor.expression_residual)
    if parts is not None:
        rigid, jaw = parts.rigid, parts.of("jaw")
        bone[rigid], thickness[rigid] = neutral[rigid], 0.0
        skin_weight[rigid], expressions[rigid], residual[rigid] = 0.0, 0.0, 0.0
        skin_weight[jaw] = 1.0
        own = np.flatnonzero(parts.of("follows"))
        residual[own] += _beside_skin(capture, actor, work, own).astype(np.float32)
    implicit = (bone + thickness * normal).astype(np.float64)
    return dataclasses.replace(
        actor,
        topology=capture.topology,
        template=template,
        bone=bone,
        normal=normal,
        thickness=thickness,
        skin_weight=skin_weight,
        implicit_expressions=expressions,
        neutral_residual=(neutral - implicit).astype(np.float32),
        expression_residual=residual,
        constraints=dataclasses.replace(actor.constraints, points=work.chosen[actor.constraints.points]),
        parts=parts,
    )


def _beside_skin(capture: Capture, actor: Actor, work: WorkingMesh, own: np.ndarray) -> np.ndarray:
    """(n, N, 3) mm by which the offsets e_i of vertices own (n,) differ from those of the skin that they follow."""
    row = work.follows[own]
    skin = work.chosen[row]
    moved = [capture.vertices[1:, some] - capture.neutral[some] for some in (own, skin)]
    weight = actor.skin_weight[row]
    opened = [
        linear_blend_skinning(capture.neutral[some], actor.jaw, weight) - capture.neutral[some] for some in (own, skin)
    ]
    return ((moved[0] - opened[0]) - (moved[1] - opened[1])).transpose(1, 0, 2)


def working_actor(actor: Actor) -> Actor:
    """An actor of its working mesh alone, made once."""
    if actor.working.is_whole:
        return actor
    if "working actor" not in actor.made:
        actor.made["working actor"] = _of_working_mesh(actor, actor.working)
    found: Actor = actor.made["working actor"]
    return found


def _of_working_mesh(actor: Actor, work: WorkingMesh) -> Actor:
    chosen = work.chosen
    row = np.full(len(actor.bone), -1)
    row[chosen] = np.arange(len(chosen))
    known = actor.constraints.chosen(row[actor.constraints.points] >= 0)
    return dataclasses.replace(
        actor,
        topology=work.topology,
        template=actor.template[chosen],
        bone=actor.bone[chosen],
        normal=actor.normal[chosen],
        thickness=actor.thickness[chosen],
        skin_weight=actor.skin_weight[chosen],
        implicit_expressions=actor.implicit_expressions[chosen],
        neutral_residual=actor.neutral_residual[chosen],
        expression_residual=actor.expression_residual[chosen],
        constraints=dataclasses.replace(known, points=row[known.points]),
        parts=actor.parts and dataclasses.replace(actor.parts, part_of=actor.parts.part_of[chosen]),
    )


def working_performance(performance: Performance, actor: Actor) -> Performance | None:
    """A performance of an actor's mesh, of its working mesh alone; None if it is not of that mesh."""
    topology, chosen = actor.topology, actor.working.chosen
    if performance.vertices.shape[1] != topology.vertex_count:
        return None
    if performance.topology is not None and not same_surface(performance.topology, topology):
        return None
    confidence = None if performance.confidence is None else performance.confidence[:, chosen]
    vertices = room_for((len(performance.vertices), len(chosen), 3))
    for index, points in enumerate(performance.vertices):
        vertices[index] = points[chosen]
    return dataclasses.replace(performance, vertices=vertices, topology=None, confidence=confidence)


def whole_take(take: Take, actor: Actor) -> Take:
    """A take of an actor's working mesh, for all vertices of the actor's."""
    return dataclasses.replace(take, topology_digest=actor.topology.digest, modes=actor.working.spread(take.modes))


def modes_of(actor: Actor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth modes (V, M) of an actor's mesh, every vertex alike, and their eigenvalues (M,): copies of a vertex have
    one value, loose ones and parts that of the skin they are nearest to, and what stands still none. M is `count`, or
    what there can be; so much more, as there is of parts that bend, that none are taken from the skin.
    """
    work = actor.working
    places, count = actor.neutral[work.chosen], _count_of(actor, count)
    modes, eigenvalues = laplacian_modes(places, work.topology.triangles(), count, equal_vertices=True)
    return work.spread(modes), eigenvalues


def coarse_modes_of(actor: Actor, count: int) -> tuple[CoarseMesh, np.ndarray, np.ndarray]:
    """As modes_of, of a mesh that is worked on as a whole, from few places: which these are, the modes' values there
    (C, M), and the eigenvalues (M,)."""
    count, triangles = _count_of(actor, count), actor.topology.triangles()
    mesh = coarse_mesh(actor.neutral, triangles, PLACES_PER_MODE * count)
    return mesh, *coarse_modes(mesh, actor.neutral, triangles, count)


def _count_of(actor: Actor, count: int) -> int:
    chosen = actor.working.chosen
    if actor.parts is not None:
        bending = int(actor.parts.of("bends")[chosen].sum())
        count += round(count * bending / max(len(chosen) - bending, 1))
    return min(count, len(chosen) - 2)
