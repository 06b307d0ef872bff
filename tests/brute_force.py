# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rays of trimesh and of Blender are compared with. Needs numpy only: tests of both storeys use it."""

from collections.abc import Callable

import numpy as np


def brute_force_caster(vertices: np.ndarray, triangles: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Casts rays onto a mesh (V, 3), (T, 3), as constraints.RayCaster, by trying every triangle (Möller and
    Trumbore 1997): slow, and nothing to misunderstand."""
    corner = vertices[triangles]
    along, across = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]

    def cast(origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        found = np.full(len(origins), -1)
        for ray, (origin, direction) in enumerate(zip(origins, directions, strict=True)):
            tilted = np.cross(direction, across)
            determinant = (along * tilted).sum(1)
            with np.errstate(divide="ignore", invalid="ignore"):
                offset = origin - corner[:, 0]
                u = (offset * tilted).sum(1) / determinant
                turned = np.cross(offset, along)
                v = turned @ direction / determinant
                distance = (across * turned).sum(1) / determinant
                inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0)
            if inside.any():
                found[ray] = np.flatnonzero(inside)[distance[inside].argmin()]
        return found

    return cast
