# SPDX-License-Identifier: GPL-3.0-or-later
"""How a take is to be carried to another actor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .option import check_options, file, flag, number, whole

if TYPE_CHECKING:
    import numpy as np  # which the help of the command line does without


@dataclass(frozen=True)
class RetargetSettings:
    """How to retarget. What each setting does stands with it; here is more, and what was measured.

    region_strength: (V,) of the expressions at each point, times strength; the jaw is one bone and keeps its own.
    pairs: {source expression: target expression, or several joined by " + "}; what an expression does that is not in
    it, those in it imitate; of one that is given "" nothing shows, its jaw included. None pairs by name and by what the
    expressions do. neutral_frame: the neutral offset; None takes nothing off. settling: a weight is undetermined where
    the source's shape moves little; if the target's moves much there, it would show.

    Measured on learned actors (benchmarks/retargeting.py, 100 frames, mean error on the target in mm), actor 3 to 11
    and back: 0.128 and 0.131. Carrying the weights of e_i and, apart from them, the jaw gave 0.152 and 0.150 at best,
    with the jaw written in the span of the source's jaws and rebuilt from the target's, and 0.28 with the jaw as it is.
    With jaw_open, 3, 6 and 10 of the 19 shapes unpaired, 3 to 11: 0.157, 0.309, 0.361, 0.630; leaving out all that they
    do gave 0.456, 0.464, 0.786 and 1.151. Imitating without bounds gave 0.147, 0.206, 0.230 and 0.486 between these two
    of one family, and torn faces between strangers.
    """

    strength: float = number(
        1.0,
        "Strength",
        "How strongly the target performs: 1 as it was performed, 0 not at all. The head is not concerned",
        least=0,
        remark=", and 1 is as performed",
        soft=1.5,
        slider=True,
    )
    jaw_strength: float = number(
        1.0,
        "Jaw",
        "How far the target's jaw opens, beside the strength of all: 1 as far as it was performed, in the target's own "
        "range",
        least=0,
        remark=", and 1 is as performed",
        subject="jaw strength",
        soft=1.5,
        slider=True,
    )
    head: bool = flag(
        True,
        "Head Motion",
        "Let the target's head move as the performer's did",
        words=("on", "off"),
        column="head_motion",  # in a batch, head is a fit's
    )
    region_strength: np.ndarray | None = file(
        "Regions", "How strongly the expressions show at each vertex: an .npz file with `strength`", argument="regions"
    )
    pairs: Mapping[str, str] | None = file(
        "Expressions",
        "Which expressions belong together, {source name: target name}, instead of pairing by name; an empty name "
        "leaves one out",
    )
    neutral_frame: int | None = whole(
        None,
        "Rest Frame",
        "A frame of the take in which the performer's face rests: what it shows there is taken off every frame, so "
        "that the target rests in its own neutral",
        unset="nothing is taken off",
    )
    contact: float = number(
        1.0,
        "Contact",
        "How much of what keeps the target's lips and lids apart where the performer's touch, or lets them cross, is "
        "taken away: 1 all of it, 0 nothing",
        least=0,
        most=1,
        slider=True,
    )
    settling: float = number(
        0.002,
        "Settling",
        "How much weights that the performance leaves open are drawn to the shape's weight over the whole face",
        least=0,
        soft=0.1,
        advanced=True,
    )

    def __post_init__(self) -> None:
        check_options(self)
