# SPDX-License-Identifier: GPL-3.0-or-later
"""The one driver of all fits: whatever the target, frames are solved, filled in, smoothed and summed up alike."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ...model.actor import Actor, jaw_figures
from ...shared.results.takes import Take
from ...timing.timeline import Timeline
from .error_figures import FitErrors
from .target import Report, Target


def fit_target(actor: Actor, prepare: Callable[[], Target], total: int, report: Report) -> Take:
    """Fit what `prepare` makes ready, a target of so many frames in all.

    report is called with {"message", "done", "total", "error_mm"}. Raises what the target raises.
    """
    report({"message": "Preparing the fit", "done": 0, "total": total})
    start = time.perf_counter()
    target = prepare()
    prepared = time.perf_counter()
    timeline = Timeline(actor, target.frames, target.missing, target.temporal)
    solution = _Solution(actor, target, timeline)
    solution.solve(report)
    if target.temporal > 0:
        solution.look_again()
    seconds = time.perf_counter() - prepared
    return solution.take({"setup_s": prepared - start, "frames_per_second": total / seconds})


class _Solution:
    """What has been found of all frames. head, jaw: (F, 4, 4). coefficients: (F, M, N). error_mm: (F, 2)."""

    def __init__(self, actor: Actor, target: Target, timeline: Timeline) -> None:
        self.actor, self.target, self.timeline = actor, target, timeline
        total = len(target.frames)
        self.coefficients = np.zeros((total, target.modes.shape[1], len(actor.names)), dtype=np.float32)
        self.error_mm = np.zeros((total, 2), dtype=np.float32)
        self.errors = FitErrors(target.points)

    def solve(self, report: Report) -> None:
        """Solve frame by frame, fill in the missing and smooth."""
        target, timeline, there = self.target, self.timeline, len(self.target.there)
        head, jaw = target.motions()
        if target.settles_first:
            head, jaw = timeline.settled_motions(head, jaw)
        done = 0
        for rows in target.chunks():
            found = target.solve(rows, head[rows], jaw[rows])
            self.coefficients[rows], head[rows], jaw[rows] = found.coefficients, found.head, found.jaw
            self.error_mm[rows] = self.errors.add(rows, found.distance, found.lost)
            done += len(rows)
            report({"message": "Fitting", "done": done, "total": there, "error_mm": self.errors.all.mean})
        self.coefficients = timeline.settled_weights(self.coefficients)
        if target.settles_first:
            timeline.fill_motions(head, jaw)  # solving may have changed a neighbour's
        else:
            head, jaw = timeline.settled_motions(head, jaw)
        self.head, self.jaw = head, jaw

    def look_again(self) -> None:
        """Measure what smoothing has left; what lost its say is left out as before."""
        before, self.errors = self.errors, FitErrors(self.target.points)
        for rows in self.target.chunks():
            distance = self.target.distance(rows, self.head[rows], self.jaw[rows], self.coefficients[rows])
            lost = before.lost_in(rows, tuple(distance.shape[1:-1]))
            self.error_mm[rows] = self.errors.add(rows, distance, lost)

    def take(self, measured: dict[str, float]) -> Take:
        """The take of it. measured: how long it took."""
        actor, target = self.actor, self.target
        return Take(
            names=actor.names,
            topology_digest=actor.topology.digest,
            modes=target.modes.astype(np.float32),
            coefficients=self.coefficients,
            jaw=self.jaw,
            head=self.head,
            frames=np.asarray(target.frames, dtype=np.int32),
            fps=target.fps,
            error_mm=self.error_mm,
            settings=dataclasses.asdict(cast(Any, target.settings)),
            figures={
                **self.timeline.figures(self.error_mm),
                **self.errors.figures(),
                **jaw_figures(actor, self.jaw),
                **target.figures(),
                "notes": target.notes(self.timeline, self.errors),
                **measured,
            },
        )
