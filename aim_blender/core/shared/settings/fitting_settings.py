# SPDX-License-Identifier: GPL-3.0-or-later
"""How a performance of whole meshes is to be fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..foundation.errors import InputError
from .option import check_options, choice, flag, number, options_of, whole

LARGEST_SEED = 2**63 - 1
NEURAL: dict[str, Any] = {"needs": ("solver", "neural"), "advanced": True}


def device_field() -> Any:
    """The field of a device; a function, since tasks that are no fits have one too."""
    return choice(
        "auto",
        "Device",
        "The device on which learning and fitting run",
        ("auto", "Automatic", "Use the graphics card if torch can, else the processor"),
        ("cpu", "Processor", "Use the processor, which needs no graphics memory"),
        ("cuda", "Graphics Card", "Use the graphics card, and fail if torch cannot"),
        subject="there is no device called {}",
    )


def modes_field(default: int) -> Any:
    """The field of how many smooth functions there are."""
    return whole(
        default,
        "Modes",
        "How many smooth functions the weights of a shape are made of: more follow finer detail and cost more",
        least=1,
        most=2000,
        soft=300,
        advanced=True,
    )


def ridge_field(default: float) -> Any:
    """The field of what weights cost."""
    return number(
        default,
        "Ridge",
        "What a weight of 1 costs, as a distance: more keeps weights nearer to 0 where the data do not tell",
        unit="mm",
        least=1e-4,
        most=1e4,
        soft=10,
        advanced=True,
    )


def smoothness_field(default: float) -> Any:
    """The field of what weights cost that change."""
    return number(
        default,
        "Smoothness",
        "What a weight of 1 costs that changes across the face, as a distance: more lets the face follow as a whole",
        unit="mm",
        least=0,
        most=1e4,
        soft=100,
        advanced=True,
    )


def temporal_field(default: float = 0.0) -> Any:
    """The field of smoothing over time."""
    return number(
        default,
        "Temporal",
        "Movements that go to and fro within this many frames are halved, slower ones kept, without delay. 0 fits "
        "every frame for itself",
        unit="frames",
        least=2,
        most=1000,
        zero="to fit every frame for itself",
        soft=24,
        advanced=True,
    )


def outlier_mm_field(default: float) -> Any:
    """The field of how far a point may be off."""
    return number(
        default,
        "Outlier",
        "A point that stays further from the fit than this, and much further than the frame's others, loses its say. "
        "0 believes every point",
        unit="mm",
        least=0,
        zero="to believe all points",
        soft=20,
        advanced=True,
    )


def largest_weight_field(default: float, advanced: bool) -> Any:
    """The field of the bounds of weights."""
    return number(
        default,
        "Largest Weight",
        "Keep the weights of every point between 1 minus this and this; 1.5 is -0.5 to 1.5. 0 sets no bounds, which "
        "comes nearest to whole meshes",
        least=1,
        most=100,
        zero="to leave weights unbounded",
        soft=3,
        advanced=advanced,
    )


def contact_field(default: float = 0.0) -> Any:
    """The field of contact in fits."""
    return number(
        default,
        "Contact",
        "How much of what keeps lips and lids apart that touch in the performance, or lets them cross, is taken away: "
        "1 all of it, 0 nothing. Real meshes cross a little, too, and with 0 a take shows them as they are",
        least=0,
        most=1,
        slider=True,
        advanced=True,
        column="fit_contact",  # in a batch, contact is a retarget's
    )


def head_field() -> Any:
    """The field of whether the head moves."""
    return choice(
        "auto",
        "Head",
        "Whether the head moves",
        ("auto", "Automatic", "Look whether it moves"),
        ("free", "Moves", "Solve the head's rigid motion in every frame"),
        ("still", "Still", "Take the performance as stabilized: the head does not move"),
        advanced=True,
    )


def take_fps_field() -> Any:
    """The field of the rate of a take whose recording has times of its own."""
    return number(
        None,
        "Take Rate",
        "Of a phone's recording, or a video: frames a second of the take",
        least=1.0,
        most=1000.0,
        subject="the frame rate",
        wanted="from 1 to 1000 frames a second",
        unset="the recording's own",
        advanced=True,
    )


@dataclass(frozen=True)
class FittingSettings:
    """How to fit. What each setting does stands with it; here is what was measured.

    modes: every vertex counts alike in them: on a face with finer mesh at lids and lips the error is 0.029 mm, where
    modes by area leave 0.061 (120 modes). 140 modes come 0.002 mm nearer, but need a third more of set-up; a retarget
    is the same within 0.002 mm. largest_weight: 1.5 keeps all weights between -0.5 and 1.5, but for 0.1 or 0.2 at one
    point of 100,000 (closed_form.WeightBounds says why). No bounds fit and retarget best, at 0.031 and 0.137 mm on
    actor 3 to 11, though weights reach 7 where a shape hardly moves the skin. 1.5 gives 0.034 and 0.139, with 7.4 mm
    instead of 8.1 at the worst point; 1 gives 0.053 and 0.150 (benchmarks/fitting.py --only bounds).

    The neural solver begins with a fit in closed form, by all of these, and takes its head; with warm_start its jaw and
    weights too. One seed gives one result.
    """

    solver: str = choice(
        "closed-form",
        "Solver",
        "How the performance is fitted",
        ("closed-form", "Closed Form", "The closest fit, at many frames a second"),
        ("neural", "Neural", "The paper's networks, begun at the closed form: some tenths of a second a frame"),
        subject="there is no solver called {}",
    )
    modes: int = modes_field(120)
    ridge: float = ridge_field(0.03)
    smoothness: float = smoothness_field(0.1)
    temporal: float = temporal_field()
    outlier_mm: float = outlier_mm_field(6.0)
    largest_weight: float = largest_weight_field(0.0, advanced=False)
    head: str = head_field()
    contact: float = contact_field()
    device: str = device_field()
    coarse_from: int = whole(
        20000,
        "Coarse From",
        "Meshes of at least so many points sum up their smooth functions at few places, which is much faster and as "
        "close within 5 %. 0 sums up at every point",
        least=0,
        remark=", and 0 sums up at every point",
        soft=200000,
        advanced=True,
    )
    iterations: int = whole(
        0,
        "Iterations",
        "Passes of the neural solver over all frames; 0 leaves it to the method",
        least=0,
        remark=", and 0 leaves it to the method",
        soft=10000,
        **NEURAL,
    )
    warm_start: bool = flag(
        True,
        "Warm Start",
        "Let the neural solver begin at the jaw and the weights of the closed form, not at rest",
        subject="start from rest",
        flags=("--from-rest",),
        **NEURAL,
    )
    seed: int = whole(
        0,
        "Seed",
        "Where the random numbers of the neural solver begin; one seed gives one result",
        least=0,
        most=LARGEST_SEED,
        wanted="a whole number from 0 to 2^63 - 1",
        subject="the seed",
        **NEURAL,
    )

    def __post_init__(self) -> None:
        check_options(self)
        for name, option in options_of(type(self)).items():
            if option.needs and self.solver != option.needs[1] and getattr(self, name) != option.default:
                raise InputError(
                    f"the closed form has no {option.called.removeprefix('the ')} to choose, only the solver neural "
                    "has; leave it out, or choose that solver"
                )
