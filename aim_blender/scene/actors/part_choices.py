# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of an actor's mesh as the panel lists them, and what an artist chooses against what they were taken for.

What was found stands in the actor's figures, what was chosen in its text `parts`, which learning takes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ...core.shared.faces.part_kinds import JOINED, KINDS, kind_of_name, read_choices, with_choice, write_choices
from ...core.shared.foundation.errors import InputError
from ..basics.records import ActorRecord


@dataclass(frozen=True)
class PartRow:
    """A part: its name, what it was called before choices, what it is in the learned actor and is chosen to be, keys
    of KINDS, and how many vertices it has."""

    name: str
    found: str
    kind: str
    chosen: str
    vertices: int

    @property
    def waits(self) -> bool:
        """Whether it counts only when the actor is learned again."""
        return self.chosen != self.kind


def part_rows(actor: ActorRecord) -> list[PartRow]:
    """The parts that were found when the actor was learned. Raises InputError if its choices cannot be read."""
    figures = json.loads(actor.figures) if actor.figures else {}
    choices = read_choices(actor.parts)
    rows = []
    for row in figures.get("parts") or []:
        found = row.get("found", row["name"])
        wanted = {choices.get(name) or kind_of_name(name) for name in found.split(JOINED)}
        chosen = wanted.pop() if len(wanted) == 1 else row["kind"]
        rows.append(PartRow(row["name"], found, row["kind"], chosen, row["vertices"]))
    return rows


def choose_part(actor: ActorRecord, name: str, kind: str) -> PartRow:
    """Choose what a part is, from the next learning on. Raises InputError if the actor has none of this name."""
    row = next((each for each in part_rows(actor) if each.name == name), None)
    if row is None or kind not in KINDS:
        known = ", ".join(each.name for each in part_rows(actor)) or "none"
        raise InputError(f"{actor.name!r} has no part {name!r}; the parts that were found are {known}")
    actor.parts = write_choices(with_choice(read_choices(actor.parts), row.found, kind))
    return next(each for each in part_rows(actor) if each.name == name)
