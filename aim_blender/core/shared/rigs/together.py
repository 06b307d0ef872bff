# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controls of a rig can be tried at once, since they move different points.

As columns of a sparse Jacobian that share no row are estimated by one difference (Curtis, Powell and Reid 1974).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TOUCHED = 1e-3  # of the farthest that a control moves a point: what it moves less counts as not moved


def touched_by(effects: np.ndarray) -> np.ndarray:
    """(C, P) which points each control moves by its effect (C, P, 3)."""
    far = np.linalg.norm(effects, axis=2)
    return np.asarray(far > TOUCHED * far.max(1, keepdims=True))


def groups_apart(touched: np.ndarray, controls: Sequence[int]) -> list[list[int]]:
    """The controls in groups of which no two move a point in common. touched: (C, P), as touched_by() has it."""
    groups: list[list[int]] = []
    taken: list[np.ndarray] = []
    for control in sorted(controls, key=lambda each: -int(touched[each].sum())):  # the widest first, for fewer groups
        own = touched[control]
        place = next((number for number, points in enumerate(taken) if not (points & own).any()), len(groups))
        if place == len(groups):
            groups.append([])
            taken.append(np.zeros_like(own))
        groups[place].append(control)
        taken[place] |= own
    return groups
