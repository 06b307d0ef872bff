# SPDX-License-Identifier: GPL-3.0-or-later
"""Lips and lids that close on a character as they do on the source, although they stand open otherwise at rest.

Offsets say how far a lid goes, not how far it has to go: on larger eyes it would stop short of the other, on smaller
ones cross it. So of what the two gaps at rest differ in, a shape takes away the more the more it closes of the source's
gap: all of it in a blink, and little in a squint, which goes as far on one face as on another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from ..correspondence.registration import HEAD, LARGEST_SLIT, mean_radius, two_sides
from ..correspondence.rest_mesh import RestMesh
from ..geometry.openings import margins
from ..geometry.surfaces import boundary_loops, edge_graph

LEAST_GAP_MM = 1.5  # a gap that is smaller at rest counts as closed when it has shrunk by so much: pressed lips
LEAST_CLOSING = 0.35  # of a gap's width at rest, in some shape: what closes less is no slit
MIDDLE = 0.5  # of a slit's length, about its middle: there is told how far it stands open
REACH = 0.5  # of a slit's length: so far into the skin its sides draw on
LIP = 0.25  # of a slit's length: so far from a loop is looked for what meets
COLUMN = 0.04  # of a slit's length: parts of it in which one pair meets
LEAST_RIM = 6  # vertices
BLUR = 0.1  # of a slit's length: over so much of its rim the gap is evened out
ONE_SIDE = 0.3  # by what share the ways to both sides must differ for a place to go with one of them
NEAR = 3  # places of the target that tell where a place of the source's rim lies
FAR = 0.3  # of a slit's length: rims that are further from all places of the target are not there
Carry = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Slit:
    """The two rims of a slit of a source with V vertices. points: (2, K, 3) pairs that meet, above and below.

    across: (3,) unit, the way it opens. closed: (N,) in [0, 1], which share of its gap at rest each shape closes.
    moves: (N,) in [0, 1], which part of that the rim above does. blend: (2, V) in [0, 1] how much a place goes with
    the rim above, and below. along: (2, V, K) which pairs it goes with, rows sum to 1, where blend is not 0.
    """

    points: np.ndarray
    length: float
    across: np.ndarray
    closed: np.ndarray
    moves: np.ndarray
    blend: np.ndarray
    along: tuple[csr_matrix, csr_matrix]


def find_slits(mesh: RestMesh, offsets: np.ndarray) -> list[Slit]:
    """What closes on a surface of V vertices by offsets (N, V, 3): mouth and eyes, if it has them."""
    points, triangles = mesh.vertices, mesh.triangles
    unit = mean_radius(points) / HEAD
    largest = LARGEST_SLIT * np.linalg.norm(np.ptp(points, axis=0))
    graph = edge_graph(points, triangles)

    def slits(loops: list[np.ndarray]) -> list[Slit]:
        small = [loop for loop in loops if np.ptp(points[loop], axis=0).max() < largest]
        found = [_slit(points, offsets, graph, loop, unit) for loop in small]
        return sorted((slit for slit in found if slit is not None), key=lambda each: -float(each.closed.max()))

    found = _apart(slits(boundary_loops(triangles)))
    if len(found) < len(("mouth", "left eye", "right eye")):  # finding margins takes seconds
        found = _apart([*found, *slits(margins(points, triangles, unit))])
    return found


def closing(slits: list[Slit], there: np.ndarray, target: np.ndarray, resize: np.ndarray, carry: Carry) -> np.ndarray:
    """(N, W, 3) what has to be added to offsets on the target for its slits to close as the source's do: the share
    q² / Q of D, by which the target's gap at rest is wider than the source's would be there, with q what a shape closes
    and Q the most that one does.

    there: (W, 3) where the target's vertices (W, 3) lie on the source. resize: (W, 3, 3) what makes a vector of the
    source one of the target. carry: of values (V, ...) on the source's surface those (W, ...) at the target's vertices.
    """
    added = np.zeros((len(slits[0].closed) if slits else 0, len(target), 3))
    for slit in slits:
        # Squared, squints go no further on eyes that stand open wider, and still cross none half as wide.
        closed = slit.closed**2 / slit.closed.max()
        side = carry(slit.blend[0] - slit.blend[1])
        one, larger = _placed(slit.points[0], there, target, resize, side >= 0, FAR * slit.length)
        other, _ = _placed(slit.points[1], there, target, resize, side <= 0, FAR * slit.length)
        across = larger @ slit.across
        across /= np.linalg.norm(across, axis=1, keepdims=True).clip(min=1e-12)
        gap = np.einsum("kxy,ky->kx", larger, slit.points[0] - slit.points[1])
        wider = ((one - other - gap) * across).sum(1)  # (K,)
        known = np.isfinite(wider)
        if known.mean() < MIDDLE:
            continue
        excess = np.where(known, wider, 0.0)[:, None] * np.where(known[:, None], across, 0.0)
        for blend, along, share in zip(slit.blend, slit.along, (-slit.moves, 1 - slit.moves), strict=True):
            field = carry(blend[:, None] * (along @ excess))
            added += (closed * share)[:, None, None] * field
    return added


def _placed(
    points: np.ndarray, there: np.ndarray, target: np.ndarray, resize: np.ndarray, rows: np.ndarray, far: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where places of the source (K, 3) lie on the target (K, 3), by those of its vertices that rows (W,) names, and
    what resizes vectors there (K, 3, 3); not a number for those that are far from all."""
    chosen = np.flatnonzero(rows)
    if len(chosen) < NEAR:
        return np.full_like(points, np.nan), np.full((len(points), 3, 3), np.nan)
    away, near = cKDTree(there[chosen]).query(points, k=NEAR)
    near = chosen[near]  # (K, NEAR)
    weight = 1.0 / (away + 1e-6 * far) ** 2
    weight[away[:, 0] > far] = np.nan
    weight /= weight.sum(1, keepdims=True)
    found = target[near] + np.einsum("knxy,kny->knx", resize[near], points[:, None] - there[near])
    return (weight[..., None] * found).sum(1), (weight[..., None, None] * resize[near]).sum(1)


def _slit(points: np.ndarray, offsets: np.ndarray, graph: csr_matrix, loop: np.ndarray, unit: float) -> Slit | None:
    """The slit along a loop of vertices, or None if it closes in no shape."""
    along = np.linalg.svd(points[loop] - points[loop].mean(0), full_matrices=False)[2][0]
    one, other = two_sides(points, loop, along)
    if min(len(one), len(other)) < LEAST_RIM:
        return None
    length = float(np.ptp(points[loop] @ along))
    rims = one[1:-1], other[1:-1]
    ways = np.stack([dijkstra(graph, directed=False, indices=rim, limit=2 * length, min_only=True) for rim in rims])
    ways = ways.clip(max=2 * length)
    nearer = (ways[::-1] - ways) / (ONE_SIDE * ways.sum(0)).clip(min=1e-9)
    fading = (1 - (ways / (REACH * length)).clip(max=1.0) ** 2) ** 2
    blend = nearer.clip(0.0, 1.0) * fading
    sides = [np.flatnonzero((blend[side] > 0) & (ways[side] < LIP * length)) for side in (0, 1)]
    if not len(sides[0]) or not len(sides[1]):
        return None
    poses = np.concatenate([points[None], points + offsets])
    above, below = _meeting(poses, sides, along, length, LEAST_GAP_MM * unit)
    middle = np.abs(points[above] @ along - (points[loop] @ along).mean()) < MIDDLE / 2 * length
    if middle.sum() < LEAST_RIM / 2:
        return None
    gaps = poses[:, above] - poses[:, below]  # (N+1, K, 3)
    across = np.linalg.svd((gaps[1:] - gaps[0])[:, middle].reshape(-1, 3), full_matrices=False)[2][0]
    across = _unit(across - (across @ along) * along)
    widths = (gaps[:, middle] @ across).mean(1)
    if widths[np.abs(widths).argmax()] < 0:
        across, widths = -across, -widths
    closed = ((widths[0] - widths[1:]) / max(widths[0], LEAST_GAP_MM * unit)).clip(0.0, 1.0)
    if closed.max() < LEAST_CLOSING:
        return None
    motion = [((offsets[:, side][:, middle] @ across) ** 2).sum(1) for side in (above, below)]
    moves = motion[0] / (motion[0] + motion[1]).clip(min=1e-12)
    pairs = points[np.stack([above, below])]
    first, second = (_along(points, blend[side], pairs[side], BLUR * length) for side in (0, 1))
    return Slit(pairs, length, across, closed, moves, blend, (first, second))


def _meeting(
    poses: np.ndarray, sides: list[np.ndarray], along: np.ndarray, length: float, touching: float
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices above and below (K,) of a slit that meet first, a pair for each part of its length: at rest, where they
    touch then, or in the shape that brings them nearest.

    poses: (N+1, V, 3) the neutral and the shapes. sides: the vertices above and below among which they are.
    """
    place = poses[0][sides[0]] @ along
    column = np.round((place - place.min()) / (COLUMN * length)).astype(int)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for index, pose in enumerate(poses):
        away, partner = cKDTree(pose[sides[1]]).query(pose[sides[0]])
        order = np.lexsort((away, column))
        first = order[np.unique(column[order], return_index=True)[1]]
        typical = float(np.median(away[first]))
        if best is None or typical < best[0]:
            best = typical, sides[0][first], sides[1][partner[first]]
        if index == 0 and typical < touching:
            break
    assert best is not None
    return best[1], best[2]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _along(points: np.ndarray, blend: np.ndarray, rim: np.ndarray, reach: float) -> csr_matrix:
    """(V, K) with which places of a rim (K, 3) points go, where they do at all."""
    rows = np.flatnonzero(blend)
    square = ((points[rows][:, None] - rim) ** 2).sum(-1)
    weight = np.exp(-(square - square.min(1, keepdims=True)) / (2 * reach**2))
    weight /= weight.sum(1, keepdims=True)
    columns = np.tile(np.arange(len(rim)), len(rows))
    return csr_matrix((weight.ravel(), (np.repeat(rows, len(rim)), columns)), shape=(len(points), len(rim)))


def _apart(slits: list[Slit]) -> list[Slit]:
    """Of slits that lie on each other, as margins at several depths do, the first."""
    chosen: list[Slit] = []
    for slit in slits:
        middle = slit.points.mean((0, 1))
        if all(np.linalg.norm(each.points.mean((0, 1)) - middle) > MIDDLE * each.length for each in chosen):
            chosen.append(slit)
    return chosen
