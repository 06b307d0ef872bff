# SPDX-License-Identifier: GPL-3.0-or-later
"""The detection pass: one performer's face is followed through all frames of a movie."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..fitting.driving.side_by_side import side_by_side
from .face_detector import (
    CROP_SCALE,
    IMPRESSIONS,
    LANDMARKS,
    PRESENT_SCORE,
    WEIGHT_NAMES,
    Crop,
    FaceDetector,
    FoundFace,
)
from .impressions import impression_of
from .movies import Movie
from .seen_faces import ARRAYS, SeenFaces, numbers

Report = Callable[[dict[str, Any]], None]

LOOKED_EVERY = 8  # frames, in which other faces are looked for
AS_LARGE = 0.5  # of the performer's face: another that is smaller is of the background
APART = 0.5  # of a face's size, by which centres of two differ
MOST_LOOKS, OFF = 4, 0.1  # of a crop's side, by which it may miss what it is of
JUMP, GROWN = 0.5, 0.25  # of its size, by which no face moves or grows from frame to frame
THUMBNAIL = 32  # places along a side at which pictures are compared
LOST_S = 0.5  # by less files are wrong about how long they are
CHANGED, SUDDEN = 0.1, 4.0  # of all brightness, and times the usual change: another picture
SAME = 0.9  # correlation of two pictures from which on only the light changes: lamps flicker, cameras set exposures
KEPT_EVERY_S, KEPT_TIMES = 20.0, 20.0  # and times as long as keeping takes


class Follower:
    """Follows one face from picture to picture: the largest at first, then the one that is nearest to it."""

    def __init__(self, detector: FaceDetector) -> None:
        self.detector = detector
        self.face: FoundFace | None = None  # in the picture before
        self.last: Crop | None = None  # where it was seen last
        self._before: np.ndarray | None = None
        self._usual = 0.0  # change from picture to picture

    def next(self, picture: np.ndarray, look: bool) -> tuple[FoundFace | None, bool, bool]:
        """The face in the next picture (height, width, 3) of bytes; whether there is another, which is looked for if
        asked to; whether picture or face have jumped."""
        cut = self._is_cut(picture)
        found = None if cut or self.face is None else self._present(picture, self.face.next_crop())
        crops = [crop for _, crop in self.detector.faces(picture, small=True)] if look or found is None else []
        if found is None:
            found = self._chosen(picture, crops, None if cut else self.last)
        before, self.face = self.last, found
        if found is None:
            return None, False, cut
        self.last = found.next_crop()
        jumped = before is not None and _has_jumped(before, self.last)
        others = [crop for crop in crops if _distance(crop, self.last) > APART * self.last.side / CROP_SCALE]
        another = any(crop.side > AS_LARGE * self.last.side and self._present(picture, crop) for crop in others)
        return found, another, cut or jumped

    def _present(self, picture: np.ndarray, crop: Crop) -> FoundFace | None:
        """The face in a crop, looked at again where the crop did not fit it."""
        for _ in range(MOST_LOOKS):
            face = self.detector.landmarks(picture, crop)
            if face.presence < PRESENT_SCORE:
                return None
            fitting = face.next_crop()
            if _distance(fitting, crop) < OFF * crop.side and abs(np.log(fitting.side / crop.side)) < OFF:
                break
            crop = fitting
        return face

    def _chosen(self, picture: np.ndarray, crops: list[Crop], near: Crop | None) -> FoundFace | None:
        order = sorted(crops, key=lambda crop: -crop.side if near is None else _distance(crop, near))
        return next((face for crop in order if (face := self._present(picture, crop)) is not None), None)

    def _is_cut(self, picture: np.ndarray) -> bool:
        height, width = picture.shape[:2]
        rows, columns = (np.linspace(0, length - 1, THUMBNAIL).astype(int) for length in (height, width))
        now = picture[rows][:, columns].mean(-1) / 255.0
        before = now if self._before is None else self._before
        change = float(np.abs(now - before).mean())
        lit = change > CHANGED and _differ_in_light(now, before)
        cut = change > CHANGED and change > SUDDEN * self._usual and not lit
        self._before = now
        if not cut and not lit:
            self._usual = 0.9 * self._usual + 0.1 * change
        return cut


def see_faces(
    movie: Movie,
    detector: FaceDetector,
    report: Report | None = None,
    begun: SeenFaces | None = None,
    keep: Callable[[SeenFaces], None] | None = None,
) -> SeenFaces:
    """What is seen in all frames of a movie.

    begun: what was seen of its first frames before, which are not looked at again. keep: gets what is seen so far, now
    and then and when the work is ended. report is called with {"message", "done", "total"} and may raise to end it.
    """
    report = report or (lambda _: None)
    rows = _Rows(movie, begun)
    follower = Follower(detector)
    first, another, keep_at = len(rows.times), False, time.monotonic() + KEPT_EVERY_S

    ended: list[BaseException] = []

    def followed() -> Iterator[_Looked]:
        try:
            for index, (seconds, picture) in enumerate(movie.frames()):
                total = max(movie.expected, index + 1) if movie.expected else 0
                report({"message": "Finding the face", "done": index, "total": total})
                if index >= first:
                    look = index % LOOKED_EVERY == 0
                    yield _Looked(seconds, picture, look, *follower.next(picture, look))
        except BaseException as error:  # raised again once the pictures before are done
            ended.append(error)

    def said(each: _Looked) -> tuple[FoundFace, np.ndarray, np.ndarray] | None:
        if each.face is None:
            return None
        face = detector.steadied(each.picture, each.face)
        return face, detector.weights(face), impression_of(detector, each.picture, face)

    try:
        for each, told in side_by_side(said, followed(), torch.get_num_threads()):
            another = each.another if each.look else another and each.face is not None
            rows.add(each.seconds, told, another, each.cut)
            if keep is not None and time.monotonic() > keep_at:
                begun_at = time.monotonic()
                keep(rows.seen())
                keep_at = time.monotonic() + max(KEPT_EVERY_S, KEPT_TIMES * (time.monotonic() - begun_at))
        if ended:
            raise ended[0]
    except BaseException:
        if keep is not None and len(rows.times) > first:
            keep(rows.seen())
        raise
    return dataclasses.replace(rows.seen(), notes=_notes_of(movie, rows.times))


def _notes_of(movie: Movie, times: list[float]) -> tuple[str, ...]:
    """What of a movie could not be read, once it was."""
    decoded = len(times)
    if movie.damaged == 0 and times[-1] + LOST_S >= movie.seconds:
        return ()
    return (
        f"{movie.path.name} is damaged: {decoded} frames could be decoded, the others are left out; export it anew",
    )


@dataclass(frozen=True)
class _Looked:
    """A frame's time and picture, whether other faces were looked for, and what Follower.next found."""

    seconds: float
    picture: np.ndarray
    look: bool
    face: FoundFace | None
    another: bool
    cut: bool


class _Rows:
    """A row a frame, of all that SeenFaces has."""

    def __init__(self, movie: Movie, begun: SeenFaces | None) -> None:
        self.movie = movie
        parts = [list(getattr(begun, name)) if begun is not None else [] for name in ARRAYS]
        self.times, self.landmarks, self.presence, self.disagreements, *parts = parts
        self.weights, self.impressions, self.others, self.cuts = parts

    def add(
        self, seconds: float, told: tuple[FoundFace, np.ndarray, np.ndarray] | None, another: bool, cut: bool
    ) -> None:
        """The next frame's. told: the face, its weights (52,) and impression (2048,)."""
        self.times.append(seconds)
        nothing = (
            FoundFace(np.full((LANDMARKS, 3), np.nan), 0.0),
            np.full(len(WEIGHT_NAMES), np.nan),
            np.full(IMPRESSIONS, np.nan),
        )
        face, weights, impression = told or nothing
        self.landmarks.append(face.landmarks.astype(np.float32))  # half an hour would fill the memory otherwise
        self.presence.append(face.presence)
        self.disagreements.append(face.disagreement)
        self.weights.append(weights)
        self.impressions.append(impression.astype(np.float16))
        self.others.append(another)
        self.cuts.append(cut)

    def seen(self) -> SeenFaces:
        """All rows so far."""
        total = len(self.times)
        return SeenFaces(
            str(self.movie.path),
            numbers(total),
            np.array(self.times, dtype=np.float64),
            self.movie.fps,
            self.movie.size,
            np.array(self.landmarks, dtype=np.float64).reshape(total, LANDMARKS, 3),
            np.array(self.presence, dtype=np.float64),
            np.array(self.disagreements, dtype=np.float64),
            np.array(self.weights, dtype=np.float64).reshape(total, len(WEIGHT_NAMES)),
            np.array(self.impressions, dtype=np.float16).reshape(total, IMPRESSIONS),
            np.array(self.others, dtype=bool),
            np.array(self.cuts, dtype=bool),
        )


def _differ_in_light(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures (n, n) are one but for how bright and how hard they are."""
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum()) > SAME * float(np.linalg.norm(one) * np.linalg.norm(other))


def _has_jumped(before: Crop, now: Crop) -> bool:
    far = _distance(now, before) > JUMP * before.side / CROP_SCALE
    return far or bool(abs(np.log(now.side / before.side)) > GROWN)


def _distance(one: Crop, other: Crop) -> float:
    return float(np.linalg.norm(one.centre - other.centre))
