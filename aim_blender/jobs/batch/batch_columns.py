# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of a table of shots, and what each may hold; batch_table.py says what they mean."""

from __future__ import annotations

from ...core.shared.faces.table_of_units import MILLIMETRES_PER
from ...core.shared.settings.option import Option, options_of
from ...core.shared.settings.retarget_settings import RetargetSettings
from ...core.shared.settings.settings_of_tasks import missing, options_of_task
from ..tasks.fitting import FITTING_CHOICES, PERFORMANCE_UNIT

WRITE = ("bake", "pc2", "mdd", "npz", "blend")
WITH_UNIT = {"pc2", "mdd"}  # of these, what is in a unit of one's choice

OPTIONS: dict[str, Option] = {
    option.column: option
    for task in ("bake", "fit", "retarget")
    for name, option in options_of_task(task).items()
    if not missing(task, name, "batch")
}
FIT = (*FITTING_CHOICES, "camera", "landmarks", "performance_fps", PERFORMANCE_UNIT)
RETARGET = (*(option.column for option in options_of(RetargetSettings).values()), "correspondence")

TEXT, PATH, LIST, WHOLE, COUNT, NUMBER = "a text", "a path", "a list", "a whole number", "a count", "a number"
FLAG = "true or false"
FRAME = "a frame"
UNIT = f"a unit ({', '.join(MILLIMETRES_PER)} or a number of mm)"
CHOICES = {name: option.words or option.names for name, option in OPTIONS.items() if option.words or option.names}


def _kind(option: Option) -> str:
    if option.kind == "whole":
        return COUNT if option.least >= 1 else WHOLE
    if option.kind == "flag":
        return TEXT if option.words else FLAG
    if option.kind == "frame":
        return f"{FRAME}, or {' or '.join(option.names)}"
    return {"number": NUMBER, "choice": TEXT, "several": LIST, "file": PATH, "text": TEXT}[option.kind]


COLUMNS = {
    "shot": TEXT,
    "actor": PATH,
    "performance": PATH,
    "take": PATH,
    "targets": LIST,
    "folder": TEXT,
    "write": LIST,
    "performance_fps": NUMBER,
    PERFORMANCE_UNIT: UNIT,
    "millimetres_per_unit": UNIT,
    "camera": PATH,
    "landmarks": PATH,
    "correspondence": PATH,
    **{name: _kind(option) for name, option in OPTIONS.items()},
}
LARGEST_NUMBER = 2.0**63
ABOVE_ZERO = (
    "performance_fps",
    PERFORMANCE_UNIT,
    "millimetres_per_unit",
    *(name for name, each in OPTIONS.items() if each.kind == "number" and not each.allows(0)),
)
