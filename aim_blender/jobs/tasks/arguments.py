# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tasks share: how they are called, and how their arguments are checked."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import InputError

Report = Callable[[dict[str, Any]], None]
Figures = dict[str, Any]
Task = Callable[[dict[str, Any], Report, Path | None], Figures]

TAKE_SUFFIX = ".take.safetensors"


def picture_beside(out: Path, what: str) -> Path:
    """A picture beside a take, X.what.png."""
    return out.with_name(f"{out.name.removesuffix(TAKE_SUFFIX)}.{what}.png")


def add_notes(figures: Figures, sentences: list[str]) -> None:
    """Add what the user is to know to a result's figures, which its file keeps and every surface shows."""
    if sentences:
        figures["notes"] = [*figures.get("notes", []), *sentences]


def check_arguments(
    task: str,
    arguments: dict[str, Any],
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    refined: tuple[str, ...] = (),
) -> None:
    """Raise InputError unless a task was given all that it needs, and nothing that it does not know, and writes over
    nothing that it reads but what is `refined`: the output is the same, with more in it."""
    for name in required:
        if not arguments.get(name):
            raise InputError(f"{task} needs {name}, which was not given")
    for name in arguments:
        if name not in required and name not in optional:
            raise InputError(f"{task} does not know {name}; it takes {', '.join(required + optional)}")
    out = arguments.get("out")
    for name, value in arguments.items():
        if name not in ("out", *refined) and isinstance(out, str) and isinstance(value, str) and _same_file(out, value):
            raise InputError(f"the output {out} is the {name} that is read; give it another name")


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # not there, or no name of a file
        return False


def named_unit(arguments: dict[str, Any], name: str = "millimetres_per_unit") -> float | None:
    """The unit that somebody named, in mm, if anybody did."""
    unit = arguments.get(name)
    if unit is None:
        return None
    factor = float(unit)
    if not (math.isfinite(factor) and factor > 0):
        raise InputError(f"there are {factor:g} millimetres in a unit; it must be more than 0, for example 1 or 1000")
    return factor


def choices_of(arguments: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The choices that were made; the core's settings know the defaults of the others."""
    return {name: arguments[name] for name in names if arguments.get(name) is not None}
