# SPDX-License-Identifier: GPL-3.0-or-later
"""The sparse constraints of docs/model.md section 2: which skin points lie over which bone, by two rays.

Needs numpy only. What casts the rays is given: trimesh in the worker, Blender's own BVH tree in Blender.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..captured.captures import Bone
from ..foundation.errors import InputError
from ..foundation.normals import vertex_normals

FACING = 0.8  # cosine between skin and bone normals above which they face the same way
NEIGHBOUR_MM = 8.0
JUMP_MM = 2.0  # by how much more than the skin points the bone points of neighbours may lie apart
LARGEST_JUMPING_SHARE = 0.25  # of a point's neighbours
LARGEST_THICKNESS = 25.0  # mm; the deepest soft tissue in the tables, at the second molar, is 18

# What describe_tracing mentions.
FEWEST_SHARE = 0.03  # of the skin's points; 0.05 to 0.1 is normal on a full head with a trusted region
FEWEST_ON_MANDIBLE = 40
INCONSISTENT_SHARE = 0.35  # of the points that found a bone, dropped because their neighbours found another place

# Casts rays from origins (R, 3) in unit directions (R, 3) and tells the first triangle (R,) that each of them meets,
# -1 where there is none.
RayCaster = Callable[[np.ndarray, np.ndarray], np.ndarray]
MakeRayCaster = Callable[[np.ndarray, np.ndarray], RayCaster]  # of a mesh: vertices (V, 3), triangles (T, 3)

INNER_SHARE = 0.35  # of the area: mouths, eyes and nostrils alone are less, the inner skin of a wall is nearly half


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


def trace(
    neutral: np.ndarray,
    triangles: np.ndarray,
    bones: dict[str, Bone],
    make_caster: MakeRayCaster,
    trusted: np.ndarray | None = None,
) -> tuple[Constraints, dict[str, Any]]:
    """Trace which skin points lie over which bone: the two-ray procedure.

    neutral: (V, 3) mm. triangles: (T, 3). bones: skull and mandible. trusted: (V,) bool, where rays may start.

    From each trusted skin point a ray goes inwards along the skin normal. A hit counts if the bone there faces the same
    way as the skin. From the hit a second ray goes out along the bone normal; the skin point it meets gets the
    constraint. Returns the constraints and figures: how many points there are, rays started, met bone, faced the
    same way, met the skin again, and were kept. Raises InputError if the bones do not lie inside the head.
    """
    skin_normals = vertex_normals(neutral, triangles)
    skull, mandible = bones["skull"], bones["mandible"]
    bone_vertices = np.concatenate([skull.vertices, mandible.vertices])
    bone_triangles = np.concatenate([skull.triangles, mandible.triangles + len(skull.vertices)])
    mandible_start = len(skull.triangles)
    start = np.arange(len(neutral)) if trusted is None else np.flatnonzero(trusted)
    figures: dict[str, Any] = {"points": len(neutral), "started": len(start)}

    inwards = -skin_normals[start]
    face = make_caster(bone_vertices, bone_triangles)(neutral[start], inwards)
    met = face >= 0
    start, inwards, face = start[met], inwards[met], face[met]
    hit = _meeting_points(neutral[start], inwards, bone_vertices[bone_triangles[face]])
    bone_normal = _smooth_normals(bone_vertices, bone_triangles, hit, face)
    facing = np.einsum("cx,cx->c", bone_normal, -inwards) > FACING
    keep = facing & (np.linalg.norm(hit - neutral[start], axis=1) < LARGEST_THICKNESS)
    figures |= {"met_bone": int(met.sum()), "faced": int(keep.sum())}
    hit, bone_normal, face = hit[keep], bone_normal[keep], face[keep]
    if not keep.any():
        raise InputError(
            "no bone lies under the skin: skull and mandible must sit inside the head, in its unit and place, "
            "with their normals outwards"
        )

    outer = _outer_skin(neutral, triangles, bone_vertices.mean(0))
    walled = len(outer) < len(triangles)
    triangles = outer
    skin_face = make_caster(neutral, triangles)(hit, bone_normal)
    out = np.flatnonzero(skin_face >= 0)
    if walled:  # in folds the inner skin, too, may face away from the middle, but not from the bone
        met_corners = neutral[triangles[skin_face[out]]]
        across = np.cross(met_corners[:, 1] - met_corners[:, 0], met_corners[:, 2] - met_corners[:, 0])
        out = out[np.einsum("cx,cx->c", across, bone_normal[out]) > 0]
    hit, bone_normal, face, skin_face = hit[out], bone_normal[out], face[out], skin_face[out]
    corners = triangles[skin_face]
    meeting = _meeting_points(hit, bone_normal, neutral[corners])
    corner_distance = np.linalg.norm(neutral[corners] - meeting[:, None], axis=2)  # (C, 3)
    point = corners[np.arange(len(corners)), corner_distance.argmin(1)]
    near = np.linalg.norm(meeting - hit, axis=1) < LARGEST_THICKNESS
    order = np.flatnonzero(near)[np.argsort(corner_distance.min(1)[near], kind="stable")]
    _, first = np.unique(point[order], return_index=True)  # of several hits for one point, the closest
    chosen = order[first]
    point, hit, bone_normal = point[chosen], hit[chosen], bone_normal[chosen]
    # The meeting point is near the skin point, not on it: measured from the skin point, s0 = b + d n stays exact.
    thickness = np.einsum("cx,cx->c", neutral[point] - hit, bone_normal)
    found = Constraints(
        points=point.astype(np.int64),
        bone=neutral[point] - thickness[:, None] * bone_normal,
        normal=bone_normal,
        thickness=thickness.clip(min=0.0),
        on_mandible=face[chosen] >= mandible_start,
    )
    kept = found.chosen(_agrees_with_neighbours(neutral, found))
    on_mandible = int(kept.on_mandible.sum())
    figures |= {"met_skin": len(found), "kept": len(kept), "mandible": on_mandible, "skull": len(kept) - on_mandible}
    return kept, figures


def _outer_skin(neutral: np.ndarray, triangles: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """The triangles (T, 3) of a skin (V, 3) that face away from the middle (3,) of the bones, if it has a wall with an
    inner skin, which rays from the bones would meet first; else all."""
    corners = neutral[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])  # twice the area long
    inner = np.einsum("tx,tx->t", normals, corners.mean(1) - middle) < 0
    area = np.sqrt(np.einsum("tx,tx->t", normals, normals))
    return triangles[~inner] if area[inner].sum() > INNER_SHARE * area.sum() else triangles


def describe_tracing(figures: dict[str, Any]) -> tuple[str, list[str]]:
    """What was traced in one sentence, and what an artist should know about it."""
    share = figures["kept"] / max(figures["points"], 1)
    sentence = (
        f"{figures['kept']} constraints on {share:.1%} of the skin's points: {figures['skull']} over the skull, "
        f"{figures['mandible']} over the mandible"
    )
    notes = []
    if share < FEWEST_SHARE:
        notes.append(
            f"only {share:.1%} of the points have a constraint, 5 to 10 % are normal; paint the trusted region larger, "
            "or place the bones closer under the skin"
        )
    if figures["mandible"] < FEWEST_ON_MANDIBLE:
        notes.append(
            f"only {figures['mandible']} points lie over the mandible, too few to follow the jaw; the trusted region "
            "should cover jaw line and chin, with the mandible under them"
        )
    dropped = figures["met_skin"] - figures["kept"]
    if dropped > INCONSISTENT_SHARE * max(figures["met_skin"], 1):
        notes.append(
            f"{dropped} of {figures['met_skin']} points were left out because their neighbours found the bone "
            "elsewhere; the bones may be rough or misplaced there"
        )
    return sentence, notes


def _meeting_points(origins: np.ndarray, directions: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(R, 3) where rays meet the planes of the triangles with corners (R, 3, 3)."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    steep = np.einsum("rx,rx->r", normal, directions)
    steep = np.where(np.abs(steep) < 1e-12, np.inf, steep)  # a triangle without area, met at its edge
    distance = np.einsum("rx,rx->r", normal, corners[:, 0] - origins) / steep
    return origins + distance[:, None] * directions


def _smooth_normals(vertices: np.ndarray, triangles: np.ndarray, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (P, 3) at points on faces (P,): vertex normals in barycentric proportion."""
    a, b, c = (vertices[triangles[faces, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    area = (normal**2).sum(1).clip(1e-24)
    second = (np.cross(c - b, points - b) * normal).sum(1) / area  # of a
    third = (np.cross(a - c, points - c) * normal).sum(1) / area  # of b
    share = np.stack([second, third, 1.0 - second - third], axis=1)
    blended = np.einsum("pk,pkx->px", share, vertex_normals(vertices, triangles)[triangles[faces]])
    return blended / np.linalg.norm(blended, axis=1, keepdims=True).clip(1e-12)


def _agrees_with_neighbours(neutral: np.ndarray, found: Constraints) -> np.ndarray:
    """(C,) bool: not where the bone under neighbouring skin points jumps, as over teeth, sockets and behind edges."""
    skin = neutral[found.points]
    seen, jumping = np.zeros(len(found)), np.zeros(len(found))
    for one, other in _pairs_within(skin, NEIGHBOUR_MM):
        apart = np.linalg.norm(skin[one] - skin[other], axis=1)
        near = (apart <= NEIGHBOUR_MM) & (one != other)
        one, other, apart = one[near], other[near], apart[near]
        bone_apart = np.linalg.norm(found.bone[one] - found.bone[other], axis=1)
        jumps = (bone_apart > apart + JUMP_MM) | (found.on_mandible[one] != found.on_mandible[other])
        seen += np.bincount(one, minlength=len(found))
        jumping += np.bincount(one[jumps], minlength=len(found))
    return (seen > 0) & (jumping <= LARGEST_JUMPING_SHARE * seen)


def _pairs_within(points: np.ndarray, radius: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All ordered pairs of points (P, 3) that may lie within a radius, and some that lie a little farther apart.

    Yields indices of the ones and of the others. A grid of cells as wide as the radius, sorted so that the three cells
    in a row along Z are one stretch: nothing but numpy, and the effort grows with the number of pairs.
    """
    cell = np.floor((points - points.min(0, initial=0.0)) / radius).astype(np.int64) + 1
    depth, width = (int(cell[:, k].max(initial=0)) + 2 for k in (2, 1))
    key = (cell[:, 0] * width + cell[:, 1]) * depth + cell[:, 2]
    order = np.argsort(key, kind="stable")
    sorted_key = key[order]
    for step in (x * width * depth + y * depth for x in (-1, 0, 1) for y in (-1, 0, 1)):
        first = np.searchsorted(sorted_key, key + step - 1, "left")
        count = np.searchsorted(sorted_key, key + step + 1, "right") - first
        one = np.repeat(np.arange(len(points)), count)
        place = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
        yield one, order[np.repeat(first, count) + place]
