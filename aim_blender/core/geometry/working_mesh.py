# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a mesh that is worked on: each place of the skin once, in faces, about the head.

Files split vertices along the seams of UV maps or have every face apart; heads stand on bodies that no shape moves, and
switched-off parts leave vertices behind that are in no face. What is learned and fitted is the skin as it was before:
copies of a vertex welded, without the body and without loose vertices. What comes out goes back to all vertices of the
artist's mesh: copies move as one, loose vertices follow the skin nearest to them, and the body stands still.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..shared.faces.head_region import NOISE, around, moved_most, moving_vertices
from ..shared.foundation.errors import InputError
from ..shared.foundation.topology import Topology
from .surfaces import first_of_groups

MOST_NEIGHBOURS = 8  # that nearly equal copies of a vertex are looked for among
SKIN_NEAR = 16  # vertices of the skin, of which a part's vertex follows one


@dataclass(frozen=True, eq=False)
class WorkingMesh:
    """chosen: (W,) the vertices of the whole mesh that are worked on. topology: their faces. follows: (V,) which of the
    chosen each vertex of the whole mesh moves with, -1 if it stands still. loose: (V,) bool, those in no face. apart:
    (V,) bool, those of parts that move by themselves."""

    chosen: np.ndarray
    topology: Topology
    follows: np.ndarray
    loose: np.ndarray
    apart: np.ndarray

    @cached_property
    def is_whole(self) -> bool:
        """Whether it is the mesh itself."""
        return len(self.chosen) == len(self.follows)

    @cached_property
    def unmoved(self) -> np.ndarray:
        """(V,) bool: the vertices of a body or of parts that no shape moves."""
        return self.follows < 0

    @cached_property
    def copies(self) -> int:
        """How many vertices are others' copies."""
        return int((~self.unmoved & ~self.loose & ~self.apart).sum()) - len(self.chosen)

    def spread(self, rows: np.ndarray) -> np.ndarray:
        """What belongs to the chosen vertices, (W, ...), for all vertices (V, ...): 0 where they stand still."""
        if self.is_whole:
            return rows
        spread = rows[self.follows]
        spread[self.unmoved] = 0
        return spread

    def notes(self) -> list[str]:
        """What an artist should know of it."""
        found = []
        if self.loose.any():
            found.append(
                f"{int(self.loose.sum())} vertices belong to no face: they were left out, and follow the skin nearest "
                "to them"
            )
        if self.copies:
            found.append(
                f"{self.copies} vertices are copies of others, as UV seams and flat shading leave them: they were "
                "welded for the work, and move together"
            )
        if self.unmoved.any():
            found.append(
                f"{int(self.unmoved.sum())} vertices are of a body or of parts that no shape moves: they were left "
                "out, and stand still"
            )
        return found


def working_mesh(shapes: np.ndarray, topology: Topology, apart: np.ndarray | None = None) -> WorkingMesh:
    """Which vertices of shapes (N+1, V, 3), the neutral first, are worked on.

    apart: (V,) bool, vertices of parts that move by themselves: they are left out, and follow the skin that stays
    nearest to them.
    """
    count = shapes.shape[1]
    apart = np.zeros(count, dtype=bool) if apart is None else apart
    in_faces = topology.in_faces() & ~apart
    first = welded(shapes, topology)  # (V,) the first of the copies of each vertex
    part = Topology(first[topology.corners], topology.sizes, count)
    kept = in_faces & (first == np.arange(count))
    moving = moving_vertices(shapes, kept)
    if moving.any():
        size = float(np.ptp(shapes[0, in_faces], axis=0).max())
        stirs = moved_most(shapes) > NOISE * size
        kept &= (around(shapes[0], moving) & _in_parts_of(kept & stirs, part)) | (stirs & ~apart)
    try:
        part, chosen = part.part(kept)
    except InputError:  # no face is left whole: what there is has to do
        chosen = np.flatnonzero(in_faces & (first == np.arange(count)))
        part, chosen = part.part(in_faces)
    row = np.full(count, -1)
    row[chosen] = np.arange(len(chosen))
    follows = row[first]
    loose = ~topology.in_faces()
    if loose.any():
        skin = np.flatnonzero(in_faces)
        follows[loose] = follows[skin[cKDTree(shapes[0, skin]).query(shapes[0, loose])[1]]]
    if apart.any():
        follows[apart] = _beside(shapes, chosen, np.flatnonzero(apart))
    return WorkingMesh(chosen, part, follows, loose, apart)


def _beside(shapes: np.ndarray, skin: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(n,) rows of the skin (W,) that vertices own (n,) stay near in all shapes (N+1, V, 3): a lash before an open eye
    is as near to the brow, but closes with the lid."""
    near = cKDTree(shapes[0, skin]).query(shapes[0, own], k=min(SKIN_NEAR, len(skin)))[1].reshape(len(own), -1)
    furthest = np.zeros(near.shape)
    for shape in shapes:
        furthest = np.maximum(furthest, np.linalg.norm(shape[skin[near]] - shape[own, None], axis=-1))
    return np.asarray(near[np.arange(len(own)), furthest.argmin(1)])


def _in_parts_of(some: np.ndarray, topology: Topology) -> np.ndarray:
    """(V,) bool: the vertices that hang together with some of them (V,)."""
    edges, count = topology.edges(), topology.vertex_count
    graph = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    part = connected_components(graph, directed=False)[1]
    return np.isin(part, part[some])


def welded(shapes: np.ndarray, topology: Topology) -> np.ndarray:
    """(V,) for each vertex the first that lies at the same place in all shapes, on an open rim of the mesh as it does.

    Only rims are welded: two layers of skin that touch are two. Lips and lids that touch at rest part in some shape.
    """
    count = shapes.shape[1]
    rim = np.flatnonzero(_on_rims(topology))
    first = np.arange(count)
    if len(rim) == 0:
        return first
    places = shapes[0, rim]
    reach = NOISE * float(np.ptp(shapes[0, topology.corners], axis=0).max())
    # Equal copies by sorting, however many; those that differ in the last digit among the nearest.
    _, equal = np.unique(np.round(places / reach), axis=0, return_inverse=True)
    order = np.argsort(equal.ravel(), kind="stable")
    same = np.flatnonzero(np.diff(equal.ravel()[order]) == 0)
    distance, near = cKDTree(places).query(places, k=min(MOST_NEIGHBOURS, len(rim)), distance_upper_bound=2 * reach)
    here, column = np.nonzero(np.isfinite(distance.reshape(len(rim), -1)))
    one = np.concatenate([order[same], here])
    other = np.concatenate([order[same + 1], near.reshape(len(rim), -1)[here, column]])
    together = np.ones(len(one), dtype=bool)
    for shape in shapes:
        together &= (np.abs(shape[rim[one]] - shape[rim[other]]) <= 2 * reach).all(1)
    first[rim] = rim[first_of_groups(np.stack([one[together], other[together]], axis=1), len(rim))]
    return first


def _on_rims(topology: Topology) -> np.ndarray:
    """(V,) bool: the vertices of edges that belong to one face alone."""
    ends = topology.corners.astype(np.int64), topology.corners[topology.following()].astype(np.int64)
    pairs, uses = np.unique(np.minimum(*ends) * topology.vertex_count + np.maximum(*ends), return_counts=True)
    found = np.zeros(topology.vertex_count, dtype=bool)
    for side in np.divmod(pairs[uses == 1], topology.vertex_count):
        found[side] = True
    return found
