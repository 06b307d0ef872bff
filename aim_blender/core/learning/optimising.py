# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of every optimisation: a step after the other, with reports and checkpoints now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ..shared.foundation.errors import Cancelled

CHECKPOINT_SECONDS = 5.0
REPORT_SECONDS = 0.5


class Optimisation(Protocol):
    """What is done in steps."""

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        ...

    @property
    def phase(self) -> str:
        """What is done now; the end of a phase is always reported."""
        ...

    def step(self) -> object:
        """Do the next step."""

    def cost_left(self) -> float:
        """What the steps to come cost at most, in whatever unit."""
        ...

    def progress(self, phase: str) -> list[dict[str, Any]]:
        """What to report of the steps of this phase since it was last asked."""
        ...

    def save(self, path: Path) -> None:
        """Write everything that step() depends on, whole or not at all."""


def optimise(work: Optimisation, report: Callable[[dict[str, Any]], None], checkpoint: Path | None) -> float:
    """Do all steps. Returns the time.monotonic() at which the first began.

    report is called with what progress() says, and lines with an error are told `remaining_s` too; if it raises
    Cancelled, the work is saved to the checkpoint first, as it is every CHECKPOINT_SECONDS.
    """
    start = last_report = last_checkpoint = time.monotonic()
    first_cost = work.cost_left()
    while not work.finished:
        phase = work.phase
        work.step()
        now = time.monotonic()
        if now - last_report >= REPORT_SECONDS or work.phase != phase or work.finished:
            last_report = now
            left = work.cost_left()
            remaining = (now - start) * left / (first_cost - left)
            try:
                for line in work.progress(phase):
                    report(line | {"remaining_s": remaining} if "error_mm" in line else line)
            except Cancelled:
                if checkpoint:
                    work.save(checkpoint)
                raise
        if checkpoint and now - last_checkpoint >= CHECKPOINT_SECONDS:
            work.save(checkpoint)
            last_checkpoint = now
    return start
