# SPDX-License-Identifier: GPL-3.0-or-later
"""Names made unique."""

from __future__ import annotations


def unique_name(name: str, taken: list[str]) -> str:
    """The name, with a number behind it if it is taken."""
    if name not in taken:
        return name
    number = 2
    while f"{name} {number}" in taken:
        number += 1
    return f"{name} {number}"
