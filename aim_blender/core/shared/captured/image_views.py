# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cameras of a frame see of points, as equations for where the points are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..foundation.robust_weights import geman_mcclure
from .cameras import Camera

LEAST_PIXELS = 0.5  # nobody tracks better: nearer to each other points cannot be outliers
OUTLIER_SPREADS = 4.0  # times the median distance, where a point keeps a quarter of its weight


@dataclass(frozen=True)
class View:
    """What a frame's cameras see of P points: pixels (C, P, 2), and trust (C, P), 0 where a point is not seen.
    outlier_mm: as in the settings."""

    cameras: list[Camera]
    pixels: np.ndarray
    trust: np.ndarray
    outlier_mm: float

    def equations(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For points (P, 3) in mm: what is missing (C, P, 2), how it changes with the points (C, P, 2, 3), both in mm
        at the points' distance, and how many pixels a mm is (C,)."""
        off, change, scale = [], [], []
        for camera, pixels in zip(self.cameras, self.pixels, strict=True):
            found, derivative = camera.project_with_derivative(points)
            pixels_per_mm = camera.focal.mean() / np.nanmedian(
                np.where(np.isfinite(found[:, 0]), camera.depth(points), np.nan)
            )
            off.append(np.nan_to_num((pixels - found) / pixels_per_mm))
            change.append(np.nan_to_num(derivative / pixels_per_mm))
            scale.append(pixels_per_mm)
        return np.stack(off), np.stack(change), np.array(scale)

    def kept_in_front(self, place: np.ndarray, slide: np.ndarray) -> np.ndarray:
        """As much of a slide (3,) in mm of a place (3,) as leaves half of its depth before each camera: points that are
        no face would send it behind them, where nothing is seen."""
        share = 1.0
        for camera in self.cameras:
            depth = camera.depth(place)
            nearer = depth - camera.depth(place + slide)
            if nearer > depth / 2 > 0:
                share = min(share, depth / 2 / nearer)
        return share * slide

    def robust_weight(self, off: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """(C, P) robust weights of points that are off (C, P, 2) mm, by docs/model.md (19)."""
        if self.outlier_mm == 0:
            return self.trust
        pixels = np.linalg.norm(off, axis=-1) * scale[:, None]
        seen = self.trust > 0
        usual = OUTLIER_SPREADS * max(float(np.median(pixels[seen])), LEAST_PIXELS)
        spread = np.maximum(usual, self.outlier_mm * scale)[:, None]
        return self.trust * geman_mcclure((pixels / spread) ** 2)
