# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones under the skin: the rays of the worker's constraints, the jaw's hinge, and the plane of symmetry.

trimesh is imported where it is needed, so that fits start half a second earlier without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..shared.bones.constraints import Constraints, RayCaster, trace
from ..shared.captured.captures import Bone
from ..shared.faces.face_profile import find_head_frame
from ..shared.faces.mirror_planes import plane_between
from ..shared.foundation.errors import InputError


@dataclass(frozen=True)
class Hinge:
    """The condylar hinge: centre (3,) mm midway between the condyles, axis (3,) unit through both, up (3,) unit.

    A positive rotation about the axis opens the jaw. up is perpendicular to it, from mandible to skull.
    """

    centre: np.ndarray
    axis: np.ndarray
    up: np.ndarray

    @property
    def forward(self) -> np.ndarray:
        """(3,) unit, perpendicular to axis and up, towards the chin."""
        return np.cross(self.axis, self.up)


def trace_constraints(
    neutral: np.ndarray, triangles: np.ndarray, bones: dict[str, Bone], trusted: np.ndarray | None = None
) -> Constraints:
    """Trace which skin points lie over which bone: constraints.trace with trimesh's rays."""
    return trace(neutral, triangles, bones, ray_caster, trusted)[0]


def ray_caster(vertices: np.ndarray, triangles: np.ndarray) -> RayCaster:
    """Casts rays onto a mesh (V, 3), (T, 3)."""
    import trimesh

    return trimesh.Trimesh(vertices, triangles, process=False).ray.intersects_first


def find_hinge(bones: dict[str, Bone], plane: np.ndarray | None = None) -> Hinge:
    """The condylar hinge from the mandible's shape: its highest points far back on either side.

    bones: skull and mandible, (·, 3) mm. plane: (2, 3) a point and the unit normal of the plane
    that parts left and right; None is the mandible's own mirror plane. Raises InputError if a side has no ramus.
    """
    mandible, skull = bones["mandible"].vertices, bones["skull"].vertices
    middle_point, side = (mandible.mean(0), symmetry_plane(mandible)[1]) if plane is None else plane
    up = _unit(_reject(skull.mean(0) - mandible.mean(0), side))
    forward = np.cross(side, up)
    along = mandible @ forward
    # A mandible is a horseshoe: the arch that joins the two sides, the chin, is in front.
    middle = np.abs((mandible - middle_point) @ side) < 0.15 * np.ptp(mandible @ side)
    if middle.any() and along[middle].mean() < along.mean():
        forward = -forward
        along = -along
    back = along < np.quantile(along, 0.35)
    condyles = []
    for sign in (-1.0, 1.0):
        ramus = mandible[back & (sign * ((mandible - middle_point) @ side) > 0)]
        if len(ramus) == 0:
            raise InputError("the mandible has no left or right ramus behind its chin; is it the mandible's mesh?")
        height = ramus @ up
        condyles.append(ramus[height > np.quantile(height, 0.93)].mean(0))
    centre = (condyles[0] + condyles[1]) / 2
    axis = _unit(condyles[1] - condyles[0])
    chin = mandible[along > np.quantile(along, 0.95)].mean(0)
    if np.cross(axis, chin - centre) @ up > 0:  # a small positive rotation must move the chin down
        axis = -axis
    return Hinge(centre, axis, _unit(_reject(up, axis)))


def symmetry_plane(points: np.ndarray, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The mirror plane of points (P, 3): a point on it (3,) and its unit normal (3,).

    Starts from a normal (3,), or else from each principal axis, refines by closest points and keeps the plane whose
    mirror image fits best.
    """
    sample = points[np.linspace(0, len(points) - 1, min(len(points), 3000)).astype(int)]
    tree = cKDTree(points)
    middle = points.mean(0)
    best_normal, best_offset, best_error = np.array([1.0, 0.0, 0.0]), 0.0, np.inf
    starts = np.linalg.svd(points - middle, full_matrices=False)[2] if start is None else start[None]
    for normal in starts:
        offset = float(middle @ normal)
        for _ in range(60):
            mirrored = sample - 2 * (sample @ normal - offset)[:, None] * normal
            distance, partner = tree.query(mirrored)
            close = distance <= np.quantile(distance, 0.8)  # trimmed: ears and necks are not quite symmetric
            normal, offset = plane_between(sample[close], points[partner[close]])
        error = float(np.quantile(distance, 0.8))
        if error < best_error:
            best_normal, best_offset, best_error = normal, offset, error
    return best_offset * best_normal, best_normal


def mirror_plane(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(2, 3) a point of the mirror plane of a head's points (P, 3), and the plane's unit normal.

    It is the face's: backs of heads, ears and necks are less symmetric, and turned it by up to 10 degrees.
    """
    try:
        frame = find_head_frame(points, triangles)
        return np.stack([frame.nasion, frame.left])
    except InputError:  # no face, or a part of one
        return np.stack(symmetry_plane(points))


def mirror_partners(points: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """For L_Sym: for each of points (P, 3) the index (P,) of the one nearest to its image in a mirror_plane (2, 3)."""
    origin, normal = plane
    return cKDTree(points).query(points - 2 * ((points - origin) @ normal)[:, None] * normal)[1]


def _reject(vector: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return vector - (vector @ direction) * direction


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
