# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting a performance of whole meshes to an actor in closed form (docs/model.md section 3).

s_j = H_j [ LBS(s0, T_j, k) + sum_i w_ji(c) e_i(c) ] with weights w_i(c) = sum_m Φ_m(c) a_mi in smooth functions Φ of
the mesh. With head and jaw known this is linear in a, with one normal matrix for all frames.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..contact.fitted import Shown, in_contact
from ..model.actor import Actor
from ..model.head import moves, without_head
from ..model.working_actor import whole_take, working_actor, working_performance
from ..shared.captured.performances import (
    Performance,
    Presence,
    check_performance,
    in_named_unit,
    read_performance,
    to_millimetres,
    within,
)
from ..shared.results.takes import Take
from ..shared.settings.fitting_settings import FittingSettings
from ..timing.timeline import Timeline
from .driving.error_figures import FitErrors
from .driving.one_fit import fit_target
from .driving.request import FitRequest, Fitted
from .driving.side_by_side import side_by_side, threads_for
from .driving.target import SolvedFrames, Target
from .fitting_cache import cache_beside
from .fitting_neural import fit_neural
from .fitting_parts import PartsOfPerformance
from .fitting_session import FittingSession
from .performance_space import in_actor_axes

Report = Callable[[dict], None]

CHUNK_BYTES = 512 * 2**20  # of working memory for frames solved at once, on the CPU
GPU_SHARE = 0.25  # of a GPU's free memory, likewise
MOST_FRAMES, MOST_FRAMES_ON_GPU = 64, 256  # at once: more gain nothing, and wait in the CPU's memory
SAMPLED_FRAMES = 32  # by which is told whether the head moves


def fit_file(actor: Actor, request: FitRequest) -> Fitted:
    """Fit a folder of meshes, an .npz with `vertices`, or a point cache. Raises InputError as fit_performance does."""
    read = request.reading or (lambda: read_performance(request.path, actor.topology, request.fps))
    performance = in_named_unit(read(), request.millimetres_per_unit)
    performance = within(performance, request.start, request.end)
    settings, report, cache = request.settings, request.report, cache_beside(request.actor_path)
    return Fitted(fit_performance(actor, performance, settings, report, cache, request.checkpoint_folder), performance)


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
    can use again. checkpoint_folder: where long work is saved, the neural solver's when report raises Cancelled, and
    continues from. Raises InputError if the performance is not one of this actor's mesh.
    """
    settings = settings or FittingSettings()
    report = report or (lambda _: None)
    performance, turned = in_actor_axes(performance, actor.neutral)
    some = None if actor.working.is_whole else working_performance(performance, actor)
    if some is None:
        take = _fit(actor, performance, settings, report, cache, checkpoint_folder)
    else:
        parts = None if actor.parts is None else PartsOfPerformance(actor, actor.parts, performance)
        take = _fit(working_actor(actor), some, settings, report, cache, checkpoint_folder, parts)
        take = whole_take(take, actor)
        if parts is not None:
            take = parts.finished(take, settings.temporal)
    take = in_contact(actor, take, settings.contact, _shown(performance, take), report=report)
    if turned:
        take.figures["notes"] = [turned, *take.figures["notes"]]
    return take


def _shown(performance: Performance, take: Take) -> Shown:
    """What the performance shows of the face in frames of the take."""
    unit_factor = _still_to_scale(performance, take.figures["unit_factor"])

    def shown(rows: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        part = slice(rows[0], rows[-1] + 1)
        frames = performance.vertices[part, vertices].astype(np.float64) * unit_factor
        known = np.asarray(np.isfinite(frames).all(-1))
        if performance.confidence is not None:
            known &= performance.confidence[part, vertices] > 0
        return without_head(np.where(known[..., None], frames, np.nan), take.head[rows])

    return shown


def _still_to_scale(performance: Performance, unit_factor: float) -> float:
    """By what a performance as it was read is still multiplied to be in mm: by nothing where somebody named its unit,
    which then has been done."""
    return unit_factor if performance.unit_factor is None else 1.0


def _fit(
    actor: Actor,
    performance: Performance,
    settings: FittingSettings,
    report: Report,
    cache: Path | None,
    checkpoint_folder: Path | None,
    parts: PartsOfPerformance | None = None,
) -> Take:
    """As fit_performance, of all points of an actor's mesh. parts: what else of the performance's mesh tells the
    jaw."""
    performance, unit_factor = to_millimetres(performance, actor.neutral, actor.topology)
    if parts is not None:
        parts.unit_factor = _still_to_scale(performance, unit_factor)
    presence = check_performance(performance, actor.neutral, actor.topology, report)

    told: list[str] = []

    def prepare() -> MeshTarget:
        session = FittingSession.of(actor, settings, cache, presence.trust)
        told.extend(session.notes)
        return MeshTarget(session, performance, presence, unit_factor, parts)

    take = fit_target(actor, prepare, len(performance.vertices), report, checkpoint_folder)
    if settings.solver == "neural":

        def notes(timeline: Timeline, errors: FitErrors) -> list[str]:
            return notes_on(performance, told, presence, unit_factor, timeline, errors)

        take = fit_neural(actor, performance, take, settings, report, checkpoint_folder, notes)
    return take


class MeshTarget(Target):
    """A performance in mm that a session fits. presence: what of it is there. unit_factor: what it was multiplied by to
    be in mm. parts: of the performance's whole mesh, which may give the jaw."""

    settles_first = True
    keeps = True

    def __init__(
        self,
        session: FittingSession,
        performance: Performance,
        presence: Presence,
        unit_factor: float,
        parts: PartsOfPerformance | None = None,
    ) -> None:
        self.parts = parts if parts is not None and parts.has_jaw() else None
        self.session, self.performance, self.presence, self.unit_factor = session, performance, presence, unit_factor
        self.settings = session.settings
        self.frames, self.fps, self.missing = performance.frames, performance.fps, presence.missing
        self.points, self.modes = len(session.actor.neutral), session.modes
        there = len(self.there)
        self.threads = threads_for(there, session.device)
        # A GPU has a number for each name at every point, unless modes are summed up at few places.
        names = len(session.actor.names) if session.device.type == "cuda" and not session.is_coarse else 0
        at_once = frames_at_once(self.points, names, session.device, self.threads)
        self.at_once = max(1, min(at_once, -(-there // self.threads)))
        self.moving = session.settings.head == "free"

    def motions(self) -> tuple[np.ndarray, np.ndarray]:
        head, jaw = super().motions()
        session, choice = self.session, self.session.settings.head
        if choice == "auto":
            some = self.there[np.linspace(0, len(self.there) - 1, min(len(self.there), SAMPLED_FRAMES)).astype(int)]
            self.moving = moves(session.head(*self._frames(some)), session.centre)
        done, there = 0, len(self.there)
        self.report({"message": "Finding head and jaw", "done": done, "total": there})
        for rows, found in side_by_side(self._motions_of, self.chunks(), self.threads):
            head[rows], jaw[rows] = found
            done += len(rows)
            self.report({"message": "Finding head and jaw", "done": done, "total": there})
        return head, jaw

    def _motions_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Head and jaw (f, 4, 4) of frames (f,)."""
        frames, trust = self._frames(rows)
        head = self.session.head(frames, trust) if self.moving else np.tile(np.eye(4), (len(rows), 1, 1))
        jaw = self.session.jaw_under_head(frames, head, trust)
        if self.parts is not None:
            measured, known = self.parts.jaw_of_rows(rows, head)
            jaw[known] = measured[known]
        return head, jaw

    def solve(self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray) -> SolvedFrames:
        frames, trust = self._frames(rows)
        held = self.temporal > 0 or self.parts is not None
        found = self.session.solve(frames, jaw, trust, hold_jaw=held, head=self._moving(head))
        return SolvedFrames(found.coefficients.cpu().numpy(), head, found.jaw, found.distance, found.lost)

    def distance(
        self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray, coefficients: np.ndarray
    ) -> torch.Tensor | np.ndarray:
        frames, trust = self._frames(rows)
        return self.session.distance(frames, jaw, coefficients, trust, self._moving(head))

    def origin(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        actor = self.session.actor
        arrays = {"neutral": actor.neutral, "expressions": actor.expressions, "skin": actor.skin_weight}
        return arrays | {"jaw": actor.jaw, "modes": self.modes}, dataclasses.asdict(self.session.settings)

    def inputs(self, rows: np.ndarray, head: np.ndarray) -> dict[str, np.ndarray]:
        del head
        frames, trust = self._frames(rows)
        return {"frames": frames} | ({} if trust is None else {"trust": trust})

    def figures(self) -> dict[str, Any]:
        return {
            "head_moves": bool(self.moving),
            "unit_factor": self.unit_factor,
            "missing_points": self.presence.points,
        }

    def notes(self, timeline: Timeline, errors: FitErrors) -> list[str]:
        told = self.session.notes
        return notes_on(self.performance, told, self.presence, self.unit_factor, timeline, errors)

    def _frames(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The vertices (f, V, 3) of some frames, and how much each point counts (f, V), None if all fully."""
        together = len(rows) == rows[-1] + 1 - rows[0]
        part = slice(rows[0], rows[-1] + 1) if together else rows  # a slice copies nothing
        trust = None if self.presence.trust is None else self.performance.trust(part)
        return np.asarray(self.performance.vertices[part]), trust

    def _moving(self, head: np.ndarray) -> np.ndarray | None:
        """Heads (f, 4, 4) that are taken off the frames, None where these have been without."""
        return head if self.moving else None


def frames_at_once(points: int, names: int, device: torch.device, threads: int = 1) -> int:
    """How many frames of so many points, of an actor with so many expressions, fit into memory together, in each of
    some threads."""
    per_frame = points * (names * 2 + 12) * 4
    room, most = CHUNK_BYTES / threads, MOST_FRAMES
    if device.type == "cuda":
        room, most = int(GPU_SHARE * torch.cuda.mem_get_info(device)[0]), MOST_FRAMES_ON_GPU
    return int(np.clip(room // per_frame, 1, most))


def notes_on(
    performance: Performance,
    told: list[str],
    presence: Presence,
    unit_factor: float,
    timeline: Timeline,
    errors: FitErrors,
) -> list[str]:
    """What an artist should know of a performance before trusting the fit."""
    notes = [*performance.notes, *told]
    if unit_factor != 1.0:
        notes.append(f"the performance is not in millimetres: it was taken {unit_factor:g} times as large")
    notes += timeline.notes("are missing")
    if presence.points:
        notes.append(f"{presence.points / len(timeline.frames):.0f} points a frame are missing and did not pull")
    return notes + errors.notes(lambda vertex: f"vertex {vertex}", "points", each_named=False)
