# SPDX-License-Identifier: GPL-3.0-or-later
"""Markers of a motion capture system, .c3d, as points. The package c3d reads the format, in plain Python: what a
damaged file makes of readers in other languages ends the whole process."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..shared.captured.performances import DEFAULT_FPS, checked_fps
from ..shared.captured.point_tables import LARGEST, UNITS

UNNAMED = "*"  # what programs begin the names with of markers that they could not tell apart
MOST_VALUES = 2**28  # frames times markers: days of recording


@dataclass(frozen=True)
class Markers:
    """names: of P markers. positions: (F, P, 3) float64 mm, not a number where one is hidden. first_frame: the number
    of the first frame. fps: frames a second. notes: what to say of how they were read."""

    names: tuple[str, ...]
    positions: np.ndarray
    first_frame: int
    fps: float
    notes: tuple[str, ...]


def read_c3d(path: Path, fps: float | None) -> Markers:
    """The markers of a C3D file that have a name. fps: frames a second, instead of what the file says.

    A marker with a negative residual, or at exactly 0, 0, 0, is hidden. Of several subjects that with most markers is
    read, and its name left out of theirs. Raises ValueError with what is wrong, OSError, and what else UNREADABLE has.
    """
    with warnings.catch_warnings(), open(path, "rb") as file:
        warnings.simplefilter("ignore")  # what matters of them is looked at here
        try:
            reader = _reader(file)
            labels, factor, rate = _labels(reader), _factor(reader), fps or _rate(reader)
            positions = _positions(reader, path.stat().st_size)  # (F, P, 3)
        except (AssertionError, OverflowError) as error:
            raise ValueError(f"it is damaged ({error})") from error
        first, announced = reader.first_frame, reader.frame_count
    notes = []
    if len(positions) < announced:
        notes.append(f"it ends after {len(positions)} of {announced} frames: the rest of the file is missing")
    named, chosen = _chosen(labels)
    seen = np.isfinite(positions[:, chosen]).all(-1).any(0)
    unnamed = sum(not _is_name(label) for label in labels)
    left_out = {
        "have no name": unnamed,
        "belong to another subject": len(labels) - unnamed - len(chosen),
        "are never seen": int((~seen).sum()),
    }
    for what, count in left_out.items():
        if count:
            notes.append(f"{count} markers {what} and were left out")
    if not seen.any():
        raise ValueError("it has no marker with a name and a place; label the markers and export it again")
    positions = positions[:, chosen[seen]] * factor
    if np.nanmax(np.abs(positions)) > LARGEST:
        raise ValueError(f"a marker lies at {np.nanmax(np.abs(positions)):.3g} mm; nothing of a face does")
    names = tuple(name for name, there in zip(named, seen, strict=True) if there)
    return Markers(names, positions, first, rate, tuple(notes))


def _reader(file: Any) -> Any:
    """A reader that takes files whose header and parameters do not quite agree, as many programs write them."""
    import c3d

    class Reader(c3d.Reader):
        def _check_metadata(self) -> None:
            return

    return Reader(file)


def _labels(reader: Any) -> list[str]:
    """The markers' names; LABELS2 and so on go on where LABELS is full."""
    found: list[str] = []
    for number in ["", *range(2, 100)]:
        label = reader.get(f"POINT:LABELS{number}")
        if label is None or len(found) >= reader.point_used:
            break
        if math.prod(label.dimensions) > len(label.bytes):
            raise ValueError("its list of names is cut off")
        found += [str(name).strip() for name in label.string_array]
    return [*found, *[""] * (reader.point_used - len(found))][: reader.point_used]


def _factor(reader: Any) -> float:
    """How many mm its unit has."""
    unit = reader.get("POINT:UNITS")
    named = "" if unit is None else unit.string_value.strip("\0 ").casefold()
    return UNITS.get(named, 1.0)


def _rate(reader: Any) -> float:
    rate = float(reader.point_rate)
    return checked_fps(rate) if rate > 0 else DEFAULT_FPS


def _positions(reader: Any, size: int) -> np.ndarray:
    """(F, P, 3) float64 in the file's unit, not a number where a marker is hidden."""
    count, frames = reader.point_used, reader.frame_count
    if count == 0 or frames <= 0:
        raise ValueError("it holds no markers")
    if min(frames, size) * count > MOST_VALUES:
        raise ValueError(f"it says that it has {frames} frames of {count} markers, more than any recording")
    found = []
    for _, points, _ in reader.read_frames(copy=False, analog_transform=False):
        places = points[:, :3].astype(np.float64)
        places[(points[:, 3] < 0) | ~np.isfinite(places).all(1) | (places == 0).all(1)] = np.nan
        found.append(places)
    if not found:
        raise ValueError("it holds no frames")
    return np.stack(found)


def _is_name(label: str) -> bool:
    return bool(label) and not label.startswith(UNNAMED)


def _chosen(labels: list[str]) -> tuple[list[str], np.ndarray]:
    """The names and the indices of the markers of the subject that has most."""
    owners = [label.rpartition(":")[0] for label in labels]
    named = [index for index, label in enumerate(labels) if _is_name(label)]
    if not named:
        return [], np.zeros(0, dtype=np.int64)
    owner = Counter(owners[index] for index in named).most_common(1)[0][0]
    chosen = [index for index in named if owners[index] == owner]
    names = [labels[index].rpartition(":")[2] for index in chosen]
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"{times} markers are called {name!r}; each needs a name of its own")
    return names, np.array(chosen, dtype=np.int64)
