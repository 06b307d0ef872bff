# SPDX-License-Identifier: GPL-3.0-or-later
"""How an actor is to be learned."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Literal

from ..foundation.errors import InputError

SWITCHES = ("anatomy", "thickness", "skinning", "symmetry")
Activation = Literal["siren", "gelu", "relu"]
ACTIVATIONS: tuple[Activation, ...] = ("siren", "gelu", "relu")
Space = Literal["separated", "mean", "neutral", "intrinsic"]
SPACES: tuple[Space, ...] = ("separated", "mean", "neutral", "intrinsic")


@dataclass(frozen=True)
class LossWeights:
    """The weight of each loss; 0 switches it off."""

    shapes: float = 1.0  # L_S
    anatomy: float = 1.0  # L_A
    thickness: float = 7.5e-4  # L_D
    skinning: float = 1e2  # L_K
    symmetry: float = 1e-2  # L_Sym; the paper's 1e-4 is of squared units
    jaw_share: float = 2e1  # L_J, ours: k as the jaw's motion shows it


@dataclass(frozen=True)
class LearningSettings:
    """How to learn.

    iterations: optimiser steps at most; it stops when converged. batch_points: skin points a step. without: losses to
    leave out, of anatomy, thickness, skinning, symmetry. threads: of the CPU; 0 measures which count is fastest now.
    One seed, device and thread count give one result.

    On a CUDA device only: graphed captures the whole step as a graph; mixed_precision lets the hidden layers of e_i, an
    offset, compute in TF32 while nothing else learns.
    """

    iterations: int = 2000
    batch_points: int = 2048
    hidden: int = 256
    depth: int = 3
    activation: Activation = "siren"
    frequency: float = 20.0
    space: Space = "separated"
    learning_rate: float = 2e-3
    weights: LossWeights = field(default_factory=LossWeights)
    without: tuple[str, ...] = ()
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    graphed: bool = True
    mixed_precision: bool = True

    def __post_init__(self) -> None:
        unknown = [name for name in self.without if name not in SWITCHES]
        if unknown:
            raise InputError(f"there is no loss called {unknown[0]!r} to leave out; there are {', '.join(SWITCHES)}")
        if self.space not in SPACES:
            raise InputError(f"there is no space called {self.space!r} to learn in; there are {', '.join(SPACES)}")
        for name, least in (("iterations", 1), ("batch_points", 16), ("hidden", 4), ("depth", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if not 0 < self.frequency < math.inf:
            raise InputError(f"the frequency is {self.frequency:g}; it must be more than 0, for example 20")

    @property
    def active_weights(self) -> LossWeights:
        """The weights with what is left out set to 0."""
        return dataclasses.replace(self.weights, **dict.fromkeys(self.without, 0.0))
