# SPDX-License-Identifier: GPL-3.0-or-later
"""Other meshes of the same face: every vertex of theirs is a mean of vertices of the first, so shapes come along."""

from __future__ import annotations

import argparse
import sys

import numpy as np
from common import capture_of
from scipy import sparse

from aim_blender.core.files.files import load_actor, save_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.shared.captured.captures import Capture
from aim_blender.core.shared.foundation.topology import Topology


def remeshed(capture: Capture, triangles: np.ndarray, carry: sparse.csr_matrix) -> Capture:
    """The capture on triangles (T, 3) whose vertices are carry (W, V) times its own."""
    topology = Topology(triangles.ravel(), np.full(len(triangles), 3), carry.shape[0])
    return Capture(capture.names, carried(carry, capture.vertices), topology, capture.bones)


def carried(carry: sparse.csr_matrix, frames: np.ndarray) -> np.ndarray:
    """Frames (F, V, 3) at the other mesh's vertices: (F, W, 3)."""
    return np.stack([carry @ frame for frame in frames])


def subdivided(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, sparse.csr_matrix]:
    """Every triangle cut into four: triangles (4T, 3) and carry (W, V)."""
    count = len(vertices)
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, of_side = np.unique(sides, axis=0, return_inverse=True)
    middle = count + of_side.reshape(-1, 3)  # of the sides 01, 12, 20
    a, b, c = triangles.T
    ab, bc, ca = middle.T
    cut = np.concatenate([np.stack(each, 1) for each in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))])
    rows = np.repeat(np.arange(len(edges)), 2)
    halves = sparse.csr_matrix((np.full(2 * len(edges), 0.5), (rows, edges.ravel())), shape=(len(edges), count))
    return cut, sparse.vstack([sparse.identity(count), halves]).tocsr()


def decimated(vertices: np.ndarray, triangles: np.ndarray, count: int) -> tuple[np.ndarray, sparse.csr_matrix]:
    """The mesh with about `count` vertices, by collapsing edges to their middle, flattest first (Garland and Heckbert).

    Returns triangles (T', 3) and carry (W, V). Boundary edges stay on the boundary; no triangle turns over.
    """
    carry = sparse.identity(len(vertices), format="csr")
    while len(vertices) > count:
        into, kept_share = _independent_collapses(vertices, triangles, len(vertices) - count)
        if (into == np.arange(len(into))).all():
            break
        # Row of a kept vertex: its own share, and the rest from what collapses into it.
        rows = np.arange(len(into))
        moved = into != rows
        mix = sparse.csr_matrix(
            (np.where(moved, 1 - kept_share[into], kept_share), (into, rows)), shape=(len(into),) * 2
        )
        keep = np.flatnonzero(~moved)
        number = np.full(len(into), -1)
        number[keep] = np.arange(len(keep))
        triangles = number[into[triangles]]
        apart = np.sort(triangles, 1)
        triangles = triangles[(np.diff(apart, axis=1) > 0).all(1)]
        mix = mix[keep]
        carry, vertices = mix @ carry, mix @ vertices
    return triangles, carry.tocsr()


def _independent_collapses(vertices: np.ndarray, triangles: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """One round: into (V,) the vertex each becomes, and share (V,) how much of a kept vertex is its own."""
    count = len(vertices)
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, uses = np.unique(sides, axis=0, return_counts=True)
    boundary = np.zeros(count, bool)
    boundary[edges[uses == 1]] = True
    neighbours: list[set[int]] = [set() for _ in range(count)]
    for a, b in edges.tolist():
        neighbours[a].add(b)
        neighbours[b].add(a)
    around: list[list[int]] = [[] for _ in range(count)]
    for index, corners in enumerate(triangles.tolist()):
        for corner in corners:
            around[corner].append(index)
    normal = np.cross(
        vertices[triangles[:, 1]] - vertices[triangles[:, 0]], vertices[triangles[:, 2]] - vertices[triangles[:, 0]]
    )
    size = np.linalg.norm(normal, axis=1, keepdims=True)
    plane = np.concatenate([normal / size, -(normal / size * vertices[triangles[:, 0]]).sum(1, keepdims=True)], 1)
    quadric = np.zeros((count, 4, 4))
    weighted = size[:, :, None] * plane[:, :, None] * plane[:, None]
    for corner in range(3):
        np.add.at(quadric, triangles[:, corner], weighted)
    share = np.where(boundary[edges[:, 0]] == boundary[edges[:, 1]], 0.5, np.where(boundary[edges[:, 0]], 1.0, 0.0))
    place = share[:, None] * vertices[edges[:, 0]] + (1 - share[:, None]) * vertices[edges[:, 1]]
    homogeneous = np.concatenate([place, np.ones((len(edges), 1))], 1)
    cost = np.einsum("ex,exy,ey->e", homogeneous, quadric[edges[:, 0]] + quadric[edges[:, 1]], homogeneous)
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    cost = cost + 1e-3 * length**4
    cost[(boundary[edges].all(1)) & (uses == 2)] = np.inf  # a bridge between two boundaries
    into, kept_share = np.arange(count), np.ones(count)
    locked = np.zeros(count, bool)
    done = 0
    order = np.argsort(cost)
    for index in order[: len(order) // 4]:
        a, b = edges[index]
        if done >= most or not np.isfinite(cost[index]):
            break
        ring = neighbours[a] | neighbours[b]
        if locked[list(ring)].any() or len(neighbours[a] & neighbours[b]) != uses[index]:
            continue
        touched = [t for t in (*around[a], *around[b]) if not (a in triangles[t] and b in triangles[t])]
        corners = vertices[triangles[touched]].copy()
        corners[(triangles[touched] == a) | (triangles[touched] == b)] = place[index]
        after = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        lengths = np.linalg.norm(after, axis=1) * size[touched, 0]
        if ((after * normal[touched]).sum(1) < 0.3 * lengths).any():
            continue
        locked[list(ring)] = True
        into[b], kept_share[a] = a, share[index]
        done += 1
    return into, kept_share


REMESHED = {
    "decimated": lambda vertices, triangles: decimated(vertices, triangles, len(vertices) // 2),
    "subdivided": subdivided,
}


def learned_remeshed(arguments: argparse.Namespace, seed: int, kind: str) -> tuple[Actor, sparse.csr_matrix]:
    """The actor learned on another mesh of the same face, learned once and kept; and what carries frames to it."""
    capture = capture_of(arguments, seed)[0]
    triangles, carry = REMESHED[kind](capture.neutral, capture.topology.triangles())
    path = arguments.work / f"actor_{seed}_{kind}.actor.safetensors"
    if not path.exists():
        from aim_blender.core.learning.learning import learn_actor

        print(f"learning actor {seed}, {kind}", file=sys.stderr)
        save_actor(learn_actor(remeshed(capture, triangles, carry)), path)
    return load_actor(path), carry
