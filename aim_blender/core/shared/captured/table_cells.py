# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables as programs write them: their text, the cells of a line, the number in a cell."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator

HEADER_WITHIN = 30  # lines


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
