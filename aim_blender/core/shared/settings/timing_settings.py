# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames of a take are wanted, at what rate."""

from __future__ import annotations

from dataclasses import dataclass

from ..foundation.errors import InputError
from .option import check_options, number, whole

LARGEST_FRAME = 10**9


@dataclass(frozen=True)
class Timing:
    """The frames from start to end, both included, converted to fps; of them every step-th, numbered from first on."""

    start: int | None = whole(None, "Start", "The first frame that is wanted", unset="the first there is")
    end: int | None = whole(None, "End", "The last frame that is wanted", unset="the last there is")
    step: int = whole(
        1, "Step", "Every frame of the result, every second and so on", least=1, subject="the step", soft=10
    )
    first: int | None = whole(
        None,
        "First Frame",
        "The number that the result's first frame gets",
        least=-LARGEST_FRAME,
        most=LARGEST_FRAME,
        subject="the first frame",
        unset="where it was",
    )
    fps: float | None = number(
        None,
        "Frame Rate",
        "Frames a second of the result, converted from the take's own",
        unit="frames a second",
        least=1,
        most=1000,
        subject="the frame rate",
        unset="the take's",
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.start is not None and self.end is not None and self.end < self.start:
            raise InputError(f"the frame range starts at {self.start} and ends at {self.end}; the end must be later")
