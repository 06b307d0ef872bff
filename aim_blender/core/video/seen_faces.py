# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a performer's face in the frames of a movie."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..shared.foundation.errors import InputError
from .face_detector import IMPRESSIONS, LANDMARKS, LEFT_EYE, RIGHT_EYE, WEIGHT_NAMES

USUAL_RATES = (24.0, 24000 / 1001, 25.0, 30.0, 30000 / 1001, 48.0, 50.0, 60.0, 60000 / 1001, 15.0, 120.0)
NEARLY = 0.0009  # a rate that is off by less is a usual one, or the same; 24 and 23.976 are 0.001 apart
OTHER_RATE = 0.2  # of a rate, as a logarithm
STEADY = 0.3  # of a frame: times that are off by less are those of a steady rate
PROFILE_DEGREES = 60.0  # a head that is turned further hides half of its face
FIRST_FRAME = 1  # as movie clips are numbered in Blender
AT_ONCE = 1000  # frames
ARRAYS = ("times", "landmarks", "presence", "disagreements", "weights", "impressions", "others", "cuts")


@dataclass(frozen=True)
class SeenFaces:
    """The face of a performer in F frames of a movie.

    source: the file, for messages. frames: (F,) int32 numbers, from 1. times: (F,) seconds from the movie's first
    frame. fps: frames a second. size: width and height in pixels, upright. landmarks: (F, 478, 3) right and down in
    pixels from the upper left corner, and depth on the same scale, away from the viewer, not a number where no face is
    seen. presence: (F,) in [0, 1] how sure the face is, 0 where none is. disagreements: (F,) as FoundFace has them.
    weights: (F, 52) in [0, 1], in the order of WEIGHT_NAMES, and impressions: (F, 2048) float16, not a number where no
    face is. others: (F,) bool where another face, about as large, is seen. cuts: (F,) bool where picture or face have
    jumped since the frame before. notes: what to say of how it was read.
    """

    source: str
    frames: np.ndarray
    times: np.ndarray
    fps: float
    size: tuple[int, int]
    landmarks: np.ndarray
    presence: np.ndarray
    disagreements: np.ndarray
    weights: np.ndarray
    impressions: np.ndarray
    others: np.ndarray
    cuts: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> np.ndarray:
        """(F,) bool where no face is seen."""
        return self.presence == 0.0

    @property
    def yaw_degrees(self) -> np.ndarray:
        """(F,) how far the face is turned from the camera to the performer's left, as the detector has it."""
        eyes = self.landmarks[:, LEFT_EYE] - self.landmarks[:, RIGHT_EYE]  # (F, 3)
        return np.degrees(np.arctan2(eyes[:, 2], np.hypot(eyes[:, 0], eyes[:, 1])))

    def only(self, chosen: np.ndarray) -> SeenFaces:
        """Of frames (F,) bool or by their indices."""
        parts = {name: getattr(self, name)[chosen] for name in ("frames", *ARRAYS)}
        return dataclasses.replace(self, **parts)


def steady(seen: SeenFaces, fps: float | None = None) -> SeenFaces:
    """The same at frames of a steady rate, each with its number.

    fps: frames a second; None keeps the movie's own. Where the movie's times are not those of that rate, a frame lies
    between the two about it, so that everything takes as long as it did.
    """
    said = _rate_of(seen)
    nearest = min(USUAL_RATES, key=lambda rate: abs(said / rate - 1.0))
    usual = nearest if abs(said / nearest - 1.0) < NEARLY else said
    own = dataclasses.replace(seen, fps=usual)
    even = _is_even(own)
    if even and (fps is None or abs(fps / usual - 1.0) < NEARLY):
        return own
    wanted = fps or usual
    notes = list(seen.notes)
    if not even:
        notes.append(f"the movie's frames are not evenly spaced in time; they were brought to {wanted:.4g} a second")
    elif fps is not None:
        notes.append(
            f"the movie has {usual:.4g} frames a second and the take {wanted:.4g}, so that it is as long as it was"
        )
    return dataclasses.replace(_between(own, wanted), notes=tuple(notes))


def _rate_of(seen: SeenFaces) -> float:
    """Frames a second as the file has it, or as its times have it where these say something else altogether."""
    if len(seen.times) < 2:
        return seen.fps
    shown = 1.0 / float(np.median(np.diff(seen.times)))
    return seen.fps if abs(np.log(shown / seen.fps)) < OTHER_RATE else shown


def _is_even(seen: SeenFaces) -> bool:
    """Whether its frames come one after the other at its rate."""
    return bool(np.abs(seen.times * seen.fps - np.arange(len(seen.times))).max() <= STEADY)


def _between(seen: SeenFaces, fps: float) -> SeenFaces:
    """At frames of this rate, each between the two about it in time."""
    total = int(np.floor(seen.times[-1] * fps + 1e-6)) + 1
    wanted = np.arange(total) / fps
    after = np.searchsorted(seen.times, wanted - 1e-6).clip(0, len(seen.times) - 1)
    before = (after - (seen.times[after] > wanted + 1e-6)).clip(0)
    span = seen.times[after] - seen.times[before]
    share = np.where(span > 0, (wanted - seen.times[before]) / np.where(span > 0, span, 1.0), 0.0).clip(0.0, 1.0)
    share[(share > 0) & seen.cuts[after] & (share < 0.5)] = 0.0  # nothing lies between the two sides of a cut
    share[(share > 0) & seen.cuts[after]] = 1.0

    def mixed_part(values: np.ndarray, rows: slice) -> np.ndarray:
        part, one, other = share[rows].reshape(-1, *[1] * (values.ndim - 1)), before[rows], after[rows]
        both = values[one] * (1 - part) + values[other] * part
        return np.where(part == 0, values[one], np.where(part == 1, values[other], both)).astype(values.dtype)

    def mixed(values: np.ndarray) -> np.ndarray:  # some at once: a long movie's would fill the memory
        return np.concatenate([mixed_part(values, slice(i, i + AT_ONCE)) for i in range(0, total, AT_ONCE)])

    lost = ((share < 1) & seen.missing[before]) | ((share > 0) & seen.missing[after])
    nearer = np.where(share < 0.5, before, after)
    cuts = np.zeros(total, dtype=bool)
    cuts[np.searchsorted(wanted, seen.times[seen.cuts] - 0.5 / fps).clip(max=total - 1)] = True
    return dataclasses.replace(
        seen,
        frames=numbers(total),
        times=wanted,
        fps=fps,
        landmarks=mixed(seen.landmarks),
        presence=mixed(seen.presence) * ~lost,
        disagreements=mixed(seen.disagreements),
        weights=mixed(seen.weights),
        impressions=mixed(seen.impressions),
        others=seen.others[nearer],
        cuts=cuts,
    )


def numbers(total: int) -> np.ndarray:
    """(F,) int32 of a movie's frames."""
    return np.arange(FIRST_FRAME, FIRST_FRAME + total, dtype=np.int32)


def check_seen(seen: SeenFaces) -> None:
    """Raise InputError unless some frame shows a face, and all arrays are of the same frames."""
    total = len(seen.times)
    shapes = {"landmarks": (LANDMARKS, 3), "weights": (len(WEIGHT_NAMES),), "impressions": (IMPRESSIONS,)}
    for name in ("frames", *ARRAYS):
        if getattr(seen, name).shape != (total, *shapes.get(name, ())):
            raise ValueError(f"{name} has the shape {getattr(seen, name).shape}")
    if seen.missing.all():
        raise InputError(
            f"no face was found in {seen.source}, in none of its {total} frames; it must be seen from the front, "
            "upright, and larger than a tenth of the picture"
        )
