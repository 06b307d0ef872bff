# SPDX-License-Identifier: GPL-3.0-or-later
"""How a take is to be carried to another actor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..foundation.errors import InputError


@dataclass(frozen=True)
class RetargetSettings:
    """How to retarget.

    strength: of everything but the head; 0 is the target's neutral. jaw_strength: of the jaw, times strength. head:
    whether the head moves. region_strength: (V,) of the expressions at each point, times strength; the jaw is one bone
    and keeps its own. pairs: {source expression: target expression, or several joined by " + "}; what an expression
    does that is not in it, those in it imitate; of one that is given "" nothing shows, its jaw included. None pairs by
    name and by what the expressions do. neutral_frame: a frame of the take in which the performer's face rests; what it
    shows there is taken off every frame, so that the target rests in its own neutral (the neutral offset). None takes
    nothing off.

    settling: how much weights that the source does not determine are drawn to the shape's weight over the whole face. A
    weight is undetermined where the source's shape moves little; if the target's moves much there, it would show.

    Measured on learned actors (benchmarks/retargeting.py, 100 frames, mean error on the target in mm), actor 3 to 11
    and back: 0.131 and 0.138. Carrying the weights of e_i and, apart from them, the jaw gave 0.152 and 0.150 at best,
    with the jaw written in the span of the source's jaws and rebuilt from the target's, and 0.28 with the jaw as it is.
    With jaw_open, 3, 6 and 10 of the 19 shapes unpaired, 3 to 11: 0.157, 0.309, 0.361, 0.630; leaving out all that they
    do gave 0.456, 0.464, 0.786 and 1.151. Imitating without bounds gave 0.147, 0.206, 0.230 and 0.486 between these two
    of one family, and torn faces between strangers.
    """

    strength: float = 1.0
    jaw_strength: float = 1.0
    head: bool = True
    region_strength: np.ndarray | None = None
    pairs: Mapping[str, str] | None = None
    neutral_frame: int | None = None
    settling: float = 0.002

    def __post_init__(self) -> None:
        for name in ("strength", "jaw_strength", "settling"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise InputError(f"{name.replace('_', ' ')} is {value:g}; it must be 0 or more, and 1 is as performed")
