# SPDX-License-Identifier: GPL-3.0-or-later
"""What hangs together in a mesh, and which pieces of it are spheres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..geometry.working_mesh import welded
from ..shared.faces.head_region import moved_most
from ..shared.foundation.topology import Topology

ROUND = 0.08  # of its radius, that the points of an eyeball, its cornea included, are off a sphere on the mean
ONE_SIDED = 0.8  # of the radius: if a sphere's points lie further to one side on the mean, there is only a cap of it
FEWEST_POINTS = 12
MOST_PIECES = 2000  # a mesh in more pieces has its faces apart


@dataclass(frozen=True)
class Sphere:
    """centre: (3,). radius: in the unit of the points. off: how far they are off it, as a share of it."""

    centre: np.ndarray
    radius: float
    off: float


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


def sphere_of(points: np.ndarray) -> Sphere | None:
    """The sphere that points (P, 3) lie on, None if they lie on none, or on a small part of one."""
    if len(points) < FEWEST_POINTS:
        return None
    middle = points.mean(0)
    arm = points - middle
    # |x - c|² = r² is linear in c and r² - |c|².
    rows = np.concatenate([2 * arm, np.ones((len(arm), 1))], axis=1)
    found = np.linalg.lstsq(rows, (arm**2).sum(1), rcond=None)[0]
    squared = found[3] + found[:3] @ found[:3]
    if not squared > 0:
        return None
    centre, radius = middle + found[:3], float(np.sqrt(squared))
    away = points - centre
    distance = np.linalg.norm(away, axis=1)
    off = float(np.sqrt(np.mean((distance - radius) ** 2))) / radius
    if off > ROUND:
        return None
    if np.linalg.norm((away / distance[:, None].clip(1e-9)).mean(0)) > ONE_SIDED:
        return None
    return Sphere(centre, radius, off)
