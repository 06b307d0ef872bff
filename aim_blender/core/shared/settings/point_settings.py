# SPDX-License-Identifier: GPL-3.0-or-later
"""How points, in space or in images, are to be fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .fitting_settings import (
    FittingSettings,
    contact_field,
    head_field,
    largest_weight_field,
    modes_field,
    outlier_mm_field,
    ridge_field,
    smoothness_field,
    temporal_field,
)
from .option import check_options, frame, number
from .phone_settings import PhoneFittingSettings
from .video_settings import VideoFittingSettings


def rest_frame_field() -> Any:
    """The field of whether and where the face that was recorded is at rest."""
    return frame(
        "auto",
        "Rest Frame",
        "Of points of another face: a frame in which it rests. What it differs by from the actor's at rest is no "
        "expression, and is taken off",
        ("auto", "Found", "Find whether the points are of another face, and a frame in which it rests"),
        ("off", "The Actor's", "The points are the actor's own: nothing is taken off"),
    )


@dataclass(frozen=True)
class PointFittingSettings:
    """How to fit to points. What each setting does stands with it; here is why, and what was measured.

    ridge, smoothness: higher than for whole meshes, because between the points nothing else is known. largest_weight:
    on 90 points with 0.5 mm of noise, 1.25 leaves 1.33 mm of the whole skin where no bounds leave 1.51, and 1 leaves
    1.23; without noise 1.25 costs nothing, and 1 a third (benchmarks/fitting_strangers.py).
    """

    modes: int = modes_field(60)
    ridge: float = ridge_field(0.1)
    smoothness: float = smoothness_field(20.0)
    outlier_mm: float = outlier_mm_field(5.0)
    largest_weight: float = largest_weight_field(1.25, advanced=True)
    temporal: float = temporal_field()
    head: str = head_field()
    contact: float = contact_field()
    rest_frame: int | str = rest_frame_field()

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class ImageFittingSettings:
    """How to fit to points in images. What each setting does stands with it; here is why.

    ridge, smoothness: what a weight of 1 costs that departs from that of the whole shape: higher than for points in
    space, because along the view nothing is seen. outlier_mm: from where the point should be, at its distance. head:
    still takes it as not moving; otherwise it is solved in every frame.
    """

    modes: int = modes_field(30)
    face_ridge: float = number(
        0.05,
        "Face Ridge",
        "Of points in images: what a weight of 1 of a whole shape costs, as a distance at every point",
        unit="mm",
        least=1e-4,
        most=1e4,
        soft=10,
        advanced=True,
    )
    ridge: float = ridge_field(5.0)
    smoothness: float = smoothness_field(100.0)
    outlier_mm: float = outlier_mm_field(0.5)
    largest_weight: float = largest_weight_field(1.5, advanced=True)
    temporal: float = temporal_field()
    head: str = head_field()
    contact: float = contact_field()
    rest_frame: int | str = rest_frame_field()

    def __post_init__(self) -> None:
        check_options(self)


FITS = (FittingSettings, PointFittingSettings, ImageFittingSettings, PhoneFittingSettings, VideoFittingSettings)
