# SPDX-License-Identifier: GPL-3.0-or-later
"""How an actor is to be learned."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal, get_args

from ..foundation.wording import names_in
from .fitting_settings import LARGEST_SEED, device_field
from .option import check_options, choice, flag, number, several, text, whole

Activation = Literal["siren", "gelu", "relu"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
Space = Literal["separated", "mean", "neutral", "intrinsic"]
SPACES: tuple[Space, ...] = get_args(Space)


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
    """How to learn. What each setting does stands with it. One seed, device and thread count give one result.

    On a CUDA device only: graphed captures the whole step as a graph; mixed_precision lets the hidden layers of e_i, an
    offset, compute in TF32 while nothing else learns.
    """

    iterations: int = whole(
        500,
        "Iterations",
        "How many steps learning takes at most; it stops when it has converged. More take longer and come closer",
        least=1,
        soft=10000,
    )
    batch_points: int = whole(
        2048, "Batch Points", "How many points of the skin each step looks at", least=16, soft=8192, advanced=True
    )
    hidden: int = whole(
        256,
        "Network Width",
        "How wide the networks are. Wider ones learn finer detail more slowly",
        least=4,
        soft=512,
    )
    depth: int = whole(3, "Depth", "How many hidden layers the networks have", least=1, soft=8, advanced=True)
    activation: Activation = choice(
        "siren",
        "Activation",
        "What the networks are made of; the sine is the method's own, the others are for comparison",
        ("siren", "Sine", "The sine, which learns fine detail best"),
        ("gelu", "GELU", "For comparison"),
        ("relu", "ReLU", "For comparison"),
        subject="the activation {} does not exist",
        advanced=True,
    )
    frequency: float = number(
        20.0,
        "Frequency",
        "How fine the detail is that the networks begin with: the factor in their sine",
        least=0,
        above=True,
        remark=", for example 20",
        subject="the frequency",
        soft=60,
        needs=("activation", "siren"),
        advanced=True,
    )
    space: Space = choice(
        "separated",
        "Space",
        "The space that is learned in",
        ("separated", "Lips and Lids Apart", "The mean shape, with lips and lids kept apart"),
        ("mean", "Mean", "The mean shape, for comparison"),
        ("neutral", "Neutral", "The neutral, for comparison"),
        ("intrinsic", "Intrinsic", "Smooth functions on the surface, for comparison"),
        subject="there is no space called {} to learn in",
        advanced=True,
    )
    learning_rate: float = number(
        2e-3,
        "Learning Rate",
        "How far the optimiser goes in a step, at first",
        least=0,
        above=True,
        remark=", for example 0.002",
        subject="the learning rate",
        soft=0.01,
        advanced=True,
    )
    optimiser: str = choice(
        "auto",
        "Optimiser",
        "How the networks are stepped towards the meshes",
        ("auto", "Automatic", "Orthogonal for networks that are at least 128 wide, Adam for narrower ones"),
        ("orthogonal", "Orthogonal", "Hidden layers move alike in all directions, which takes wide ones fewer steps"),
        ("adam", "Adam", "Every number is stepped for itself, which suits narrow networks"),
        subject="the optimiser {} does not exist",
        needs=("activation", "siren"),
        advanced=True,
    )
    weights: LossWeights = field(default_factory=LossWeights)
    without: tuple[str, ...] = several(
        "Without",
        "Parts of the method to leave out, for comparison",
        ("anatomy", "Anatomy", "Do not use the bones"),
        ("thickness", "Thickness", "Do not keep the soft tissue thin where nothing is known about it"),
        ("skinning", "Skinning", "Do not hold the parts still that the jaw never moves"),
        ("symmetry", "Symmetry", "Do not ask for symmetric bones"),
        subject="loss",
        remark=" to leave out",
        advanced=True,
    )
    keep_shapes: str = text(
        "Keep Shapes",
        "Shapes to learn although they are copies of others, others at less strength, or show nothing: their names, "
        "separated by commas, or all. Without it they are named and left out; shapes that hide the head always are",
    )
    parts: str = text(
        "Parts",
        "What parts of the mesh are, where they were taken for something else, for example skull_1=still, 17039=bends: "
        "a part's name or the number of one of its vertices, and turns, skull, jaw, follows, bends or still",
        advanced=True,
    )
    seed: int = whole(
        0,
        "Seed",
        "Where the random numbers begin; one seed, device and thread count give one result",
        least=0,
        most=LARGEST_SEED,
        wanted="a whole number from 0 to 2^63 - 1",
        subject="the seed",
        advanced=True,
    )
    device: str = device_field()
    threads: int = whole(
        0,
        "Threads",
        "How many threads of the processor to use; 0 measures how many are fastest now",
        least=0,
        remark=", and 0 measures how many are fastest",
        soft=32,
        advanced=True,
    )
    graphed: bool = flag(
        True,
        "CUDA Graph",
        "On a graphics card: record the whole step once and replay it, which is faster",
        advanced=True,
    )
    mixed_precision: bool = flag(
        True,
        "Mixed Precision",
        "On a graphics card: let the offsets' hidden layers compute in TF32 while nothing else learns",
        advanced=True,
    )

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def kept_shapes(self) -> tuple[str, ...]:
        """The names that keep_shapes lists."""
        return tuple(names_in(self.keep_shapes))

    @property
    def active_weights(self) -> LossWeights:
        """The weights with what is left out set to 0."""
        return dataclasses.replace(self.weights, **dict.fromkeys(self.without, 0.0))
