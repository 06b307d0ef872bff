# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: made unique, put in order, listed in a sentence."""

from __future__ import annotations

import re


def unique_name(name: str, taken: list[str]) -> str:
    """The name, with a number behind it if it is taken."""
    if name not in taken:
        return name
    number = 2
    while f"{name} {number}" in taken:
        number += 1
    return f"{name} {number}"


def listed(names: list[str]) -> str:
    """At most three names, and how many more."""
    if len(names) <= 3:
        return ", ".join(names)
    return ", ".join(names[:3]) + f" and {len(names) - 3} more"


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts `smile 9` before `smile 10`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"(\d+)", name) if part]
