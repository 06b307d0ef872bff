# SPDX-License-Identifier: GPL-3.0-or-later
"""A row of the list of pairs: what was found for an expression, what the artist made of it, and how that reads.

A row is any object with the attributes of FIELDS: an item of the scene's list, or one that is kept (retarget_lists).
`found` holds what the task `pair` says of the expression (core/retargeting), as JSON; it is empty where pairs were only
listed by name. `target` is the artist's own choice: names of the target's shapes joined by " + ".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...core.shared.faces.expression_names import FOUND, JOINED
from ..basics.records import PairRow

FIELDS = ("name", "target", "left_out", "accepted", "found", "compared", "likeness")
MEANT = 0.4  # of a full weight, from which a shape of a mixture counts as one of the partners
SHOWN = 0.1  # likewise, from which it is named at all
BONE = "jaw bone"


def found_of(row: PairRow) -> dict[str, Any]:
    """What was found for the expression; empty where nothing was."""
    try:
        found = json.loads(row.found) if row.found else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_changed(row: PairRow) -> bool:
    """Whether the artist decided what it is on the target."""
    return bool(row.left_out or row.target)


def partners(row: PairRow) -> list[str]:
    """The target's shapes that are the artist's choice or, without one, those that are meant by what was found."""
    return row.target.split(JOINED) if row.target else meant(found_of(row))


def meant(found: dict[str, Any]) -> list[str]:
    """The target's shapes of what was found that are shown for a good part."""
    return [name for name, part in found.get("parts", {}).items() if part >= MEANT]


def summary(row: PairRow) -> str:
    """What an expression is on the target, in the width of a list: the shapes that count most, and the jaw bone."""
    if row.left_out:
        return "left out"
    return row.target or found_summary(found_of(row))


def found_summary(found: dict[str, Any]) -> str:
    """The same of what was found."""
    parts = sorted(found.get("parts", {}).items(), key=lambda part: -abs(part[1]))
    names = [f"{'-' if part < 0 else ''}{name}" for name, part in parts if abs(part) >= MEANT]
    names = names or [f"{'-' if part < 0 else ''}{name}" for name, part in parts[:1]]
    if found.get("bone", 0.0) > SHOWN:
        names.append(BONE)
    return JOINED.join(names) if names else "nothing alike" if found else ""


def parts(row: PairRow) -> list[tuple[str, str]]:
    """What takes part in the expression on the target, and how much of it: names and percent."""
    if row.target:
        return [(name, "whole") for name in row.target.split(JOINED)]
    found = found_of(row)
    shown = [(name, percent(part)) for name, part in found.get("parts", {}).items()]
    return [*shown, (BONE, percent(found["bone"]))] if found.get("bone", 0.0) > SHOWN else shown


def figures(row: PairRow) -> tuple[str, str]:
    """How much alike the motions are, and the share of it that is done; empty where nobody knows."""
    if row.left_out:
        return "", percent(0.0)
    if row.target:
        known = row.compared == row.target
        return f"{row.likeness:.2f}" if known else "", percent(1.0) if known else ""
    found = found_of(row)
    if not found:
        return "", ""
    alike = f"{found['agreement']:.2f}" if found["by"] != "nothing" else ""
    return alike, percent(found["done"])


def is_doubtful(row: PairRow) -> bool:
    """Whether an artist should look at it: hardly anything shows, or a name means something else there."""
    found = found_of(row)
    return not is_changed(row) and not row.accepted and bool(found.get("weak") or found.get("namesake"))


def explained(row: PairRow) -> str:
    """How the pair came about and what it is worth, as a sentence."""
    if row.left_out:
        return "left out: nothing of it shows, its jaw included"
    if row.target:
        known = f"the motions agree by {row.likeness:.2f}" if row.compared == row.target else "propose again to compare"
        return f"your choice, shown whole; {known}"
    found = found_of(row)
    if not found:
        return "the other shapes in the list show what they can of it"
    alike = f"the motions agree by {found['agreement']:.2f}"
    if found["by"] == "nothing":
        told = "nothing on the target moves like it; choose a shape if one is meant"
    elif found["by"] == "name":
        told = f"paired by name; {alike}"
    else:
        told = f"found by motion: {percent(found['done'])} of it is done; {alike}"
    if found.get("namesake"):
        told += f"; the target's {found['namesake']} does something else"
    return told


def chosen(rows: Sequence[PairRow], proposed: bool) -> dict[str, str] | None:
    """The artist's pairs as core/expression_names.chosen_partners takes them; None pairs by what is found alone.

    proposed: whether the others of these rows are to be found again, as they were for the proposal; else they have no
    partner.
    """
    own = {row.name: "" if row.left_out else row.target for row in rows if is_changed(row)}
    if proposed:
        return {FOUND: FOUND, **own} if own else None
    return own if rows else None


def percent(share: float) -> str:
    """A share as a sentence has it."""
    return f"{100 * share:.0f} %"
