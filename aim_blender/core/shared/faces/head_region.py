# SPDX-License-Identifier: GPL-3.0-or-later
"""Where on a mesh its head may be: where its shapes move it or, of a mesh at rest, at one of its ends. Needs numpy
only; Blender's process imports it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

NOISE = 2e-6  # of the size of a mesh: what moves less stands still, and is the last digit of a file
MOVING_SHARE = 0.05  # of what the most moving skin moves: less may be the whole head, or noise
ROOM_SHARE = 0.8  # of the moving region's size: as far around it a head may go on
MOST_OF_IT = 0.9  # of the mesh: a head that is as much of it is all of it
END_SHARES = (0.2, 0.3, 0.14)  # of a body's length, for the head at its end: a grown-up's, a cartoon's, a giant's
LEAST_END_TRIANGLES = 100


def moved_most(shapes: np.ndarray) -> np.ndarray:
    """(V,) how far at most each vertex of shapes (N+1, V, 3), the neutral first, is from the neutral's."""
    most = np.zeros(shapes.shape[1])
    for shape in shapes[1:]:
        np.maximum(most, ((shape - shapes[0]) ** 2).sum(-1), out=most)
    return np.sqrt(most)


def moving_vertices(shapes: np.ndarray, used: np.ndarray) -> np.ndarray:
    """(V,) bool: the vertices that shapes (N+1, V, 3), the neutral first, clearly move. used: (V,) those in faces."""
    moved = moved_most(shapes)
    size = float(np.ptp(shapes[0][used], axis=0).max())
    moves = used & (moved > NOISE * size)
    if not moves.any():
        return moves
    return moves & (moved > MOVING_SHARE * np.quantile(moved[moves], 0.95))


def around(vertices: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """(V,) bool: which of vertices (V, 3) lie so near to the moving ones (V,) that they belong to the same head."""
    low, high = vertices[moving].min(0), vertices[moving].max(0)
    room = ROOM_SHARE * (high - low).max()
    return ((vertices >= low - room) & (vertices <= high + room)).all(1)


def ends(corners: np.ndarray) -> Iterator[np.ndarray]:
    """(T,) bool again and again: the triangles (T, 3, 3) at the ends of a body, the likeliest to be its head first."""
    low, high = corners.min((0, 1)), corners.max((0, 1))
    length = float((high - low).max())
    for axis, sign in ((1, 1), (2, 1), (1, -1), (2, -1), (0, 1), (0, -1)):
        if high[axis] - low[axis] < length / 2:
            continue
        along = sign * corners[:, :, axis]
        from_end = along.max() - along.max(1)
        for share in END_SHARES:
            end = from_end < share * length
            if end.sum() >= LEAST_END_TRIANGLES:
                yield end
