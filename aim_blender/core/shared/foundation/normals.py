# SPDX-License-Identifier: GPL-3.0-or-later
"""Normals of a mesh at its vertices; needs numpy only."""

from __future__ import annotations

import numpy as np


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals: those of the triangles around a vertex by their angles there; 0 where there are none."""
    corner = vertices[triangles]  # (T, 3, 3)
    edge = unit_vectors(np.roll(corner, -1, axis=1) - corner)
    angle = np.arccos(np.einsum("tkc,tkc->tk", -edge, np.roll(edge, 1, axis=1)).clip(-1.0, 1.0))  # (T, 3)
    weighted = (angle[..., None] * unit_vectors(np.cross(edge[:, 0], edge[:, 1]))[:, None]).reshape(-1, 3)
    flat = triangles.ravel()
    return unit_vectors(np.stack([np.bincount(flat, weighted[:, k], len(vertices)) for k in range(3)], axis=1))


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) of length 1; those of no length stay as they are."""
    # Many times faster than the norm along an axis of three.
    return vectors / np.sqrt(np.einsum("...c,...c->...", vectors, vectors))[..., None].clip(1e-12)
