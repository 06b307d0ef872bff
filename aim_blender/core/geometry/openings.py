# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a closed surface folds inwards, as into the bags behind lips and lids: what an open rim on another mesh is."""

from __future__ import annotations

import numpy as np

from ..shared.foundation.normals import vertex_normals
from .surfaces import boundary_loops, edge_graph, neighbour_average, samples

DIRECTIONS = 48
PIXEL_MM = 2.5
BEHIND_MM = 2.5  # what lies deeper than another place of the same pixel is hidden
GRAZING = 0.2  # cosine below which a place is not seen
LEVELS = (0.5, 0.45, 0.4, 0.35, 0.3)  # of what a place could see, how much it sees at a margin
SMOOTHING = 3  # times a place's openness is evened out with its neighbours'


def margins(vertices: np.ndarray, triangles: np.ndarray, unit: float) -> list[np.ndarray]:
    """Loops of vertices (V, 3) along which the surface of triangles (T, 3) turns inwards, for all LEVELS.

    They run as those of boundary_loops. unit: a mm of a common head. Nostrils and folds of ears are among them.
    """
    open_ = openness(vertices, triangles, unit)
    edges = edge_graph(vertices, triangles).tocoo()
    around = neighbour_average(np.stack([edges.row, edges.col], axis=1), len(vertices))
    for _ in range(SMOOTHING):
        open_ = around @ open_
    of_triangle = open_[triangles].mean(1)
    rims = set(np.concatenate([*boundary_loops(triangles), np.empty(0, int)]).tolist())
    loops = [loop for level in LEVELS for loop in boundary_loops(triangles[of_triangle > level])]
    return [loop for loop in loops if rims.isdisjoint(loop.tolist())]


def openness(
    vertices: np.ndarray, triangles: np.ndarray, unit: float, directions: np.ndarray | None = None
) -> np.ndarray:
    """(V,) how much of what lies before a place can be seen from far away: 1 on a ball, 0 in a closed bag.

    directions: (D, 3) unit vectors to look from; None from all around.
    """
    normals = vertex_normals(vertices, triangles)
    of_sample, weights = samples(vertices, triangles, PIXEL_MM * unit)
    points = np.einsum("pk,pkx->px", weights, vertices[triangles[of_sample]])
    places = np.ascontiguousarray(points.T), np.ascontiguousarray(vertices.T)  # (3, P), (3, V)
    seen, possible = np.zeros(len(vertices)), np.full(len(vertices), 1e-12)
    for direction in _directions(DIRECTIONS) if directions is None else directions:
        across = np.linalg.svd(direction[None])[2][1:]  # (2, 3)
        facing = normals @ direction
        flat = [across @ each for each in places]
        low = flat[0].min(1, keepdims=True)
        pixels, own = (((each - low) / (PIXEL_MM * unit)).astype(np.int64).clip(min=0) for each in flat)
        width = max(pixels[1].max(), own[1].max()) + 1
        nearest = np.full((max(pixels[0].max(), own[0].max()) + 1) * width, -np.inf)
        np.maximum.at(nearest, pixels[0] * width + pixels[1], direction @ places[0])
        # A slope rises within a pixel: by as much as it is steep.
        rise = PIXEL_MM * unit * np.sqrt((1 - facing**2).clip(min=0)) / facing.clip(min=GRAZING)
        free = vertices @ direction > nearest[own[0] * width + own[1]] - BEHIND_MM * unit - rise
        weight = np.where(facing > GRAZING, facing, 0.0)
        seen += weight * free
        possible += weight
    return seen / possible


def _directions(count: int) -> np.ndarray:
    """(D, 3) unit vectors, spread evenly."""
    height = 1 - (2 * np.arange(count) + 1) / count
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
