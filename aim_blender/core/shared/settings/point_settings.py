# SPDX-License-Identifier: GPL-3.0-or-later
"""How points, in space or in images, are to be fitted."""

from __future__ import annotations

from dataclasses import dataclass

from .fitting_settings import check_choices, check_rest_frame


@dataclass(frozen=True)
class PointFittingSettings:
    """How to fit to points.

    modes: number M of smooth functions. ridge, smoothness: what a weight of 1 costs, everywhere and where it changes
    across the face, in mm: higher than for whole meshes, because between the points nothing else is known. outlier_mm:
    a point that stays further from the fit than this is left out as an outlier; 0 keeps every point. largest_weight:
    all weights are kept between 1 minus this and this; 0 sets no bounds. On 90 points with 0.5 mm of noise, 1.25 leaves
    1.33 mm of the whole skin where no bounds leave 1.51, and 1 leaves 1.23; without noise 1.25 costs nothing, and 1 a
    third (benchmarks/fitting_strangers.py). temporal: movements that go to and fro within this many frames are halved.
    head: free solves the head's rigid motion, still takes the points as stabilized. rest_frame: what the points' face
    differs by from the actor's at rest is taken off: auto finds a rest frame, and whether it is another face; a number
    is a frame in which it rests; off takes the points as the actor's own.
    """

    modes: int = 60
    ridge: float = 0.1
    smoothness: float = 20.0
    outlier_mm: float = 5.0
    largest_weight: float = 1.25
    temporal: float = 0.0
    head: str = "auto"
    rest_frame: int | str = "auto"

    def __post_init__(self) -> None:
        check_choices(self)
        check_rest_frame(self.rest_frame)


@dataclass(frozen=True)
class ImageFittingSettings:
    """How to fit to points in images.

    modes: number M of smooth functions. face_ridge: what a weight of 1 of a whole shape costs, in mm at every point.
    ridge, smoothness: what a weight of 1 costs that departs from it, everywhere and where it changes across the face,
    in mm: higher than for points in space, because along the view nothing is seen. outlier_mm: a point that is seen
    further from where it should be than this, at its distance, and much further than the frame's others, is left out as
    an outlier; 0 keeps every point. largest_weight, rest_frame: as for points in space. temporal: as for whole meshes.
    head: still takes it as not moving; otherwise it is solved in every frame.
    """

    modes: int = 30
    face_ridge: float = 0.05
    ridge: float = 5.0
    smoothness: float = 100.0
    outlier_mm: float = 0.5
    largest_weight: float = 1.5
    temporal: float = 0.0
    head: str = "auto"
    rest_frame: int | str = "auto"

    def __post_init__(self) -> None:
        check_choices(self)
        check_rest_frame(self.rest_frame)
