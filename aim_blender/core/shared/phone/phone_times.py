# SPDX-License-Identifier: GPL-3.0-or-later
"""When the rows of a phone's recording were: times, timecodes or frame numbers, brought onto whole frames. Needs numpy
only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..captured.frame_numbers import LARGEST_FRAME, around, with_gaps
from ..captured.table_cells import DROPPED, without_dropped
from ..foundation.errors import InputError

RATES = (23.976, 24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 59.94, 60.0, 90.0, 100.0, 119.88, 120.0)
NOMINAL = {24: 24.0, 25: 25.0, 30: 29.97, 48: 48.0, 50: 50.0, 60: 59.94, 100: 100.0, 120: 119.88}
DEFAULT_FPS = 60.0  # of ARKit, where a file does not say
RATE_LIMITS = (1.0, 1000.0)
NEAR_RATE = 4e-3  # of a rate: what is nearer to a usual one is that one
NEAR_FRAME = 0.15  # of a frame: what all rows are nearer to whole frames than, lies on them
DOUBLED = 0.02  # of the rows: more that share a frame of the timecode lie between frames
HOLE = 2.5  # frames between two rows; what is further apart is a hole, and not a slow frame
BACKWARDS = 0.05  # of the rows; more that go backwards are no times of one recording
TIMECODE = re.compile(r"^(\d{1,3})[:.](\d{1,2})[:.](\d{1,2})([:;.])(\d{1,3})(?:\.(\d+))?$")
DATED = re.compile(r"^\d{4}-\d{2}-\d{2}[T ]|(?:Z|[+-]\d{2}:?\d{2})$")  # about a time of day
CLOCK = re.compile(r"^(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)$")
COLUMNS = {
    "timecode": ("timecode", "smpte", "tc"),
    "time": ("time", "seconds", "timestamp", "secs", "t", "ms", "milliseconds", "timems", "timestampms", "times"),
    "frame": ("frame", "framenumber", "frameindex", "frameid", "f", "index"),
}
DAY = 86400


@dataclass(frozen=True)
class Times:
    """What a file says of when its R rows were: seconds (R,), or frame numbers (R,); with `nominal` these are a
    timecode's, of that many a second, and between (R,) is how far beyond them, in frames; dropping: whether it left
    numbers out to keep with the clock, which are taken out of the frames. fps: where it tells. lines: (R,) where the
    rows stand."""

    lines: np.ndarray
    seconds: np.ndarray | None = None
    frames: np.ndarray | None = None
    nominal: int = 0
    between: np.ndarray | None = None
    dropping: bool = False
    fps: float | None = None

    @classmethod
    def of_columns(cls, names: Sequence[str], entries: Sequence[Sequence[Any]], lines: Sequence[int]) -> Times:
        """By what a table's columns are called. Raises ValueError if a time is none."""
        plain = [re.sub(r"[^a-z]", "", name.lower()) for name in names]
        where = np.asarray(lines)
        for meaning, spellings in COLUMNS.items():
            at = next((plain.index(each) for each in spellings if each in plain), None)
            if at is None:
                continue
            cells = [row[at] for row in entries]
            if any(isinstance(cell, str) and ":" in cell for cell in cells):
                return cls._of_timecodes(cells, where)
            values = np.array([_number(cell, names[at], line) for cell, line in zip(cells, lines, strict=True)])
            if meaning == "frame":
                return cls(where, frames=np.rint(values))
            return cls(where, seconds=values / _per_second(plain[at], values))
        return cls(where)

    @classmethod
    def _of_timecodes(cls, cells: Sequence[Any], lines: np.ndarray) -> Times:
        cells = [DATED.sub("", str(cell).strip()) for cell in cells]
        whole = [TIMECODE.match(cell) for cell in cells]
        if all(whole):
            parts = np.array([[int(found[i]) for i in (1, 2, 3, 5)] for found in whole if found])
            nominal = next((rate for rate in NOMINAL if rate > parts[:, 3].max()), 0)
            if nominal == 0 and parts[:, 1:3].max() <= 59 and all(len(found[5]) == 3 for found in whole if found):
                return cls(lines, seconds=_over_midnight(parts @ [3600, 60, 1, 1e-3], DAY))
            if nominal == 0 or parts[:, 1:3].max() > 59:
                line = lines[int(parts[:, 3].argmax() if nominal == 0 else parts[:, 1:3].max(1).argmax())]
                raise ValueError(f"the timecode in line {line} is none; write hours:minutes:seconds:frames")
            frames = (parts[:, :3] @ [3600, 60, 1]) * nominal + parts[:, 3]
            between = np.array([float(f"0.{found[6] or 0}") for found in whole if found])
            frames = _over_midnight(frames, DAY * nominal)
            dropping = nominal in DROPPED and all(found[4] == ";" for found in whole if found)
            if dropping:
                frames = without_dropped(frames, nominal)
            return cls(lines, frames=frames, nominal=nominal, between=between, dropping=dropping)
        clock = [CLOCK.match(cell) for cell in cells]
        if not all(clock):
            line = lines[next(i for i, found in enumerate(whole) if not found)]
            raise ValueError(f"the timecode in line {line} is none; write hours:minutes:seconds:frames")
        seconds = [
            int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3].replace(",", "."))
            for found in clock
            if found
        ]
        return cls(lines, seconds=_over_midnight(np.array(seconds), DAY))


def _over_midnight(values: np.ndarray, day: float) -> np.ndarray:
    """Values (R,) that grow where they begin anew at midnight."""
    return values + day * np.cumsum(np.diff(values, prepend=values[0]) < -day / 2)


def _number(cell: Any, name: str, line: int) -> float:
    try:
        return float(str(cell).replace(",", "."))
    except ValueError:
        raise ValueError(f"{name} is {str(cell)[:40]!r} in line {line}; it must be a number") from None


def _per_second(name: str, values: np.ndarray) -> float:
    """How many units of times (R,) a second has, by the column's name or by how far apart rows are."""
    steps = np.diff(values)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if name.endswith("ms") or name == "milliseconds":
        return 1e3
    return 1.0 if step < 1.5 else 1e3 if step < 1.5e3 else 1e6 if step < 1.5e6 else 1e9


@dataclass(frozen=True)
class Placed:
    """Which rows make each of F frames: (1 - share) of row `before` and share of row `after`; those that are missing
    (F,) lie in a hole."""

    frames: np.ndarray
    before: np.ndarray
    after: np.ndarray
    share: np.ndarray
    missing: np.ndarray
    notes: tuple[str, ...] = ()

    def of(self, values: np.ndarray) -> np.ndarray:
        """(F, n) of the rows' values (R, n), straight between rows."""
        share = self.share[:, None]
        return values[self.before] * (1 - share) + values[self.after] * share


class Clock:
    """Where rows lie, in frames of a rate. kept: (R,) bool, not those whose times go backwards. fps: the rate.
    first_second: of the timecode or time, None where there is none. Raises InputError, ValueError."""

    def __init__(self, times: Times, fps: float | None, keep_timecode: bool) -> None:
        self.times, self.notes = times, []
        count = len(times.lines)
        if fps is not None and not RATE_LIMITS[0] <= fps <= RATE_LIMITS[1]:
            raise InputError(f"the frame rate is {fps:g}; it must be from 1 to 1000 frames a second")
        self.first_second: float | None = None
        if times.seconds is not None:
            if not np.isfinite(times.seconds).all():
                raise ValueError(f"the row in line {times.lines[~np.isfinite(times.seconds)][0]} has no time")
            self.kept = self._forwards(times.seconds)
            self.fps = fps or self._rate_of(times.seconds[self.kept])
            places = times.seconds * self.fps
            self.first_second = float(times.seconds[self.kept][0])
        elif times.frames is not None:
            if not np.isfinite(times.frames).all() or np.abs(times.frames).max() > LARGEST_FRAME:
                raise ValueError("its frame numbers are no whole numbers, or too large")
            places = self._of_frames(fps)
        else:
            self.kept, self.fps = np.ones(count, dtype=bool), fps or times.fps or DEFAULT_FPS
            places = np.arange(1.0, count + 1)
            if fps is None and times.fps is None:
                self.notes.append(f"it says nothing of time: {self.fps:g} frames a second were taken; give the rate")
        numbered = times.frames is not None and not times.nominal  # by the file itself
        if not (numbered or (keep_timecode and self.first_second is not None)):
            places = places - places[self.kept][0] + 1.0
        self.places = places

    def _of_frames(self, fps: float | None) -> np.ndarray:
        times = self.times
        assert times.frames is not None
        if not times.nominal:
            self.kept = self._forwards(times.frames)
            self.fps = fps or times.fps or DEFAULT_FPS
            if fps is None and times.fps is None:
                self.notes.append(f"it has no times: {self.fps:g} frames a second were taken; give the rate")
            return times.frames.astype(np.float64)
        assert times.between is not None
        places = times.frames.astype(np.float64)
        if (np.diff(places) == 0).mean() > DOUBLED:
            places = places + times.between
        self.kept = self._forwards(places)
        self.fps = fps or NOMINAL[times.nominal]
        if fps is None and NOMINAL[times.nominal] != times.nominal and not times.dropping:
            self.notes.append(
                f"its timecode counts {times.nominal} frames, which were taken as {self.fps:g} a second; give the rate "
                "if it is another"
            )
        self.first_second = float(times.frames[self.kept][0]) / (self.fps if times.dropping else times.nominal)
        # A timecode of 60 that runs at 59.94 is a little late; the first frame keeps its time of day.
        return places - places[self.kept][0] + round(self.first_second * self.fps)

    def _forwards(self, values: np.ndarray) -> np.ndarray:
        """(R,) bool, the rows whose values (R,) are later than all before."""
        reached = np.maximum.accumulate(np.concatenate([[-np.inf], values[:-1]]))
        kept = values > reached
        lost = int((~kept).sum())
        if lost == 0:
            return kept
        line = int(self.times.lines[~kept][0])
        if lost > max(1.0, BACKWARDS * len(values)):
            raise ValueError(
                f"its times go backwards or stand still in {lost} of {len(values)} rows, first in line {line}; rows "
                "must be in the order in which they were recorded"
            )
        rows = "row goes" if lost == 1 else "rows go"
        self.notes.append(f"{lost} {rows} backwards in time, first in line {line}, and were left out")
        return kept

    def _rate_of(self, seconds: np.ndarray) -> float:
        """Frames a second of times (R,), by what most rows are apart."""
        if len(seconds) < 2:
            return DEFAULT_FPS
        steps = np.diff(seconds)
        step = float(np.median(steps))
        usual = steps[np.abs(steps - step) < 0.5 * step]  # without holes; their mean has more digits than one of them
        fps = 1.0 / float(usual.mean())
        if not RATE_LIMITS[0] <= fps <= RATE_LIMITS[1]:
            raise ValueError(f"its rows are {step:g} seconds apart; they must be from 0.001 to 1")
        nearest = min(RATES, key=lambda rate: abs(rate - fps))
        return nearest if abs(nearest - fps) < NEAR_RATE * fps else fps

    def placed(self, kept: np.ndarray) -> Placed:
        """The frames that the rows kept (R,) lie in or about. Raises ValueError if they cannot be numbered."""
        places = self.places[kept]
        if np.abs(places).max() > LARGEST_FRAME:
            raise ValueError(f"its frame numbers are beyond {LARGEST_FRAME}")
        near = np.rint(places)
        if np.abs(places - near).max() <= NEAR_FRAME and len(np.unique(near)) == len(near):
            sampling = with_gaps(near.astype(np.int64))
            rows = np.where(sampling.before < 0, 0, sampling.before)
            return Placed(sampling.frames, rows, rows, np.zeros(len(rows)), sampling.before < 0, sampling.notes)
        first, last = round(places[0]), max(round(places[-1]), round(places[0]))
        if last - first > 50 * len(places):
            raise ValueError(f"its {len(places)} rows are spread over {last - first} frames")
        frames = np.arange(first, last + 1)
        before, after, share = around(frames, places)
        inside = np.minimum(frames - places[before], places[after] - frames) > 0.5
        missing = (places[after] - places[before] > HOLE) & inside
        told = f"its rows lie between frames; {len(frames)} frames at {self.fps:g} a second were made of them"
        return Placed(frames.astype(np.int32), before, after, share, missing, (told,))
