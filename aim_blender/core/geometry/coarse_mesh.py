# SPDX-License-Identifier: GPL-3.0-or-later
"""Few places of a big mesh, and how smooth functions on all of it follow from their values there.

The places are independent vertices of the mesh, then of the graph of their neighbours, and so on. What lies nearest to
a place along the surface is its region; functions there are interpolated from the places of this region and of those
that adjoin it, so lips and lids that touch stay apart. With such a basis the first eigenfunctions of a Laplacian come
out as those of the whole mesh, as in Nasikun, Brandt and Hildebrandt, Fast Approximation of Laplace-Beltrami
Eigenproblems (SGP 2018), which has other basis functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import robust_laplacian
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import eigsh

MOST_AROUND = 7  # places that a region is interpolated from: itself and, on the mean, six neighbours
VERTICES_AT_ONCE = 16384
PLACES_PER_MODE = 16  # at least: a mode then has several places from crest to crest


@dataclass(frozen=True, eq=False)
class CoarseMesh:
    """region: (V,) the place that each vertex is nearest to. around: (C, K) the places that a region's functions are
    interpolated from. share: (V, K) float32 how much of each, 1 in all."""

    region: np.ndarray
    around: np.ndarray
    share: np.ndarray

    def matrix(self) -> sparse.csr_matrix:
        """S (V, C) of docs/model.md: from values at the places to those at all vertices."""
        count, width = self.share.shape
        columns = self.around[self.region].ravel()
        return sparse.csr_matrix(
            (self.share.ravel(), columns, np.arange(count + 1) * width), shape=(count, len(self.around))
        )

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values (C, M) at the places, at all vertices: (V, M)."""
        return np.asarray(self.matrix().astype(values.dtype) @ values)


def coarse_mesh(vertices: np.ndarray, triangles: np.ndarray, least: int) -> CoarseMesh:
    """The coarsest of a mesh's coarse meshes, each with about a quarter of the last one's places, that has at least so
    many places. vertices: (V, 3). triangles: (T, 3). Deterministic."""
    count = len(vertices)
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, uses = np.unique(sides, axis=0, return_counts=True)
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    graph = sparse.coo_matrix((length, tuple(edges.T)), shape=(count, count)).tocsr()
    first = np.random.default_rng(0).permutation(count)
    first[edges[uses == 1]] += count  # places on the rims of lips and lids, so that these are not beyond all places
    places = region = np.arange(count)
    linked = edges
    while True:
        some = places[_independent(linked, first[places])]
        if len(some) < least or len(some) == len(places):
            break
        places = some
        nearest = dijkstra(graph, directed=False, indices=places, return_predecessors=True, min_only=True)[2]
        number = np.full(count, -1)
        number[places] = np.arange(len(places))
        region = number[nearest]
        pairs = np.sort(region[edges], axis=1)
        linked = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    around, known = _around(vertices[places], linked)
    return CoarseMesh(region, around, _shares(vertices, vertices[places], region, around, known))


def coarse_modes(
    mesh: CoarseMesh, vertices: np.ndarray, triangles: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """As modes.laplacian_modes with equal_vertices, of functions that follow from their values at the places: these
    values Φ' (C, M), and the eigenvalues (M,)."""
    stiffness, mass = robust_laplacian.mesh_laplacian(np.asarray(vertices, float), np.asarray(triangles, np.int64))
    area = mass.diagonal().sum()
    carry = mesh.matrix().astype(np.float64)
    energy = (carry.T @ stiffness @ carry).tocsc()
    agreement = (carry.T @ carry).tocsc() * (area / len(vertices))
    start = np.random.default_rng(0).standard_normal(len(mesh.around))
    room = min(len(start), max(count * 3 // 2, count + 20))
    values, modes = eigsh(energy, k=count, M=agreement, sigma=-1e-2 / area, v0=start, ncv=room)
    order = np.argsort(values)
    modes = modes[:, order] * np.sqrt(area)
    modes *= np.sign(modes[np.abs(modes).argmax(0), np.arange(count)])
    return modes, values[order].clip(min=0.0)


def _independent(edges: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Nodes no two of which share one of the edges (E, 2), as many as fit (Luby); those of high rank (n,) first."""
    chosen, undecided = np.zeros((2, len(rank)), dtype=bool)
    undecided[:] = True
    one, other = np.concatenate([edges, edges[:, ::-1]]).T
    order = np.argsort(one, kind="stable")
    one, other = one[order], other[order]
    while undecided.any():
        left = undecided[one] & undecided[other]
        one, other = one[left], other[left]
        highest = np.full(len(rank), -1)
        if len(one):
            starts = np.flatnonzero(np.diff(one, prepend=-1))
            highest[one[starts]] = np.maximum.reduceat(rank[other], starts)
        new = undecided & (rank > highest)
        chosen |= new
        undecided &= ~new
        undecided[other[new[one]]] = False
    return np.flatnonzero(chosen)


def _around(places: np.ndarray, linked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C, K) each place and the nearest of its neighbours by the edges linked (E, 2), itself where there are no more;
    and (C, K) bool which are known, and no fillers."""
    count = len(places)
    own = np.arange(count)
    one = np.concatenate([own, linked[:, 0], linked[:, 1]])
    other = np.concatenate([own, linked[:, 1], linked[:, 0]])
    order = np.lexsort((np.linalg.norm(places[one] - places[other], axis=1), one != other, one))
    one, other = one[order], other[order]
    rank = np.arange(len(one)) - np.searchsorted(one, one)
    kept = rank < MOST_AROUND
    around = np.tile(own[:, None], (1, MOST_AROUND))
    known = np.zeros(around.shape, dtype=bool)
    around[one[kept], rank[kept]], known[one[kept], rank[kept]] = other[kept], True
    return around, known


def _shares(
    vertices: np.ndarray, places: np.ndarray, region: np.ndarray, around: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """(V, K) float32 how much of each of its region's places a vertex is: interpolation with the radial function
    -r^1.5 and a constant, which goes through the values at the places and is smooth between them."""
    count, width = around.shape
    system = np.zeros((count, width + 1, width + 1))
    sites = places[around]  # (C, K, 3)
    system[:, :width, :width] = _radial(sites[:, :, None] - sites[:, None])
    system[:, :width, width] = system[:, width, :width] = 1.0
    there = np.concatenate([known, np.ones((count, 1), dtype=bool)], axis=1)
    system *= there[:, :, None] & there[:, None]
    filler, column = np.nonzero(~known)
    system[filler, column, column] = 1.0
    inverse = np.linalg.pinv(system, rcond=1e-10, hermitian=True)[:, :, :width]  # places may coincide
    share = np.empty((len(vertices), width), dtype=np.float32)
    for first in range(0, len(vertices), VERTICES_AT_ONCE):
        rows = slice(first, first + VERTICES_AT_ONCE)
        of = region[rows]
        right = np.ones((len(of), 1, width + 1))
        right[:, 0, :width] = _radial(vertices[rows, None] - sites[of]) * known[of]
        share[rows] = (right @ inverse[of])[:, 0]
    return share


def _radial(apart: np.ndarray) -> np.ndarray:
    """-r^1.5 of differences (..., 3)."""
    return -(np.einsum("...c,...c->...", apart, apart) ** 0.75)
