# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a face in a video -> a take of the actor, by what the detector answers to the actor's own renders."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ..anatomy.jaw import compose_jaw
from ..fitting.jaw_of_frame import PlausibleJaw
from ..fitting.rest_offset import distance_of, rest_index
from ..model.actor import Actor, jaw_figures
from ..shared.captured.cameras import Camera
from ..shared.foundation.errors import InputError
from ..shared.results.takes import Take
from ..shared.settings.video_settings import VideoFittingSettings
from ..timing.timeline import Timeline
from .answers import JAW_SCALE, Aligned, Answers, aligned
from .face_detector import LANDMARKS
from .face_frame import FaceFrame, sides_of
from .seen_faces import PROFILE_DEGREES, SeenFaces
from .skin_following import FEWEST, Filmed, Followed, follow_skin

Report = Callable[[dict[str, Any]], None]

USUAL_FOCAL_MM = 28.0  # of webcams and phones, for a sensor of 36 mm
SENSOR_MM = 36.0
NO_FIT_MM = 6.0  # on the mean of all landmarks
USUAL = 0.4  # of the frames say less of a shape than the performer does at rest: expressions come and go
BELIEVED = 0.2  # of what is usual: performers rest with a face, and the light adds another
LIDS_BELIEVED = 0.8  # likewise of the lids: they have an edge, which looks alike in any light
GAIN = 1.05  # performers do fewer things at once than the renders that the ridge was learned by
POINTS = 2000  # of the mesh, by which the calmest frame is found


def fit_video(
    actor: Actor,
    seen: SeenFaces,
    answers: Answers,
    settings: VideoFittingSettings | None = None,
    report: Report | None = None,
    filmed: Filmed | None = None,
) -> Take:
    """A take of the actor that does what the face in a video does, its head as it is held in the frame of rest.

    seen: at a steady rate. answers: of the detector that saw it to the actor. The take's error_mm is how far landmarks
    are from where the detector would see them on the fitted face; its figures have the `camera` that saw it, as
    read_cameras takes it. filmed: where the pictures are, in which the skin is followed; None takes landmarks alone.
    report is called with {"message", "done", "total"}. Raises InputError if the chosen rest
    frame shows no face, or all faces are in profile.
    """
    settings, report = settings or VideoFittingSettings(), report or (lambda _: None)
    started, total = time.perf_counter(), len(seen.frames)
    report({"message": "Fitting", "done": 0, "total": total})
    with np.errstate(invalid="ignore"):
        missing = seen.missing | ~(np.abs(seen.yaw_degrees) <= PROFILE_DEGREES)
    there = np.flatnonzero(~missing)
    if len(there) == 0:
        raise InputError(f"{seen.source} shows the face in profile only; it must be seen from the front")
    camera = camera_of(seen, settings.focal_length)
    focal = np.full(len(there), camera.focal[0])
    found = aligned(seen.landmarks[there], seen.weights[there], focal, answers.base, answers.steady)
    shown = told(actor, answers, found, seen, there, settings.rest_frame)
    shapes = len(actor.names)
    before = Followed(shown.targets, _heads(actor, answers, found, shown.features, camera))
    before.targets[:, : 2 * shapes] = before.targets[:, : 2 * shapes].clip(0.0, 1.0)
    after, follows = None, filmed is not None and settings.follow_skin
    if filmed is not None and follows:
        tell = partial(_tell, report)
        after = follow_skin(actor, filmed, seen.only(there), camera, before, answers, tell)
    known = after or before
    sides = np.zeros((total, 2, shapes), dtype=np.float32)
    sides[there] = known.targets[:, : 2 * shapes].reshape(-1, 2, shapes)
    head, jaw = np.tile(np.eye(4), (2, total, 1, 1))
    if actor.hinge is not None:
        poses = PlausibleJaw(actor).within(known.targets[:, 2 * shapes :] / JAW_SCALE)
        jaw[there] = compose_jaw(poses, actor.hinge)
    if settings.head != "still":
        head[there] = known.head
    error = np.zeros((total, 2), dtype=np.float32)
    error[there] = _off(answers, shown.features, known.targets)
    timeline = Timeline(actor, seen.frames, missing, settings.temporal, seen.cuts)
    sides = timeline.settled_weights(sides)
    head, jaw = timeline.settled_motions(head, jaw)
    held = head[shown.rest]
    figures = {
        **timeline.figures(error),
        "mean_mm": float(error[there, 0].mean()),
        **jaw_figures(actor, jaw),
        **({} if settings.rest_frame == "off" else {"rest_frame": int(seen.frames[shown.rest])}),
        "points": LANDMARKS,
        "camera": _kept(camera, held),
        "notes": [*timeline.notes("show no face from the front"), *_notes(error[there, 0], follows and after is None)],
        "frames_per_second": total / (time.perf_counter() - started),
    }
    return Take(
        names=actor.names,
        topology_digest=actor.topology.digest,
        modes=sides_of(actor).astype(np.float32),
        coefficients=sides,
        jaw=jaw,
        head=np.linalg.inv(held) @ head,
        frames=seen.frames,
        fps=seen.fps,
        error_mm=error,
        figures=figures,
    )


@dataclass(frozen=True)
class Told:
    """What f frames tell. features: (f, D) from the neutral's, without what the video's look adds. targets: (f, T).
    rest: index of the rest frame among all, or the first that shows a face."""

    features: np.ndarray
    targets: np.ndarray
    rest: int


def told(
    actor: Actor, answers: Answers, found: Aligned, seen: SeenFaces, there: np.ndarray, rest_frame: int | str
) -> Told:
    """What frames (f,) tell by what is seen in them, less what is usual in the video or shows in a chosen rest frame:
    y of docs/model.md (40)."""
    features = answers.features(found)
    targets = answers.targets(features, found, seen.impressions[there])
    if rest_frame == "off":
        return Told(features, GAIN * targets, int(there[0]))
    if isinstance(rest_frame, int):
        usable = np.isin(np.arange(len(seen.frames)), there)
        rest = int(np.searchsorted(there, rest_index(seen.frames, rest_frame, usable, seen.source)))
        return Told(features - features[rest], GAIN * (targets - targets[rest]), int(there[rest]))
    usual = np.quantile(targets, USUAL, axis=0)
    moved = actor.offsets()[:: max(1, len(actor.neutral) // POINTS)]
    weights = (targets - usual)[:, : 2 * len(actor.names)].reshape(len(targets), 2, -1).mean(1)
    rest = int(distance_of(weights, moved).argmin())
    shown = features[rest]
    trust = BELIEVED + (LIDS_BELIEVED - BELIEVED) * answers.of_lids()
    return Told(features - shown, GAIN * (targets - (1.0 - trust) * usual), int(there[rest]))


def _tell(report: Report, done: int, total: int) -> None:
    report({"message": "Following the skin", "done": done, "total": total})


def _off(answers: Answers, features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(f, 2) mean and worst mm that landmarks, of features (f, D), are from where the detector would see them on a face
    with targets (f, T)."""
    explained = targets @ answers.responses / GAIN
    off = (features - explained)[:, : 3 * LANDMARKS].reshape(-1, LANDMARKS, 3)
    distance = np.linalg.norm(off[..., :2], axis=2)
    return np.stack([distance.mean(1), distance.max(1)], axis=1)


def _heads(actor: Actor, answers: Answers, found: Aligned, features: np.ndarray, camera: Camera) -> np.ndarray:
    """H (f, 4, 4) before the camera."""
    turn, about, scale = answers.heads(found, features)
    frame = FaceFrame.of(actor)
    ray = (found.middle - camera.centre) / camera.focal  # (f, 2)
    # Landmarks are told as if the camera looked at them.
    towards = Rotation.from_rotvec(np.column_stack([-ray[:, 1], ray[:, 0], np.zeros(len(ray))])).as_matrix()
    head = np.tile(np.eye(4), (len(ray), 1, 1))
    head[:, :3, :3] = towards @ turn @ frame.axes
    distance = scale * camera.focal[0]
    middle = np.column_stack([ray * distance[:, None] - about, distance])
    head[:, :3, 3] = middle - head[:, :3, :3] @ frame.middle
    return head


def camera_of(seen: SeenFaces, focal_length_mm: float) -> Camera:
    """The camera of a video, at the origin. focal_length_mm: for a sensor of SENSOR_MM along its longer side, 0 for a
    usual one."""
    size = np.array(seen.size)
    focal = (focal_length_mm or USUAL_FOCAL_MM) / SENSOR_MM * size.max()
    return Camera("video", size, np.full(2, focal), size / 2, np.eye(4))


def _kept(camera: Camera, held: np.ndarray) -> dict[str, Any]:
    """The camera as read_cameras takes it, before a head that is held (4, 4) so at rest."""
    return {
        "name": camera.name,
        "width": int(camera.size[0]),
        "height": int(camera.size[1]),
        "focal": camera.focal.tolist(),
        "centre": camera.centre.tolist(),
        "world_to_camera": (camera.world_to_camera @ held).tolist(),
    }


def _notes(mean_mm: np.ndarray, skin_lost: bool) -> list[str]:
    """What of a fit cannot be right, or could be better. mean_mm: (f,)."""
    notes = []
    if skin_lost:
        notes.append(f"the skin could not be followed in fewer than {FEWEST} pictures; the take is of landmarks alone")
    if (off := float(mean_mm.mean())) > NO_FIT_MM:
        notes.append(
            f"the landmarks are seen {off:.0f} mm from where the face has them on the mean: the performer may be far "
            "from the actor, or the focal length wrong"
        )
    return notes
