# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in the images of one or more cameras, such as tracks or landmarks, and where on the mesh they belong."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .actor import Actor
from .errors import UNREADABLE, InputError, reason
from .performances import DEFAULT_FPS, checked_fps, checked_frames
from .points import Binding


@dataclass(frozen=True)
class ImagePoints:
    """What I images show of P points: positions (I, P, 2) in pixels from the upper left corner, not a number where a
    point is not seen.

    confidence: (I, P) in [0, 1]. frame_of, camera_of: (I,) which of the frames and of the cameras each image is of, a
    frame of a camera at most once. A camera that moves comes as one for each of its places, of which each has few
    images. names: of the P points. cameras: of the C cameras, None for one without a name. frames: (F,) int32 frame
    numbers. fps: frames a second. source: the file, for messages.
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


@dataclass(frozen=True)
class LandmarkMap:
    """Where points belong: {name: vertex, or (face, a weight for each of its corners)}. source: for messages."""

    places: dict[str, int | tuple[int, tuple[float, ...]]]
    source: str


def read_image_points(path: Path) -> ImagePoints:
    """Points of images from JSON or CSV.

    JSON: {"fps": 24, "points": ["chin", ...], "frames": [{"frame": 1, "camera": "left", "positions": [[x, y], null,
    ...], "confidence": [...]}, ...]}, an entry for each frame of each camera; fps, camera and confidence may be left
    out. CSV: columns frame, name, x, y and, if known, camera and confidence. Pixels count from the upper left corner.
    Raises InputError, naming the file, for anything else.
    """
    try:
        points = _read_csv(path) if path.suffix.lower() == ".csv" else _read_json(path)
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


def _read_json(path: Path) -> ImagePoints:
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError("it is not an object with points and frames")
    names = tuple(map(str, data["points"]))
    if len(set(names)) < len(names):
        raise ValueError("two points have one name")
    rows = []
    for entry in data["frames"]:
        found, confidence = entry["positions"], entry.get("confidence") or [1.0] * len(names)
        if len(found) != len(names) or len(confidence) != len(names):
            raise ValueError(f"frame {entry['frame']} has {len(found)} positions for {len(names)} points")
        for name, position, trust in zip(names, found, confidence, strict=True):
            if position is not None:
                rows.append((int(entry["frame"]), entry.get("camera"), name, position, float(trust)))
    frames = [int(entry["frame"]) for entry in data["frames"]]
    return _gathered(rows, names, frames, float(data.get("fps", DEFAULT_FPS)), path)


def _read_csv(path: Path) -> ImagePoints:
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    rows = [
        (
            int(line["frame"]),
            line.get("camera") or None,
            line["name"],
            (line["x"], line["y"]),
            float(line.get("confidence") or 1.0),
        )
        for line in lines
    ]
    names = tuple(dict.fromkeys(row[2] for row in rows))
    return _gathered(rows, names, [row[0] for row in rows], DEFAULT_FPS, path)


def _gathered(rows: list[Any], names: tuple[str, ...], numbers: list[int], fps: float, path: Path) -> ImagePoints:
    """rows: (frame, camera or None, name, position, confidence) of each point that is seen."""
    cameras = tuple(dict.fromkeys(None if row[1] is None else str(row[1]) for row in rows)) or (None,)
    frames = sorted(set(numbers))
    at_frame = {frame: index for index, frame in enumerate(frames)}
    at_camera = {camera: index for index, camera in enumerate(cameras)}
    at_name = {name: index for index, name in enumerate(names)}
    images = sorted({(at_frame[row[0]], at_camera[None if row[1] is None else str(row[1])]) for row in rows})
    at_image = {image: index for index, image in enumerate(images)}
    positions = np.full((len(images), len(names), 2), np.nan)
    confidence = np.zeros(positions.shape[:2])
    for frame, camera, name, position, trust in rows:
        if len(position) != 2:
            raise ValueError(f"the position {position} of {name!r} does not have two numbers")
        image = at_image[at_frame[frame], at_camera[None if camera is None else str(camera)]]
        place = image, at_name[name]
        positions[place] = [float(value) for value in position]
        confidence[place] = trust
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("a confidence is not between 0 and 1")
    frame_of, camera_of = np.array(images, dtype=np.int64).reshape(-1, 2).T
    return ImagePoints(
        names,
        cameras,
        positions,
        confidence,
        frame_of,
        camera_of,
        checked_frames(np.array(frames, dtype=np.int64)),
        checked_fps(fps),
        str(path),
    )
