# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting a performance to an actor in closed form (docs/model.md section 3).

s_j = H_j [ LBS(s0, T_j, k) + sum_i w_ji(c) e_i(c) ] with weights w_i(c) = sum_m Φ_m(c) a_mi in smooth functions Φ of
the mesh. With head and jaw known this is linear in a, with one normal matrix for all frames.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from ..model.actor import Actor, jaw_figures
from ..model.head import moves, without_head
from ..model.working_actor import whole_take, working_actor, working_performance
from ..shared.captured.performances import Performance, Presence, check_performance, to_millimetres
from ..shared.results.takes import Take
from ..shared.settings.fitting_settings import FittingSettings
from ..timing.timeline import Timeline
from .error_figures import FitErrors
from .fitting_neural import fit_neural
from .fitting_session import FittingSession
from .performance_space import in_actor_axes

Report = Callable[[dict], None]

CHUNK_BYTES = 512 * 2**20  # of working memory for frames solved at once, on the CPU
GPU_SHARE = 0.25  # of a GPU's free memory, likewise
MOST_FRAMES, MOST_FRAMES_ON_GPU = 64, 256  # at once: more gain nothing, and wait in the CPU's memory
SAMPLED_FRAMES = 32  # by which is told whether the head moves


def fit_performance(
    actor: Actor,
    performance: Performance,
    settings: FittingSettings | None = None,
    report: Report | None = None,
    cache: Path | None = None,
    checkpoint_folder: Path | None = None,
) -> Take:
    """Fit a performance in the actor's topology.

    Missing points do not pull; weights, jaw and head of missing frames lie between those of the frames around them.
    report is called with {"message", "done", "total", "error_mm"}. cache: a file for what the next fit of this actor
    can use again. checkpoint_folder: where the neural solver saves its work when report raises Cancelled, and continues
    from. Raises InputError if the performance is not one of this actor's mesh.
    """
    settings = settings or FittingSettings()
    report = report or (lambda _: None)
    performance, turned = in_actor_axes(performance, actor.neutral)
    some = None if actor.working.is_whole else working_performance(performance, actor)
    if some is None:
        take = _fit(actor, performance, settings, report, cache, checkpoint_folder)
    else:
        take = whole_take(_fit(working_actor(actor), some, settings, report, cache, checkpoint_folder), actor)
    if turned:
        take.figures["notes"] = [turned, *take.figures["notes"]]
    return take


def _fit(
    actor: Actor,
    performance: Performance,
    settings: FittingSettings,
    report: Report,
    cache: Path | None,
    checkpoint_folder: Path | None,
) -> Take:
    """As fit_performance, of all points of an actor's mesh."""
    performance, unit_factor = to_millimetres(performance, actor.neutral, actor.topology)
    presence = check_performance(performance, actor.neutral, actor.topology)
    total = len(performance.vertices)
    report({"message": "Preparing the fit", "done": 0, "total": total})
    start = time.perf_counter()
    session = FittingSession(actor, settings, cache, presence.trust)
    setup_seconds = time.perf_counter() - start

    start = time.perf_counter()
    chunks = Chunks(performance, presence, len(actor.names), session.device)
    moving = settings.head == "free" or (
        settings.head == "auto"
        and any(
            moves(session.head(frames, trust), session.centre) for _, frames, trust in chunks.sample(SAMPLED_FRAMES)
        )
    )
    head, jaw = np.tile(np.eye(4), (2, total, 1, 1))
    for rows, frames, trust in chunks:
        if moving:
            head[rows] = session.head(frames, trust)
        jaw[rows] = session.jaw(without_head(frames, head[rows]) if moving else frames, trust)
    timeline = Timeline(actor, performance.frames, presence.missing, settings.temporal)
    head, jaw = timeline.settled_motions(head, jaw)

    coefficients = np.zeros((total, session.modes.shape[1], len(actor.names)), dtype=np.float32)
    error_mm = np.zeros((total, 2), dtype=np.float32)
    errors = FitErrors(len(actor.neutral))
    for rows, frames, trust in chunks:
        found = session.solve(without_head(frames, head[rows]), jaw[rows], trust, hold_jaw=settings.temporal > 0)
        coefficients[rows], jaw[rows] = found.coefficients.cpu().numpy(), found.jaw
        error_mm[rows] = errors.add(rows, found.distance, found.lost)
        done = int(rows[-1]) + 1
        mean = float(error_mm[:done, 0].sum() / max(1, (~presence.missing[:done]).sum()))
        report({"message": "Fitting", "done": done, "total": total, "error_mm": mean})
    coefficients = timeline.settled_weights(coefficients)
    timeline.fill_motions(head, jaw)  # outliers may have changed its neighbours
    if settings.temporal > 0:
        before, errors = errors, FitErrors(len(actor.neutral))
        for rows, frames, trust in chunks:
            distance = session.distance(without_head(frames, head[rows]), jaw[rows], coefficients[rows], trust)
            error_mm[rows] = errors.add(rows, distance, before.lost_in(rows))
    seconds = time.perf_counter() - start
    take = Take(
        names=actor.names,
        topology_digest=actor.topology.digest,
        modes=session.modes,
        coefficients=coefficients,
        jaw=jaw,
        head=head,
        frames=np.asarray(performance.frames, dtype=np.int32),
        fps=performance.fps,
        error_mm=error_mm,
        settings=dataclasses.asdict(settings),
        figures={
            **timeline.figures(error_mm),
            **errors.figures(),
            **jaw_figures(actor, jaw),
            "head_moves": bool(moving),
            "unit_factor": unit_factor,
            "missing_points": presence.points,
            "notes": [*performance.notes, *session.notes, *notes_on(timeline, unit_factor, presence.points, errors)],
            "setup_s": setup_seconds,
            "frames_per_second": total / seconds,
        },
    )
    if settings.solver == "neural":
        take = fit_neural(actor, performance, take, settings, report, checkpoint_folder)
        # The networks believe every point.
        told = notes_on(timeline, unit_factor, presence.points, FitErrors(0))
        take.figures["notes"] = [*take.figures["notes"], *performance.notes, *session.notes, *told]
    return take


class Chunks:
    """A performance's frames in mm, as many at once as fit into memory: their numbers in it (f,), vertices (f, V, 3)
    float64, and how much each point counts (f, V), None if all count fully. Missing frames are passed over."""

    def __init__(self, performance: Performance, presence: Presence, names: int, device: torch.device) -> None:
        self.performance = performance
        self.missing = presence.missing
        per_frame = performance.vertices.shape[1] * (names * 2 + 12) * 4
        room, most = CHUNK_BYTES, MOST_FRAMES
        if device.type == "cuda":
            room, most = int(GPU_SHARE * torch.cuda.mem_get_info(device)[0]), MOST_FRAMES_ON_GPU
        self.length = int(np.clip(room // per_frame, 1, most))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        total = len(self.missing)
        for first in range(0, total, self.length):
            yield from self._of(np.arange(first, min(first + self.length, total)))

    def sample(self, count: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """At most `count` frames from all over the performance."""
        there = np.flatnonzero(~self.missing)
        yield from self._of(there[np.linspace(0, len(there) - 1, min(len(there), count)).astype(int)])

    def _of(self, numbers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        rows = numbers[~self.missing[numbers]]
        if len(rows):
            trust = self.performance.trust(rows)
            yield rows, self.performance.vertices[rows].astype(np.float64), trust


def notes_on(timeline: Timeline, unit_factor: float, points: int, errors: FitErrors) -> list[str]:
    """What an artist should know of a performance before trusting the fit."""
    total, notes = len(timeline.frames), []
    if unit_factor != 1.0:
        notes.append(f"the performance is not in millimetres: it was taken {unit_factor:g} times as large")
    notes += timeline.notes("are missing")
    if points:
        notes.append(f"{points / total:.0f} points a frame are missing and did not pull")
    return notes + errors.notes(lambda vertex: f"vertex {vertex}", "points", each_named=False)
