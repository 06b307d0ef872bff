# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting to points seen in images: a performance of any number of frames and cameras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..contact.fitted import in_contact
from ..model.actor import Actor
from ..parts.looking import points_on_eyes
from ..points.image_points import (
    ImagePoints,
    LandmarkMap,
    bind_landmarks,
    read_image_points,
    read_landmark_map,
)
from ..shared.captured.cameras import Camera, read_cameras
from ..shared.captured.image_views import View
from ..shared.foundation.errors import InputError
from ..shared.results.takes import Take
from ..shared.settings.point_settings import ImageFittingSettings
from ..timing.timeline import Timeline
from .driving.error_figures import FitErrors
from .driving.one_fit import fit_target
from .driving.request import FitRequest, Fitted
from .driving.target import SolvedFrames, Target
from .image_solver import ImageSolver
from .rest_in_images import rest_in_images
from .rest_offset import RestOffset, without_rest

Report = Callable[[dict], None]

LEAST_POINTS = 6  # seen in a frame; with fewer it is missing
INLIER_SHARE = 0.25  # of its trust: a point that keeps less is an outlier, and left out
FRAMES_AT_ONCE = 16
NO_FIT_MM = 8.0  # where half of the points are further off, the fit tells nothing


def fit_file(actor: Actor, request: FitRequest) -> Fitted:
    """Fit a file of points in images, with the files `camera` and `landmarks`. Raises InputError as fit_image_points
    and their readers do."""
    if request.millimetres_per_unit is not None:
        raise InputError(f"{request.path} holds points of images, which are in pixels; leave out the unit")
    points = read_image_points(request.path, request.fps)
    cameras, landmarks = read_cameras(request.files["camera"]), read_landmark_map(request.files["landmarks"])
    return Fitted(
        fit_image_points(actor, points, cameras, landmarks, request.settings, request.report, request.checkpoint_folder)
    )


def describe_file(path: Path) -> dict[str, Any]:
    """What a file of points in images holds, as JSON values. Raises InputError."""
    found = read_image_points(path)
    return {
        "kind": "points of images",
        "frames": len(found.frames),
        "range": [int(found.frames[0]), int(found.frames[-1])],
        "fps": found.fps,
        "cameras": [name for name in found.cameras if name is not None],
        "names": list(found.names),
    }


def fit_image_points(
    actor: Actor,
    points: ImagePoints,
    cameras: list[Camera],
    landmarks: LandmarkMap,
    settings: ImageFittingSettings | None = None,
    report: Report | None = None,
    checkpoint_folder: Path | None = None,
) -> Take:
    """Fit what cameras see of points on the face: a take of the whole face, its head where the cameras stand.

    The take's error_mm is how far the points are seen from where they should be, in mm at their distance; frames with
    fewer than LEAST_POINTS are filled in. report is called with {"message", "done", "total", "error_mm"}.
    checkpoint_folder: where long work is kept, and goes on from. Raises InputError if a camera is not known, or no
    landmark or too few points are.
    """
    settings = settings or ImageFittingSettings()

    def prepare() -> ImageTarget:
        return ImageTarget(actor, points, cameras, landmarks, settings)

    report = report or (lambda _: None)
    take = fit_target(actor, prepare, len(points.frames), report, checkpoint_folder)
    return in_contact(actor, take, settings.contact, report=report)


class ImageTarget(Target):
    """What images show of landmarks; head and jaw are solved with the weights, frame by frame. As many are solved at
    once as are kept together."""

    settings: ImageFittingSettings
    keeps = True

    def __init__(
        self,
        actor: Actor,
        points: ImagePoints,
        cameras: list[Camera],
        landmarks: LandmarkMap,
        settings: ImageFittingSettings,
    ) -> None:
        known, binding = bind_landmarks(actor, points.names, landmarks)
        named = tuple(points.names[point] for point in known)
        every = np.ones(len(known), dtype=bool)
        self.eyes = points_on_eyes(actor.parts, binding.corners, binding.of(actor.neutral), named, every)
        self.on_eyes = np.zeros(0, dtype=np.int64)  # which of the points
        if self.eyes is not None:  # they tell where eyes look, and nothing of the skin
            skin = np.delete(np.arange(len(known)), self.eyes.which)
            self.on_eyes, known, binding = known[self.eyes.which], known[skin], binding.only(skin)
        self.performance, self.settings, self.landmarks = points, settings, landmarks
        self.cameras = _cameras_of(points, cameras)
        pixels = points.positions[:, known]  # (I, Q, 2)
        trust = np.where(np.isfinite(pixels).all(-1), points.confidence[:, known], 0.0)  # (I, Q)
        by_frame = _images_of(points, trust)
        self.frames, self.fps, self.points = points.frames, points.fps, len(known)
        self.names = tuple(points.names[point] for point in known)
        self.missing = np.array([(trust[images] > 0).any(0).sum() < LEAST_POINTS for images in by_frame])
        if self.missing.all():
            raise InputError(
                f"{points.source} shows fewer than {LEAST_POINTS} known landmarks in every frame; more must be seen at "
                "once"
            )
        self.solver = ImageSolver(actor, binding, settings)
        self.modes = self.solver.modes
        # A weight that is the same everywhere, as coefficients of the modes.
        self.everywhere = np.linalg.lstsq(self.modes, np.ones(len(self.modes)), rcond=None)[0]  # (M,)
        self.given: dict[int, np.ndarray] = {}  # (C, P) bool by frame
        self.views: dict[int, View] = {}
        self.camera_of: dict[int, np.ndarray] = {}  # (C,) which of the cameras
        for frame in self.there.tolist():
            images = by_frame[frame]
            self.camera_of[frame] = points.camera_of[images]
            used = [self.cameras[camera] for camera in self.camera_of[frame]]
            self.given[frame] = trust[images] > 0
            self.views[frame] = View(used, pixels[images], trust[images], settings.outlier_mm)
        if len({len(view.cameras) for view in self.views.values()}) == 1:  # else their distances have no common shape
            self.at_once = FRAMES_AT_ONCE
        self.rest: RestOffset | None = None
        self.pixel_error = np.zeros(len(self.frames))  # on the mean

    def motions(self) -> tuple[np.ndarray, np.ndarray]:
        """None are known yet; but the face at rest is, from here on."""
        chosen, source = self.settings.rest_frame, self.performance.source
        self.rest = rest_in_images(self.solver, self.views, self.frames, chosen, source)
        return super().motions()

    def solve(self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray) -> SolvedFrames:
        found = [self.solver.solve(self.views[frame]) for frame in rows.tolist()]
        coefficients = [each.detail + np.outer(self.everywhere, each.face) for each in found]
        lost = [
            ~(each.robust_weight > INLIER_SHARE * self.views[frame].trust)
            for frame, each in zip(rows.tolist(), found, strict=True)
        ]
        distance = [
            self._distance(frame, each.off, each.scale) for frame, each in zip(rows.tolist(), found, strict=True)
        ]
        heads, jaws = np.stack([each.head for each in found]), np.stack([each.jaw for each in found])
        return SolvedFrames(np.stack(coefficients), heads, jaws, np.stack(distance), np.stack(lost))

    def distance(self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        off = (
            self.solver.off(self.views[frame], *given)
            for frame, *given in zip(rows.tolist(), head, jaw, coefficients, strict=True)
        )
        return np.stack([self._distance(frame, *each) for frame, each in zip(rows.tolist(), off, strict=True)])

    def origin(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        solver = self.solver
        names = ("modes", "neutral", "moved", "expressions", "skin_weight", "detail_cost")
        arrays = {name: getattr(solver, name) for name in names}
        if solver.hinge is not None:
            hinge = {name: np.asarray(value) for name, value in dataclasses.asdict(solver.hinge).items()}
            arrays |= {"poses": solver.jaw_poses, **{f"hinge {name}": value for name, value in hinge.items()}}
        for name in ("size", "focal", "centre", "world_to_camera", "distortion"):
            arrays[f"cameras' {name}"] = np.stack([getattr(camera, name) for camera in self.cameras])
        return arrays, dataclasses.asdict(self.settings)

    def inputs(self, rows: np.ndarray, head: np.ndarray) -> dict[str, np.ndarray]:
        del head
        views = [self.views[frame] for frame in rows.tolist()]
        pixels, trust = (np.stack([getattr(view, name) for view in views]) for name in ("pixels", "trust"))
        cameras = np.stack([self.camera_of[frame] for frame in rows.tolist()])
        return {"cameras": cameras, "pixels": pixels, "trust": trust}

    def gaze(self, head: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        if self.eyes is None:
            return None
        images = self.performance
        placed = np.zeros((len(self.frames), len(self.on_eyes), 3))
        trust = np.zeros(placed.shape[:2])
        for image, (frame, camera) in enumerate(zip(images.frame_of, images.camera_of, strict=True)):
            pixels = images.positions[image, self.on_eyes]
            sure = np.where(np.isfinite(pixels).all(-1), images.confidence[image, self.on_eyes], 0.0)
            # From the camera to the actor's face without the head's motion.
            back = np.linalg.inv(self.cameras[camera].world_to_camera @ head[frame])
            seen = self.cameras[camera].undistorted(np.nan_to_num(pixels))
            rays = np.column_stack([seen, np.ones(len(seen))]) @ back[:3, :3].T
            placed[frame] += sure[:, None] * self.eyes.on_eyes(back[:3, 3], rays)
            trust[frame] += sure
        placed /= trust.clip(min=1e-9)[..., None]
        if self.rest is not None:
            placed, trust = without_rest(placed, self.eyes.rest, trust, self.frames == self.rest.frame)
        return self.eyes.gaze(placed, trust)

    def figures(self) -> dict[str, Any]:
        return {
            **(self.rest.figures() if self.rest is not None else {}),
            "points": self.points,
            "cameras": len(self.cameras),
            "mean_px": float(self.pixel_error[~self.missing].mean()),
        }

    def notes(self, timeline: Timeline, errors: FitErrors) -> list[str]:
        notes = list(self.performance.notes)
        unplaced = [name for name in self.performance.names if name not in self.landmarks.places]
        if unplaced:
            notes.append(f"{len(unplaced)} points have no place on the mesh and were left out, such as {unplaced[0]!r}")
        notes += self.rest.notes(self.names) if self.rest is not None else []
        notes += timeline.notes("show too few points")
        notes += errors.notes(self.names.__getitem__, "points")
        if (half := errors.all.quantile(0.5)) > NO_FIT_MM:
            notes.append(
                f"half of the points are seen more than {half:.0f} mm from where the face has them: see where the "
                "landmarks belong, and the camera"
            )
        return notes

    def _distance(self, frame: int, off: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """How far (C, P) in mm points are seen from where they should be, off (C, P, 2), where they are seen. scale:
        (C,) pixels a mm."""
        distance = np.where(self.given[frame], np.linalg.norm(off, axis=-1), np.nan)
        self.pixel_error[frame] = np.nanmean(distance * scale[:, None])
        return distance


def _images_of(points: ImagePoints, trust: np.ndarray) -> list[np.ndarray]:
    """For each frame the numbers of its images that show something, of trust (I, P)."""
    shows = np.flatnonzero((trust > 0).any(1))
    shows = shows[np.argsort(points.frame_of[shows], kind="stable")]
    return np.split(shows, np.searchsorted(points.frame_of[shows], np.arange(1, len(points.frames))))


def _cameras_of(points: ImagePoints, cameras: list[Camera]) -> list[Camera]:
    """The cameras that the points name, in their order."""
    by_name = {camera.name: camera for camera in cameras}
    found = []
    for name in points.cameras:
        if name is None and len(cameras) == 1:
            found.append(cameras[0])
        elif name in by_name:
            found.append(by_name[name])
        else:
            what = "does not say which camera sees its points" if name is None else f"names the camera {name!r}"
            raise InputError(f"{points.source} {what}; the cameras given are {', '.join(by_name)}")
    return found
