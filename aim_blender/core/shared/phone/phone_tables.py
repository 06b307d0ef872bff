# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of a phone: the weights of ARKit's 52 shapes over time, as programs write them. Needs numpy only.

    Live Link Face   CSV: Timecode, BlendShapeCount, the 52 names, head and eyes in radians
    Face Cap         text: a line `bs` with the names, then lines `k` with ms, head position, head and eyes in degrees
    iFacialMocap     text: a line a frame, name-percent|name-percent|...|=head#x,y,z,x,y,z|rightEye#x,y,z|leftEye#x,y,z
    any table        CSV or JSON: a row a frame, the names in any spelling, with a time, a timecode, a frame or neither

What a file is, is told by what it holds. Head angles are kept as ARKit has them: turns about the character's left, up
and front, by the right-hand rule, so that pitch is down, yaw to the character's left. Face Cap writes them so; Live
Link Face, by what other readers of its files do with them, writes the opposite of the head's, and the eyes' so.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..captured.table_cells import decoded, first_lines, split_line
from ..faces.arkit_names import SHAPES, shape_named
from ..foundation.errors import UNREADABLE, InputError, reason
from .phone_json import rows_of_json
from .phone_rows import LEAST_IN_JSON, Rows, names_shapes, number_of, rows_of_columns
from .phone_times import Clock, Times

PEEKED = 2**17  # bytes that tell what a file is
PERCENT, LARGEST = 2.0, 200.0  # weights beyond the first are percent; beyond the second they are none
FACE_CAP_POSE = 12  # cells of a line `k` before its weights
IFACIAL_PAIR = re.compile(r"^([A-Za-z_]+)[-&](-?\d+(?:\.\d+)?)$")
SUFFIXES = (".csv", ".txt", ".json")
LISTED = 6


@dataclass(frozen=True)
class PhoneRecording:
    """F frames of a recording, those that are missing not numbers. weights: (F, 52) from 0 to 1. head, eyes: as in
    Rows. position: (F, 3) mm. frames: (F,) int32, from 1. missing: (F,) bool. first_second: of its timecode, None where
    it has none. source: its name, for messages."""

    source: str
    program: str
    weights: np.ndarray
    head: np.ndarray | None
    position: np.ndarray | None
    eyes: np.ndarray | None
    frames: np.ndarray
    missing: np.ndarray
    fps: float
    first_second: float | None
    absent: tuple[str, ...]
    notes: tuple[str, ...]


def is_phone_recording(path: Path) -> bool:
    """Whether a file holds weights of ARKit's shapes, by how it begins; False for one that cannot be read."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            text = decoded(file.read(PEEKED))
    except UNREADABLE:
        return False
    if text.lstrip()[:1] in ("{", "["):
        return names_shapes(re.findall(r'"([^"\n]{1,60})"', text), LEAST_IN_JSON)
    return _is_face_cap(text) or _is_ifacial(text) or _header_of(text) is not None


def read_phone_recording(path: Path, fps: float | None = None, keep_timecode: bool = False) -> PhoneRecording:
    """Read a recording, whatever wrote it.

    fps: frames a second, instead of what the file says. keep_timecode: number the frames by the timecode from midnight,
    not from 1. Raises InputError.
    """
    try:
        text = decoded(path.read_bytes())
        rows = _rows_of(text)
        return _recording(path, rows, fps, keep_timecode)
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a recording of a phone: {reason(error)}") from error


def _rows_of(text: str) -> Rows:
    if not text.strip():
        raise ValueError("it is empty; a header with ARKit's names and a row for each frame are needed")
    if text.lstrip()[:1] in ("{", "["):
        return rows_of_json(json.loads(text))
    if _is_face_cap(text):
        return _rows_of_face_cap(text)
    if _is_ifacial(text):
        return _rows_of_ifacial(text)
    return _rows_of_table(text)


def _recording(path: Path, rows: Rows, fps: float | None, keep_timecode: bool) -> PhoneRecording:
    """The rows on whole frames, what is missing between them marked."""
    empty = ~np.isfinite(rows.weights).any(1)
    if empty.all():
        raise ValueError("no row holds a weight")
    notes = list(rows.notes)
    clock = Clock(rows.times, fps, keep_timecode)
    kept = clock.kept & ~empty
    notes += [*clock.notes]
    if (empty & clock.kept).any():
        notes.append(f"{int((empty & clock.kept).sum())} of its {len(empty)} rows hold no weights")
    placed = clock.placed(kept)
    weights, factor = _of_one(rows.weights)
    if factor != 1.0:
        notes.append("its weights are percent: they were divided by 100")
    if rows.absent:
        shown = ", ".join(rows.absent[:LISTED]) + (", ..." if len(rows.absent) > LISTED else "")
        notes.append(f"it lacks {len(rows.absent)} of the 52 shapes, which stay at rest: {shown}")
    filled = _filled_cells(weights[kept], notes)
    return PhoneRecording(
        source=path.name,
        program=rows.program,
        weights=placed.of(filled),
        head=None if rows.head is None else placed.of(np.unwrap(_held(rows.head[kept]), axis=0)),
        position=None if rows.position is None else placed.of(_in_mm(_held(rows.position[kept]), notes)),
        eyes=None if rows.eyes is None else placed.of(_held(rows.eyes[kept])),
        frames=placed.frames,
        missing=placed.missing,
        fps=clock.fps,
        first_second=clock.first_second,
        absent=rows.absent,
        notes=(*notes, *placed.notes),
    )


def _of_one(weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (R, 52) from 0 to 1, and by what they were multiplied. Raises ValueError if they are none."""
    most = float(np.nanmax(np.abs(weights)))
    if most <= PERCENT:
        return weights, 1.0
    if most > LARGEST:
        row, column = np.unravel_index(np.nanargmax(np.abs(weights)), weights.shape)
        raise ValueError(
            f"{SHAPES[column]} is {weights[row, column]:g} in row {row + 1}; weights are 0 to 1, or percent"
        )
    return weights / 100.0, 0.01


def _filled_cells(weights: np.ndarray, notes: list[str]) -> np.ndarray:
    """Weights (R, 52) with single cells that were empty filled from the rows around them; columns that are not there
    are 0."""
    known = np.isfinite(weights)
    lacking = ~known & known.any(0)
    if lacking.any():
        notes.append(f"{int(lacking.sum())} single weights are missing and were filled from the rows around them")
    return _held(weights)


def _held(values: np.ndarray) -> np.ndarray:
    """Values (R, n) with what is no number filled along each column, 0 where a column has none."""
    values = values.astype(np.float64).copy()
    rows = np.arange(len(values))
    for column in values.T:
        known = np.isfinite(column)
        column[:] = np.interp(rows, rows[known], column[known]) if known.any() else 0.0
    return values


def _in_mm(position: np.ndarray, notes: list[str]) -> np.ndarray:
    """Positions (R, 3) in mm, from metres or centimetres: a face is a hand's breadth to a few metres from its phone."""
    distance = float(np.median(np.linalg.norm(position, axis=1)))
    unit, factor = ("m", 1000.0) if distance < 4.0 else ("cm", 10.0) if distance < 250.0 else ("mm", 1.0)
    if distance > 0:
        notes.append(f"its head positions were taken as {unit}")
    return position * factor


# -- Live Link Face, and any other table ------------------------------------------------------------------------------


def _header_of(text: str) -> tuple[int, str, list[str]] | None:
    """The number of the line that names shapes, its separator and its cells."""
    for number, line in first_lines(text):
        for separator in (";", "\t", ","):
            cells = split_line(line, separator)
            if names_shapes(cells):
                return number, separator, cells
    return None


def _rows_of_table(text: str) -> Rows:
    header = _header_of(text)
    if header is None:
        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        raise ValueError(f"none of its columns has a name of ARKit's, such as jawOpen; it begins {first[:80]!r}")
    number, separator, cells = header
    stream = io.StringIO(text, newline=None)
    for _ in range(number + 1):
        next(stream)
    lines, entries = [], []
    for line, row in enumerate(csv.reader(stream, delimiter=separator, skipinitialspace=True), number + 2):
        if len(row) > len(cells) and any(cell.strip() for cell in row[len(cells) :]):
            raise ValueError(f"line {line} has {len(row)} cells, but the header names {len(cells)} columns")
        if any(cell.strip() for cell in row):
            lines.append(line)
            entries.append([cell.strip() for cell in row] + [""] * (len(cells) - len(row)))
    if not entries:
        raise ValueError("no row follows its header")
    return rows_of_columns(cells, entries, lines)


def _is_face_cap(text: str) -> bool:
    return bool(re.search(r"^bs\s*,", text, re.MULTILINE) and re.search(r"^k\s*,", text, re.MULTILINE))


def _rows_of_face_cap(text: str) -> Rows:
    """k, ms, head position (3), head degrees (3), left eye and right eye (2 each), then the weights in the order of the
    line `bs`."""
    names: list[str] = []
    entries: list[list[float]] = []
    lines: list[int] = []
    notes: list[str] = []
    written = text.splitlines()
    for number, line in enumerate(written, 1):
        cells = split_line(line, ",")
        if cells and cells[0] == "bs":
            names = [cell for cell in cells[1:] if cell]
        if cells and cells[0] == "k":
            wanted = FACE_CAP_POSE + len(names)
            if len([cell for cell in cells if cell]) < wanted and number == len(written) and entries:
                notes.append("its last line is cut off and was left out")
                continue
            if len([cell for cell in cells if cell]) < wanted:
                raise ValueError(
                    f"line {number} has {len(cells)} cells; after its pose {len(names)} weights are needed"
                )
            entries.append([number_of(cell, "a cell", number) for cell in cells[1:wanted]])
            lines.append(number)
    known = {shape: at for at, name in enumerate(names) if (shape := shape_named(name))}
    if not known:
        raise ValueError("its line bs names none of ARKit's shapes, such as jawOpen")
    table = np.array(entries)
    weights = np.full((len(table), len(SHAPES)), np.nan)
    for shape, at in known.items():
        weights[:, SHAPES.index(shape)] = table[:, FACE_CAP_POSE - 1 + at]
    return Rows(
        "Face Cap",
        weights,
        Times(seconds=table[:, 0] / 1000.0, lines=np.array(lines)),
        head=np.deg2rad(table[:, 4:7]),
        position=table[:, 1:4],
        eyes=table[:, [8, 7, 10, 9]],
        absent=tuple(shape for shape in SHAPES if shape not in known),
        notes=notes,
    )


def _is_ifacial(text: str) -> bool:
    line = next((line for line in text.splitlines() if "|" in line), "")
    pairs = [found for part in line.split("|") if (found := IFACIAL_PAIR.match(part.strip()))]
    return names_shapes([each[1] for each in pairs])


def _rows_of_ifacial(text: str) -> Rows:
    """A line a frame, as the program sends it; weights in percent, angles in degrees, position in metres. A number
    before the first name, set apart by a comma, tab or blank, is a time in seconds."""
    weights, poses, seconds, lines = [], [], [], []
    for number, line in enumerate(text.splitlines(), 1):
        if "|" not in line:
            continue
        stamp = re.match(r"^\s*(\d+(?:\.\d+)?)[\s,;]+(?=[A-Za-z=])", line)
        row = dict.fromkeys(SHAPES, float("nan"))
        pose: dict[str, list[float]] = {}
        for part in (line[stamp.end() :] if stamp else line).split("|"):
            pair = IFACIAL_PAIR.match(part.strip())
            shape = shape_named(pair[1]) if pair else ""
            if pair and shape:
                row[shape] = float(pair[2]) / 100.0
            elif "#" in part:
                name, _, numbers = part.strip(" =").partition("#")
                pose[name] = [number_of(each, name, number) for each in numbers.split(",") if each]
        weights.append([row[shape] for shape in SHAPES])
        poses.append(pose)
        seconds.append(float(stamp[1]) if stamp else float("nan"))
        lines.append(number)
    table = np.array(weights)
    head = _pose(poses, "head", 6)
    eyes = [_pose(poses, name, 3) for name in ("leftEye", "rightEye")]
    both = eyes[0] is not None and eyes[1] is not None
    timed = bool(np.isfinite(seconds).all())
    return Rows(
        "iFacialMocap",
        table,
        Times(seconds=np.array(seconds) if timed else None, lines=np.array(lines)),
        head=None if head is None else np.deg2rad(head[:, :3]),
        position=None if head is None else head[:, 3:],
        eyes=np.concatenate([each[:, [1, 0]] for each in eyes if each is not None], axis=1) if both else None,
        absent=tuple(shape for at, shape in enumerate(SHAPES) if not np.isfinite(table[:, at]).any()),
    )


def _pose(poses: Sequence[Mapping[str, list[float]]], name: str, count: int) -> np.ndarray | None:
    if not any(len(pose.get(name, ())) >= count for pose in poses):
        return None
    nothing = [float("nan")] * count
    return np.array([pose[name][:count] if len(pose.get(name, ())) >= count else nothing for pose in poses])
