# SPDX-License-Identifier: GPL-3.0-or-later
"""How far lips and lids are apart by what a phone recorded: weights tell what an actor's shapes only come near to.

A phone's lips are closed where mouthClose takes back what jawOpen opens and nothing else parts them, its lids where a
blink has gone all its way. How far each shape goes, the demo head's motions at the actor's margins say.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..contact.contact import Contact
from ..contact.slits import Side, Slit
from ..geometry.skinning import linear_blend_skinning
from ..shared.faces.arkit_names import JAW, SHAPES, motion_of
from .phone_guide import Guide

BY_THE_JAW = (*JAW, "mouthClose")
TOUCHING = ("mouthClose", "mouthPressLeft", "mouthPressRight", "mouthRollLower", "mouthRollUpper")  # ask lips to touch
ASKED = 0.1  # of a weight of theirs, from where lips are asked
CLOSED_MM, NEARLY_MM = 0.45, 1.0  # a gap that asked lips have which stand apart by less than this in the neutral
LEAST_GAP_MM = 1.0  # of lids at rest on the demo head, beside which a share tells something
Gaps = Callable[[Contact], dict[str, np.ndarray]]


def gaps_by_weights(guide: Guide, neutral: np.ndarray, opened: np.ndarray, weights: np.ndarray) -> Gaps:
    """What gives {slit: (F, C) mm} the gaps that weights (F, 52) mean; none where nothing is known of the face.

    guide: at the working mesh, of neutral (W, 3) mm. opened: (1, 4, 4) the jaw at a full jawOpen.
    """

    def gaps(contact: Contact) -> dict[str, np.ndarray]:
        if not guide.known:
            return {}
        rest = {name: each[0] for name, each in contact.measured_in_shapes().items()}
        found = {}
        for slit in contact.slits:
            change = np.zeros((len(weights), slit.columns))
            for side, sign in ((slit.upper, 1.0), (slit.lower, -1.0)):
                change += sign * _in_columns(_raised(guide, side.margin, weights), side, slit)
            if slit.name == "lips":
                found[slit.name] = (
                    _at_rest(rest[slit.name], slit.unit, weights)
                    + change
                    + _opened(slit, neutral, opened, guide, weights)
                )
            else:
                apart = _in_columns(guide.neutral[None, slit.upper.margin] @ guide.axes[1], slit.upper, slit)
                apart = apart - _in_columns(guide.neutral[None, slit.lower.margin] @ guide.axes[1], slit.lower, slit)
                left = 1.0 + change.sum(1) / apart.sum().clip(min=LEAST_GAP_MM * slit.columns)
                found[slit.name] = rest[slit.name] * left[:, None].clip(min=0.0)
        return found

    return gaps


def _at_rest(rest: np.ndarray, unit: float, weights: np.ndarray) -> np.ndarray:
    """(F, C) mm how far lips are apart that nothing parts: as at rest (C,), but that asked to touch they do."""
    asked = (weights[:, [SHAPES.index(shape) for shape in TOUCHING]].max(1) / ASKED).clip(0.0, 1.0)[:, None]
    closed = np.where(rest < NEARLY_MM * unit, np.minimum(rest, CLOSED_MM * unit), rest)
    return (1.0 - asked) * rest + asked * closed


def _raised(guide: Guide, margin: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(F, M) mm by which weights (F, 52) raise vertices of a margin (M,), but for the jaw and what takes it back."""
    found = np.zeros((len(weights), len(margin)))
    for column, shape in enumerate(SHAPES):
        motion = motion_of(shape)
        if motion not in BY_THE_JAW and motion in guide.motions and weights[:, column].any():
            side = guide.side(shape.removeprefix(motion))
            found += weights[:, [column]] * (side[margin] * (guide.motions[motion][margin] @ guide.axes[1]))
    return found


def _opened(slit: Slit, neutral: np.ndarray, opened: np.ndarray, guide: Guide, weights: np.ndarray) -> np.ndarray:
    """(F, C) mm by which the jaw (1, 4, 4) parts the lips as far as mouthClose does not take it back."""
    lip = neutral[slit.lower.margin]
    down = (linear_blend_skinning(lip, opened, np.ones((len(lip), 1))) - lip) @ guide.axes[1]  # (1, M)
    opening = weights[:, SHAPES.index("jawOpen")] - weights[:, SHAPES.index("mouthClose")]
    return np.asarray(-opening.clip(min=0.0)[:, None] * _in_columns(down, slit.lower, slit))


def _in_columns(values: np.ndarray, side: Side, slit: Slit) -> np.ndarray:
    """(F, C) what vertices of a margin have, (F, M), in the middle of each column."""
    order = np.argsort(slit.across[side.margin])
    across = slit.across[side.margin][order]
    return np.stack([np.interp(np.arange(slit.columns), across, row[order]) for row in values])
