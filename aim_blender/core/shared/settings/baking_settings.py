# SPDX-License-Identifier: GPL-3.0-or-later
"""How a take is to be turned into shape keys, bones and their keyframes."""

from __future__ import annotations

from dataclasses import dataclass

from .option import check_options, number


@dataclass(frozen=True)
class BakingSettings:
    """How to bake. What each setting does stands with it; which frames are baked says Timing."""

    tolerance_mm: float = number(
        0.1,
        "Tolerance",
        "The largest error of any point in any frame that the result may have against the take. A smaller one needs "
        "more corrective shape keys",
        unit="mm",
        least=0,
        above=True,
        remark=", for example 0.1",
        subject="the tolerance",
        soft=2,
        flags=("--tolerance", "--tolerance-mm"),
    )
    reduce_keys_mm: float = number(
        0.0,
        "Reduce Keys",
        "Leave out keyframes as long as no point of any frame moves by more than this; 0 keeps one at every frame",
        unit="mm",
        least=0,
        zero="to keep a key at every frame",
        soft=1,
    )

    def __post_init__(self) -> None:
        check_options(self)
