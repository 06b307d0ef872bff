# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones under the skin: the sparse constraints of MODEL.md section 2, and the jaw's hinge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from .captures import Bone
from .errors import InputError

FACING = 0.8  # cosine between skin and bone normals above which they face the same way
NEIGHBOUR_MM = 8.0
JUMP_MM = 2.0  # by how much more than the skin points the bone points of neighbours may lie apart
LARGEST_JUMPING_SHARE = 0.25  # of a point's neighbours
LARGEST_THICKNESS = 25.0  # mm; the deepest soft tissue in the tables, at the second molar, is 18


@dataclass(frozen=True)
class Constraints:
    """What is known of the anatomy under C skin points.

    points: (C,) indices of skin points. bone: (C, 3) mm. normal: (C, 3) unit, outward. thickness: (C,) mm.
    on_mandible: (C,) bool, False where the bone is the skull.
    """

    points: np.ndarray
    bone: np.ndarray
    normal: np.ndarray
    thickness: np.ndarray
    on_mandible: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    def chosen(self, keep: np.ndarray) -> Constraints:
        """The constraints where keep (C,) is True."""
        return Constraints(
            self.points[keep], self.bone[keep], self.normal[keep], self.thickness[keep], self.on_mandible[keep]
        )

    @classmethod
    def none(cls) -> Constraints:
        """No constraints: an actor without bones."""
        return cls(
            np.zeros(0, dtype=np.int64), np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0, dtype=bool)
        )


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
    """Trace which skin points lie over which bone: the two-ray procedure of MODEL.md section 2.

    neutral: (V, 3) mm. triangles: (T, 3). bones: skull and mandible. trusted: (V,) bool, where constraints may start.

    From each trusted skin point a ray goes inwards along the skin normal. A hit counts if the bone there faces the same
    way as the skin. From the hit a second ray goes out along the bone normal; the skin point it meets gets the
    constraint. Raises InputError if the bones do not lie inside the head.
    """
    skin = trimesh.Trimesh(neutral, triangles, process=False)
    bone_mesh = _join(bones)
    mandible_start = len(bones["skull"].triangles)
    start = np.arange(len(neutral)) if trusted is None else np.flatnonzero(trusted)
    hit, ray, face = bone_mesh.ray.intersects_location(neutral[start], -skin.vertex_normals[start], multiple_hits=False)
    depth = np.linalg.norm(hit - neutral[start[ray]], axis=1)
    bone_normal = _normals_at(bone_mesh, hit, face)
    facing = np.einsum("cx,cx->c", bone_normal, skin.vertex_normals[start[ray]])
    keep = (facing > FACING) & (depth < LARGEST_THICKNESS)
    hit, bone_normal, face = hit[keep], bone_normal[keep], face[keep]
    if not keep.any():
        raise InputError(
            "no bone lies under the skin: skull and mandible must sit inside the head, in its unit and place, "
            "with their normals outwards"
        )

    meeting, second_ray, skin_face = skin.ray.intersects_location(hit, bone_normal, multiple_hits=False)
    corner_distance = np.linalg.norm(neutral[triangles[skin_face]] - meeting[:, None], axis=2)  # (C, 3)
    point = triangles[skin_face, corner_distance.argmin(1)]
    thickness = np.linalg.norm(meeting - hit[second_ray], axis=1)
    keep = thickness < LARGEST_THICKNESS
    order = np.flatnonzero(keep)[np.argsort(corner_distance.min(1)[keep], kind="stable")]
    _, first = np.unique(point[order], return_index=True)  # of several hits for one point, the closest
    chosen = order[first]
    ray_of = second_ray[chosen]
    # The meeting point is near the skin point, not on it: measured from the skin point, s0 = b + d n stays exact.
    exact_thickness = np.einsum("cx,cx->c", neutral[point[chosen]] - hit[ray_of], bone_normal[ray_of])
    bone_point = neutral[point[chosen]] - exact_thickness[:, None] * bone_normal[ray_of]
    found = Constraints(
        points=point[chosen],
        bone=bone_point,
        normal=bone_normal[ray_of],
        thickness=exact_thickness.clip(min=0.0),
        on_mandible=face[ray_of] >= mandible_start,
    )
    return found.chosen(_agrees_with_neighbours(neutral, found))


def _agrees_with_neighbours(neutral: np.ndarray, found: Constraints) -> np.ndarray:
    """(C,) bool: not where the bone under neighbouring skin points jumps, as over teeth, sockets and behind edges."""
    skin = neutral[found.points]
    pairs = cKDTree(skin).query_pairs(NEIGHBOUR_MM, output_type="ndarray")
    apart = np.linalg.norm(skin[pairs[:, 0]] - skin[pairs[:, 1]], axis=1)
    bone_apart = np.linalg.norm(found.bone[pairs[:, 0]] - found.bone[pairs[:, 1]], axis=1)
    jumps = (bone_apart > apart + JUMP_MM) | (found.on_mandible[pairs[:, 0]] != found.on_mandible[pairs[:, 1]])
    seen = np.bincount(pairs.ravel(), minlength=len(found))
    jumping = np.bincount(pairs[jumps].ravel(), minlength=len(found))
    return (seen > 0) & (jumping <= LARGEST_JUMPING_SHARE * seen)


def find_hinge(bones: dict[str, Bone], neutral: np.ndarray) -> Hinge:
    """The condylar hinge from the mandible's shape: its highest points far back on either side.

    bones: skull and mandible, (·, 3) mm. neutral: (V, 3) mm.
    """
    mandible, skull = bones["mandible"].vertices, bones["skull"].vertices
    side = symmetry_plane(mandible)[1]
    up = _unit(_reject(skull.mean(0) - mandible.mean(0), side))
    forward = np.cross(side, up)
    along = mandible @ forward
    # A mandible is a horseshoe: the arch that joins the two sides, the chin, is in front.
    middle = np.abs((mandible - mandible.mean(0)) @ side) < 0.15 * np.ptp(mandible @ side)
    if along[middle].mean() < along.mean():
        forward = -forward
        along = -along
    back = along < np.quantile(along, 0.35)
    condyles = []
    for sign in (-1.0, 1.0):
        ramus = mandible[back & (sign * ((mandible - mandible.mean(0)) @ side) > 0)]
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


def symmetry_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mirror plane of points (P, 3): a point on it (3,) and its unit normal (3,).

    Starts from each principal axis, refines by closest points and keeps the plane whose mirror image fits best.
    """
    sample = points[np.linspace(0, len(points) - 1, min(len(points), 3000)).astype(int)]
    tree = cKDTree(points)
    middle = points.mean(0)
    best_normal, best_offset, best_error = np.array([1.0, 0.0, 0.0]), 0.0, np.inf
    for normal in np.linalg.svd(points - middle, full_matrices=False)[2]:
        offset = float(middle @ normal)
        for _ in range(60):
            mirrored = sample - 2 * (sample @ normal - offset)[:, None] * normal
            distance, partner = tree.query(mirrored)
            close = distance <= np.quantile(distance, 0.8)  # trimmed: ears and necks are not quite symmetric
            halfway = (sample[close] + points[partner[close]]) / 2
            apart = sample[close] - points[partner[close]]
            # The mirror image of partners misses by 4 (n.halfway - offset)^2 - (n.apart)^2 and a constant
            centred = halfway - halfway.mean(0)
            normal = np.linalg.eigh(4 * centred.T @ centred - apart.T @ apart)[1][:, 0]
            offset = float(halfway.mean(0) @ normal)
        error = float(np.quantile(distance, 0.8))
        if error < best_error:
            best_normal, best_offset, best_error = normal, offset, error
    return best_offset * best_normal, best_normal


def mirror_partners(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For L_Sym: the plane's point and normal, and for each of points (P, 3) the index (P,) of its mirror partner."""
    origin, normal = symmetry_plane(points)
    mirrored = points - 2 * ((points - origin) @ normal)[:, None] * normal
    return origin, normal, cKDTree(points).query(mirrored)[1]


def _join(bones: dict[str, Bone]) -> trimesh.Trimesh:
    skull, mandible = bones["skull"], bones["mandible"]
    vertices = np.concatenate([skull.vertices, mandible.vertices])
    triangles = np.concatenate([skull.triangles, mandible.triangles + len(skull.vertices)])
    return trimesh.Trimesh(vertices, triangles, process=False)


def _normals_at(mesh: trimesh.Trimesh, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Smooth normals (P, 3) at points on faces (P,): vertex normals in barycentric proportion."""
    barycentric = trimesh.triangles.points_to_barycentric(mesh.triangles[faces], points)
    normals = np.einsum("pk,pkx->px", barycentric, mesh.vertex_normals[mesh.faces[faces]])
    return normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)


def _reject(vector: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return vector - (vector @ direction) * direction


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
