# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in the images of one or more cameras, such as tracks or landmarks, and where on the mesh they belong."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..model.actor import Actor
from ..shared.captured.frame_numbers import sampling_of
from ..shared.captured.performances import DEFAULT_FPS, check_given_fps, checked_fps
from ..shared.captured.point_tables import LARGEST, PointRows, check_fullness, read_point_table
from ..shared.foundation.errors import UNREADABLE, InputError, reason
from ..shared.sources.recognising import holds_json
from .points import Binding, PointPerformance, checked_confidence, whole_number


@dataclass(frozen=True)
class ImagePoints:
    """What I images show of P points: positions (I, P, 2) in pixels from the upper left corner, not a number where a
    point is not seen.

    confidence: (I, P) in [0, 1]. frame_of, camera_of: (I,) which of the frames and of the cameras each image is of, a
    frame of a camera at most once. A camera that moves comes as one for each of its places, of which each has few
    images. names: of the P points. cameras: of the C cameras, None for one without a name. frames: (F,) int32 frame
    numbers. fps: frames a second. source: the file, for messages. notes: what to say of how it was read.
    """

    names: tuple[str, ...]
    cameras: tuple[str | None, ...]
    positions: np.ndarray
    confidence: np.ndarray
    frame_of: np.ndarray
    camera_of: np.ndarray
    frames: np.ndarray
    fps: float
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LandmarkMap:
    """Where points belong: {name: vertex, or (face, a weight for each of its corners)}. source: for messages."""

    places: dict[str, int | tuple[int, tuple[float, ...]]]
    source: str


def read_image_points(path: Path, fps: float | None = None) -> ImagePoints:
    """Points of images from JSON or CSV. fps: frames a second, instead of what the file says, or of DEFAULT_FPS.

    JSON: {"fps": 24, "points": ["chin", ...], "frames": [{"frame": 1, "camera": "left", "positions": [[x, y], null,
    ...], "confidence": [...]}, ...]}, an entry for each frame of each camera; fps, camera and confidence may be left
    out. CSV: columns frame, name, x, y and, if known, camera and confidence, in whatever spelling point_tables.py
    knows. Pixels count from the upper left corner; a place of exactly 0, 0 means that the point is not seen. Raises
    InputError, naming the file, for anything else.
    """
    check_given_fps(fps)
    try:
        points = _read_json(path, fps) if holds_json(path) else _read_csv(path, fps)
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as points of images: {reason(error)}") from error
    if points.positions.size == 0:
        raise InputError(f"{path} has no frames or no points; at least one of each is needed")
    return points


def read_landmark_map(path: Path) -> LandmarkMap:
    """{"chin": 812, "tragus": {"face": 40, "weights": [0.5, 0.5, 0, 0]}} from a JSON file: a vertex, or a face and a
    weight for each of its corners.

    Raises InputError, naming the file, for anything else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("it is not an object of landmarks by name")
        places = {str(name): _place(name, place) for name, place in data.items()}
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as landmarks: {reason(error)}") from error
    if not places:
        raise InputError(f"{path} names no landmarks; at least one is needed")
    return LandmarkMap(places, str(path))


def bind_landmarks(actor: Actor, names: tuple[str, ...], landmarks: LandmarkMap) -> tuple[np.ndarray, Binding]:
    """Which of the names (P,) have a place on the mesh, as numbers (Q,), and where.

    Raises InputError, naming the file, if none has one, or a vertex, face or corner does not exist.
    """
    known = np.array([index for index, name in enumerate(names) if name in landmarks.places], dtype=np.int64)
    if len(known) == 0:
        raise InputError(f"{landmarks.source} has none of the points' names, such as {names[0]!r}; name them alike")
    count, sizes = len(actor.bone), actor.topology.sizes
    start = np.concatenate([[0], np.cumsum(sizes)])
    most = max(3, int(sizes.max()))
    corners, shares = np.zeros((len(known), most), dtype=np.int64), np.zeros((len(known), most))
    for row, index in enumerate(known):
        place = landmarks.places[names[index]]
        if isinstance(place, int):
            if not 0 <= place < count:
                raise InputError(
                    f"{landmarks.source} puts {names[index]!r} on vertex {place}, but the actor's mesh has {count}"
                )
            corners[row], shares[row, 0] = place, 1.0
            continue
        face, weights = place
        if not 0 <= face < len(sizes):
            raise InputError(
                f"{landmarks.source} puts {names[index]!r} on face {face}, but the actor's mesh has {len(sizes)}"
            )
        if len(weights) != sizes[face]:
            raise InputError(
                f"{landmarks.source} gives {names[index]!r} {len(weights)} weights, but face {face} has "
                f"{sizes[face]} corners"
            )
        corners[row, : len(weights)] = actor.topology.corners[start[face] : start[face + 1]]
        shares[row, : len(weights)] = np.array(weights) / sum(weights)
    return known, Binding(corners, shares)


LARGEST_VERTEX = 2**31  # a number of one that no mesh has


def at_landmarks(points: PointPerformance, landmarks: LandmarkMap) -> PointPerformance:
    """Points in space at the vertices that a map names for them; points that it does not name are left out.

    Raises InputError, naming the file, if none is named, or a place is no vertex.
    """
    known = [index for index, name in enumerate(points.names) if name in landmarks.places]
    if not known:
        raise InputError(
            f"{landmarks.source} has none of the points' names, such as {points.names[0]!r}; name them alike"
        )
    names = tuple(points.names[index] for index in known)
    places = [landmarks.places[name] for name in names]
    for name, place in zip(names, places, strict=True):
        if not isinstance(place, int) or not 0 <= place < LARGEST_VERTEX:
            raise InputError(f"{landmarks.source} puts {name!r} on no vertex, as markers need; name the nearest one")
    lost = len(points.names) - len(known)
    told = (f"{lost} points are not in {landmarks.source} and were left out",) if lost else ()
    return replace(
        points,
        names=names,
        positions=points.positions[:, known],
        confidence=points.confidence[:, known],
        vertices=np.array(places, dtype=np.int64),
        notes=(*points.notes, *told),
    )


def _place(name: str, place: Any) -> int | tuple[int, tuple[float, ...]]:
    if isinstance(place, dict) and "vertex" in place:
        place = place["vertex"]
    if isinstance(place, int) and not isinstance(place, bool):
        return place
    if not isinstance(place, dict):
        raise ValueError(f"{name!r} must be a vertex, or a face with a weight for each of its corners")
    weights = tuple(float(weight) for weight in place["weights"])
    if not (weights and min(weights) >= 0 and 0 < sum(weights) < np.inf):
        raise ValueError(f"the weights of {name!r} must be 0 or more, and not all 0")
    return int(place["face"]), weights


def _read_json(path: Path, fps: float | None) -> ImagePoints:
    data = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(data, dict):
        raise ValueError("it is not an object with points and frames")
    names, entries = tuple(map(str, data["points"])), data["frames"]
    if len(set(names)) < len(names):
        raise ValueError("two points have one name")
    if not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("its frames are not a list of objects")
    cameras: dict[str | None, int] = {}
    frame, camera, point = [], [], []
    places, trust = [], []
    for entry in entries:
        found, confidence = entry["positions"], entry.get("confidence") or [1.0] * len(names)
        if len(found) != len(names) or len(confidence) != len(names):
            raise ValueError(f"frame {entry['frame']} has {len(found)} positions for {len(names)} points")
        seen_by = entry.get("camera")
        for index, position in enumerate(found):
            if position is None:
                continue
            if len(position) != 2:
                raise ValueError(f"the position {position} of {names[index]!r} does not have two numbers")
            frame.append(whole_number(entry["frame"]))
            camera.append(cameras.setdefault(None if seen_by is None else str(seen_by), len(cameras)))
            point.append(index)
            places.append([math.nan if value is None else float(value) for value in position])
            trust.append(float(confidence[index]))
    pixels = np.array(places, dtype=np.float64).reshape(-1, 2)
    pixels[~np.isfinite(pixels).all(1) | (pixels == 0).all(1)] = np.nan
    if np.nanmax(np.abs(pixels), initial=0.0) > LARGEST:
        raise ValueError(f"a point lies at {np.nanmax(np.abs(pixels)):.3g} pixels")
    vertices = np.full(len(names), -1)
    numbers = np.array([whole_number(entry["frame"]) for entry in entries], dtype=np.int64)
    frame_of, point_of, camera_of = (np.array(each, dtype=np.int64) for each in (frame, point, camera))
    listed = tuple(cameras) or (None,)
    rows = PointRows(names, listed, frame_of, point_of, camera_of, pixels, np.array(trust), vertices, None)
    return _gathered(rows, numbers, fps or checked_fps(float(data.get("fps", DEFAULT_FPS))), path)


def _read_csv(path: Path, fps: float | None) -> ImagePoints:
    rows = read_point_table(path, 2, fps)
    return _gathered(rows, rows.frame, fps or rows.fps or DEFAULT_FPS, path)


def _gathered(rows: PointRows, numbers: np.ndarray, fps: float, path: Path) -> ImagePoints:
    """numbers: (N,) of frames, those without a point included."""
    known = np.unique(numbers).astype(np.float64)
    sampling = sampling_of(known)
    if (sampling.share > 0).any() or not np.isin(known, sampling.frames).all():
        between = float(known[~np.isin(known, sampling.frames)][0]) if len(known) else 0.0
        raise ValueError(
            f"it has points at frame {between:g}, between two frames; give the frame rate of the images, in which "
            "every image is a frame"
        )
    frames = sampling.frames  # those without an image included
    at_frame = np.searchsorted(frames, rows.frame)
    images, at_image = np.unique(np.stack([at_frame, rows.camera], axis=1), axis=0, return_inverse=True)
    check_fullness(len(rows.frame), len(images), len(rows.names))
    positions = np.full((len(images), len(rows.names), 2), np.nan)
    confidence = np.zeros(positions.shape[:2])
    positions[at_image.reshape(-1), rows.point], confidence[at_image.reshape(-1), rows.point] = (
        rows.places,
        checked_confidence(rows.confidence),
    )
    confidence[np.isnan(positions).any(-1)] = 0.0
    frame_of, camera_of = images.astype(np.int64).reshape(-1, 2).T
    return ImagePoints(
        rows.names,
        rows.cameras,
        positions,
        confidence,
        frame_of,
        camera_of,
        frames,
        fps,
        str(path),
        (*rows.notes, *sampling.notes),
    )
