# SPDX-License-Identifier: GPL-3.0-or-later
"""Which points lie on a sphere, as those of an eyeball do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EYE_RADIUS_MM = 6.0, 40.0  # of an eyeball of a typical adult, a cartoon's included
BESIDE = 1.3  # of an eyeball's radius about its centre, in which an iris and a cornea lie
ROUND = 0.08  # of its radius, that the points of an eyeball, its cornea included, are off a sphere on the mean
ONE_SIDED = 0.8  # of the radius: if a sphere's points lie further to one side on the mean, there is only a cap of it
FEWEST_POINTS = 12


@dataclass(frozen=True)
class Sphere:
    """centre: (3,). radius: in the unit of the points. off: how far they are off it, as a share of it."""

    centre: np.ndarray
    radius: float
    off: float


def sphere_of(points: np.ndarray) -> Sphere | None:
    """The sphere that points (P, 3) lie on, None if they lie on none, or on a small part of one."""
    if len(points) < FEWEST_POINTS:
        return None
    middle = points.mean(0)
    arm = points - middle
    # |x - c|² = r² is linear in c and r² - |c|².
    rows = np.concatenate([2 * arm, np.ones((len(arm), 1))], axis=1)
    found = np.linalg.lstsq(rows, (arm**2).sum(1), rcond=None)[0]
    squared = found[3] + found[:3] @ found[:3]
    if not squared > 0:
        return None
    centre, radius = middle + found[:3], float(np.sqrt(squared))
    away = points - centre
    distance = np.linalg.norm(away, axis=1)
    off = float(np.sqrt(np.mean((distance - radius) ** 2))) / radius
    if off > ROUND:
        return None
    if np.linalg.norm((away / distance[:, None].clip(1e-9)).mean(0)) > ONE_SIDED:
        return None
    return Sphere(centre, radius, off)
