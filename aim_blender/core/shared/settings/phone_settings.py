# SPDX-License-Identifier: GPL-3.0-or-later
"""How what a phone recorded is to be taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..faces.arkit_names import read_gains
from .fitting_settings import contact_field, head_field, take_fps_field, temporal_field
from .option import check_options, flag, frame, text


@dataclass(frozen=True)
class PhoneFittingSettings:
    """How to take a phone's recording. What each setting does stands with it.

    rest_frame: what is taken off there makes 0 rest and leaves 1 at 1, and the head turns from how it was held. gains:
    as read_gains takes them. head: auto lets it move where the recording says how. take_fps: None leaves the take at
    the recording's own rate. start, end: the first and the last frame that is wanted, None for all.
    """

    rest_frame: int | str = frame(
        "off",
        "Calibration",
        "Of a phone's recording: a frame in which the performer's face is at rest; what it shows there is taken off",
        ("off", "None", "The weights are taken as they were recorded"),
        ("auto", "Found", "Find a stretch in which the performer's face is at rest"),
    )
    gains: Mapping[str, Any] | str = text(
        "Gains",
        "Of a phone's recording: what shapes are multiplied by, such as jawOpen=1.2, mouthSmile=0.9; the head's angles "
        "are headYaw, headPitch and headRoll",
    )
    keep_timecode: bool = flag(
        False, "Keep Timecode", "Of a phone's recording: begin at the frame of its timecode, not at 1"
    )
    temporal: float = temporal_field()
    head: str = head_field()
    contact: float = contact_field(1.0)  # no shape but the real one closes lips wholly
    take_fps: float | None = take_fps_field()
    start: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        check_options(self)
        read_gains(self.gains)
