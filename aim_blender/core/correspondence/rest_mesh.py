# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh at rest as one surface: copies of a vertex welded, loose vertices and faces without size left out, parts told
apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..geometry.surfaces import boundary_loops, edge_graph, first_of_groups, rim_vertices
from ..shared.faces.face_profile import outward_sign
from ..shared.foundation.errors import InputError
from ..shared.foundation.normals import vertex_normals
from ..shared.foundation.topology import Topology

SAME_PLACE = 2e-6  # of the mesh's size: copies of a vertex differ in the last digit of a file
OPPOSED = -0.2  # cosine of the normals below which two rims at one place are two lips that touch, and no seam
LEAST_RIM = 8  # vertices about a slit
WIDEST_SLIT = 0.4  # of the mesh's size


@dataclass(frozen=True)
class RestMesh:
    """The surface of a mesh of V vertices. vertices: (W, 3) and triangles (T, 3), facing outwards. chosen: (W,) which
    of the V they are. follows: (V,) with which of the W each of the V goes. loose: (V,) bool, those in no face. part:
    (W,) int, the number of the connected part that a vertex is of."""

    vertices: np.ndarray
    triangles: np.ndarray
    chosen: np.ndarray
    follows: np.ndarray
    loose: np.ndarray
    part: np.ndarray


def rest_mesh(points: np.ndarray, topology: Topology) -> RestMesh:
    """The surface of a mesh at rest, points (V, 3). Raises InputError if none of its faces has a size."""
    triangles = topology.triangles().astype(np.int64)
    count = len(points)
    in_faces = np.zeros(count, bool)
    in_faces[triangles] = True
    first = welded(points, triangles)
    triangles = first[triangles]
    triangles = triangles[(triangles != np.roll(triangles, 1, axis=1)).all(1)]
    if not len(triangles):
        raise InputError("none of the mesh's faces has a size; a face mesh is needed")
    triangles = triangles if outward_sign(points[triangles]) > 0 else triangles[:, ::-1]
    chosen, numbered = np.unique(triangles, return_inverse=True)
    row = np.full(count, -1)
    row[chosen] = np.arange(len(chosen))
    follows = row[first]
    astray = follows < 0  # in no face, or in faces without size alone
    follows[astray] = cKDTree(points[chosen]).query(points[astray])[1]
    triangles = numbered.reshape(triangles.shape)
    part = connected_components(edge_graph(points[chosen], triangles), directed=False)[1]
    return RestMesh(points[chosen], triangles, chosen, follows, ~in_faces, part)


def welded(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V,) for each of points (V, 3) the first that lies at the same place on a rim and faces the same way; lips that
    touch stay two."""
    first = np.arange(len(points))
    rim = rim_vertices(triangles)
    if not len(rim):
        return first
    places, normals = points[rim], vertex_normals(points, triangles)[rim]
    reach = SAME_PLACE * float(np.ptp(points[triangles].reshape(-1, 3), axis=0).max())
    pairs = cKDTree(places).query_pairs(reach, output_type="ndarray")
    pairs = pairs[(normals[pairs[:, 0]] * normals[pairs[:, 1]]).sum(1) > OPPOSED]
    slit = np.zeros(len(points), np.int64)
    first[rim] = rim[first_of_groups(pairs, len(rim))]
    for number, loop in enumerate(boundary_loops(triangles), 1):
        if _is_slit(points[loop], first[loop], float(np.linalg.norm(np.ptp(points, axis=0)))):
            slit[loop] = number
    ends = slit[rim[pairs]]
    pairs = pairs[(ends[:, 0] == 0) | (ends[:, 0] != ends[:, 1])]
    first[rim] = rim[first_of_groups(pairs, len(rim))]
    return first


def _is_slit(rim: np.ndarray, place: np.ndarray, size: float) -> bool:
    """Whether a closed rim (R, 3) goes along a slit and back the same way: a mouth that is modelled shut, whose lips
    part in some shape. Seams run from rim to rim or round; where one ends within the skin, parting it does no harm.

    place: (R,) numbers of the places. size: of the mesh.
    """
    _, index, uses = np.unique(place, return_inverse=True, return_counts=True)
    single = np.flatnonzero(uses[index] == 1)
    if len(rim) < LEAST_RIM or len(single) != 2:
        return False
    way = np.roll(place, -single[0])
    length = np.linalg.norm(np.diff(rim, axis=0, append=rim[:1]), axis=1).sum() / 2
    return bool((way[1:] == way[:0:-1]).all() and length < WIDEST_SLIT * size)
