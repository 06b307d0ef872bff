# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting to points seen in images: a performance of any number of frames and cameras."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from ..model.actor import Actor, jaw_figures
from ..points.image_points import ImagePoints, LandmarkMap, bind_landmarks
from ..shared.captured.cameras import Camera
from ..shared.captured.image_views import View
from ..shared.foundation.errors import InputError
from ..shared.results.takes import Take
from ..shared.settings.point_settings import ImageFittingSettings
from ..timing.timeline import Timeline
from .error_figures import FitErrors
from .image_solver import ImageSolver
from .rest_in_images import rest_in_images

Report = Callable[[dict], None]

LEAST_POINTS = 6  # seen in a frame; with fewer it is missing
INLIER_SHARE = 0.25  # of its trust: a point that keeps less is an outlier, and left out
NO_FIT_MM = 8.0  # where half of the points are further off, the fit tells nothing


def fit_image_points(
    actor: Actor,
    points: ImagePoints,
    cameras: list[Camera],
    landmarks: LandmarkMap,
    settings: ImageFittingSettings | None = None,
    report: Report | None = None,
) -> Take:
    """Fit what cameras see of points on the face: a take of the whole face, its head where the cameras stand.

    The take's error_mm is how far the points are seen from where they should be, in mm at their distance; frames with
    fewer than LEAST_POINTS are filled in. report is called with {"message", "done", "total", "error_mm"}. Raises
    InputError if a camera is not known, or no landmark or too few points are.
    """
    settings = settings or ImageFittingSettings()
    report = report or (lambda _: None)
    total = len(points.frames)
    report({"message": "Preparing the fit", "done": 0, "total": total})
    start = time.perf_counter()
    known, binding = bind_landmarks(actor, points.names, landmarks)
    used = _cameras_of(points, cameras)
    pixels = points.positions[:, known]  # (I, Q, 2)
    trust = np.where(np.isfinite(pixels).all(-1), points.confidence[:, known], 0.0)  # (I, Q)
    shows = np.flatnonzero((trust > 0).any(1))
    shows = shows[np.argsort(points.frame_of[shows], kind="stable")]
    by_frame = np.split(shows, np.searchsorted(points.frame_of[shows], np.arange(1, total)))  # F times images
    missing = np.array([(trust[images] > 0).any(0).sum() < LEAST_POINTS for images in by_frame])
    if missing.all():
        raise InputError(
            f"{points.source} shows fewer than {LEAST_POINTS} known landmarks in every frame; more must be seen at once"
        )
    solver = ImageSolver(actor, binding, settings)
    setup_seconds = time.perf_counter() - start

    start = time.perf_counter()
    head, jaw = np.tile(np.eye(4), (2, total, 1, 1))
    coefficients = np.zeros((total, solver.modes.shape[1], len(actor.names)), dtype=np.float32)
    # A weight that is the same everywhere, as coefficients of the modes.
    everywhere = np.linalg.lstsq(solver.modes, np.ones(len(solver.modes)), rcond=None)[0]  # (M,)
    error_mm, pixel_error = np.zeros((total, 2), dtype=np.float32), np.zeros(total)
    errors, there = FitErrors(len(known)), np.flatnonzero(~missing).tolist()
    views = {
        frame: View([used[camera] for camera in points.camera_of[images]], pixels[images], trust[images], outlier_mm)
        for outlier_mm in [settings.outlier_mm]
        for frame in there
        for images in [by_frame[frame]]
    }
    rest = rest_in_images(solver, views, points.frames, settings.rest_frame, points.source)
    inliers: dict[int, np.ndarray] = {}  # (C, P) bool by frame

    def compare(frame: int, off: np.ndarray, scale: np.ndarray, errors: FitErrors) -> None:
        distance = np.where(trust[by_frame[frame]] > 0, np.linalg.norm(off, axis=-1), np.nan)  # (C, P)
        errors.add(by_frame[frame], distance, ~inliers[frame])
        error_mm[frame] = np.nanmean(distance), np.nanmax(distance)
        pixel_error[frame] = np.nanmean(distance * scale[:, None])

    for done, (frame, view) in enumerate(views.items(), 1):
        found = solver.solve(view)
        head[frame], jaw[frame] = found.head, found.jaw
        coefficients[frame] = found.detail + np.outer(everywhere, found.face)
        inliers[frame] = found.robust_weight > INLIER_SHARE * view.trust
        compare(frame, found.off, found.scale, errors)
        report({"message": "Fitting", "done": done, "total": len(there), "error_mm": errors.all.mean})
    timeline = Timeline(actor, points.frames, missing, settings.temporal)
    head, jaw = timeline.settled_motions(head, jaw)
    coefficients = timeline.settled_weights(coefficients)
    if settings.temporal > 0:
        errors = FitErrors(len(known))
        for frame, view in views.items():
            compare(frame, *solver.off(view, head[frame], jaw[frame], coefficients[frame]), errors)
    seconds = time.perf_counter() - start
    unplaced = [name for name in points.names if name not in landmarks.places]
    notes = list(points.notes)
    if unplaced:
        notes.append(f"{len(unplaced)} points have no place on the mesh and were left out, such as {unplaced[0]!r}")
    names = tuple(points.names[point] for point in known)
    notes += rest.notes(names) if rest is not None else []
    notes += timeline.notes("show too few points")
    notes += errors.notes(names.__getitem__, "points")
    if (half := errors.all.quantile(0.5)) > NO_FIT_MM:
        notes.append(
            f"half of the points are seen more than {half:.0f} mm from where the face has them: see where the "
            "landmarks belong, and the camera"
        )
    return Take(
        names=actor.names,
        topology_digest=actor.topology.digest,
        modes=solver.modes.astype(np.float32),
        coefficients=coefficients,
        jaw=jaw,
        head=head,
        frames=points.frames,
        fps=points.fps,
        error_mm=error_mm,
        settings=dataclasses.asdict(settings),
        figures={
            **timeline.figures(error_mm),
            **errors.figures(),
            **(rest.figures() if rest is not None else {}),
            **jaw_figures(actor, jaw),
            "points": len(known),
            "cameras": len(used),
            "mean_px": float(pixel_error[~missing].mean()),
            "notes": notes,
            "setup_s": setup_seconds,
            "frames_per_second": total / seconds,
        },
    )


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
