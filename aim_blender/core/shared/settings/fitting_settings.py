# SPDX-License-Identifier: GPL-3.0-or-later
"""How a performance of whole meshes is to be fitted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

from ..foundation.errors import InputError

SOLVERS = ("closed-form", "neural")
HEADS = ("auto", "free", "still")
REST_CHOICES = ("auto", "off")
POINT_CHOICES = ("rest_frame",)  # of fits to points, which whole meshes have not
PHONE_CHOICES = ("gains", "take_fps", "keep_timecode")  # of recordings of a phone, which have rest_frame too
POINT_SUFFIXES = (".json", ".csv")  # of performances that are sparse points
NEURAL_CHOICES = {"iterations": "iterations", "warm_start": "start from rest", "seed": "seed"}  # which only it knows
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class FittingSettings:
    """How to fit.

    modes: number M of smooth functions; more follow finer detail and cost more. Every vertex counts alike in them: on a
    face with finer mesh at lids and lips the error is 0.029 mm, where modes by area leave 0.061 (120 modes). ridge:
    what a weight of 1 everywhere costs, as a distance in mm: keeps weights small where the data do not tell.
    smoothness: what a weight costs that changes across the face, in mm. 140 modes come 0.002 mm nearer, but need a
    third more of set-up; a retarget is the same within 0.002 mm. temporal: movements that go to and fro within this
    many frames are halved, slower ones kept, without delay; 0 fits every frame for itself. outlier_mm: a point that
    stays further from the fit than this, and much further than the frame's others, loses its say; 0 believes every
    point. largest_weight: no weight of any point is larger than this, or less than 1 minus this: 1.5 keeps all between
    -0.5 and 1.5, but for 0.1 or 0.2 at one point of 100,000 (closed_form.WeightBounds says why). 0 sets no bounds,
    which fits and retargets best, at 0.031 and 0.137 mm on actor 3 to 11, though weights reach 7 where a shape hardly
    moves the skin. 1.5 gives 0.034 and 0.139, with 7.4 mm instead of 8.1 at the worst point; 1 gives 0.053 and 0.150
    (benchmarks/fitting.py --only bounds).
    head: free solves the head's rigid motion for every frame, still takes the performance as stabilized, auto looks
    whether it moves.

    The neural solver begins with a fit in closed form, by all of these, and takes its head; with warm_start its jaw and
    weights too. iterations: its passes over all frames, 0 leaves it to the method. One seed gives one result.
    """

    solver: str = "closed-form"
    modes: int = 120
    ridge: float = 0.03
    smoothness: float = 0.1
    temporal: float = 0.0
    outlier_mm: float = 6.0
    largest_weight: float = 0.0
    head: str = "auto"
    device: str = "auto"
    iterations: int = 0
    warm_start: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise InputError(f"there is no solver called {self.solver!r}; it must be {' or '.join(SOLVERS)}")
        check_choices(self)
        if self.iterations < 0:
            raise InputError(f"iterations is {self.iterations}; it must be 0 or more, and 0 leaves it to the method")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"the seed is {self.seed}; it must be a whole number from 0 to 2^63 - 1")
        chosen = [item.name for item in fields(self) if getattr(self, item.name) != item.default]
        if self.solver == "closed-form" and (idle := [name for name in chosen if name in NEURAL_CHOICES]):
            raise InputError(
                f"the closed form has no {NEURAL_CHOICES[idle[0]]} to choose, only the solver neural has; leave it "
                "out, or choose that solver"
            )


class Choices(Protocol):
    """What every kind of fit can choose."""

    @property
    def modes(self) -> int: ...
    @property
    def ridge(self) -> float: ...
    @property
    def smoothness(self) -> float: ...
    @property
    def head(self) -> str: ...
    @property
    def temporal(self) -> float: ...
    @property
    def largest_weight(self) -> float: ...
    @property
    def outlier_mm(self) -> float: ...


def check_choices(chosen: Choices) -> None:
    """Raise InputError unless these can be used."""
    if chosen.head not in HEADS:
        raise InputError(f"head is {chosen.head!r}; it must be one of {', '.join(HEADS)}")
    if not 1 <= chosen.modes <= 2000:
        raise InputError(f"modes is {chosen.modes}; it must be between 1 and 2000")
    if not 1e-4 <= chosen.ridge <= 1e4:
        raise InputError(f"ridge is {chosen.ridge:g}; it must be a distance between 0.0001 and 10000 mm")
    if not 0 <= chosen.smoothness <= 1e4:
        raise InputError(f"smoothness is {chosen.smoothness:g}; it must be a distance between 0 and 10000 mm")
    if not (chosen.temporal == 0 or 2 <= chosen.temporal <= 1000):
        raise InputError(f"temporal is {chosen.temporal:g}; it must be 0, or from 2 to 1000 frames")
    if not (chosen.largest_weight == 0 or 1 <= chosen.largest_weight <= 100):
        raise InputError(
            f"largest_weight is {chosen.largest_weight:g}; it must be from 1 to 100, or 0 to leave weights unbounded"
        )
    if not chosen.outlier_mm >= 0:
        raise InputError(
            f"outlier_mm is {chosen.outlier_mm:g}; it must be a distance in mm, or 0 to believe all points"
        )


def check_rest_frame(chosen: int | str) -> None:
    """Raise InputError unless this says of a rest frame whether and where it is."""
    if isinstance(chosen, bool) or not (isinstance(chosen, int) or chosen in REST_CHOICES):
        raise InputError(f"rest_frame is {chosen!r}; it must be {' or '.join(REST_CHOICES)}, or the number of a frame")
