# SPDX-License-Identifier: GPL-3.0-or-later
"""How a video of a performer is to be fitted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .fitting_settings import contact_field, head_field, take_fps_field, temporal_field
from .option import check_options, flag, frame, number, text, whole

# Where the face model is in an environment in which `install-video` has put it.
INSTALLED_MODEL = Path("share", "aim_blender", "face_landmarker.task")


@dataclass(frozen=True)
class VideoFittingSettings:
    """How to fit a video. What each setting does stands with it; here is why.

    rest_frame: landmarks of a detector are not where the actor's own points are; what they differ by at rest is no
    expression. focal_length: as if the sensor's longer side were 36 mm; 0 takes that of a usual webcam or phone, since
    a wrong one is mostly a wrong distance. renders: below some hundred, too few for all that an actor does. face_model:
    empty for the one that was installed. take_fps: None leaves the take at the video's own rate. start, end: the first
    and the last frame that is wanted, None for all.
    """

    rest_frame: int | str = frame(
        "auto",
        "Rest Frame",
        "Of a video: a frame in which the performer's face is at rest; what it differs by from the actor's at rest is "
        "no expression, and is taken off",
        ("auto", "Found", "Find a frame in which the performer's face is at rest"),
        ("off", "None", "Nothing is taken off"),
    )
    focal_length: float = number(
        0.0,
        "Focal Length",
        "Of a video: the focal length of its camera in millimetres, for a sensor that is 36 mm along its longer side, "
        "as phones say it. 0 takes that of a usual webcam or phone",
        least=8.0,
        most=1000.0,
        soft=100.0,
        zero="for that of a usual webcam or phone",
        subject="the focal length",
    )
    temporal: float = temporal_field(5.0)
    head: str = head_field()
    contact: float = contact_field()
    take_fps: float | None = take_fps_field()
    renders: int = whole(
        1500,
        "Renders",
        "Of a video: how many pictures of the actor the face detector is shown, once for an actor, to learn what it "
        "answers to its expressions. More take longer and come closer",
        least=64,
        most=20000,
        soft=5000,
        advanced=True,
    )
    follow_skin: bool = flag(
        True,
        "Follow Skin",
        "Of a video: let what the colours of the skin show of cheeks, lids and lips correct what the landmarks tell. "
        "Off where make-up or light change within the video",
        advanced=True,
    )
    face_model: str = text(
        "Face Model",
        "Of a video: the file face_landmarker.task of the face detector, instead of the one that was installed",
        advanced=True,
    )
    start: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        check_options(self)
