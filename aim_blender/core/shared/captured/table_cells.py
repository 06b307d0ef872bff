# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables as programs write them: their text, the cells of a line, the number in a cell."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator

HEADER_WITHIN = 30  # lines
TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)(?:[:;](\d{1,3}(?:[.,]\d+)?))?")


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
    """Seconds of HH:MM:SS.s or, where somebody says how many frames are a second, HH:MM:SS:FF. Raises ValueError."""
    found = TIMECODE.fullmatch(timecode)
    if found is None:
        raise ValueError(f"the time {timecode[:40]!r} is neither seconds nor a timecode, such as 01:00:00:12")
    hours, minutes, seconds, frames = found.groups()
    if frames is not None and fps is None:
        raise ValueError(f"the time is {timecode}, which counts frames; say how many are a second, as by --fps 29.97")
    total = 3600 * int(hours) + 60 * int(minutes) + number_in(seconds)
    return total + (number_in(frames) / fps if frames is not None and fps else 0.0)


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
