# SPDX-License-Identifier: GPL-3.0-or-later
"""How deep points lie below a skin that may have holes: eyes, a mouth, a neck that is cut off."""

from __future__ import annotations

import itertools

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from ..shared.faces.face_profile import outward_sign

SMOOTHED_OVER = 5.0  # mm: over which a normal is averaged
OPEN_VOTES = 3  # of seven rays
DIRECTIONS = np.array([each for each in itertools.product((-1.0, 0.1, 1.0), repeat=3) if each != (0.1, 0.1, 0.1)])
NEAR = 1.0  # mm below the skin: what lies deeper cannot be outside


class Skin:
    """A skin, asked what is below it. vertices: (V, 3) mm. triangles: (T, 3), turned outwards if they face inwards.

    normals: (V, 3) unit, outward, averaged a little.
    """

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
        if outward_sign(vertices[triangles]) < 0:
            triangles = triangles[:, ::-1]
        self.vertices, self.triangles = vertices, triangles
        mesh = trimesh.Trimesh(vertices, triangles, process=False)
        used = np.unique(triangles)
        tree = cKDTree(vertices[used])
        near = tree.query_pairs(SMOOTHED_OVER, output_type="ndarray")
        own = np.array(mesh.vertex_normals)
        summed = own.copy()
        first, second = used[near[:, 0]], used[near[:, 1]]
        alike = np.einsum("px,px->p", own[first], own[second]) > 0.3  # not the inner side of a lip
        np.add.at(summed, first[alike], own[second[alike]])
        np.add.at(summed, second[alike], own[first[alike]])
        self.normals = summed / np.linalg.norm(summed, axis=1, keepdims=True).clip(1e-12)
        samples = np.concatenate([vertices[used], mesh.triangles_center])
        normals = np.concatenate([own[used], mesh.face_normals])
        open_air = _faces_open_air(mesh, samples, normals)
        self.samples, self.sample_normals = samples[open_air], normals[open_air]
        self._mesh = mesh
        self._tree = cKDTree(self.samples)

    def depth(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How deep points (P, 3) lie below the nearest outer skin (P,), how far off it is (P,), its normal (P, 3)."""
        distance, index = self._tree.query(points)
        normal = self.sample_normals[index]
        return -np.einsum("px,px->p", points - self.samples[index], normal), distance, normal

    def shallower(self, points: np.ndarray, least: float) -> np.ndarray:
        """Indices of points (P, 3) that lie less than `least` mm below the skin, or outside."""
        depth, distance, _ = self.depth(points)
        return np.flatnonzero(((depth < least) & (distance < 1.5 * least)) | self.outside(points))

    def below(
        self, points: np.ndarray, wanted: float, reach: float, only_deeper: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which of points (P, 3) have skin within reach, and where they would be `wanted` mm deep (S, 3)."""
        depth, distance, normal = self.depth(points)
        found = np.flatnonzero((distance < reach) & ((depth < wanted) | (not only_deeper)))
        return found, points[found] + (depth[found] - wanted)[:, None] * normal[found]

    def outside(self, points: np.ndarray) -> np.ndarray:
        """(P,) bool: which points (P, 3) are not below the skin. Behind an open back nothing is outside."""
        depth, distance, _ = self.depth(points)
        doubtful = np.flatnonzero((depth < NEAR) & (depth < 0.3 * distance))
        escaping, front, back = np.zeros((3, len(doubtful)))
        for direction in DIRECTIONS:
            rays = np.tile(direction, (len(doubtful), 1))
            face = self._mesh.ray.intersects_first(points[doubtful], rays)
            facing = self._mesh.face_normals[face] @ direction
            escaping += face < 0
            front += (face >= 0) & (facing < 0)
            back += (face >= 0) & (facing >= 0)
        outside = np.zeros(len(points), dtype=bool)
        outside[doubtful] = (escaping > 0.25 * len(DIRECTIONS)) & (front >= back)
        return outside & (depth < 0.0)


def _faces_open_air(mesh: trimesh.Trimesh, samples: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(S,) bool: which samples (S, 3) with normals (S, 3) are of the outer skin: the inside of a mouth is not.

    From outer skin many rays meet nothing; from the inside of a mouth or a nose hardly any do.
    """
    votes = np.zeros(len(samples))
    for direction in np.concatenate([np.zeros((1, 3)), 0.8 * np.concatenate([np.eye(3), -np.eye(3)])]):
        votes += mesh.ray.intersects_first(samples + 0.05 * normals, normals + direction) < 0
    return votes >= OPEN_VOTES
