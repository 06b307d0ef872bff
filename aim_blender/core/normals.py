# SPDX-License-Identifier: GPL-3.0-or-later
"""Normals of a mesh at its vertices; needs numpy only."""

from __future__ import annotations

import numpy as np


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals: those of the triangles around a vertex by their angles there; 0 where there are none."""
    corner = vertices[triangles]  # (T, 3, 3)
    edge = np.roll(corner, -1, axis=1) - corner
    edge = edge / np.linalg.norm(edge, axis=2, keepdims=True).clip(1e-12)
    angle = np.arccos((-edge * np.roll(edge, 1, axis=1)).sum(2).clip(-1.0, 1.0))  # (T, 3)
    face = np.cross(edge[:, 0], edge[:, 1])
    face = face / np.linalg.norm(face, axis=1, keepdims=True).clip(1e-12)
    weighted = (angle[..., None] * face[:, None]).reshape(-1, 3)
    flat = triangles.ravel()
    normals = np.stack([np.bincount(flat, weighted[:, k], len(vertices)) for k in range(3)], axis=1)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
