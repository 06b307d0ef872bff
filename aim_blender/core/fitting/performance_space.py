# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance whose file has other axes than its actor's capture, Z up where that had Y up, is turned back."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from scipy.spatial.transform import Rotation

from ..model.head import robust_registration
from ..points.points import PointPerformance
from ..shared.captured.performances import Performance
from ..shared.foundation.large_arrays import room_for

SAMPLED_FRAMES = 12
MOST_POINTS = 500
CLOSEST_DEGREES = 40.0  # a head turns by less; of two turns by quarters only one is so near


def in_actor_axes(performance: Performance, neutral: np.ndarray) -> tuple[Performance, str]:
    """The performance in the axes of neutral (V, 3), and a sentence if its own were others.

    A head may turn, but not by a quarter in all frames: that is how two programs differ in which axis is up.
    """
    turn = axes_of(performance, neutral)
    if turn is None:
        return performance, ""
    vertices = room_for(performance.vertices.shape)
    for index, points in enumerate(performance.vertices):
        np.matmul(points, turn.astype(np.float32), out=vertices[index])  # the turn's inverse, as points are rows
    told = f"the performance has other axes than the actor ({_named(turn)}): it was turned back in all frames"
    return dataclasses.replace(performance, vertices=vertices), told


def axes_of(performance: Performance, neutral: np.ndarray) -> np.ndarray | None:
    """(3, 3) the turn by quarters by which all frames, in any unit, stand off from neutral (V, 3); None if there is
    none."""
    total, count = performance.vertices.shape[:2]
    if count != len(neutral):
        return None
    rows = np.linspace(0, total - 1, min(total, SAMPLED_FRAMES)).astype(int)
    points = np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int)
    return turn_of(np.asarray(performance.vertices[rows])[:, points].astype(np.float64), neutral[points])


def points_in_actor_axes(points: PointPerformance, neutral: np.ndarray) -> tuple[PointPerformance, str]:
    """As in_actor_axes, of the points that name vertices of neutral (V, 3)."""
    named = points.vertices >= 0
    rows = np.linspace(0, len(points.frames) - 1, min(len(points.frames), SAMPLED_FRAMES)).astype(int)
    turn = turn_of(points.positions[rows][:, named], neutral[points.vertices[named]]) if named.sum() >= 4 else None
    if turn is None:
        return points, ""
    told = f"the points have other axes than the actor ({_named(turn)}): they were turned back in all frames"
    return dataclasses.replace(points, positions=points.positions @ turn), told


def turn_of(frames: np.ndarray, rest: np.ndarray) -> np.ndarray | None:
    """(3, 3) the turn by quarters by which all frames (F, P, 3), not a number where a point is missing, stand off from
    rest (P, 3); None if there is none."""
    known = np.all(np.isfinite(frames), axis=-1)
    there = known.sum(1) >= max(len(rest) / 4, 3)
    if not there.any():
        return None
    frames, known = np.where(known[..., None], frames, 0.0)[there], known[there]
    scale = np.median(
        [_radius(frame[seen]) / max(_radius(rest[seen]), 1e-12) for frame, seen in zip(frames, known, strict=True)]
    )
    if not np.isfinite(scale) or not scale > 0:
        return None
    found = robust_registration(rest, frames / scale, known.astype(np.float64))
    turns = np.stack(_quarter_turns())  # (24, 3, 3)
    relative = (turns.transpose(0, 2, 1)[None] @ found[:, None, :3, :3]).reshape(-1, 3, 3)
    degrees = np.rad2deg(Rotation.from_matrix(relative).magnitude()).reshape(len(found), len(turns))
    best = int(degrees.max(0).argmin())
    if degrees[:, best].max() > CLOSEST_DEGREES or np.array_equal(turns[best], np.eye(3)):
        return None
    return turns[best]


def _radius(points: np.ndarray) -> float:
    """How far points (P, 3) lie from their middle, on the mean."""
    return float(np.linalg.norm(points - points.mean(0), axis=1).mean())


def _quarter_turns() -> list[np.ndarray]:
    """The 24 rotations that carry axes to axes."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            turn = np.zeros((3, 3))
            turn[range(3), order] = signs
            if np.linalg.det(turn) > 0:
                found.append(turn)
    return found


def _named(turn: np.ndarray) -> str:
    """Which axes of the capture became which of the performance."""
    names = []
    for axis in range(3):
        there = int(np.abs(turn[:, axis]).argmax())
        sign = "-" if turn[there, axis] < 0 else ""
        if there != axis or sign:
            names.append(f"{'XYZ'[axis]} is its {sign}{'XYZ'[there]}")
    return ", ".join(names)
