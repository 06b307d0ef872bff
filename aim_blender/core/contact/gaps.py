# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the two sides of a slit are apart in frames, column by column: less than 0 where they cross."""

from __future__ import annotations

import numpy as np

from .slits import BESIDE, Side, Slit

LEAST_FACING = 0.2  # cosine between a triangle and the vertical, from where it can be lain upon
SLIDING_MM = 2.5, 6.0, 1.5  # left, up, front: pairs farther apart in all shapes do not meet in frames


class Gaps:
    """Measures a slit. Each point of a side is set against the triangles of the other that lie above or below it."""

    def __init__(self, slit: Slit) -> None:
        self.slit = slit
        self._tests = [_Tests(slit, slit.upper, slit.lower, 1.0), _Tests(slit, slit.lower, slit.upper, -1.0)]
        columns = np.concatenate([slit.upper.column, slit.lower.column])
        self.column = columns.round().astype(int).clip(0, slit.columns - 1)

    def at_points(self, frames: np.ndarray) -> np.ndarray:
        """(f, P) mm, of the points of the upper side and then of the lower, in frames (f, V, 3) without head motion;
        endless where nothing lies opposite."""
        return np.concatenate([each.of(frames) for each in self._tests], axis=1)

    def of(self, frames: np.ndarray) -> np.ndarray:
        """(f, C) mm the least gap in each column of frames (f, V, 3) without head motion."""
        return self.lowest(frames)[0]

    def lowest(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The gaps g (f, C) that of() gives, and which of the points has each (f, C).

        Where nothing lies opposite, as one side is farther in front, the gap is the height between the sides.
        """
        points = self.at_points(frames)
        slit = self.slit
        heights = [frames[:, side.points] @ slit.axes[1] for side in (slit.upper, slit.lower)]
        height = np.concatenate([heights[0], -heights[1]], axis=1)
        found = np.full((len(frames), slit.columns), np.inf)
        which = np.zeros((len(frames), slit.columns), np.int64)
        upper = np.arange(points.shape[1]) < len(slit.upper.points)
        for column in range(slit.columns):
            own = self.column == column
            here = np.flatnonzero(own)
            if not len(here):
                continue
            which[:, column] = here[points[:, here].argmin(1)]
            found[:, column] = points[:, here].min(1)
            none = np.flatnonzero(~np.isfinite(found[:, column]))
            if len(none) and (own & upper).any() and (own & ~upper).any():
                high, low = (np.flatnonzero(own & side) for side in (upper, ~upper))
                apart = height[np.ix_(none, high)].min(1) + height[np.ix_(none, low)].min(1)
                found[none, column] = apart.clip(min=0.0)
                which[none, column] = high[height[np.ix_(none, high)].argmin(1)]
        return found, which


class _Tests:
    """Points of one side against triangles of the other. sign: 1 where the points lie above."""

    def __init__(self, slit: Slit, own: Side, other: Side, sign: float) -> None:
        self.axes, self.sign, self.points = slit.axes, sign, own.points
        self.corners, corner = np.unique(other.triangles, return_inverse=True)
        self.triangles = corner.reshape(-1, 3)
        middle = slit.across[other.triangles].mean(1)
        reach = BESIDE + np.ptp(slit.across[other.triangles], axis=1)
        point, triangle = np.nonzero(np.abs(own.column[:, None] - middle) < reach)
        near = np.zeros(len(point), bool)
        for shape in slit.shapes:
            corners = shape[other.triangles] @ slit.axes.T
            least, most = corners.min(1), corners.max(1)
            at = (shape[own.points] @ slit.axes.T)[point]
            off = np.maximum(np.maximum(least[triangle] - at, at - most[triangle]), 0.0)
            near |= (off < np.array(SLIDING_MM) * slit.unit).all(1)
        point, triangle = point[near], triangle[near]
        self.point, self.triangle = point, triangle

    def of(self, frames: np.ndarray) -> np.ndarray:
        """(f, P) gaps in frames (f, V, 3)."""
        found = np.empty((len(frames), len(self.points)))
        for index, frame in enumerate(frames):
            points, corners = frame[self.points] @ self.axes.T, frame[self.corners] @ self.axes.T
            middle = corners.mean(0)  # float32 is fine near it
            found[index] = self._of_frame(points - middle, corners - middle)
        return found

    def _of_frame(self, points: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """(P,) of points (P, 3) and corners (K, 3) left, up, front."""
        a, b, c = (corners[self.triangles[:, i]] for i in range(3))
        ab, ac = b - a, c - a
        normal = np.cross(ab, ac)
        facing = np.abs(normal[:, 1]) / np.linalg.norm(normal, axis=1).clip(min=1e-12)
        usable = facing > LEAST_FACING
        double = np.where(usable, ab[:, 0] * ac[:, 2] - ab[:, 2] * ac[:, 0], np.inf)
        # Barycentric weights and height over a triangle are linear in left and front: (T, 9).
        v = np.stack([ac[:, 2], -ac[:, 0]], axis=1) / double[:, None]
        w = np.stack([-ab[:, 2], ab[:, 0]], axis=1) / double[:, None]
        h = v * ab[:, 1:2] + w * ac[:, 1:2]
        flat = a[:, ::2]
        linear = [np.column_stack([each, -(each * flat).sum(1)]) for each in (v, w, h)]
        linear[2][:, 2] += a[:, 1]
        planes = np.concatenate(linear, axis=1).astype(np.float32)
        planes[~usable, 2] = -1.0
        here, over = points.astype(np.float32)[self.point], planes[self.triangle]
        x, z = here[:, 0], here[:, 2]
        v_at = over[:, 0] * x + over[:, 1] * z + over[:, 2]
        w_at = over[:, 3] * x + over[:, 4] * z + over[:, 5]
        hit = np.flatnonzero((v_at >= -1e-4) & (w_at >= -1e-4) & (v_at + w_at <= 1 + 1e-4))
        over = over[hit]
        height = over[:, 6] * x[hit] + over[:, 7] * z[hit] + over[:, 8]
        gap = self.sign * (here[hit, 1] - height) * facing[self.triangle[hit]]
        found = np.full(len(points), np.inf)
        np.minimum.at(found, self.point[hit], gap)
        return found
