# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions that a character has of its own among those it is given: they count, and the others agree with them.

How strongly a face smiles, its neutral does not tell, but its own smile does: around each place, what its own shapes go
further than those they were given, others go further too, as far as they do there what those do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..correspondence.registration import HEAD, mean_radius
from ..shared.faces.expression_names import pair_expressions
from ..shared.foundation.errors import InputError
from .local_frames import between, far_apart

NODES = 200  # places where strengths are found
REACH_MM = 20.0  # around each, on a common head
LITTLE_MM = 1.0  # on a common head: a shape that moves a place by so much tells half of how strong it is there
LIKENESS = 2.0  # the power of the squared cosine between two shapes with which they are alike
NAMED = 6  # expressions, at most, that a note names
STRONGEST = 3.0  # times; more, or less than a third, is another shape of the same name


def own_expressions(
    source: Sequence[str], names: Sequence[str], shapes: np.ndarray
) -> tuple[dict[str, np.ndarray], list[str]]:
    """What a character has of its own, (V, 3) by what the source calls it, and what an artist should know of it.

    names: of shapes (K+1, V, 3), of which the first is the neutral and has no name here.
    """
    if not names:
        return {}, []
    try:
        pairs = pair_expressions(source, names)
    except InputError as error:
        return {}, [f"none of its own expressions counts: {error}"]
    left = [name for name in names if name not in pairs.values()]
    told = (
        [f"its own {', '.join(left[:NAMED])} {'is' if len(left) == 1 else 'are'} none of the source's"] if left else []
    )
    return {one: shapes[1 + names.index(other)] for one, other in pairs.items()}, told


def agreeing(points: np.ndarray, given: np.ndarray, own: Mapping[int, np.ndarray]) -> np.ndarray:
    """Offsets (N, V, 3) that agree with those which a character has of its own, and are these where it has them.

    points: (V, 3) mm its neutral. given: (N, V, 3) mm what it is given. own: by their rows in given, (V, 3) mm.
    """
    unit = mean_radius(points) / HEAD
    nodes = points[far_apart(points, NODES)]
    away = ((nodes[:, None] - points) ** 2).sum(-1) / unit**2  # (K, V)
    share = np.exp(-away / (2 * REACH_MM**2))
    share /= share.sum(1, keepdims=True)
    square = share @ (given**2).sum(-1).T  # (K, N)
    further, counted = np.zeros_like(square), np.full_like(square, (LITTLE_MM * unit) ** 2)
    for row, offsets in own.items():
        alike = (share @ (given[row] * given).sum(-1).T).clip(min=0.0)  # (K, N)
        likeness = (alike**2 / (square[:, [row]] * square).clip(min=1e-12)) ** LIKENESS
        more = share @ ((offsets - given[row]) * given[row]).sum(-1)
        # Once for how much this shape counts among others, once for how much of what it tells is true of another.
        further += likeness**2 * more[:, None]
        counted += likeness * square[:, [row]]
    strength = (1 + further / counted).clip(1 / STRONGEST, STRONGEST)
    found = given * between(strength, away, REACH_MM).T[:, :, None]
    for row, offsets in own.items():
        found[row] = offsets
    return found


def jaw_strength(given: np.ndarray, found: np.ndarray, skin_weight: np.ndarray) -> np.ndarray:
    """(N,) how much further the jaw goes in offsets found (N, V, 3) than in those given (N, V, 3), by the skin that
    goes with it, skin_weight (V, 1)."""
    along = ((found * given).sum(-1) * skin_weight[:, 0]).sum(1)
    square = ((given**2).sum(-1) * skin_weight[:, 0]).sum(1)
    return (along / square.clip(min=1e-12)).clip(0.0, STRONGEST)
