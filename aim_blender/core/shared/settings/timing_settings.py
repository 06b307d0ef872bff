# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames of a take are wanted, at what rate."""

from __future__ import annotations

from dataclasses import dataclass

from ..captured.frame_numbers import LARGEST_FRAME
from ..foundation.errors import InputError


@dataclass(frozen=True)
class Timing:
    """start, end: the frames of the take that are wanted, both included; None is the take's own first or last.

    fps: the frame rate of the result; None keeps the take's. step: every how many frames of the result are kept.
    first: the number of the result's first frame; None leaves it where it was.
    """

    start: int | None = None
    end: int | None = None
    step: int = 1
    first: int | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InputError(f"the step is {self.step}; it must be 1 or more")
        if self.first is not None and abs(self.first) > LARGEST_FRAME:
            raise InputError(f"the first frame is {self.first}; no frame's number is beyond {LARGEST_FRAME}")
        if self.fps is not None and not 1.0 <= self.fps <= 1000.0:
            raise InputError(f"the frame rate is {self.fps:g}; it must be from 1 to 1000 frames a second")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise InputError(f"the frame range starts at {self.start} and ends at {self.end}; the end must be later")
