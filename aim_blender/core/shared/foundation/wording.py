# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in sentences and in lists."""

from __future__ import annotations

import re

# Excluding what opens another one: a file of nothing but brackets must not take a minute.
BRACKETED = re.compile(r"[\[(][^\[\]()]*[\])]")


def listed(names: list[str], most: int = 3) -> str:
    """Names as words: "a, b and c", the rest of more than `most` counted."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def without_brackets(name: str) -> str:
    """A name without what stands in brackets, such as its unit: `x [mm]`."""
    return " ".join(BRACKETED.sub(" ", name).split())


def natural_order(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """A sort key by which people count: `smile 9` comes before `smile 10`."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(bool(at % 2), int(part) if at % 2 else 0, part) for at, part in enumerate(parts)], name


def names_in(text: str) -> list[str]:
    """The names that a text lists, separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
