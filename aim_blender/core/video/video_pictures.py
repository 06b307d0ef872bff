# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fit to a video looks like: frames of it beside the fitted face, and the face over them; curves of the face."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..checks.face_measures import Measure, measures_at
from ..checks.face_spots import places_of
from ..model.actor import Actor, jaw_figures
from ..model.evaluation import CHUNK_FRAMES, placed_frames, stabilized_frames
from ..shared.captured.cameras import Camera
from ..shared.foundation.drawing import draw
from ..shared.foundation.whole_files import written_whole
from ..shared.results.takes import Take
from .face_detector import Crop, cut
from .movies import Movie
from .seen_faces import FIRST_FRAME, SeenFaces

FRAMES, PIXELS = 5, 240  # columns of the sheet, and the size of each picture
SKIN = np.array([0.80, 0.62, 0.53])
OVER = 0.55  # how opaque the face is that lies over the video
LEFT_PIXELS, TOP_PIXELS = 86, 26


def save_video_sheet(actor: Actor, take: Take, movie: Movie, seen: SeenFaces, picture: Path) -> None:
    """Write some frames of the video, the fitted face over them, and alone, as a PNG. Raises OSError."""
    from matplotlib.figure import Figure

    there = np.flatnonzero(~seen.missing)
    rows = there[np.linspace(0, len(there) - 1, min(FRAMES, len(there))).round().astype(int)]
    shown = _frames_at(movie, (seen.frames[rows] - FIRST_FRAME) / seen.fps)
    camera, triangles = _camera_of(take), actor.topology.triangles()
    columns = []
    for row, frame in zip(rows.tolist(), shown, strict=True):
        crop = _about(seen.landmarks[row])
        video = cut(frame, crop, PIXELS) / 255.0
        drawn = _drawn(placed_frames(actor, take, slice(row, row + 1))[0], triangles, camera, crop)
        over = OVER * drawn[..., 3:]
        columns.append((video, video * (1.0 - over) + drawn[..., :3] * over, drawn))
    width, height = LEFT_PIXELS + PIXELS * len(columns), TOP_PIXELS + 3 * PIXELS
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="0.13")
    words = {"color": "0.9", "fontsize": 9, "va": "center"}
    for number, name in enumerate(("video", "over it", "fitted")):
        bottom = PIXELS * (2 - number)
        place = (LEFT_PIXELS - 10) / width, (bottom + PIXELS / 2) / height
        figure.text(*place, name, ha="right", **words)  # type: ignore[arg-type]
        for column, parts in enumerate(columns):
            figure.figimage(parts[number].clip(0.0, 1.0)[::-1], LEFT_PIXELS + PIXELS * column, bottom, origin="lower")
    for column, row in enumerate(rows):
        place = (LEFT_PIXELS + PIXELS * (column + 0.5)) / width, 1.0 - TOP_PIXELS / 2 / height
        figure.text(*place, f"frame {take.frames[row]}", ha="center", **words)  # type: ignore[arg-type]
    with written_whole(picture) as temporary:
        figure.savefig(temporary, format="png", facecolor=figure.get_facecolor())


def save_face_curves(actor: Actor, take: Take, picture: Path) -> None:
    """Write how the jaw, the lips and the lids of a take move over its frames as a PNG. Raises OSError."""
    from matplotlib.figure import Figure

    jaw = [jaw_figures(actor, take.jaw[row : row + 1]).get("incisors_mm", 0.0) for row in range(len(take.frames))]
    panels: dict[str, dict[str, str | np.ndarray]] = {
        "jaw, mm": {"lower front teeth from rest": np.array(jaw)},
        "lips, mm": {"lip gap": "lip_gap", "mouth width": "mouth_width"},
        "lids, mm": {"left lid gap": "lid_gap_left", "right lid gap": "lid_gap_right"},
    }
    measured = _measured(actor, take)
    figure = Figure(figsize=(8, 6), layout="constrained")
    for axis, (unit, curves) in zip(figure.subplots(3, 1, sharex=True), panels.items(), strict=True):
        for name, curve in curves.items():
            values = measured.get(curve) if isinstance(curve, str) else curve
            if values is not None:
                axis.plot(take.frames, values, label=name)
        for missing in take.figures.get("missing_frames", ()):
            axis.axvline(missing, color="0.85", zorder=0)
        axis.set_ylabel(unit)
        axis.legend(fontsize="small", loc="upper right")
    axis.set_xlabel("frame; grey where nothing was seen")
    figure.suptitle("change from the face at rest", fontsize="medium")
    with written_whole(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _measured(actor: Actor, take: Take) -> dict[str, np.ndarray]:
    """Measures (F,) of all frames in mm from rest, by name; none where the mesh shows no face."""
    places = places_of(actor)
    known: dict[str, Measure] = {}
    if places is not None:
        known = {name: each for name, each in measures_at(places).items() if each is not None}
    found: dict[str, list[np.ndarray]] = {name: [] for name in known}
    for first in range(0, len(take.frames), CHUNK_FRAMES):
        offsets = stabilized_frames(actor, take, slice(first, first + CHUNK_FRAMES)) - actor.neutral
        for name, each in known.items():
            found[name].append(each.of(offsets))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _frames_at(movie: Movie, times: np.ndarray) -> list[np.ndarray]:
    """The pictures that are shown at times (T,) in seconds, rising."""
    found: list[np.ndarray] = []
    latest = None
    for time, picture in movie.frames():
        while len(found) < len(times) and time > times[len(found)] + 0.5 / movie.fps:
            found.append(picture if latest is None else latest)
        if len(found) == len(times):
            return found
        latest = picture
    assert latest is not None
    return found + [latest] * (len(times) - len(found))


def _about(landmarks: np.ndarray) -> Crop:
    """The upright square about landmarks (478, 3)."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    return Crop((low + high) / 2, 1.6 * float((high - low).max()), 0.0)


def _camera_of(take: Take) -> Camera:
    """The camera that saw it."""
    about = take.figures["camera"]
    focal, centre, motion = (np.array(about[name]) for name in ("focal", "centre", "world_to_camera"))
    return Camera(about["name"], np.array([about["width"], about["height"]]), focal, centre, motion)


def _drawn(points: np.ndarray, triangles: np.ndarray, camera: Camera, crop: Crop) -> np.ndarray:
    """The face (V, 3) as the camera sees it in a crop: (PIXELS, PIXELS, 4) in [0, 1]."""
    flat = ((camera.project(points) - crop.centre) @ crop.axes.T / crop.side + 0.5) * PIXELS
    placed = np.column_stack([flat[:, 0], PIXELS - flat[:, 1], -camera.depth(points)])
    return draw(placed, triangles, SKIN, PIXELS, PIXELS)[::-1]
