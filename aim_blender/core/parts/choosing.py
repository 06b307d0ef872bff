# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pieces of a mesh an artist says something of, against what they were taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..shared.foundation.errors import InputError


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
