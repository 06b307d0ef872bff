# SPDX-License-Identifier: GPL-3.0-or-later
"""What a capture must satisfy before anything is made of it. Needs numpy only: Blender and the worker ask the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..foundation.errors import InputError
from ..foundation.topology import Topology

# Measured on the 53 expressions of ICT-FaceKit's skin (11,248 vertices): the median relative change of edge length is
# at most 0.008 and no edge grows by 4 typical lengths. A full shuffle gives a median of 38 and tears 96 % of the edges;
# a shuffle of one vertex in twenty leaves the median alone and tears 9 %.
SHUFFLED_MEDIAN_DEVIATION = 0.5
TORN_LENGTH_FACTOR = 8.0
TORN_SHARE = 0.005
FLAT = 0.01  # the spread across a mesh, in that along it, below which it has no sides
SQUASHED = 1e-3  # likewise, below which it was scaled to nothing along an axis
FLATLY = "in one plane, on one line or on one point"
LARGEST = 1e9  # of a coordinate, as in our own files
SAME = 1e-6  # of a face's size: shapes that lie so near show nothing


def check_shapes(
    names: Sequence[str], vertices: Sequence[np.ndarray] | np.ndarray, topologies: Sequence[Topology]
) -> None:
    """Check that meshes are registered shapes of one face.

    names: N+1 names as the user knows them (object, shape key or file names); the first is the neutral.
    vertices: N+1 arrays (V, 3), any unit, or one array (N+1, V, 3).
    topologies: the N+1 face lists; shapes that share one may share the same instance.

    Raises InputError naming the first mesh at fault: fewer than 2 shapes, a name missing or given twice, another vertex
    count, another face list, a coordinate that is not a number, a flat mesh, another scale, a shuffled vertex order, a
    mirror image, or expressions that all are the neutral.
    """
    check_registered(names, vertices, topologies)
    edges = topologies[0].edges()
    neutral_lengths = edge_lengths(vertices[0], edges)
    if depth(vertices[0]) < SQUASHED:
        raise InputError(f"{names[0]!r} is flat: its vertices lie {FLATLY}; the neutral must be a face mesh")
    if not np.median(neutral_lengths) > 0:
        raise InputError(f"{names[0]!r} has edges without length, most of all; the neutral must be a face mesh")
    for name, points in zip(names[1:], vertices[1:], strict=True):
        _check_not_squashed(name, points, names[0], vertices[0])
        _check_edge_lengths(name, edge_lengths(points, edges), names[0], neutral_lengths)
        _check_not_mirrored(name, points, names[0], vertices[0])
    if len(same_as_neutral(names, vertices)) == len(names) - 1:
        raise InputError(
            f"{names[1]!r} and all other shapes are the same as {names[0]!r}; a capture needs meshes of expressions"
        )


def same_as_neutral(names: Sequence[str], vertices: Sequence[np.ndarray] | np.ndarray) -> list[str]:
    """The names of shapes (V, 3) that show nothing, because they are the first, the neutral."""
    nearness = SAME * np.ptp(vertices[0], axis=0).max()
    return [
        name
        for name, points in zip(names[1:], vertices[1:], strict=True)
        if np.abs(np.asarray(points) - vertices[0]).max() <= nearness
    ]


def depth(points: np.ndarray) -> float:
    """The spread of points (V, 3) across the plane that they lie nearest to, in their spread along it; 0 if they are
    flat. Points that are not numbers are passed over."""
    known = np.asarray(points, dtype=np.float64)[np.isfinite(points).all(1)]
    spread = np.linalg.eigvalsh(np.cov(known.T)) if len(known) > 1 else np.zeros(3)  # squared, ascending
    return float(np.sqrt(max(spread[0], 0.0) / spread[2])) if spread[2] > 0 else 0.0


def check_registered(
    names: Sequence[str], vertices: Sequence[np.ndarray] | np.ndarray, topologies: Sequence[Topology]
) -> None:
    """The part of check_shapes that does not compare lengths: names, vertex counts, face lists and numbers."""
    if len(names) < 2:
        found = f"only {names[0]!r} was given" if names else "none was given"
        raise InputError(
            f"a capture needs at least 2 shapes, the neutral and one expression, but {found}; "
            "about 20 expressions are best"
        )
    if not all(name.strip() for name in names):
        nameless = next(number for number, name in enumerate(names) if not name.strip())
        raise InputError(f"shape {nameless} has no name ({names[0]!r} is shape 0); give every shape a name of its own")
    repeated = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if repeated is not None:
        raise InputError(f"two shapes are called {repeated!r}; every shape needs a name of its own")
    for name, points, topology in zip(names, vertices, topologies, strict=True):
        check_same_face_list(name, topology, names[0], topologies[0])
        check_finite(name, points)


def check_same_face_list(name: str, topology: Topology, expected_name: str, expected: Topology) -> None:
    """Raise InputError naming `name` if its vertex count or face list is not that of `expected_name`."""
    if topology is expected:
        return
    if topology.vertex_count != expected.vertex_count:
        raise InputError(
            f"{name!r} has {topology.vertex_count} vertices but {expected_name!r} has {expected.vertex_count}; "
            "all meshes of an actor must be registered to one topology"
        )
    if topology.digest == expected.digest:
        return
    if len(topology.sizes) != len(expected.sizes):
        raise InputError(
            f"{name!r} has {len(topology.sizes)} faces but {expected_name!r} has {len(expected.sizes)}; "
            "all meshes of an actor must be registered to one topology"
        )
    raise InputError(
        f"{name!r} joins its vertices to other faces than {expected_name!r} although the counts agree: its vertex "
        "order was changed; export it again with the vertex order kept"
    )


def check_finite(name: str, points: np.ndarray) -> None:
    """Raise InputError naming `name` if any coordinate of points (..., V, 3) is infinite, beyond LARGEST or not a
    number."""
    if np.isfinite(points).all():
        check_near(name, points)
        return
    bad = ~np.isfinite(points).all(-1)
    vertex = int(np.argwhere(bad)[0][-1])
    raise InputError(
        f"{name!r} has {int(bad.sum())} vertices with a coordinate that is not a number (the first is vertex "
        f"{vertex}); repair or export the mesh again"
    )


def check_near(name: str, points: np.ndarray) -> None:
    """Raise InputError naming `name` if any coordinate of points (..., V, 3) is beyond LARGEST. Points that are not
    numbers are passed over."""
    far = np.abs(points) > LARGEST
    if far.any():
        vertex = int(np.argwhere(far)[0][-2])
        raise InputError(
            f"{name!r} has vertex {vertex} at a coordinate of {points[far].flat[0]:.3g}, as no face has in any "
            "unit; repair or export the mesh again"
        )


def check_follow(
    names: Sequence[str],
    frames: np.ndarray,
    neutral_name: str,
    neutral: np.ndarray,
    edges: np.ndarray,
    torn_share: float = TORN_SHARE,
) -> None:
    """Raise InputError naming the first of frames (F, V, 3) that is no face of neutral (V, 3) vertex by vertex and in
    scale. edges: (E, 2) all or some of the mesh. Points that are not numbers are passed over; more than torn_share of
    the edges may not be torn."""
    neutral_lengths = edge_lengths(neutral, edges)
    first = list(zip(names, frames, strict=True))[:1]  # a recording is scaled and mirrored as a whole
    for name, points in first:
        _check_not_squashed(name, points, neutral_name, neutral)
    lengths = edge_lengths(frames, edges)  # (F, E)
    for index in np.flatnonzero(~_clearly_follow(lengths, neutral_lengths, torn_share)).tolist():
        _check_edge_lengths(names[index], lengths[index], neutral_name, neutral_lengths, torn_share)
    for name, points in first:
        _check_not_mirrored(name, points, neutral_name, neutral)


def _clearly_follow(lengths: np.ndarray, neutral_lengths: np.ndarray, torn_share: float) -> np.ndarray:
    """(F,) bool: frames with edges (F, E) that _check_edge_lengths would pass, told of all frames at once: where most
    edges have changed little, the median has. It looks closer at others, and where points are missing."""
    typical = np.median(neutral_lengths)
    usable = neutral_lengths > 1e-3 * typical
    changed = np.abs(lengths[:, usable] / neutral_lengths[usable] - 1)
    torn = np.mean(lengths > neutral_lengths + TORN_LENGTH_FACTOR * typical, axis=1)
    most = np.mean(changed < SHUFFLED_MEDIAN_DEVIATION, axis=1) > 0.5
    found: np.ndarray = most & (torn <= torn_share) & np.isfinite(lengths).all(1)
    return found


def edge_lengths(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(..., E) float64 lengths of the edges (E, 2) between points (..., V, 3)."""
    one, other = (np.take(points, ends, axis=-2).astype(np.float64) for ends in edges.T)
    one -= other
    return np.sqrt(np.einsum("...c,...c->...", one, one))


def _check_not_squashed(name: str, points: np.ndarray, neutral_name: str, neutral: np.ndarray) -> None:
    """Raise InputError if points (V, 3) lie in one plane, where the neutral's (V, 3) do not."""
    known = np.isfinite(points).all(1)
    if known.mean() >= 0.5 and depth(points) < SQUASHED < FLAT < depth(neutral[known]):
        raise InputError(
            f"{name!r} is flat: its vertices lie {FLATLY}, as if it were scaled by 0, and those of {neutral_name!r} do "
            "not; set its scale right"
        )


def _check_not_mirrored(name: str, points: np.ndarray, neutral_name: str, neutral: np.ndarray) -> None:
    """Raise InputError if points (V, 3) are the neutral's (V, 3) in a mirror, however they are turned."""
    known = np.isfinite(points).all(1)
    if known.mean() < 0.5:
        return  # a small patch may bulge inwards as well as outwards
    here, there = np.asarray(points)[known].astype(np.float64), np.asarray(neutral)[known].astype(np.float64)
    left, spread, right = np.linalg.svd((here - here.mean(0)).T @ (there - there.mean(0)))
    flat = spread[2] < FLAT * spread[0]  # what has no depth is its own mirror image
    if not flat and np.linalg.det(left @ right) < 0:
        raise InputError(f"{name!r} is the mirror image of {neutral_name!r}; mirror it back, or apply its scale")


def _check_edge_lengths(
    name: str, lengths: np.ndarray, neutral_name: str, neutral_lengths: np.ndarray, torn_share: float = TORN_SHARE
) -> None:
    """Raise InputError if edge lengths (E,) cannot be an expression of the neutral's (E,): shuffled, or scaled."""
    typical = np.median(neutral_lengths)
    known = np.isfinite(lengths)
    if not known.all():
        if not known.any():
            return  # no two points of an edge are there to compare
        lengths, neutral_lengths = lengths[known], neutral_lengths[known]
    usable = neutral_lengths > 1e-3 * typical  # the ratio of an edge without length says nothing
    ratios = lengths[usable] / neutral_lengths[usable]
    scale = float(np.median(ratios))
    if not scale > 0:
        raise InputError(f"{name!r} has edges without length, most of all; export or record it again")
    # The same face in another unit keeps its proportions; a shuffled one does not.
    if not 0.5 < scale < 2.0 and np.median(np.abs(ratios / scale - 1)) < 0.2:
        raise InputError(
            f"{name!r} is {scale:.4g} times the size of {neutral_name!r}; "
            "all meshes of an actor must have one scale and one unit"
        )
    changed = np.abs(ratios - 1)
    torn = float(np.mean(lengths > neutral_lengths + TORN_LENGTH_FACTOR * typical))
    if np.mean(changed > SHUFFLED_MEDIAN_DEVIATION) > 0.5 or torn > torn_share:
        deviation = float(np.median(changed))
        raise InputError(
            f"{name!r} does not fit {neutral_name!r} vertex by vertex: {torn:.1%} of its edges are torn and "
            f"the typical edge changes by {deviation:.0%}, so its vertex order is shuffled; "
            "export it again with the vertex order kept"
        )
