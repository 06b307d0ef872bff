# SPDX-License-Identifier: GPL-3.0-or-later
"""How a take is solved for the controls of a rig, and where its keys go."""

from __future__ import annotations

from dataclasses import dataclass

from ..foundation.errors import InputError
from .option import check_options, choice, number, whole


@dataclass(frozen=True)
class RigSettings:
    """How the controls are solved for. What each setting does stands with it."""

    loss: float = number(
        0.04,
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


@dataclass(frozen=True)
class LayerSettings:
    """Where the keys of a take go on a rig. What each setting does stands with it."""

    onto: str = choice(
        "action",
        "Onto",
        "Where the keys go",
        ("action", "Action", "Into the rig's action, or a copy of it"),
        ("replace", "Layer, Replacing", "Onto a new NLA track that replaces what is below in the take's frames"),
        ("add", "Layer, Adding", "Onto a new NLA track that adds to what is below in the take's frames"),
    )
    blend_in: int = whole(0, "Blend In", "Over how many frames a layer comes in", least=0, soft=50, unit="frames")
    blend_out: int = whole(0, "Blend Out", "Over how many frames a layer goes out", least=0, soft=50, unit="frames")
    start: int | None = whole(None, "Start", "The first frame of the take that is wanted", unset="the first there is")
    end: int | None = whole(None, "End", "The last frame of the take that is wanted", unset="the last there is")

    def __post_init__(self) -> None:
        check_options(self)
        if self.start is not None and self.end is not None and self.end < self.start:
            raise InputError(f"the frame range starts at {self.start} and ends at {self.end}; the end must be later")
