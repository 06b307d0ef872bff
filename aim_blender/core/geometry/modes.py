# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth functions on the mesh: the first eigenvectors of its Laplacian. They part the lips and lids by themselves."""

from __future__ import annotations

import numpy as np
import robust_laplacian
from scipy import sparse
from scipy.sparse.linalg import eigsh

from ..shared.foundation.errors import InputError


def laplacian_modes(
    vertices: np.ndarray, triangles: np.ndarray, count: int, equal_vertices: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` smoothest functions on a mesh.

    vertices: (V, 3). triangles: (T, 3). equal_vertices: let every vertex count alike instead of by its area; the
    functions then follow finer detail where the mesh does. Returns modes Φ (V, M) with unit mean square, the first one
    constant, and their eigenvalues μ (M,) in 1 / unit². A vertex without faces takes part in none. Deterministic: signs
    are fixed.

    Raises InputError if the mesh has fewer vertices than modes asked for.
    """
    if len(vertices) <= count + 1:
        raise InputError(f"a mesh of {len(vertices)} vertices is too coarse for {count} smooth modes; ask for fewer")
    stiffness, mass = robust_laplacian.mesh_laplacian(np.asarray(vertices, float), np.asarray(triangles, np.int64))
    area = mass.diagonal()
    area = np.where(area > 0, area, area[area > 0].min())
    if equal_vertices:
        area = np.full(len(vertices), area.mean())
    scale = 1.0 / np.sqrt(area)
    symmetric = sparse.diags(scale) @ stiffness @ sparse.diags(scale)  # standard instead of generalised problem
    shift = -1e-2 / area.sum()
    start = np.random.default_rng(0).standard_normal(len(vertices))
    room = min(len(vertices), max(count * 3 // 2, count + 20))  # for Lanczos: more costs more than it saves
    values, vectors = eigsh(symmetric, k=count, sigma=shift, v0=start, ncv=room)
    order = np.argsort(values)
    modes = vectors[:, order] * scale[:, None]
    modes *= np.sqrt(area.sum())
    modes *= np.sign(modes[np.abs(modes).argmax(0), np.arange(count)])
    return modes, values[order].clip(min=0.0)
