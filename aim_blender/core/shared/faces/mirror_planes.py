# SPDX-License-Identifier: GPL-3.0-or-later
"""Planes that mirror a surface onto itself, found from its points and normals. Needs numpy only."""

from __future__ import annotations

import numpy as np

from ..foundation.errors import InputError

SETTLED_COSINE = 1.0 - 1e-7
AT_A_TIME = 250_000  # distances, which a processor keeps at hand


def nearest(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each of points (P, D) the distance (P,) to the nearest of others (Q, D), and its index (P,)."""
    distance, index = np.empty(len(points)), np.empty(len(points), dtype=np.int64)
    # Half the squared distance, but for what all have in common: one product is quicker than a product and a sum.
    with_one = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    product = np.concatenate([-others, 0.5 * (others**2).sum(1, keepdims=True)], axis=1).T.copy()
    step = max(16, AT_A_TIME // len(others))
    for start in range(0, len(points), step):
        part = points[start : start + step]
        index[start : start + step] = (with_one[start : start + step] @ product).argmin(1)
        distance[start : start + step] = np.linalg.norm(part - others[index[start : start + step]], axis=1)
    return distance, index


def mirror_planes(points: np.ndarray, normals: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Planes that may mirror a surface with points and normals (S, 3), best first: a point and a unit normal of each,
    and how much worse than the best it mirrors, as a share."""
    middle = points.mean(0)
    axes = np.linalg.svd(points - middle, full_matrices=False)[2]
    starts = [*axes]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        starts += [(axes[i] + axes[j]) / np.sqrt(2), (axes[i] - axes[j]) / np.sqrt(2)]
    facing = 0.15 * float(np.linalg.norm(np.ptp(points, axis=0)))
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for start in starts:
        origin, normal, error = mirror_plane(points[::2], normals[::2], start, middle, facing, 40)
        if not any(abs(normal @ other) > 0.98 for _, _, other in found):
            found.append((error, origin, normal))
    found.sort(key=lambda each: each[0])
    best = found[0][0]
    room = 0.1 * facing  # what is mirrored exactly must not make all others infinitely worse
    return [
        (origin, normal, (error - best) / (best + room))
        for error, origin, normal in found[:3]
        if error < 2 * best + room
    ]


def mirror_plane(
    points: np.ndarray, normals: np.ndarray, normal: np.ndarray, origin: np.ndarray, facing: float, rounds: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """The plane near (normal (3,), origin (3,)) that best mirrors a surface with points and normals (S, 3) onto itself.

    facing: how far off, in the unit of the points, a partner is that faces a radian aside. Returns a point of the
    plane, its normal and the distance within which four of five points find a partner.
    """
    offset, error = float(origin @ normal), 0.0
    surface = np.concatenate([points, facing * normals], axis=1)
    for _ in range(rounds):
        reflection = np.eye(3) - 2 * np.outer(normal, normal)
        mirrored = points @ reflection + 2 * offset * normal
        distance, partner = nearest(np.concatenate([mirrored, facing * normals @ reflection], axis=1), surface)
        error = float(np.quantile(distance, 0.8))
        close = distance <= error  # trimmed: ears and necks are not quite symmetric
        before = normal
        normal, offset = plane_between(points[close], points[partner[close]])
        if abs(normal @ before) > SETTLED_COSINE:
            break
    return offset * normal, normal, error


def plane_between(points: np.ndarray, partners: np.ndarray) -> tuple[np.ndarray, float]:
    """The plane, normal (3,) and offset along it, that best mirrors points (P, 3) onto their partners (P, 3)."""
    # The mirror image of partners misses by 4 (n.halfway - offset)^2 - (n.apart)^2 and a constant
    halfway, apart = (points + partners) / 2, points - partners
    centred = halfway - halfway.mean(0)
    normal = np.linalg.eigh(4 * centred.T @ centred - apart.T @ apart)[1][:, 0]
    return normal, float(halfway.mean(0) @ normal)


def surface_samples(corners: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (count, 3) spread evenly over triangles (T, 3, 3), and the unit normals (count, 3) there."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    along = np.cumsum(area)
    if len(corners) == 0 or not along[-1] > 0:
        raise InputError("the mesh has no area; a face mesh is needed")
    chosen = np.searchsorted(along, (np.arange(count) + 0.5) / count * along[-1])
    return corners[chosen].mean(1), normals[chosen] / area[chosen, None]
