# SPDX-License-Identifier: GPL-3.0-or-later
"""Places of a face where a detector has seen them, for a face at rest, whose shapes do not tell: docs/model.md (43)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Pair = tuple[int | None, int | None]
FARTHEST_MM = 6.0  # of a typical adult: a place without a vertex so near is none of the mesh


def at_seen(known: Pair, names: tuple[str, str], seen: Mapping[str, np.ndarray], at: np.ndarray, rest: bool) -> Pair:
    """Two vertices that may be known, or those nearest to where names are seen, if both are and differ.

    at: (U, 3) the vertices, as seen places (3,) in the frame of the head; not numbers where they are not seen from in
    front. rest: whether nothing but the mesh at rest told of what is known, so that what is seen is better.
    """
    if not rest and known[0] is not None and known[1] is not None:
        return known
    found = []
    for name in names:
        off = np.linalg.norm(at - seen[name], axis=1) if name in seen else np.array([np.nan])
        if not (off < FARTHEST_MM).any():
            return known
        found.append(int(np.nanargmin(off)))
    return (found[0], found[1]) if found[0] != found[1] else known
