# SPDX-License-Identifier: GPL-3.0-or-later
"""The one driver of all fits: whatever the target, frames are solved, filled in, smoothed and summed up alike."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from ...model.actor import Actor, jaw_figures
from ...shared.results.takes import Take
from ...timing.time_smoothing import Gaps, smoothed
from ...timing.timeline import Timeline
from .error_figures import FitErrors
from .kept_frames import SOON_DONE_S, KeptFrames
from .side_by_side import side_by_side
from .target import Report, SolvedFrames, Target


def fit_target(
    actor: Actor, prepare: Callable[[], Target], total: int, report: Report, kept_in: Path | None = None
) -> Take:
    """Fit what `prepare` makes ready, a target of so many frames in all.

    report is called with {"message", "done", "total", "error_mm"}. kept_in: a folder for what long work has
    solved, from which it goes on. Raises what the target raises.
    """
    report({"message": "Preparing the fit", "done": 0, "total": total})
    start = time.perf_counter()
    target = prepare()
    target.report = report
    prepared = time.perf_counter()
    timeline = Timeline(actor, target.frames, target.missing, target.temporal)
    solution = _Solution(actor, target, timeline)
    solution.solve(report, kept_in)
    if target.temporal > 0:
        solution.look_again(report)
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

    def solve(self, report: Report, kept_in: Path | None) -> None:
        """Solve frame by frame, fill in the missing and smooth."""
        target, timeline, there = self.target, self.timeline, len(self.target.there)
        head, jaw = target.motions()
        if target.settles_first:
            head, jaw = timeline.settled_motions(head, jaw)
        kept = KeptFrames(kept_in if target.keeps else None, *target.origin(), SOON_DONE_S)
        done = 0

        def solved(rows: np.ndarray) -> SolvedFrames:
            return _solved(target, kept, rows, head[rows], jaw[rows])

        for rows, found in side_by_side(solved, target.chunks(), target.threads):
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

    def look_again(self, report: Report) -> None:
        """Measure what smoothing has left; what lost its say is left out as before."""
        before, self.errors = self.errors, FitErrors(self.target.points)
        done, there = 0, len(self.target.there)

        def left(rows: np.ndarray) -> torch.Tensor | np.ndarray:
            return self.target.distance(rows, self.head[rows], self.jaw[rows], self.coefficients[rows])

        for rows, distance in side_by_side(left, self.target.chunks(), self.target.threads):
            lost = before.lost_in(rows, tuple(distance.shape[1:-1]))
            self.error_mm[rows] = self.errors.add(rows, distance, lost)
            done += len(rows)
            report({"message": "Measuring", "done": done, "total": there, "error_mm": self.errors.all.mean})

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
            gaze=self._gaze(),
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

    def _gaze(self) -> np.ndarray | None:
        """(F, E, 3) how the eyes turn, filled in and smoothed; None where nothing tells."""
        found = self.target.gaze(self.head)
        if found is None or not found[1].any():
            return None
        gaze, known = found
        for eye in np.flatnonzero(known.any(0)):
            turns = gaze[:, eye].copy()
            Gaps(self.target.frames, ~known[:, eye]).fill(turns)
            gaze[:, eye] = turns
        return smoothed(gaze, self.target.frames, self.target.temporal)


def _solved(target: Target, kept: KeptFrames, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray) -> SolvedFrames:
    """As the target solves these frames; what was kept of them is only measured again."""
    if kept.folder is None:
        return target.solve(rows, head, jaw)
    inputs = {"rows": rows, "head": head, "jaw": jaw, **target.inputs(rows, head)}
    before = kept.find(int(rows[0]), inputs)
    if before is not None:
        distance = target.distance(rows, before["head"], before["jaw"], before["coefficients"])
        lost = np.zeros(tuple(distance.shape), dtype=bool)
        lost.reshape(-1)[before["lost"]] = True
        whole = lost if len(before["lost"]) else None
        return SolvedFrames(before["coefficients"], before["head"], before["jaw"], distance, whole)
    found = target.solve(rows, head, jaw)
    lost = np.zeros(0, dtype=bool) if found.lost is None else torch.as_tensor(found.lost).cpu().numpy()
    motions = {"head": found.head, "jaw": found.jaw, "lost": np.flatnonzero(lost)}
    kept.keep(int(rows[0]), inputs, {"coefficients": found.coefficients, **motions})
    return found
