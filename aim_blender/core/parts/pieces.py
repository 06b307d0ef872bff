# SPDX-License-Identifier: GPL-3.0-or-later
"""What hangs together in a mesh."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..geometry.working_mesh import welded
from ..shared.faces.head_region import moved_most
from ..shared.foundation.topology import Topology

MOST_PIECES = 2000  # a mesh in more pieces has its faces apart


def pieces_of(shapes: np.ndarray, topology: Topology) -> list[np.ndarray]:
    """The vertices of each piece that hangs together, copies along seams counted as one, of shapes (N+1, V, 3): the
    skin first, which is the one that moves most or, of a mesh at rest, is largest. Loose vertices are of none."""
    count = topology.vertex_count
    first, edges = welded(shapes, topology), topology.edges()
    ends = np.concatenate([edges, np.stack([np.arange(count), first], axis=1)])
    graph = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    label = connected_components(graph, directed=False)[1]
    label[~topology.in_faces()] = -1
    order = np.argsort(label, kind="stable")
    pieces = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    pieces = [piece for piece in pieces if label[piece[0]] >= 0]
    moved = moved_most(shapes)
    pieces.sort(key=lambda piece: (-float(moved[piece].sum()), -len(piece)))
    return pieces


def skin_of(shapes: np.ndarray, topology: Topology) -> np.ndarray:
    """(V,) bool: the vertices of the skin of shapes (N+1, V, 3), the neutral first; all of a mesh whose faces are
    apart."""
    pieces = pieces_of(shapes, topology)
    if not 1 < len(pieces) <= MOST_PIECES:
        return np.ones(topology.vertex_count, dtype=bool)
    return np.isin(np.arange(topology.vertex_count), pieces[0])
