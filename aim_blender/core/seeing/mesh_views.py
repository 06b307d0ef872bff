# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as pictures, and which place of its surface each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..shared.faces.face_profile import outward_sign
from ..shared.foundation.drawing import fill_clear
from ..shared.foundation.normals import vertex_normals

SKIN = np.array([0.85, 0.66, 0.56])
BACKGROUND, INSIDE = 0.45, 0.12  # grey around a mesh; what is seen of faces from behind, as through open eyes
AMBIENT = 0.25
LIGHT = (0.25, 0.45, 0.86)  # where it comes from: right, up, towards the viewer
MARGIN = 0.12  # of the picture, on each side
WELDED = 1e-6  # of the mesh's size: copies of a vertex are shaded as one
LEAST_FACING = 0.15  # cosine of skin that is seen well enough to be measured
REACH = 8  # pixels beside a landmark, in which skin is looked for
BEHIND = 14.0  # pixels behind the foremost of it, where what is seen through an opening is left out
WINDOW = np.stack(np.meshgrid(*2 * [np.arange(-REACH, REACH + 1)]), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class View:
    """What is seen of a mesh from far away. axes: (3, 3) by row right, up and towards the viewer. middle: (3,) what is
    in the picture's middle. side: its length in the mesh's unit. picture: (P, P, 3) bytes. depth: (P, P) how far
    towards the viewer the surface lies, in the mesh's unit, nan where nothing is. facing: (P, P) cosine between the
    surface's normal and the way to the viewer."""

    axes: np.ndarray
    middle: np.ndarray
    side: float
    picture: np.ndarray
    depth: np.ndarray
    facing: np.ndarray

    def lifted(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The places (L, 3) of the surface at pixels (L, 2), right and down, and how they face the viewer (L,); nan
        and 0 where nothing is near. Beside an edge, as at lids of open eyes, the skin nearest to a pixel counts."""
        size = len(self.picture)
        own = np.floor(pixels).astype(int)
        near = own[:, None] + WINDOW  # (L, W, 2)
        inside = ((near >= 0) & (near < size)).all(2)
        column, row = near.clip(0, size - 1)[..., 0], near.clip(0, size - 1)[..., 1]
        facing = np.where(inside, self.facing[row, column], 0.0)
        depth = np.where(facing > LEAST_FACING, self.depth[row, column], -np.inf)
        skin = depth > depth.max(1, keepdims=True) - BEHIND * self.side / size
        off = np.where(skin, np.linalg.norm(near + 0.5 - pixels[:, None], axis=2), np.inf)
        each, best = np.arange(len(pixels)), off.argmin(1)
        found = np.isfinite(off[each, best])
        chosen = near[each, best]
        flat = (pixels.clip(chosen, chosen + 1.0) / size - 0.5) * self.side * [1.0, -1.0]
        behind = self.depth[row[each, best], column[each, best]] - self.middle @ self.axes[2]
        places = self.middle + flat @ self.axes[:2] + behind[:, None] * self.axes[2]
        return np.where(found[:, None], places, np.nan), np.where(found, facing[each, best], 0.0)

    def pixels_of(self, places: np.ndarray) -> np.ndarray:
        """Pixels (L, 2), right and down, of places (L, 3)."""
        flat = (places - self.middle) @ self.axes[:2].T * [1.0, -1.0]
        return (flat / self.side + 0.5) * len(self.picture)


class Sitter:
    """A mesh that is looked at: vertices (V, 3) in any unit and triangles (T, 3), all of which face outwards or all
    inwards."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
        used, numbered = np.unique(triangles, return_inverse=True)
        self.vertices, triangles = vertices[used], numbered.reshape(-1, 3)
        self.triangles = triangles if outward_sign(self.vertices[triangles]) > 0 else triangles[:, ::-1]
        low, high = self.vertices.min(0), self.vertices.max(0)
        self.middle, self.size = (low + high) / 2, float(np.linalg.norm(high - low))
        cell = np.round((self.vertices - low) / (WELDED * self.size)).astype(np.int64)
        first, copies = np.unique(cell, axis=0, return_index=True, return_inverse=True)[1:]
        self.normals = vertex_normals(self.vertices[first], copies.ravel()[self.triangles])[copies.ravel()]

    def view(
        self,
        axes: np.ndarray,
        pixels: int,
        about: tuple[np.ndarray, float] | None = None,
        light: tuple[float, float, float] = LIGHT,
    ) -> View:
        """What is seen by axes (3, 3) as a View has them: all of the mesh, or a square about a middle (3,), with a
        side."""
        across = self.vertices @ axes[:2].T
        if about is None:
            low, high = across.min(0), across.max(0)
            middle = (low + high) / 2 @ axes[:2] + (self.middle @ axes[2]) * axes[2]
            side = float((high - low).max()) / (1 - 2 * MARGIN)
        else:
            middle, side = about
        scale = pixels / side
        flat = (across - middle @ axes[:2].T) * scale + pixels / 2
        depth = (self.vertices - middle) @ axes[2]
        points = np.column_stack([flat, depth * scale])
        corners = points[self.triangles]
        near = (corners[..., :2].max(1) > 0).all(1) & (corners[..., :2].min(1) < pixels).all(1)
        triangles, corners = self.triangles[near], corners[near]
        one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        front = one[:, 0] * other[:, 1] > one[:, 1] * other[:, 0]
        ours = self.normals @ axes.T
        shade = AMBIENT + (1 - AMBIENT) * (ours @ (np.array(light) / np.linalg.norm(light))).clip(0.0)
        told = np.column_stack([shade, ours[:, 2], depth])[triangles]
        drawn, size = np.zeros((pixels * pixels, 4), dtype=np.float32), (pixels, pixels)
        fill_clear(drawn, corners[front], told[front], size)
        behind = told[~front] * [0.0, 0.0, 1.0] - [1.0, 0.0, 0.0]
        fill_clear(drawn, corners[~front], behind, size)
        drawn = drawn.reshape(pixels, pixels, 4)[::-1]
        lit, clear = drawn[..., :1], drawn[..., 3:] == 0
        picture = np.where(clear, BACKGROUND, np.where(lit < 0, INSIDE, lit * SKIN))
        seen = np.where(clear[..., 0], np.nan, drawn[..., 2].astype(np.float64) + middle @ axes[2])
        return View(axes, middle, side, (255 * picture).clip(0, 255).astype(np.uint8), seen, drawn[..., 1])
