# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables as programs write them: their text, the cells of a line, the number in a cell."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from typing import TypeVar

import numpy as np

Number = TypeVar("Number", float, np.ndarray)
HEADER_WITHIN = 30  # lines
TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)(?:([:;])(\d{1,3}(?:[.,]\d+)?))?")
DROPPED = {30: 2, 60: 4}  # numbers that a drop-frame timecode leaves out each minute but every tenth


def decoded(data: bytes) -> str:
    """The text of a table. Raises ValueError if it is none."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    if b"\0" in data:
        raise ValueError("it holds zero bytes, so it is no text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # of spreadsheets; only names can be concerned


def first_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a table among which its header must be, with their numbers from 0."""
    return zip(range(HEADER_WITHIN), io.StringIO(text, newline=None), strict=False)


def split_line(line: str, separator: str) -> list[str]:
    """The cells of a line; a blank separates whatever is apart."""
    if separator == " ":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def number_in(cell: str) -> float:
    """A cell's number, with a point or a comma; not a number where it is infinite. Raises ValueError if it is none, or
    has too many digits."""
    try:
        number = float(cell.replace(",", ".") if "." not in cell else cell)
    except ValueError:
        raise ValueError(f"{cell[:40]!r} is not a number") from None
    if math.isinf(number) and any(character.isdigit() for character in cell):
        raise ValueError(f"{cell[:20]} .. is beyond all numbers that can be used")
    return number if math.isfinite(number) else math.nan


def seconds_of(timecode: str, fps: float | None) -> float:
    """Seconds of HH:MM:SS.s or, where somebody says how many frames are a second, HH:MM:SS:FF, or HH:MM:SS;FF where
    numbers were dropped. Raises ValueError."""
    found = TIMECODE.fullmatch(timecode)
    if found is None:
        raise ValueError(f"the time {timecode[:40]!r} is neither seconds nor a timecode, such as 01:00:00:12")
    hours, minutes, seconds, sign, frames = found.groups()
    if frames is not None and fps is None:
        raise ValueError(f"the time is {timecode}, which counts frames; say how many are a second, as by --fps 29.97")
    total = 3600 * int(hours) + 60 * int(minutes) + number_in(seconds)
    if frames is None or fps is None:
        return total
    nominal = round(fps)  # at 29.97 a second, too, a timecode counts to 30
    counted = total * nominal + number_in(frames)
    return (without_dropped(counted, nominal) if sign == ";" and nominal in DROPPED else counted) / fps


def without_dropped(counted: Number, nominal: int) -> Number:
    """How many frames there were of those that a drop-frame timecode has counted, of 30 or 60 a second."""
    minutes = counted // (60 * nominal)
    return counted - DROPPED[nominal] * (minutes - minutes // 10)


def check_signs(seen: dict[str, str], cell: str) -> None:
    """Raise ValueError if a number has a point where another has a comma, or likewise: 1,234 beside 0.5 is more than a
    thousand, and beside 0,5 little more than one. seen: a cell with each sign, so far."""
    for sign, other in ((".", ","), (",", ".")):
        if sign in cell:
            seen.setdefault(sign, cell)
            if other in seen:
                raise ValueError(
                    f"{cell!r} and {seen[other]!r} have other decimal signs; write all numbers with one, and with "
                    "nothing between thousands"
                )
