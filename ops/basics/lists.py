# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of which one entry is chosen, as panels show them."""

from __future__ import annotations

from typing import Any


def remove_active(owner: Any, entries: str, active: str) -> None:
    """Take the chosen entry off a list; the one that takes its place is chosen then.

    entries, active: the names of the owner's collection and of the number of what is chosen in it.
    """
    collection = getattr(owner, entries)
    collection.remove(getattr(owner, active))
    setattr(owner, active, max(0, min(getattr(owner, active), len(collection) - 1)))
