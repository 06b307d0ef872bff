# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/settings.md, the table of all settings, from where they are defined.

    python docs/make_settings.py

Needs Python alone. tests/core/test_settings.py tells when the page is not what this would write.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aim_blender.core.shared.settings.option import Option, options_of  # noqa: E402
from aim_blender.core.shared.settings.settings_of_tasks import (  # noqa: E402
    FOR_PYTHON,
    MISSING,
    SETTINGS,
    missing,
    options_of_task,
)
from aim_blender.jobs.command_line.option_flags import default_shown, flags_of  # noqa: E402

PAGE = ROOT / "docs" / "settings.md"
TASKS = {
    "learn": ("Learning", "Learn > Settings", "guide/learning.md"),
    "fit": ("Fitting", "Performance", "guide/fitting.md"),
    "retarget": ("Retargeting", "Retarget", "guide/retargeting.md"),
    "bake": ("Baking", "Bake", "guide/baking.md"),
    "rig": ("Keying a rig", "Bake > Onto Controls", "guide/baking.md"),
}
PREFERENCES = {
    "device": "Learn > Settings, and the preferences",
    "face_model": "the preferences",
    "parts": "Learn > Parts",
}
BEGIN = """\
# Settings

Every setting, what it is when nobody chooses it, and where it can be chosen. [make_settings.py](make_settings.py)
writes this page from the code. The operators of Blender (`bpy.ops.aim.actor_learn`, `performance_fit`,
`performance_retarget`, `take_bake`, `take_bake_to_controls`) and Python's dataclasses
(`aim_blender.core.shared.settings`) have the settings under the names in the first column. An operator that is not
told takes the scene's; a number that cannot be 0, and `smoothness`, is left to the scene by 0. Whole numbers end at
2^31 - 1 in Blender.

*Advanced* is a closed section below the one that is named; a setting that does not count is not shown there. Presets
keep all settings of a section.
"""


def page() -> str:
    """The page's text."""
    parts = [BEGIN]
    for task, (title, section, guide) in TASKS.items():
        where = "In Blender alone" if missing(task, "*", "command line") else f"`{task}` on the command line"
        parts.append(f"\n## {title}\n\n{where}; [the guide]({guide}) says when to use them.\n")
        parts.append("\n| setting | default | may be | what it does | command line | batch | in Blender |\n")
        parts.append("| --- | --- | --- | --- | --- | --- | --- |\n")
        parts += [_row(task, section, option) for option in options_of_task(task).values()]
    parts.append("\n## What is not everywhere\n\n")
    for (task, name, surface), why in MISSING.items():
        what = "all settings of" if name == "*" else f"`{name}` of"
        parts.append(f"- {what} `{task}`, {surface}: {why}.\n")
    for (_, name), why in FOR_PYTHON.items():
        parts.append(f"- `{name}` of `learn`, for Python alone: {why}.\n")
    return "".join(parts)


def _row(task: str, section: str, option: Option) -> str:
    flags = " ".join(f"`{each}`" for each in flags_of(option))
    column = f"`{option.column}`"
    cells = (
        f"`{option.name}`",
        default_shown(task, option.name),
        _range(option),
        option.help,
        "" if missing(task, option.name, "command line") else flags,
        "" if missing(task, option.name, "batch") else column,
        f"{PREFERENCES.get(option.name) or _section(task, section, option)}: {option.label}",
    )
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |\n"


def _section(task: str, section: str, option: Option) -> str:
    advanced = [options_of(each)[option.name].advanced for each in SETTINGS[task] if option.name in options_of(each)]
    if not any(advanced):
        return section
    return f"{section} > Advanced" if all(advanced) else f"{section}, of points > Advanced"


def _range(option: Option) -> str:
    if option.kind in ("choice", "several"):
        names = ", ".join(f"`{each}`" for each in option.names)
        return f"any of {names}" if option.kind == "several" else names
    if option.kind == "flag":
        return "on, off"
    if option.kind == "file":
        return "a file, or a list in Blender"
    if option.kind == "text":
        return "a text"
    if option.kind == "frame":
        return option.range
    if option.kind == "whole" and option.default is None and not option.most < float("inf"):
        return "a frame"
    return replace(option, remark="").range


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
