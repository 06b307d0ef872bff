# SPDX-License-Identifier: GPL-3.0-or-later
"""A triangle mesh as a surface to find points on: the closest ones that also face the same way and lie on the same side
of a slit such as the mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from ..shared.foundation.normals import vertex_normals

CANDIDATES = 12  # samples near a point whose triangles are looked at exactly
MOST_CUTS = 6  # of a triangle's sides, for samples no further apart than the typical edge
LIPS_WIDTH = 4.0  # of lips, measured by the distance between their margins
APART = 0.3  # by what share the ways to a slit's two sides must differ for a point to belong to one of them


@dataclass(frozen=True)
class Found:
    """Points found on a surface for P points: triangle (P,), barycentric (P, 3), distance (P,), cosine (P,) of the
    normals."""

    triangle: np.ndarray
    barycentric: np.ndarray
    distance: np.ndarray
    cosine: np.ndarray


class Surface:
    """vertices (V, 3), triangles (T, 3) with outward normals, sides (V,) as slit_sides gives them or None.

    reach: by how much of a length two opposite normals set points apart, when closeness is judged.
    """

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray, sides: np.ndarray | None, reach: float) -> None:
        self.vertices, self.triangles = np.asarray(vertices, np.float64), np.asarray(triangles, np.int64)
        self.normals = vertex_normals(self.vertices, self.triangles)
        self.reach = reach
        self.sides = np.zeros(len(vertices), np.int64) if sides is None else sides
        corners = self.sides[self.triangles]
        some = np.abs(corners).argmax(1)
        self.triangle_side = corners[np.arange(len(corners)), some]
        self._of_sample, weights = samples(self.vertices, self.triangles)
        points = np.einsum("pk,pkx->px", weights, self.vertices[self.triangles[self._of_sample]])
        normals = unit_vectors(np.einsum("pk,pkx->px", weights, self.normals[self.triangles[self._of_sample]]))
        self._samples = np.concatenate([points, self.reach * normals], axis=1)
        self._trees: dict[int, tuple[cKDTree, np.ndarray]] = {}

    def closest(self, points: np.ndarray, normals: np.ndarray, sides: np.ndarray) -> Found:
        """For points (P, 3) with normals (P, 3) and sides (P,), the closest points that lie on no opposite side."""
        import trimesh  # only here, as in anatomy

        triangle = np.empty(len(points), np.int64)
        barycentric = np.empty((len(points), 3))
        distance, cosine = np.empty(len(points)), np.empty(len(points))
        for side in np.unique(sides):
            chosen = np.flatnonzero(sides == side)
            tree, of_tree = self._tree(int(side))
            count = min(CANDIDATES, len(of_tree))
            query = np.concatenate([points[chosen], self.reach * normals[chosen]], axis=1)
            near = of_tree[tree.query(query, k=count)[1].reshape(len(chosen), count)]  # (p, K) samples
            candidates = self._of_sample[near]  # (p, K) triangles
            corners = self.vertices[self.triangles[candidates]].reshape(-1, 3, 3)
            here = np.repeat(points[chosen], count, axis=0)
            place = trimesh.triangles.closest_point(corners, here)
            weights = _barycentric(corners, place)
            normal = unit_vectors(np.einsum("pk,pkx->px", weights, self.normals[self.triangles[candidates.ravel()]]))
            apart = np.linalg.norm(place - here, axis=1).reshape(-1, count)
            agreement = (normal * np.repeat(normals[chosen], count, axis=0)).sum(1).reshape(-1, count)
            best = (apart**2 + self.reach**2 * 2 * (1 - agreement)).argmin(1)
            row = np.arange(len(chosen))
            triangle[chosen] = candidates[row, best]
            barycentric[chosen] = weights.reshape(-1, count, 3)[row, best]
            distance[chosen], cosine[chosen] = apart[row, best], agreement[row, best]
        return Found(triangle, barycentric, distance, cosine)

    def at(self, found: Found) -> np.ndarray:
        """(P, 3) the points found."""
        return np.einsum("pk,pkx->px", found.barycentric, self.vertices[self.triangles[found.triangle]])

    def normals_at(self, found: Found) -> np.ndarray:
        """(P, 3) unit normals there."""
        return unit_vectors(np.einsum("pk,pkx->px", found.barycentric, self.normals[self.triangles[found.triangle]]))

    def _tree(self, side: int) -> tuple[cKDTree, np.ndarray]:
        """The samples that a point of this side may go to, and their numbers."""
        if side not in self._trees:
            opposite = (self.triangle_side == -side) & (side != 0)
            allowed = np.flatnonzero(~opposite[self._of_sample])
            self._trees[side] = cKDTree(self._samples[allowed]), allowed
        return self._trees[side]


def slit_sides(vertices: np.ndarray, triangles: np.ndarray, slits: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """(V,) on which side of which slit a vertex lies: +1 and -1 of the first, +2 and -2 of the second ..., 0 of none.

    slits: the vertices along both sides of each, or only one in the middle of each side. A vertex belongs to a side if
    the way to it along the mesh is clearly shorter than to the other, and not longer than the slit is wide.
    """
    sides = np.zeros(len(vertices), np.int64)
    nearest = np.full(len(vertices), np.inf)
    graph = edge_graph(vertices, triangles)
    for number, pair in enumerate(slits, 1):
        width = np.linalg.norm(np.ptp(vertices[np.concatenate(pair)], axis=0))
        if len(pair[0]) == len(pair[1]) == 1:
            width *= LIPS_WIDTH
        ways = np.stack(
            [dijkstra(graph, directed=False, indices=rim, limit=3 * width, min_only=True) for rim in pair]
        ).clip(max=3 * width)
        least = ways.min(0)
        clear = (least < width) & (np.abs(ways[0] - ways[1]) > APART * ways.max(0)) & (least < nearest)
        sides[clear] = np.where(ways[0] < ways[1], number, -number)[clear]
        nearest[clear] = least[clear]
    return sides


def edge_graph(vertices: np.ndarray, triangles: np.ndarray) -> sparse.csr_matrix:
    """(V, V) the lengths of the edges, each stored once."""
    edges = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1).clip(min=1e-9)
    return sparse.csr_matrix((lengths, (edges[:, 0], edges[:, 1])), shape=(len(vertices),) * 2)


def neighbour_average(edges: np.ndarray, count: int) -> sparse.csr_matrix:
    """(V, V) the mean of each of count vertices and its neighbours, from edges (E, 2), each stored once."""
    ones = np.ones(2 * len(edges))
    around = sparse.csr_matrix((ones, (edges.ravel(), edges[:, ::-1].ravel())), shape=(count, count))
    around = around + sparse.identity(count)
    return sparse.csr_matrix(sparse.diags(1.0 / np.asarray(around.sum(1)).ravel()) @ around)


def first_of_groups(pairs: np.ndarray, count: int) -> np.ndarray:
    """(V,) the first of all vertices that pairs (P, 2) join with each of count, directly or through others."""
    graph = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    group = connected_components(graph, directed=False)[1]
    first = np.full(count, count)
    np.minimum.at(first, group, np.arange(count))
    return first[group]


def boundary_loops(triangles: np.ndarray) -> list[np.ndarray]:
    """The closed rims of a mesh, each the vertices in the order of their triangles, the longest first.

    Where rims touch in a vertex, they are left out.
    """
    sides = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    _, index, uses = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True)
    following: dict[int, int] = {}
    forked: set[int] = set()
    for first, second in sides[uses[index.ravel()] == 1].tolist():
        if first in following:
            forked.add(first)
        following[first] = second
    loops: list[np.ndarray] = []
    while following:
        start = next(iter(following))
        loop, here = [], start
        while here in following:
            loop.append(here)
            here = following.pop(here)
        if here == start and not forked.intersection(loop):
            loops.append(np.array(loop))
    return sorted(loops, key=len, reverse=True)


def rim_vertices(triangles: np.ndarray) -> np.ndarray:
    """(R,) the vertices on edges that belong to one of triangles (T, 3) alone."""
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, uses = np.unique(sides, axis=0, return_counts=True)
    return np.unique(edges[uses == 1])


def samples(vertices: np.ndarray, triangles: np.ndarray, spacing: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Points spread over all triangles: of which triangle (S,), and their barycentric weights (S, 3).

    spacing: how far they are apart; None as far as the ends of a typical edge.
    """
    corners = vertices[triangles]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    most = MOST_CUTS if spacing is None else MOST_CUTS**2
    cuts = np.ceil(longest / max(spacing or np.median(longest), 1e-12)).clip(1, most).astype(int)
    owners, weights = [], []
    for count in np.unique(cuts):
        lattice = np.array([(i, j, count - i - j) for i in range(count + 1) for j in range(count + 1 - i)]) / count
        lattice = np.concatenate([lattice, [[1 / 3, 1 / 3, 1 / 3]]])
        chosen = np.flatnonzero(cuts == count)
        owners.append(np.repeat(chosen, len(lattice)))
        weights.append(np.tile(lattice, (len(chosen), 1)))
    return np.concatenate(owners), np.concatenate(weights)


def _barycentric(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(P, 3) weights of points (P, 3) on triangles (P, 3, 3), in [0, 1]; a triangle without size gives its corner."""
    first, second, there = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], points - corners[:, 0]
    aa, ab, bb = (first * first).sum(1), (first * second).sum(1), (second * second).sum(1)
    ap, bp = (first * there).sum(1), (second * there).sum(1)
    size = aa * bb - ab * ab
    flat = size <= 1e-12 * (aa * bb).clip(min=1e-30)
    divisor = np.where(flat, 1.0, size)
    v, w = (bb * ap - ab * bp) / divisor, (aa * bp - ab * ap) / divisor
    weights = np.stack([1 - v - w, v, w], axis=1)
    weights[flat] = np.eye(3)[np.linalg.norm(corners[flat] - points[flat][:, None], axis=2).argmin(1)]
    weights = weights.clip(min=0.0)
    return weights / weights.sum(1, keepdims=True)


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) of length 1; where one has none, nothing."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(min=1e-12)
