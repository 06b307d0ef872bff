# SPDX-License-Identifier: GPL-3.0-or-later
"""How a take is solved for the controls of a rig."""

from __future__ import annotations

from dataclasses import dataclass

from .option import check_options, number, whole


@dataclass(frozen=True)
class RigSettings:
    """How the controls are solved for. What each setting does stands with it."""

    loss: float = number(
        0.06,
        "Sparsity",
        "By what share the error may grow so that fewer controls are at work; 0 uses whatever helps",
        least=0,
        most=1,
        slider=True,
    )
    smoothing: float = number(
        0.002,
        "Smoothing",
        "What a change from frame to frame costs, beside an error of the same size; 0 solves each frame by itself",
        least=0,
        most=10,
        soft=0.1,
    )
    rounds: int = whole(
        2,
        "Rounds",
        "How often the rig is asked again where it does not do what was foreseen, as bones that turn far",
        least=0,
        most=10,
    )

    def __post_init__(self) -> None:
        check_options(self)
