# SPDX-License-Identifier: GPL-3.0-or-later
"""When learning goes from one phase to the next, how fast it learns meanwhile, and when it stops.

Each phase holds its full rate, then settles: the rate falls along a cosine. It settles early once holding on no longer
helps, and ends early once settling no longer does, so `iterations` is the most that learning takes.
"""

from __future__ import annotations

import math
from typing import Any

# Shares of the iterations. Learned all together from the start, every unrest of s0 and k is a moving target for e_i,
# which then needs many times the steps; and a step of the expressions alone costs a fifth.
PHASES = {"anatomy": 0.25, "expressions": 0.65, "joint": 0.1}
PHASE_COST = {"anatomy": 4.0, "expressions": 1.0, "joint": 5.0}  # networks evaluated in a step
SETTLING = 0.75  # of a phase
RISE = 20  # steps from nothing to the full rate
LAST_RATE = 0.02
WINDOW = 50  # steps whose mean error is compared
WINDOWS = 8  # without a new least error, and the phase has converged
LEAST_GAIN = 0.01  # that a new least error must be below the last


class Schedule:
    """Where learning of at most `iterations` steps stands."""

    def __init__(self, iterations: int) -> None:
        self.iterations = iterations
        self.iteration = 0
        self.phase_start = self.settling_start = self.phase_end = self.windows_since = 0
        self.least_error = math.inf
        self._enter(0)
        self._leave_finished_phases()

    @property
    def phase(self) -> str:
        """What learns now: anatomy, then expressions over it, then everything and the jaw together."""
        return list(PHASES)[min(self.phase_index, len(PHASES) - 1)]

    @property
    def finished(self) -> bool:
        """Whether the last phase is over."""
        return self.phase_index == len(PHASES)

    @property
    def rate(self) -> float:
        """The share of the full learning rate at this step: a short rise, a plateau, then half a cosine."""
        rise = min(1.0, (self.iteration - self.phase_start + 1) / RISE)
        settled = (self.iteration - self.settling_start) / max(self.phase_end - self.settling_start, 1)
        fall = 0.5 * (1.0 + math.cos(math.pi * min(max(settled, 0.0), 1.0)))
        return rise * (LAST_RATE + (1.0 - LAST_RATE) * fall)

    @property
    def window_is_full(self) -> bool:
        """Whether observe() is due: every WINDOW steps of a phase."""
        steps = self.iteration - self.phase_start
        return not self.finished and steps > 0 and steps % WINDOW == 0

    def advance(self) -> None:
        """A step is done."""
        self.iteration += 1
        self._leave_finished_phases()

    def observe(self, error_mm: float) -> None:
        """The mean error of the last WINDOW steps. Without progress the phase begins to settle, or has settled."""
        if error_mm < self.least_error * (1.0 - LEAST_GAIN):
            self.least_error, self.windows_since = error_mm, 0
            return
        self.windows_since += 1
        if self.windows_since < WINDOWS:
            return
        if self.iteration < self.settling_start:
            held = self.iteration - self.phase_start
            self.settling_start = self.iteration
            self.phase_end = min(self.phase_end, self.iteration + round(held * SETTLING / (1.0 - SETTLING)))
            self.least_error, self.windows_since = math.inf, 0
        else:
            self.phase_end = self.iteration
            self._leave_finished_phases()

    def cost_left(self) -> float:
        """What the steps to come cost at most, in steps of one network: the phases differ."""
        if self.finished:
            return 0.0
        later = list(PHASES)[self.phase_index + 1 :]
        left = (self.phase_end - self.iteration) * PHASE_COST[self.phase]
        return left + sum(self._budget(name) * PHASE_COST[name] for name in later)

    def steps_left(self) -> int:
        """How many steps are to come at most."""
        if self.finished:
            return 0
        later = list(PHASES)[self.phase_index + 1 :]
        return self.phase_end - self.iteration + sum(self._budget(name) for name in later)

    def state(self) -> dict[str, Any]:
        """All of it as JSON values, from which restore() continues."""
        return dict(vars(self))

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where state() was taken."""
        vars(self).update(state)

    def _enter(self, phase_index: int) -> None:
        self.phase_index = phase_index
        self.phase_start = self.iteration
        budget = 0 if self.finished else self._budget(self.phase)
        self.settling_start = self.phase_start + round(budget * (1.0 - SETTLING))
        self.phase_end = self.phase_start + budget
        self.least_error = math.inf
        self.windows_since = 0

    def _leave_finished_phases(self) -> None:
        while not self.finished and self.iteration >= self.phase_end:
            self._enter(self.phase_index + 1)

    def _budget(self, phase: str) -> int:
        """The most steps of a phase. All together are the iterations."""
        names = list(PHASES)
        ends = [round(sum(PHASES[name] for name in names[: i + 1]) * self.iterations) for i in range(len(names))]
        index = names.index(phase)
        return ends[index] - (ends[index - 1] if index else 0)
