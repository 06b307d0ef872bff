# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames the samples of a recording are: numbers with gaps, and samples that lie between frames. Needs numpy
only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..settings.timing_settings import LARGEST_FRAME

MOST_FILLED = 20  # missing frames for each that is there; beyond it the numbers are no frames of one shot
WHOLE = 1e-3  # of a frame: what lies nearer to a frame is that frame
SINGLE_PRECISION = 5e-7  # of a number that a file holds in single precision


def checked_frames(frames: np.ndarray) -> np.ndarray:
    """(F,) int32 of frame numbers. Raises ValueError unless they are whole numbers that grow from frame to frame."""
    if len(frames) and (frames.dtype.kind not in "iu" or (np.diff(frames.astype(np.int64)) <= 0).any()):
        raise ValueError("its frame numbers must be whole numbers that grow from frame to frame")
    if len(frames) and np.abs(frames.astype(np.int64)).max() > LARGEST_FRAME:
        raise ValueError(f"its frame numbers are beyond {LARGEST_FRAME}")
    return frames.astype(np.int32)


@dataclass(frozen=True)
class Sampling:
    """Where F frames come from in S samples: frame f is (1 - share) of sample `before` and share of `after`.

    frames: (F,) int32. before, after: (F,) int, -1 for a frame that is missing. share: (F,). notes: what to say.
    """

    frames: np.ndarray
    before: np.ndarray
    after: np.ndarray
    share: np.ndarray
    notes: tuple[str, ...] = ()

    def is_plain(self, samples: int) -> bool:
        """Whether every one of the samples is a frame, and every frame a sample."""
        return bool((self.share == 0).all() and np.array_equal(self.before, np.arange(samples)))

    def taken(self, samples: np.ndarray) -> np.ndarray:
        """The frames (F, ...) of samples (S, ...) of real numbers, not a number where a frame is missing."""
        out = np.empty((len(self.frames), *samples.shape[1:]), samples.dtype)
        self.take(samples, out)
        return out

    def take(self, samples: np.ndarray, out: np.ndarray) -> None:
        """Write samples (S, V, 3) as frames into out (F, V, 3), not a number where a frame is missing."""
        for index, (before, after, share) in enumerate(zip(self.before, self.after, self.share, strict=True)):
            if before < 0:
                out[index] = np.nan
            elif share == 0:
                out[index] = samples[before]
            else:
                mixed = samples[before].astype(np.float64) * (1 - share) + samples[after].astype(np.float64) * share
                out[index] = mixed


def sampling_of(places: np.ndarray) -> Sampling:
    """The frames of samples at places (S,), in frames, which grow.

    Samples that are frames stay what they are, and frames that are missing between them become missing frames. If some
    are none, all that lie at a whole frame between the first and the last are made of the two samples around them.
    Raises ValueError if the places do not grow.
    """
    if len(places) == 0:
        return _plain(np.zeros(0, dtype=np.int64))
    if not np.isfinite(places).all() or np.abs(places).max() > LARGEST_FRAME:
        raise ValueError(f"its frame numbers are beyond {LARGEST_FRAME}")
    if (np.diff(places) <= 0).any():
        raise ValueError("its frame numbers must grow from frame to frame")
    near = np.rint(places)
    whole = (np.abs(places - near) <= np.maximum(WHOLE, SINGLE_PRECISION * np.abs(places))).all()
    if whole and len(np.unique(near)) == len(near):
        return with_gaps(near.astype(np.int64))
    first, last = int(np.ceil(places[0] - WHOLE)), int(np.floor(places[-1] + WHOLE))
    if last < first:  # all between two frames
        sampling = _plain(near[:1].astype(np.int64))
        told = f"its samples lie between two frames, at {places[0]:g}; the first was taken as frame {int(near[0])}"
        return Sampling(sampling.frames, sampling.before, sampling.after, sampling.share, (told,))
    if last - first > MOST_FILLED * len(places):
        raise ValueError(f"its {len(places)} samples lie at frames {places[0]:g} to {places[-1]:g}, too far apart")
    frames = np.arange(first, last + 1)
    before, after, share = around(frames, places)
    share[share < 1e-6] = 0.0
    told = (
        f"its {len(places)} samples lie between frames, from {places[0]:g} to {places[-1]:g}; the whole frames {first} "
        f"to {last} were made of the samples around them"
    )
    return Sampling(frames.astype(np.int32), before, after, share, (told,))


def around(frames: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The samples before and after frames (F,) among those at places (S,), which grow, and how far on the way from one
    to the other the frame lies, in [0, 1]."""
    place = np.interp(frames, places, np.arange(len(places)))
    before = np.minimum(np.floor(place + 1e-9).astype(int), len(places) - 1)
    after = np.minimum(before + 1, len(places) - 1)
    return before, after, np.clip(place - before, 0.0, 1.0)


def with_gaps(numbers: np.ndarray) -> Sampling:
    """The frames of samples that are frames of these numbers (S,) int, which grow, and the missing ones between.

    Where most samples are two frames apart, say, only every second frame is one, and is missing.
    """
    if len(numbers) < 2:
        return _plain(numbers)
    steps, counts = np.unique(np.diff(numbers), return_counts=True)
    step = int(steps[counts.argmax()])
    if (steps % step).any():
        step = int(np.gcd.reduce(steps))
    span = int(numbers[-1] - numbers[0]) // step + 1
    missing = span - len(numbers)
    told = (f"its frames are {step} apart, as it numbers them",) if step > 1 else ()
    if missing == 0:
        return _plain(numbers, told)
    if missing > MOST_FILLED * len(numbers):
        plain = _plain(numbers)
        far = (
            f"its {len(numbers)} frames are numbered {numbers[0]} to {numbers[-1]}; what lies between was not filled in"
        )
        return Sampling(plain.frames, plain.before, plain.after, plain.share, (far,))
    row = np.full(span, -1)
    row[(numbers - numbers[0]) // step] = np.arange(len(numbers))
    frames = numbers[0] + step * np.arange(span)
    return Sampling(frames.astype(np.int32), row, row, np.zeros(span), told)


def _plain(numbers: np.ndarray, notes: tuple[str, ...] = ()) -> Sampling:
    rows = np.arange(len(numbers))
    return Sampling(numbers.astype(np.int32), rows, rows, np.zeros(len(numbers)), notes)
