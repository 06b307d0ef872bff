# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigid motions and other geometry that several tests need."""

import numpy as np
from scipy.spatial.transform import Rotation


def rigid(turn_degrees: tuple[float, float, float], slide: tuple[float, float, float] | np.ndarray) -> np.ndarray:
    """(4, 4) a rotation by a rotation vector in degrees, then a slide."""
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(turn_degrees, degrees=True).as_matrix()
    motion[:3, 3] = slide
    return motion


def moved(motion: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 3) after a rigid motion (4, 4)."""
    return points @ motion[:3, :3].T + motion[:3, 3]


def random_motions(count: int, random: np.random.Generator, slide: float = 10.0) -> np.ndarray:
    """(count, 4, 4) rigid, turned anyhow."""
    motions = np.tile(np.eye(4), (count, 1, 1))
    motions[:, :3, :3] = Rotation.random(count, random_state=int(random.integers(1 << 30))).as_matrix()
    motions[:, :3, 3] = random.normal(size=(count, 3)) * slide
    return motions


def degrees_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(...,) the angle in degrees between the rotations of motions (..., 4, 4)."""
    difference = first[..., :3, :3] @ np.swapaxes(second[..., :3, :3], -1, -2)
    # The sine, not the cosine: it keeps its digits at small angles.
    skew = difference - np.swapaxes(difference, -1, -2)
    sine = np.sqrt((skew**2).sum((-1, -2)) / 8)
    cosine = (np.trace(difference, axis1=-2, axis2=-1) - 1) / 2
    return np.degrees(np.arctan2(sine, cosine))


def mirrored_name(name: str) -> str:
    """The landmark on the other side; of one in the middle, itself."""
    return name[:-1] + {"L": "R", "R": "L"}[name[-1]] if name.endswith((".L", ".R")) else name
