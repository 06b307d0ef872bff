# SPDX-License-Identifier: GPL-3.0-or-later
"""The few smooth curves and bumps that the demo actor is sculpted with. Needs numpy only."""

from __future__ import annotations

import numpy as np

from ..foundation.smoothstep import smoothstep


def smooth_step(value: np.ndarray, start: float | np.ndarray, end: float | np.ndarray) -> np.ndarray:
    """0 at `start`, 1 at `end`, level at both; any shape. `end` may be the smaller one: then it falls."""
    return smoothstep((value - start) / np.where(end == start, 1e-9, np.subtract(end, start)))


def bell(*ratios: np.ndarray) -> np.ndarray:
    """Gaussian bump of one or more distances, each given in units of the bump's radius."""
    return np.exp(-sum(ratio * ratio for ratio in ratios))


def through(position: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A smooth curve through values at keys (K,) rising, without overshoot, at any positions.

    values (K,): one curve, positions of any shape. values (K, n): n curves, the n positions one on each.
    Monotone cubic Hermite (Fritsch and Carlson 1980 with harmonic-mean slopes); beyond the ends it stays level.
    """
    keys, values = np.asarray(keys, float), np.asarray(values, float)
    position = np.clip(np.asarray(position, float), keys[0], keys[-1])
    widths = np.diff(keys).reshape((-1,) + (1,) * (values.ndim - 1))
    rise = np.diff(values, axis=0) / widths
    before, after = rise[:-1], rise[1:]
    same = before * after > 0
    slopes = np.zeros_like(values)
    slopes[1:-1] = np.where(same, 2 * before * after / np.where(same, before + after, 1.0), 0.0)
    slopes[0], slopes[-1] = rise[0], rise[-1]
    segment = np.clip(np.searchsorted(keys, position, side="right") - 1, 0, len(keys) - 2)
    width = keys[segment + 1] - keys[segment]
    share = (position - keys[segment]) / width
    if values.ndim == 2:
        curve = np.arange(len(position))
        before, after = values[segment, curve], values[segment + 1, curve]
        leaving, arriving = slopes[segment, curve], slopes[segment + 1, curve]
    else:
        before, after, leaving, arriving = values[segment], values[segment + 1], slopes[segment], slopes[segment + 1]
    return (
        (1 + 2 * share) * (1 - share) ** 2 * before
        + share * (1 - share) ** 2 * width * leaving
        + share**2 * (3 - 2 * share) * after
        + share**2 * (share - 1) * width * arriving
    )


def nearest_of(first: np.ndarray, second: np.ndarray, blend: float) -> np.ndarray:
    """The smaller of two depths, rounded off where they meet within `blend` mm (a smooth union, seen from -Y)."""
    share = np.clip(0.5 + 0.5 * (second - first) / blend, 0.0, 1.0)
    return second * (1 - share) + first * share - blend * share * (1 - share)


def rotation(vector: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) in radians (Rodrigues)."""
    vector = np.asarray(vector, float)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def neighbour_mean(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The mean of every vertex's neighbours: values (V,) or (V, 3), edges (E, 2)."""
    columns = values.reshape(len(values), -1)
    count = np.maximum(np.bincount(edges.ravel(), minlength=len(values)), 1)
    ends = np.concatenate([edges[:, 0], edges[:, 1]])
    others = np.concatenate([edges[:, 1], edges[:, 0]])
    summed = np.stack([np.bincount(ends, column[others], len(values)) for column in columns.T], axis=1)
    return (summed / count[:, None]).reshape(values.shape)
