# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a phone's recording as a file has them, whatever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..captured.table_cells import number_in
from ..faces.arkit_names import SHAPES, shape_named
from ..foundation.wording import without_brackets
from .phone_times import Times

LEAST_NAMES, LEAST_IN_JSON = 2, 5  # of ARKit's in a header, or anywhere in JSON, that make a file a recording
PLACES = {"mouthLeft", "mouthRight", "jawLeft", "jawRight"}  # which points of a face are called, too
HEAD_TURNS, EYE_TURNS = 1.6, 0.9  # radians
NOT_GIVEN = ("", "na", "n/a", "nan", "null", "none", "-")


@dataclass
class Rows:
    """R rows as a file has them. weights: (R, 52) in the order of SHAPES, not a number where nothing was written. head:
    (R, 3) radians, pitch, yaw and roll as ARKit has them; position: (R, 3); eyes: (R, 4) degrees, the left one's yaw
    and pitch, then the right one's; None where the file has none. times: what it says of when. program: who wrote
    it. absent: shapes that it does not have."""

    program: str
    weights: np.ndarray
    times: Times
    head: np.ndarray | None = None
    position: np.ndarray | None = None
    eyes: np.ndarray | None = None
    absent: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def names_shapes(names: Iterable[str], least: int = LEAST_NAMES) -> bool:
    """Whether names are those of ARKit's shapes, at least so many of them."""
    return len({shape for name in names if (shape := shape_named(name))} - PLACES) >= least


def rows_of_columns(names: Sequence[str], entries: Sequence[Sequence[Any]], lines: Sequence[int]) -> Rows:
    """Rows of a table: names (C,) of its columns, entries (R, C) texts or numbers, and the lines (R,) they stand in."""
    plain = [re.sub(r"[^a-z]", "", without_brackets(name.lower())) for name in names]
    columns = {shape: at for at, name in reversed(list(enumerate(names))) if (shape := shape_named(name))}
    times = Times.of_columns(names, entries, lines)

    def column(at: int) -> np.ndarray:
        return np.array([number_of(row[at], names[at], line) for row, line in zip(entries, lines, strict=True)])

    weights = np.full((len(entries), len(SHAPES)), np.nan)
    for shape, at in columns.items():
        weights[:, SHAPES.index(shape)] = column(at)
    live_link = "blendshapecount" in plain
    if live_link:  # what it writes where it saw no face
        weights[column(plain.index("blendshapecount")) == 0] = np.nan
    head = _angles(plain, column, ("head",), ("pitch", "yaw", "roll"))
    eyes = _angles(plain, column, ("lefteye", "righteye"), ("yaw", "pitch"))
    notes = []
    spelled = [shape for name in names if (shape := shape_named(name))]
    if twice := sorted({shape for shape in spelled if spelled.count(shape) > 1}):
        notes.append(f"more than one of its columns is called {twice[0]}; the first was taken")
    if head is not None:
        if _in_degrees(head, HEAD_TURNS):
            notes.append("its head angles were taken as degrees")
            head = np.deg2rad(head)
        head = -head
    if eyes is not None and not _in_degrees(eyes, EYE_TURNS):
        eyes = np.rad2deg(eyes)
    absent = tuple(shape for shape in SHAPES if shape not in columns)
    return Rows("Live Link Face" if live_link else "a table", weights, times, head, None, eyes, absent, notes)


def _in_degrees(angles: np.ndarray, most: float) -> bool:
    """Whether angles (R, n) are so, and not in radians: these are below what a head or an eye turns by at most."""
    return float(np.nanmax(np.abs(angles), initial=0.0)) > most


def _angles(plain: list[str], column: Any, parts: Iterable[str], axes: Iterable[str]) -> np.ndarray | None:
    wanted = [part + axis for part in parts for axis in axes]
    if not all(name in plain for name in wanted):
        return None
    return np.stack([column(plain.index(name)) for name in wanted], axis=1)


def number_of(cell: Any, name: str, line: int) -> float:
    """A cell's number, not a number where it says that there is none. Raises ValueError if it is none."""
    if cell is None or (isinstance(cell, str) and cell.casefold() in NOT_GIVEN):
        return float("nan")
    try:
        number = number_in(cell.rstrip("% ")) if isinstance(cell, str) else float(cell)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {str(cell)[:40]!r} in line {line}; it must be a number") from None
    return number if np.isfinite(number) else float("nan")


# -- Face Cap and iFacialMocap ----------------------------------------------------------------------------------------
