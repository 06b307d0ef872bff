# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a face in a video -> a take of the actor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..fitting.fitting_image_points import fit_image_points
from ..model.actor import Actor
from ..points.image_points import ImagePoints
from ..shared.captured.cameras import Camera
from ..shared.results.takes import Take
from ..shared.settings.point_settings import ImageFittingSettings
from ..shared.settings.video_settings import VideoFittingSettings
from .face_detector import LANDMARKS, FaceDetector
from .landmark_places import landmark_places, name_of
from .seen_faces import PROFILE_DEGREES, SeenFaces

Report = Callable[[dict[str, Any]], None]

RIDGE_MM = 50.0  # landmarks of a detector tell of the whole face, not of its details
USUAL_FOCAL_MM = 28.0  # of webcams and phones, for a sensor of 36 mm
SENSOR_MM = 36.0
NO_FIT_MM = 6.0  # on the mean of all landmarks


def fit_video(
    actor: Actor,
    seen: SeenFaces,
    detector: FaceDetector,
    settings: VideoFittingSettings | None = None,
    report: Report | None = None,
) -> Take:
    """A take of the actor that does what the face in a video does, its head as it is held in the frame of rest.

    seen: at a steady rate. detector: which saw it. The take's figures have the `camera` that saw it, as read_cameras
    takes it. report is called with {"message", "done", "total"}. Raises InputError as landmark_places and
    fit_image_points do.
    """
    settings, report = settings or VideoFittingSettings(), report or (lambda _: None)
    report({"message": "Finding the landmarks on the actor"})
    places = landmark_places(actor, detector)
    there = np.flatnonzero(~seen.missing)
    turned = np.abs(seen.yaw_degrees[there]) > PROFILE_DEGREES
    points = ImagePoints(
        names=tuple(name_of(landmark) for landmark in range(LANDMARKS)),
        cameras=(None,),
        positions=seen.landmarks[there, :, :2],
        confidence=places.trust * (seen.presence[there] * ~turned)[:, None],
        frame_of=there,
        camera_of=np.zeros(len(there), dtype=np.int64),
        frames=seen.frames,
        fps=seen.fps,
        source=seen.source,
    )
    chosen = ImageFittingSettings(
        ridge=RIDGE_MM, temporal=settings.temporal, head=settings.head, rest_frame=settings.rest_frame
    )
    camera = camera_of(seen, settings.focal_length)
    take = fit_image_points(actor, points, [camera], places.landmarks, chosen, report)
    take.figures["notes"] = _notes(take)  # none of single landmarks, which nobody has placed
    return _held_as_at_rest(take, camera)


def camera_of(seen: SeenFaces, focal_length_mm: float) -> Camera:
    """The camera of a video, at the origin. focal_length_mm: for a sensor of SENSOR_MM along its longer side, 0 for a
    usual one."""
    size = np.array(seen.size)
    focal = (focal_length_mm or USUAL_FOCAL_MM) / SENSOR_MM * size.max()
    return Camera("video", size, np.full(2, focal), size / 2, np.eye(4))


def _notes(take: Take) -> list[str]:
    """What of a fit cannot be right."""
    if (off := take.figures["mean_mm"]) > NO_FIT_MM:
        return [
            f"the landmarks are seen {off:.0f} mm from where the face has them on the mean: the performer may be far "
            "from the actor, or the focal length wrong"
        ]
    return []


def _held_as_at_rest(take: Take, camera: Camera) -> Take:
    """The take with its head unmoved in the frame of rest, or the first that shows it; the camera stands before it."""
    rest = take.figures.get("rest_frame")
    known = np.flatnonzero(~np.isin(take.frames, take.figures.get("missing_frames", ())))
    index = int(np.flatnonzero(take.frames == rest)[0]) if rest is not None else int(known[0])
    held = take.head[index]
    figures = {
        **take.figures,
        "camera": {
            "name": camera.name,
            "width": int(camera.size[0]),
            "height": int(camera.size[1]),
            "focal": camera.focal.tolist(),
            "centre": camera.centre.tolist(),
            "world_to_camera": (camera.world_to_camera @ held).tolist(),
        },
    }
    return replace(take, head=np.linalg.inv(held) @ take.head, figures=figures)
