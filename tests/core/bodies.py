# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces as people have them: whole characters, loose vertices, faces apart."""

from __future__ import annotations

import numpy as np

from aim_blender.core.shared.foundation.topology import Topology

RINGS, SIDES = 12, 16


def capsule(start: tuple[float, ...], end: tuple[float, ...], radius: float) -> tuple[np.ndarray, np.ndarray]:
    """An open tube from start to end: vertices (V, 3) and quads (P, 4)."""
    first, last = np.array(start, float), np.array(end, float)
    along = (last - first) / np.linalg.norm(last - first)
    one = np.cross(along, [0.3, 0.2, 1.0])
    one /= np.linalg.norm(one)
    angle = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    ring = radius * (np.outer(np.cos(angle), one) + np.outer(np.sin(angle), np.cross(along, one)))
    vertices = (first + np.linspace(0, 1, RINGS)[:, None, None] * (last - first) + ring).reshape(-1, 3)
    index = np.arange(RINGS * SIDES).reshape(RINGS, SIDES)
    beside = np.roll(index, -1, axis=1)
    return vertices, np.stack([index[:-1], beside[:-1], beside[1:], index[1:]], axis=-1).reshape(-1, 4)


def with_body(shapes: np.ndarray, topology: Topology) -> tuple[np.ndarray, Topology]:
    """Shapes (N+1, V, 3) mm of a head that looks along -Y, Z up, on a body 1.75 m tall whose feet are at 0."""
    neck, middle = shapes[0, :, 2].min(), shapes[0].mean(0)
    ground = neck - 1450.0
    limbs = [((0, -20), (0, -560), 150), ((-170, -90), (-820, -90), 45), ((170, -90), (820, -90), 45)]
    limbs += [((-90, -600), (-90, -1450), 75), ((90, -600), (90, -1450), 75)]
    parts, quads, count = [], [], shapes.shape[1]
    for (from_x, from_z), (to_x, to_z), radius in limbs:
        depth = middle[1]
        vertices, faces = capsule((from_x, depth, neck + from_z), (to_x, depth, neck + to_z), radius)
        parts.append(vertices)
        quads.append(faces + count)
        count += len(vertices)
    body = np.broadcast_to(np.concatenate(parts), (len(shapes), count - shapes.shape[1], 3))
    corners = np.concatenate([topology.corners, np.concatenate(quads).ravel()])
    sizes = np.concatenate([topology.sizes, np.full(sum(map(len, quads)), 4)])
    return np.concatenate([shapes, body], axis=1) - [0, 0, ground], Topology(corners, sizes, count)


def with_clothes_and_hair(shapes: np.ndarray, topology: Topology) -> tuple[np.ndarray, Topology]:
    """Shapes (N+1, V, 3) mm of a head as of with_body, with cards of hair on it, on a body in a shirt."""
    head = shapes[0]
    neck, middle, top = head[:, 2].min(), head.mean(0), head[:, 2].max()
    rng, parts, quads, count = np.random.default_rng(4), [], [], shapes.shape[1]
    scalp = np.flatnonzero((head[:, 2] > top - 60) & (head[:, 1] > middle[1] - 30))
    for root in head[rng.choice(scalp, 40, replace=False)]:
        out = (root - [middle[0], middle[1], top - 90]) / np.linalg.norm(root - [middle[0], middle[1], top - 90])
        down = np.arange(8)[:, None]
        spine = root + (3 + 2 * down) * out - 14 * down * [0, 0, 1]
        aside = 4 * np.cross(out, [0.1, 0, 1])
        parts.append(np.stack([spine - aside, spine + aside], axis=1).reshape(-1, 3))
        index = count + np.arange(16).reshape(8, 2)
        quads.append(np.stack([index[:-1, 0], index[:-1, 1], index[1:, 1], index[1:, 0]], axis=-1))
        count += 16
    for from_z, to_z, radius in ((-14, -568, 158), (-20, -560, 150)):
        vertices, faces = capsule((0, middle[1], neck + from_z), (0, middle[1], neck + to_z), radius)
        parts.append(vertices)
        quads.append(faces + count)
        count += len(vertices)
    more = np.broadcast_to(np.concatenate(parts), (len(shapes), count - shapes.shape[1], 3))
    corners = np.concatenate([topology.corners, np.concatenate(quads).ravel()])
    sizes = np.concatenate([topology.sizes, np.full(sum(map(len, quads)), 4)])
    return np.concatenate([shapes, more], axis=1), Topology(corners, sizes, count)
