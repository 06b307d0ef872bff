# SPDX-License-Identifier: GPL-3.0-or-later
"""Apple's GPU (torch's device mps) learns only where it was seen to learn what the processor learns, and faster.

The plain twin is the same learner on the processor, which takes over where the two differ.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch

from .graphed_step import first_cause
from .schedule import PHASES, Schedule

STEPS = 3  # of each phase: the first ones may load kernels, so the last one is timed
TOLERANCE = 1e-2  # of a loss after these steps; rounding in another order moves it by less than a thousandth
PROCESSOR = torch.device("cpu")


class Stepping(Protocol):
    """What a Learner is, as far as it is tried here."""

    schedule: Schedule

    def step(self) -> object:
        """Do the next step."""

    def read_curve(self, phase: str) -> dict[str, float]:
        """The mean of the distance and of every loss of a phase since it was last asked."""
        ...


Learner = TypeVar("Learner", bound=Stepping)


def trusted_learner(make: Callable[[torch.device], Learner], device: torch.device) -> tuple[Learner, str]:
    """A learner on the device, or on the processor and why, as a sentence; the sentence is empty if it is the device.

    make: a new learner on a device. Only mps is doubted: CUDA's results are tested where there is such a card.
    """
    if device.type != "mps":
        return make(device), ""
    why = doubts(make, device)
    return (make(PROCESSOR), f"learning ran on the processor, because {why}") if why else (make(device), "")


def doubts(make: Callable[[torch.device], Stepping], device: torch.device) -> str:
    """Why learners on the device should not be used, as the end of a sentence; empty if there is no reason."""
    try:
        theirs, seconds = _some_steps(make(device))
    except (RuntimeError, TypeError) as error:  # TypeError: a float64 that mps does not have
        cause = first_cause(error) if isinstance(error, RuntimeError) else str(error).splitlines()[0]
        return f"Apple's graphics failed at its first steps ({cause})"
    ours, plain_seconds = _some_steps(make(PROCESSOR))
    for name, value in ours.items():
        off = abs(theirs[name] - value)
        if not math.isfinite(theirs[name]) or off > TOLERANCE * abs(value):
            return f"Apple's graphics found {theirs[name]:.4g} as {name} and the processor {value:.4g}"
    if seconds > plain_seconds:
        return f"a step took Apple's graphics {1000 * seconds:.0f} ms and the processor {1000 * plain_seconds:.0f} ms"
    return ""


def _some_steps(learner: Stepping) -> tuple[dict[str, float], float]:
    """The means of all losses over some steps of each phase, by phase and name, and the seconds that three steps took,
    one of each phase."""
    found: dict[str, float] = {}
    seconds = 0.0
    for phase in PHASES:
        schedule = learner.schedule
        while not schedule.finished and schedule.phase != phase:
            schedule.advance()
        for step in range(STEPS):
            if schedule.finished or schedule.phase != phase:
                break
            start = time.perf_counter()
            learner.step()
            means = learner.read_curve(phase)  # waits for the device
            if step == STEPS - 1:
                seconds += time.perf_counter() - start
            found |= {f"{phase}'s {name.replace('_', ' ')}": value for name, value in means.items()}
    return found, seconds
