# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a mesh beside its skin, and what each was taken for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

MOST_LISTED = 4  # parts of a kind, each by its name


@dataclass(frozen=True, eq=False)
class Parts:
    """The P parts of a mesh of V vertices.

    names: of the parts. kinds: keys of part_kinds.KINDS. part_of: (V,) int32 which part a vertex is of, -1 for the
    skin. centres: (P, 3) float64 mm, what an eyeball turns about; of other parts their middle. axes: (3, 3) rows: the
    face's left, up and front. found: what each was called before an artist's choices counted, where that differs from
    its name, else ""; none at all if there were no choices.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    part_of: np.ndarray
    centres: np.ndarray
    axes: np.ndarray
    found: tuple[str, ...] = ()

    def of(self, *kinds: str) -> np.ndarray:
        """(V,) bool: the vertices of the parts of some kinds."""
        asked = np.array([kind in kinds for kind in self.kinds] + [False])
        return asked[self.part_of]

    @cached_property
    def apart(self) -> np.ndarray:
        """(V,) bool: the vertices on which no network and no mode is spent."""
        return (self.part_of >= 0) & ~self.of("bends")

    @cached_property
    def rigid(self) -> np.ndarray:
        """(V,) bool: the vertices of parts that never change their form."""
        return self.apart & ~self.of("follows")

    @cached_property
    def eyes(self) -> np.ndarray:
        """(E,) which of the parts turn."""
        return np.flatnonzero([kind == "turns" for kind in self.kinds])

    @cached_property
    def eye_of(self) -> np.ndarray:
        """(V,) which of the E eyes each vertex is of, -1 for none."""
        row = np.full(len(self.kinds) + 1, -1)
        row[self.eyes] = np.arange(len(self.eyes))
        return row[self.part_of]

    @property
    def eye_centres(self) -> np.ndarray:
        """(E, 3) mm what the eyes turn about."""
        return self.centres[self.eyes]

    @property
    def eye_names(self) -> tuple[str, ...]:
        """Of the E eyes."""
        return tuple(self.names[part] for part in self.eyes)

    def some(self, kept: Sequence[bool]) -> Parts | None:
        """Those of the P parts that are kept, the others taken for skin; None if none is."""
        parts = [part for part, keep in enumerate(kept) if keep]
        if not parts:
            return None
        number = np.full(len(self.names) + 1, -1, dtype=np.int32)
        number[parts] = np.arange(len(parts))
        names, kinds = (tuple(each[part] for part in parts) for each in (self.names, self.kinds))
        found = tuple(self.found[part] for part in parts) if self.found else ()
        return Parts(names, kinds, number[self.part_of], self.centres[parts], self.axes, found)

    def rows(self) -> list[dict[str, Any]]:
        """What was found, a part a row: its name, what it was taken for, what choices call it, and how many vertices it
        has."""
        counts = np.bincount(self.part_of[self.part_of >= 0], minlength=len(self.names))
        before = self.found or ("",) * len(self.names)
        return [
            {"name": name, "kind": kind, "found": found or name, "vertices": int(count)}
            for name, kind, found, count in zip(self.names, self.kinds, before, counts, strict=True)
        ]

    def note(self) -> str:
        """One sentence that lists them, those of a kind together where there are many, as hair has."""
        rows, told = self.rows(), []
        for _, group in itertools.groupby(rows, key=lambda row: row["kind"]):
            of_kind = list(group)
            if len(of_kind) > MOST_LISTED:
                vertices = sum(row["vertices"] for row in of_kind)
                of_kind = [{"name": f"{of_kind[0]['name']} to {of_kind[-1]['name']}", "vertices": vertices}]
            told += [f"{row['name']} ({row['vertices']} vertices)" for row in of_kind]
        listed = ", ".join(told)
        return f"parts were found beside the skin: {listed}; what a name begins with is what the part was taken for"
