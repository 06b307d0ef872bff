# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a batch: shots and the actors that are to perform them, from a CSV, JSON or TOML file.

A row names a shot. In CSV the first line names the columns, an empty cell is not given, and lists are parted by `|` or
`;`. JSON and TOML hold `shots`, a list of objects whose names are the columns, and may hold `defaults` for all of them;
there a target may be an object, {"actor": FILE, "strength": 0.8}, with choices of its own. Paths are relative to the
table. The columns:

    shot          its name, which its files begin with; left out, the name of the performance or take
    actor         the learned actor that performed (needed)
    performance   what is to be fitted: a folder of meshes, .npz, .pc2, .mdd, points as .json or .csv, or a phone's
                  recording; or instead
    take          a take that is already fitted
    targets       learned actors that shall perform it; the actor's own file among them, or none at all, means itself
    folder        where its files go, always below the batch's folder; left out, a folder called as the shot
    write         any of bake, pc2, mdd, npz (all vertices), blend; left out, bake. The takes are always written
    performance_fps  frames a second of the performance itself, instead of what its file says
    performance_millimetres_per_unit  its unit, mm, cm, dm, m, in, ft or a number of mm; left out, told by its size
    millimetres_per_unit  likewise, of the .pc2 and .mdd that are written; left out, mm
    camera landmarks correspondence    as for `fit` and for `retarget`

and every setting of fitting, retargeting, baking and its frames, which docs/settings.md lists.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...core.shared.faces.table_of_units import MILLIMETRES_PER
from ...core.shared.foundation.errors import UNREADABLE, InputError, reason
from ...core.shared.results.kept_files import ACTOR_SUFFIX
from ...core.shared.settings.fitting_settings import FittingSettings
from ..folders.folder import FORBIDDEN_IN_NAMES
from ..tasks.arguments import TAKE_SUFFIX
from ..tasks.baking import TIMING_CHOICES
from ..tasks.fitting import MESH_CHOICES, PERFORMANCE_UNIT
from .batch_columns import (
    ABOVE_ZERO,
    CHOICES,
    COLUMNS,
    COUNT,
    FIT,
    FLAG,
    FRAME,
    LARGEST_NUMBER,
    LIST,
    PATH,
    RETARGET,
    TEXT,
    UNIT,
    WHOLE,
    WITH_UNIT,
    WRITE,
)

SUFFIXES = (".csv", ".json", ".toml")


@dataclass(frozen=True)
class Target:
    """An actor that is to perform a shot.

    name: what its files are called after. choices: how to retarget; empty for the source.
    """

    name: str
    actor: str
    choices: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shot:
    """A row of the table, with absolute paths. where: the file and row it stands in, for messages.

    folder: below the batch's folder. take is empty where performance is to be fitted. fit, timing, bake:
    what the tasks of these names take beyond files. millimetres_per_unit: of the caches that are written.
    """

    name: str
    where: str
    folder: str
    actor: str
    performance: str
    take: str
    targets: tuple[Target, ...]
    write: tuple[str, ...]
    fit: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)
    tolerance_mm: float | None = None
    reduce_keys_mm: float = 0.0
    millimetres_per_unit: float | None = None
    bake: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The shot in JSON's own types."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Shot:
        """The inverse of as_json, also after JSON has made lists of its tuples."""
        targets = tuple(Target(**target) for target in values["targets"])
        return cls(**{**values, "targets": targets, "write": tuple(values["write"])})


def read_table(path: Path) -> list[Shot]:
    """The shots of a table, at least one.

    Raises InputError that names the file, the row and the column if a row cannot be understood. Whether the files that
    it names are there is seen when the shot's turn comes.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is no table of shots; it must be a .csv, .json or .toml file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; a table of shots, .csv, .json or .toml, is needed") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not encoded in UTF-8 ({error.reason}); save it as UTF-8") from error
    rows = _csv_rows(path, text) if suffix == ".csv" else _object_rows(path, text, suffix)
    if not rows:
        raise InputError(f"{path} lists no shots; it needs at least one row")
    shots = [_shot(path, where, row) for where, row in rows]
    for what in ("name", "folder"):
        seen: dict[str, Shot] = {}
        for shot in shots:
            value = os.path.normpath(getattr(shot, what)).casefold()
            if value in seen:
                raise InputError(
                    f"{shot.where}: the {'shot' if what == 'name' else 'folder'} {getattr(shot, what)!r} is that of "
                    f"{seen[value].where.removeprefix(f'{path}, ')} too; give each shot its own"
                )
            seen[value] = shot
    return shots


def part_of(shots: list[Shot], part: str) -> list[Shot]:
    """Part k of n of the shots, from a text k/n: every nth shot from the kth on, so that every shot is in one part.

    Raises InputError if it is no such text.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", part)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= count:
        raise InputError(f"the part is {part!r}; it must be like 2/8, the second of eight parts")
    return shots[number - 1 :: count]


# -- reading ----------------------------------------------------------------------------------------------------------


def _csv_rows(path: Path, text: str) -> list[tuple[str, dict[str, Any]]]:
    first = text.split("\n", 1)[0]
    separator = ";" if ";" in first and "," not in first else ","  # some spreadsheets write semicolons
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = [name.strip() for name in next(reader, [])]
        _check_columns(f"{path}, line 1", columns)
        for name in columns:
            if columns.count(name) > 1:
                raise InputError(f"{path}, line 1: there are two columns {name}; remove one")
        rows: list[tuple[str, dict[str, Any]]] = []
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(columns):
                raise InputError(f"{where} has {len(cells)} cells, but line 1 names only {len(columns)} columns")
            row = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
            rows.append((where, row))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num} cannot be read: {error}") from error
    return rows


def _object_rows(path: Path, text: str, suffix: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        content = json.loads(text) if suffix == ".json" else tomllib.loads(text)
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    if isinstance(content, list):
        content = {"shots": content}
    if not isinstance(content, dict) or not isinstance(content.get("shots"), list):
        raise InputError(f"{path} must hold `shots`, a list of objects, one a shot")
    unknown = sorted(content.keys() - {"shots", "defaults"})
    if unknown:
        raise InputError(f"{path} holds {', '.join(unknown)}, which is not known; it may hold shots and defaults")
    defaults = content.get("defaults", {})
    rows = []
    for number, row in enumerate([defaults, *content["shots"]]):
        where = f"{path}, shot {number}" if number else f"{path}, defaults"
        if not isinstance(row, dict):
            raise InputError(f"{where} is not an object with columns and values")
        _check_columns(where, list(row))
        if number:
            # A shot that says itself what is performed is not given the default's other way of saying it, and one
            # that is fitted already not how to fit.
            idle = {"performance", "take"} if {"performance", "take"} & row.keys() else set()
            idle |= set(FIT) if "take" in row else set()
            # Nor one that writes no caches their unit.
            written = row.get("write", defaults.get("write"))
            caches = isinstance(written, (str, list)) and any(each in WITH_UNIT for each in _parts(written))
            idle |= set() if caches else {"millimetres_per_unit"}
            rows.append((where, {**{name: value for name, value in defaults.items() if name not in idle}, **row}))
    return rows


def _check_columns(where: str, names: list[str]) -> None:
    for name in names:
        if name not in COLUMNS:
            raise InputError(f"{where}: there is no column {name!r}; the columns are {', '.join(COLUMNS)}")


# -- a row ------------------------------------------------------------------------------------------------------------


def _shot(path: Path, where: str, row: dict[str, Any]) -> Shot:
    values = {name: _value(path, where, name, value) for name, value in row.items()}
    if not values.get("actor"):
        raise InputError(f"{where}: the column actor is empty; name the learned actor that performed")
    performance, take = values.get("performance", ""), values.get("take", "")
    if bool(performance) == bool(take):
        both = "both a performance and a take" if take else "neither a performance nor a take"
        raise InputError(f"{where} names {both}; give one of the two")
    source = Path(performance or take)
    name = values.get("shot") or source.name.removesuffix(TAKE_SUFFIX).rsplit(".", 1)[0]
    _check_name(where, "shot", name)
    retargeting = {column: values[column] for column in RETARGET if column in values}
    targets = _targets(path, where, row.get("targets"), values["actor"], retargeting)
    write = tuple(dict.fromkeys(values.get("write") or ["bake"]))
    for what in write:
        if what not in WRITE:
            raise InputError(f"{where}, column write: there is no {what!r}; it may be any of {', '.join(WRITE)}")
    folder = values.get("folder") or name
    if any(part in ("", "..") or FORBIDDEN_IN_NAMES.search(part) for part in re.split(r"[/\\]", folder)):
        raise InputError(
            f"{where}, column folder: {folder!r} is no folder below the batch's; name one, such as sc01/sh010"
        )
    if "millimetres_per_unit" in values and not WITH_UNIT & {*write}:
        raise InputError(
            f"{where}, column millimetres_per_unit: it is of the .pc2 and .mdd that are written, and none is; leave it "
            f"empty, or name the unit of the performance in {PERFORMANCE_UNIT}"
        )
    fit = {column: values[column] for column in FIT if column in values}
    _check_fit(where, fit, take)
    start, end = values.get("start"), values.get("end")
    if start is not None and end is not None and end < start:
        raise InputError(f"{where}: the frames start at {start} and end at {end}; the end must not be earlier")
    return Shot(
        name=name,
        where=where,
        folder=folder,
        actor=values["actor"],
        performance=performance,
        take=take,
        targets=targets,
        write=write,
        fit=fit,
        timing={column: values[column] for column in TIMING_CHOICES if column in values},
        tolerance_mm=values.get("tolerance_mm"),
        reduce_keys_mm=values.get("reduce_keys_mm", 0.0),
        millimetres_per_unit=values.get("millimetres_per_unit"),
        bake={column: values[column] for column in ("keys", "jaw_as") if column in values},
    )


def _check_fit(where: str, fit: dict[str, Any], take: str) -> None:
    """Raise InputError if a row's choices of how to fit cannot be used."""
    if take and fit:
        raise InputError(f"{where}, column {next(iter(fit))}: the take is fitted already; leave this empty")
    try:
        FittingSettings(**{name: value for name, value in fit.items() if name in MESH_CHOICES})
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _targets(path: Path, where: str, given: Any, source: str, retargeting: dict[str, Any]) -> tuple[Target, ...]:
    """The targets of a row; retargeting: the row's choices, which a target's own go before."""
    listed = _listed(where, "targets", given) if given is not None else []
    found: list[Target] = []
    for each in listed or [source]:
        label = f"{where}, column targets"
        choices = dict(retargeting)
        if isinstance(each, dict):
            for name in each:
                if name not in ("actor", "name", *RETARGET):
                    raise InputError(
                        f"{label}: a target has no {name!r}; it may have actor, name, {', '.join(RETARGET)}"
                    )
            if not each.get("actor"):
                raise InputError(f"{label}: a target names no actor; name the file of a learned actor")
            choices |= {name: _value(path, where, name, each[name]) for name in RETARGET if name in each}
            actor, name = _value(path, where, "actor", each["actor"]), each.get("name")
        else:
            actor, name = _value(path, where, "actor", each), None
        name = name or Path(actor).name.removesuffix(ACTOR_SUFFIX)
        _check_name(where, "targets", name)
        if name.casefold() in (other.name.casefold() for other in found):
            raise InputError(f"{label}: two targets are called {name!r}; give them names of their own")
        found.append(Target(name, actor, {} if actor == source else choices))
    return tuple(found)


def _value(path: Path, where: str, name: str, value: Any) -> Any:
    """A cell as its column's kind; numbers may be texts, as they are in CSV. Raises InputError."""
    kind, label = COLUMNS[name], f"{where}, column {name}"
    if kind == LIST:
        return _listed(where, name, value)
    if name == "pairs" and isinstance(value, dict):
        if not all(isinstance(each, str) for each in value.values()):
            raise InputError(f"{label}: each expression must have the name of one, or an empty text")
        return value
    if kind == FLAG:
        return _flag(label, value)
    if kind in (TEXT, PATH):
        text = _text(label, name, kind, value)
        return text if kind == TEXT else _absolute(path.parent, text)
    if kind.startswith(FRAME) and value in CHOICES[name]:
        return value
    if kind == UNIT and isinstance(value, str) and value in MILLIMETRES_PER:
        return MILLIMETRES_PER[value]
    return _number(label, name, kind, value)


def _flag(label: str, value: Any) -> bool:
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise InputError(f"{label}: {value!r} is neither true nor false")
    return found


def _text(label: str, name: str, kind: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{label}: {value!r} is not {kind}")
    if name in CHOICES and value not in CHOICES[name]:
        raise InputError(f"{label}: there is no {value!r}; it must be one of {', '.join(CHOICES[name])}")
    return value


def _absolute(folder: Path, path: str) -> str:
    """A path that is relative to the folder; an empty one stays empty."""
    return path and os.path.abspath(folder.absolute() / os.path.expanduser(os.path.expandvars(path)))


def _number(label: str, name: str, kind: str, value: Any) -> float:
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not abs(number) <= LARGEST_NUMBER:
        shown = repr(value)
        shown = shown[:40] + " ..." if len(shown) > 44 else shown
        said = kind if kind.startswith(FRAME) or kind == UNIT else "a number that can be used"
        raise InputError(f"{label}: {shown} is not {said}")
    if kind in (WHOLE, COUNT) or kind.startswith(FRAME):
        if number != int(number) or (kind == COUNT and number < 1):
            raise InputError(f"{label}: {value} is not a whole number{' of at least 1' if kind == COUNT else ''}")
        return int(number)
    if number < 0 or (name in ABOVE_ZERO and number == 0):
        raise InputError(f"{label}: {number:g} must be {'more than 0' if name in ABOVE_ZERO else '0 or more'}")
    return number


def _listed(where: str, name: str, value: Any) -> list[Any]:
    if isinstance(value, str):
        return _parts(value)
    kinds = (str, dict) if name == "targets" else str
    if isinstance(value, list) and all(isinstance(each, kinds) for each in value):
        return value
    raise InputError(f"{where}, column {name}: {value!r} is not a list")


def _parts(value: str | list[Any]) -> list[Any]:
    """The values of a list that may be written as one text."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)]
    return [part.strip() for part in re.split(r"[|;]", value) if part.strip()]


def _check_name(where: str, column: str, name: Any) -> None:
    if not isinstance(name, str) or not name.strip(" .") or FORBIDDEN_IN_NAMES.search(name):
        shown = '< > : " / \\ | ? *'
        raise InputError(f"{where}, column {column}: no file can be called {name!r}; choose a name without {shown}")
