# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist says of parts, against what they were taken for: `skull_2=follows, 17039=still`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..shared.foundation.errors import InputError
from .parts import KINDS


def read_choices(text: str) -> dict[str, str]:
    """{a part's name, or the number of one of its vertices: a key of KINDS} of a text. Raises InputError if it is none
    such."""
    found = {}
    for each in filter(None, (each.strip() for each in text.replace(";", ",").split(","))):
        name, _, kind = (word.strip() for word in each.partition("="))
        if not name or kind not in KINDS:
            raise InputError(
                f"{each!r} says nothing of a part; write a part's name, or the number of one of its vertices, an "
                f"equals sign, and one of {', '.join(KINDS)}, for example skull_1=still"
            )
        found[name] = kind
    return found


def pieces_chosen(choices: Mapping[str, str], pieces: Sequence[np.ndarray], names: Sequence[str]) -> dict[int, str]:
    """{which of the pieces: a key of KINDS}. pieces: the vertices of each, the skin first. names: of the part that each
    was taken for, "" for the skin. Raises InputError if a name or vertex is of no part."""
    chosen: dict[int, str] = {}
    for name, kind in choices.items():
        found = [index for index, each in enumerate(names) if each == name and each]
        if name.isdigit():
            found = [index for index, piece in enumerate(pieces) if index and int(name) in piece]
        if not found:
            known = ", ".join(dict.fromkeys(filter(None, names))) or "none"
            raise InputError(
                f"there is no part called {name}, and no vertex of that number in one; the parts that were found are "
                f"{known}"
            )
        chosen |= dict.fromkeys(found, kind)
    return chosen
