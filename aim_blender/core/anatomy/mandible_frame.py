# SPDX-License-Identifier: GPL-3.0-or-later
"""How a mandible lies and how large it is, and what a jaw can do: Posselt's envelope in the mandible's own axes.

Lengths are told in mm of a typical adult and scaled by the mandible's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError, cKDTree

from .anatomy import Hinge

TYPICAL_LEVER_MM = 105.0  # from the condyles to the chin
HORIZONTAL_ABOVE_CHIN = np.deg2rad(46.0)  # from the line between condyle and chin up to the horizontal
PATH_BELOW_HORIZONTAL = np.deg2rad(20.0)  # along which the condyles slide forward
INCISORS_MM = (0.0, -47.0, 83.0)  # aside, up and forward of the hinge
# What a jaw can do: opening, yaw and roll in degrees, then the condyles' slide in mm aside, off their path, along it.
LEAST = (0.0, -10.0, -3.0, -6.0, -6.0, -0.5)
MOST = (35.0, 10.0, 3.0, 6.0, 3.0, 12.0)
INCISORS_ASIDE_MM, INCISORS_TRAVEL_MM = 12.0, 60.0
LIPS_FADE_MM = 16.0  # above the lower border, where the pull of lips begins
LIPS_SHARE = 0.15  # what the skin far above the lower border says
CROWD_MM = 8.0


@dataclass(frozen=True)
class MandibleFrame:
    """The axes of a mandible and its size.

    hinge: its condyles. axes: (3, 3) rows aside (the hinge's axis), up and forward; forward is the horizontal. path:
    (3, 3) rows aside, across and along the path on which condyles slide. unit: mm in a mm of a typical adult.
    """

    hinge: Hinge
    axes: np.ndarray
    path: np.ndarray
    unit: float

    @property
    def poses(self) -> np.ndarray:
        """(6, 6) matrix whose columns are the poses, as compose_jaw takes them, of a turn about each of the axes and of
        a slide along each of the path's."""
        matrix = np.zeros((6, 6))
        matrix[:3, :3], matrix[3:, 3:] = self.axes.T, self.path.T
        return matrix

    @property
    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """(6,) the least and the most that a jaw can do along the columns of poses, in radians and mm."""
        scale = np.array([*np.deg2rad(np.ones(3)), *np.full(3, self.unit)])
        return np.array(LEAST) * scale, np.array(MOST) * scale

    @property
    def incisors(self) -> np.ndarray:
        """(3,) about where the lower incisors are."""
        return self.hinge.centre + self.unit * np.array(INCISORS_MM) @ self.axes

    def local(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) aside, up and forward of the hinge in mm of a typical adult."""
        return (points - self.hinge.centre) @ self.axes.T / self.unit


def find_mandible_frame(hinge: Hinge, bone: np.ndarray) -> MandibleFrame:
    """The frame of a mandible with points (P, 3) all over it, in mm."""
    upright = np.stack([hinge.up, hinge.forward])
    beside = (bone - hinge.centre) @ upright.T  # (P, 2)
    reach = np.linalg.norm(beside, axis=1)
    lever = float(np.quantile(reach, 0.98))
    up, forward = beside[reach >= lever].mean(0)
    turn = np.arctan2(up, forward) + HORIZONTAL_ABOVE_CHIN
    axes = np.stack([hinge.axis, *(_turned(turn) @ upright)])
    path = np.stack([hinge.axis, *(_turned(-PATH_BELOW_HORIZONTAL) @ axes[1:])])
    return MandibleFrame(hinge, axes, path, lever / TYPICAL_LEVER_MM)


def even_share(frame: MandibleFrame, bone: np.ndarray) -> np.ndarray:
    """Shares (P,) of 1 of points (P, 3) on the bone by which every stretch of it counts alike, however many points lie
    on it."""
    place = frame.local(bone)
    share = 1.0 / cKDTree(place).query_ball_point(place, CROWD_MM, return_length=True)
    return share / share.sum()


def lower_border_share(frame: MandibleFrame, bone: np.ndarray) -> np.ndarray:
    """How much points (P, 3) on the bone tell of the jaw, as shares (P,) of 1 together.

    Along the lower border the skin has nothing but the bone to follow; further up lips and cheeks pull.
    """
    place = frame.local(bone)
    height = _height_above_border(place[:, 2], place[:, 1])
    share = even_share(frame, bone) * (LIPS_SHARE + np.exp(-((height / LIPS_FADE_MM) ** 2)))
    return share / share.sum()


def _height_above_border(forward: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(P,) how far points lie above the line that carries them from below, under their middle: the mandibular plane."""
    points = np.stack([forward, up], axis=1)
    middle = (forward.min() + forward.max()) / 2
    try:
        edges = points[ConvexHull(points).simplices]  # (H, 2, 2)
    except (QhullError, ValueError):  # too few points, or on one line
        return up - up.min()
    edges = edges[(edges[:, :, 0].min(1) <= middle) & (edges[:, :, 0].max(1) > middle)]
    slope = (edges[:, 1, 1] - edges[:, 0, 1]) / (edges[:, 1, 0] - edges[:, 0, 0])
    under = edges[:, 0, 1] + slope * (middle - edges[:, 0, 0])
    lowest = under.argmin()
    return (up - under[lowest] - slope[lowest] * (forward - middle)) / np.hypot(1.0, slope[lowest])


def _turned(angle: float) -> np.ndarray:
    """(2, 2) turns rows up and forward so that forward points an angle higher."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
