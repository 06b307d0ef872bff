# SPDX-License-Identifier: GPL-3.0-or-later
"""Where eyes look by points on them: an iris's middle or rim, in space or on the rays on which cameras see it.

An eye turns without rolling (Listing's law), so that one point tells its gaze.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..geometry.surfaces import unit_vectors
from .parts import Parts

NAMED = re.compile(r"iris|pupil|eye_?ball", re.IGNORECASE)  # points without a vertex that are on an eye
ONE_SIDED = 0.5  # the mean of the directions to an eye's points, from which on it tells where the eye looks


@dataclass(frozen=True)
class EyePoints:
    """Q points on eyes. which: (Q,) their numbers among all points. eye_of: (Q,) the eye of each. rest: (Q, 3) mm where
    they are on the neutral. centres: (E, 3) mm the eyes'."""

    which: np.ndarray
    eye_of: np.ndarray
    rest: np.ndarray
    centres: np.ndarray

    def gaze(self, placed: np.ndarray, trust: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(F, E, 3) rotation vectors of the eyes whose points lie placed (F, Q, 3) mm without the head's motion, and
        (F, E) bool where they are known. trust: (F, Q), 0 where a point is not."""
        frames, eyes = len(placed), len(self.centres)
        gaze, known = np.zeros((frames, eyes, 3)), np.zeros((frames, eyes), dtype=bool)
        for eye, centre in enumerate(self.centres):
            own = np.flatnonzero(self.eye_of == eye)
            weight = np.where(np.isfinite(placed[:, own]).all(-1), trust[:, own], 0.0)[..., None]
            there = np.where(weight > 0, unit_vectors(np.nan_to_num(placed[:, own]) - centre), 0.0)
            before, after = ((weight * each).sum(1) for each in (unit_vectors(self.rest[own] - centre), there))
            least = ONE_SIDED * weight.sum((1, 2))
            known[:, eye] = (least > 0) & (np.linalg.norm(after, axis=1) > least)
            before, after = unit_vectors(before), unit_vectors(after)
            axis = np.cross(before, after)
            sine, cosine = np.linalg.norm(axis, axis=1), (before * after).sum(1)
            angle = np.arctan2(sine, cosine)
            gaze[:, eye] = (angle / sine.clip(min=1e-12))[:, None] * axis
        gaze[~known] = 0.0
        return gaze, known

    def on_eyes(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """(Q, 3) mm where rays (Q, 3) from an origin (3,) meet the spheres on which the points turn, or pass them
        nearest."""
        rays, centre = unit_vectors(rays), self.centres[self.eye_of]
        radius = np.linalg.norm(self.rest - centre, axis=1)
        away = centre - origin  # (Q, 3)
        along = (away * rays).sum(-1)
        beside = along[..., None] * rays - away
        inside = radius**2 - (beside**2).sum(-1)
        met = beside - np.sqrt(inside.clip(min=0.0))[..., None] * rays
        return centre + radius[:, None] * unit_vectors(met)


def points_on_eyes(
    parts: Parts | None, corners: np.ndarray, places: np.ndarray, names: tuple[str, ...], named: np.ndarray
) -> EyePoints | None:
    """The points that are on eyes, None if none is: bound to an eyeball, or called so.

    corners: (P, K) the vertices that they are bound to, first the closest. places: (P, 3) mm on the neutral. named:
    (P,) bool, points whose vertices the performance names; others count by their names, and are before the face at
    rest, whichever way they look in the frame by which the rest was bound.
    """
    if parts is None or len(parts.eyes) == 0:
        return None
    called = np.array([NAMED.search(name) is not None for name in names])
    nearest = np.linalg.norm(places[:, None] - parts.eye_centres, axis=-1).argmin(1)
    eye_of = np.where(named, parts.eye_of[corners[:, 0]], np.where(called, nearest, -1))
    which = np.flatnonzero(eye_of >= 0)
    if not len(which):
        return None
    eye_of, centre = eye_of[which], parts.eye_centres[eye_of[which]]
    away = np.linalg.norm(places[which] - centre, axis=1, keepdims=True)
    rest = np.where(named[which, None], places[which], centre + away * parts.axes[2])
    return EyePoints(which, eye_of, rest, parts.eye_centres)
