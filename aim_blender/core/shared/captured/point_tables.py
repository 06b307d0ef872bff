# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of points, .csv, as programs write them: a row for each point of each frame, or a row for each frame with a
column for each coordinate. Needs numpy only.

Separators are commas, semicolons, tabs or blanks; numbers have points or commas; capitals, blanks, a byte order mark
and lines before the header do not matter. An empty cell, NA and the like, and a place of exactly 0 mean that the point
is not there.
"""

from __future__ import annotations

import csv
import io
import math
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..foundation.wording import without_brackets
from .mesh_caches import rate_of
from .table_cells import check_signs, decoded, first_lines, number_in, seconds_of, split_line

# What columns are called, by what they mean; the first that is there counts.
SPELLINGS = {
    "frame": ("frame", "frames", "frame number", "framenumber", "frame no", "frame nr", "frame id", "frame index",
              "frameindex", "frame #", "image", "f"),
    "time": ("time", "times", "seconds", "time seconds", "timestamp", "secs", "t"),
    "timecode": ("timecode", "time code", "tc", "smpte"),
    "name": ("name", "label", "marker", "marker name", "markername", "marker label", "point", "point name",
             "pointname", "landmark", "landmark name", "track", "track name", "feature", "id", "marker id", "point id",
             "landmark id"),
    "confidence": ("confidence", "conf", "trust", "weight", "score", "likelihood", "probability"),
    "vertex": ("vertex", "vertex id", "vertex index", "vertexid", "vertexindex", "vertex number", "vert", "vtx"),
    "camera": ("camera", "camera name", "cam", "view"),
    "success": ("success",),  # 0 where nothing was found, as OpenFace says it
    "face": ("face id",),  # which of several
}  # fmt: skip
BEFORE_AXIS = r"(?:pos|position|p|t|trans|translate|translation|loc|location|coord|coordinate)"
AXIS = re.compile(rf"{BEFORE_AXIS}? ?([xyz])|([xyz]) (?:pos|position|coord|coordinate|coordinates)")
NAMED_AXIS = re.compile(
    rf"(.*[^\s_.:\-])(?:[\s_.:\-]+{BEFORE_AXIS}?[\s_.]*([xyz])|(?<=[a-z0-9])([XYZ]))", re.IGNORECASE
)
INDEXED_AXIS = {2: re.compile(r"([xyz])_(\d+)"), 3: re.compile(r"([XYZ])_(\d+)")}  # as OpenFace calls them
UNITS = {"mm": 1.0, "millimetres": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4, "px": 1.0, "pixels": 1.0}
MISSING = (
    "", "na", "n/a", "n.a.", "nan", "-nan", "null", "none", "nil", "-", "--", "missing", "#n/a", "#na", "1.#qnan",
    "-1.#ind",
)  # fmt: skip
LARGEST = 1e9  # of any coordinate, as in our own files
ALWAYS_CELLS = 2**20  # points times frames that are few enough whatever the file holds
FULLEST = 50  # points times frames for each row, beyond which hardly any has a place
TIMED_FPS = (1.0, 1000.0)
JITTER = 0.2  # of a frame: times that lie nearer to frames are meant to be these


@dataclass(frozen=True)
class PointRows:
    """R places of points. frame: (R,) float, which may lie between frames. point, camera: (R,) int, which of `names`
    and `cameras` each is of. places: (R, A) float, not a number where a point is missing; in mm or pixels. confidence:
    (R,). vertices: (P,) int, -1 where the table does not say. fps: where it tells. notes: what to say of how it was
    read.
    """

    names: tuple[str, ...]
    cameras: tuple[str | None, ...]
    frame: np.ndarray
    point: np.ndarray
    camera: np.ndarray
    places: np.ndarray
    confidence: np.ndarray
    vertices: np.ndarray
    fps: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Header:
    """columns: where what is meant stands. wide: for each point of a row its name and where its axes stand; empty where
    a row is of one point. factor: of the unit that the axes name, in mm."""

    line: int
    separator: str
    width: int
    columns: dict[str, int]
    axes: tuple[int, ...]
    wide: tuple[tuple[str, tuple[int, ...]], ...]
    factor: float


def read_point_table(path: Path, axes: int, fps: float | None = None) -> PointRows:
    """The rows of a table of points with 2 or 3 axes.

    fps: frames a second, by which a table that has times instead of frames is numbered. Raises ValueError with what is
    wrong, OSError.
    """
    text = decoded(path.read_bytes())
    header = _header_of(text, "xyz"[:axes])
    rows = _Rows(axes, fps)
    for number, cells in _lines(text, header):
        try:
            _read_line(rows, header, cells)
        except ValueError as error:
            raise ValueError(f"in line {number} {error}") from error
    return rows.gathered(header, fps)


def axes_of_table(data: bytes) -> int:
    """How many axes the points of a table have that begins so: 3, 2, or 0 if it is no table of points."""
    for axes in (3, 2):
        try:
            _header_of(decoded(data), "xyz"[:axes])
        except (ValueError, csv.Error):
            continue
        return axes
    return 0


class _Rows:
    """Rows as they are read, in as little memory as they need."""

    def __init__(self, axes: int, fps: float | None) -> None:
        self.axes, self.fps = axes, fps
        self.signs: dict[str, str] = {}  # how a number looks that has a point, and one that has a comma
        self.names: dict[str, int] = {}
        self.cameras: dict[str | None, int] = {}
        self.vertices: dict[int, int] = {}
        self.frame, self.time, self.confidence, self.values = array("d"), array("d"), array("d"), array("d")
        self.point, self.camera, self.face = array("l"), array("l"), array("l")
        self.faces: dict[str, int] = {}

    def gathered(self, header: _Header, given_fps: float | None) -> PointRows:
        told = self._keep_one_face()
        places = np.array(self.values).reshape(-1, self.axes) * header.factor
        places[~np.isfinite(places).all(1) | (places == 0).all(1)] = np.nan
        if np.nanmax(np.abs(places), initial=0.0) > LARGEST:
            raise ValueError(f"a point lies at {np.nanmax(np.abs(places)):.3g}; nothing of a face does")
        point, camera = np.array(self.point, dtype=np.int64), np.array(self.camera, dtype=np.int64)
        frame, fps, notes = _frames_of(np.array(self.frame), np.array(self.time), header, given_fps)
        check_fullness(len(frame), len(np.unique(frame)) * len(self.cameras), len(self.names))
        key = np.stack([frame, camera, point], axis=1)
        order = np.lexsort(key.T[::-1])
        twice = (np.diff(key[order], axis=0) == 0).all(1)
        if twice.any():
            at = order[int(np.flatnonzero(twice)[0])]
            raise ValueError(f"frame {frame[at]:g} has {list(self.names)[point[at]]!r} twice")
        vertices = np.full(len(self.names), -1, dtype=np.int64)
        for index, vertex in self.vertices.items():
            vertices[index] = vertex
        notes = (*notes, *told)
        if header.factor != 1.0:
            notes = (*notes, f"its header says a unit: places were taken {header.factor:g} times as large")
        names, cameras = tuple(self.names), tuple(self.cameras)
        return PointRows(names, cameras, frame, point, camera, places, np.array(self.confidence), vertices, fps, notes)

    def _keep_one_face(self) -> tuple[str, ...]:
        """Of several faces that are in most rows; what to say."""
        if len(self.faces) < 2:
            return ()
        face = np.array(self.face)
        count = np.bincount(face)
        kept = face == count.argmax()
        for name in ("frame", "time", "confidence", "point", "camera"):
            values = getattr(self, name)
            setattr(self, name, array(values.typecode, np.asarray(values)[kept].tolist()))
        self.values = array("d", np.asarray(self.values).reshape(-1, self.axes)[kept].ravel().tolist())
        name = list(self.faces)[int(count.argmax())]
        return (f"it shows {len(self.faces)} faces: the one that is seen most, {name}, was read",)


def check_fullness(rows: int, frames: int, points: int) -> None:
    """Raise ValueError if points times frames are far more than the rows that a file has of them."""
    if frames * points > max(ALWAYS_CELLS, FULLEST * rows):
        raise ValueError(
            f"its {rows} rows name {frames} frames and {points} points, so that hardly any has a place; each point "
            "needs one name in all frames"
        )


def _separator_of(line: str) -> str:
    return next((separator for separator in (";", "\t", ",") if separator in line), " ")


def _header_of(text: str, axes: str) -> _Header:
    """The first line that says what a table of points needs. Raises ValueError, which tells what was found."""
    nearest: tuple[list[str], list[str]] | None = None
    above: list[list[str]] = []
    for number, line in first_lines(text):
        separator = _separator_of(line)
        cells = split_line(line, separator)
        if not any(cells):
            continue
        columns, lacking = _columns_of(cells, axes)
        found = _understood(number, separator, cells, columns, axes, above)
        if found is not None:
            return found
        above.append(cells)
        if nearest is None or len(lacking) < len(nearest[1]):
            nearest = cells, lacking
    if nearest is None:
        raise ValueError("it is empty; a header and a row for each point of each frame are needed")
    shown = ", ".join(cell for cell in nearest[0] if cell)
    raise ValueError(
        f"its header is {shown[:200]!r}, in which {' and '.join(nearest[1]) or 'a name'} is missing; it needs the "
        f"columns frame (or time), name, {', '.join(axes)}"
    )


def _columns_of(cells: Sequence[str], axes: str) -> tuple[dict[str, list[int]], list[str]]:
    """Where each thing that a column can mean stands, and what is missing."""
    plain = [_plain(cell) for cell in cells]
    columns: dict[str, list[int]] = {}
    for meaning, spellings in SPELLINGS.items():
        spelling = next((each for each in spellings if each in plain), None)
        if spelling is not None:
            columns[meaning] = [place for place, word in enumerate(plain) if word == spelling]
    for axis in axes:
        exact = [place for place, word in enumerate(plain) if word == axis]
        near = [p for p, word in enumerate(plain) if (found := AXIS.fullmatch(word)) and axis in found.groups()]
        if exact or near:
            columns[axis] = exact or near
    timed = bool({"frame", "time", "timecode"} & set(columns))
    return columns, [*([] if timed else ["frame"]), *(each for each in ("name", *axes) if each not in columns)]


def _understood(
    number: int, separator: str, cells: list[str], columns: dict[str, list[int]], axes: str, above: list[list[str]]
) -> _Header | None:
    """The header if a line is one. Raises ValueError if it names a column twice."""
    if not {"frame", "time", "timecode"} & set(columns):
        return None
    counted = len(columns.get("x", ()))
    single = {meaning: places[0] for meaning, places in columns.items()}
    factor = _factor(cells, [place for axis in axes for place in columns.get(axis, ())])
    if "name" in columns and all(axis in columns for axis in axes):
        double = next((meaning for meaning, places in columns.items() if len(places) > 1), None)
        if double is not None:
            named = " and ".join(repr(cells[place]) for place in columns[double])
            raise ValueError(f"its header has two columns for {double}, {named}; remove one")
        return _Header(number, separator, len(cells), single, tuple(single[a] for a in axes), (), factor)
    if counted > 1 and all(len(columns.get(axis, ())) == counted for axis in axes):  # their names stand above them
        places = list(zip(*(columns[axis] for axis in axes), strict=True))
        for line in above:
            names = [line[place[0]] if place[0] < len(line) else "" for place in places]
            if all(names) and len(set(names)) == len(names):
                wide = tuple(zip(names, places, strict=True))
                return _Header(number, separator, len(cells), single, (), wide, factor)
        return None
    points: dict[str, dict[str, int]] = {}
    for place, cell in enumerate(cells):
        found = NAMED_AXIS.fullmatch(without_brackets(cell))
        name, axis = (found[1], (found[2] or found[3]).lower()) if found else ("", "")
        if indexed := INDEXED_AXIS[len(axes)].fullmatch(cell.strip()):
            name, axis = f"landmark {indexed[2]}", indexed[1].lower()
        if name and axis in axes and place not in single.values():
            if axis in points.setdefault(name, {}):
                raise ValueError(f"its header has two columns for {axis} of {name!r}; remove one")
            points[name][axis] = place
    whole = tuple((name, tuple(at[a] for a in axes)) for name, at in points.items() if len(at) == len(axes))
    if not whole:
        return None
    factor = _factor(cells, [place for _, at in whole for place in at])
    return _Header(number, separator, len(cells), single, (), whole, factor)


def _plain(cell: str) -> str:
    """A header's word without capitals, units and signs."""
    words = re.sub(r"[^0-9a-z#]+", " ", without_brackets(cell.casefold())).split()
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in UNITS else words)


def _factor(cells: Sequence[str], places: Sequence[int]) -> float:
    """Of the unit that the columns at these places name alike; 1 if they name none."""
    found = set()
    for place in places:
        words = re.findall(r"[a-z]+", cells[place].casefold())
        found.add(UNITS.get(words[-1], 1.0) if len(words) > 1 else 1.0)
    return found.pop() if len(found) == 1 else 1.0


def _lines(text: str, header: _Header) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of each line below the header, but for empty ones and a line of units."""
    stream = io.StringIO(text, newline=None)
    for _ in range(header.line + 1):
        next(stream)
    lines: Iterator[list[str]]
    if header.separator == " ":
        lines = (line.split() for line in stream)
    else:
        lines = csv.reader(stream, delimiter=header.separator, skipinitialspace=True)
    for number, row in enumerate(lines, header.line + 2):
        cells = [cell.strip() for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        first = number == header.line + 2
        if not cells or (first and not any(_is_number(cell) for cell in cells)):
            continue
        if len(cells) > header.width:
            raise ValueError(
                f"line {number} has {len(cells)} cells, but the header names {header.width} columns; if its numbers "
                "have decimal commas, separate the cells by semicolons"
            )
        yield number, cells


def _read_line(rows: _Rows, header: _Header, cells: list[str]) -> None:
    at = {meaning: cells[place] if place < len(cells) else "" for meaning, place in header.columns.items()}
    face = rows.faces.setdefault(at.get("face", ""), len(rows.faces))
    for name, places in header.wide or ((at.get("name", ""), header.axes),):
        if not name:
            raise ValueError("a point has no name")
        rows.values.extend(_coordinate(rows, cells[place]) if place < len(cells) else math.nan for place in places)
        point = rows.names.setdefault(name, len(rows.names))
        rows.point.append(point)
        camera = at.get("camera") or None
        rows.camera.append(rows.cameras.setdefault(camera, len(rows.cameras)))
        rows.frame.append(_frame(at["frame"]) if "frame" in at else math.nan)
        rows.time.append(_time(at, rows.fps))
        trust = 0.0 if at.get("success") == "0" else _number(at.get("confidence", ""))
        rows.confidence.append(1.0 if math.isnan(trust) else trust)
        rows.face.append(face)
        vertex = math.nan if header.wide else _number(at.get("vertex", ""))
        if not math.isnan(vertex):
            if vertex != math.floor(vertex) or not -1 <= vertex < 2**31:
                raise ValueError(f"{name!r} is on vertex {at['vertex']}; vertices count from 0")
            if rows.vertices.setdefault(point, int(vertex)) != int(vertex):
                raise ValueError(f"{name!r} is on vertex {int(vertex)}, and on {rows.vertices[point]} further up")


def _frames_of(
    frame: np.ndarray, time: np.ndarray, header: _Header, given_fps: float | None
) -> tuple[np.ndarray, float | None, tuple[str, ...]]:
    """(R,) frames of rows, frames a second where they tell, and what to say."""
    if "frame" in header.columns:
        known = np.isfinite(time)
        if known.sum() > 1 and np.ptp(time[known]) > 0:
            first, last = np.flatnonzero(known)[[time[known].argmin(), time[known].argmax()]]
            fps = float((frame[last] - frame[first]) / (time[last] - time[first]))
            return frame, fps if TIMED_FPS[0] <= fps <= TIMED_FPS[1] else None, ()
        return frame, None, ()
    if not np.isfinite(time).all():
        raise ValueError("a row has neither a frame nor a time")
    times = np.unique(time)
    found = rate_of(times)
    if found is not None and not TIMED_FPS[0] <= found <= TIMED_FPS[1]:
        raise ValueError(f"its times are {1 / found:g} apart; they must be seconds")
    rate = given_fps or found or 1.0
    places = times * rate + (1.0 if times[0] == 0 else 0.0)
    if np.abs(places).max() > LARGEST:
        raise ValueError(f"its times reach {times.max():g} seconds")
    near = np.rint(places)
    if (np.abs(places - near) <= JITTER).all() and len(np.unique(near)) == len(near):
        places = near  # clocks are not quite even
    told = f"they were numbered {near[0]:.0f} to {near[-1]:.0f} at {rate:g} a second"
    return places[np.searchsorted(times, time)], found, (f"it has times and no frames: {told}",)


def _time(at: dict[str, str], fps: float | None) -> float:
    """Seconds of a row, by its time; by its timecode where it has neither a time nor a frame."""
    cell = at.get("time", "" if "frame" in at else at.get("timecode", ""))
    return seconds_of(cell, fps) if ":" in cell else _number(cell)


def _coordinate(rows: _Rows, cell: str) -> float:
    value = _number(cell)
    if not math.isnan(value):
        check_signs(rows.signs, cell)
    return value


def _frame(cell: str) -> float:
    frame = _number(cell)
    if math.isnan(frame):
        raise ValueError(f"the frame is {cell!r}; it must be a number")
    if abs(frame) > LARGEST:
        raise ValueError(f"the frame is {cell}, beyond {LARGEST:.0f}")
    return frame


def _number(cell: str) -> float:
    """A cell's number; not a number if it says that there is none. Raises ValueError if it has too many digits."""
    return math.nan if cell.casefold() in MISSING else number_in(cell)


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(_number(cell))
    except ValueError:
        return False
