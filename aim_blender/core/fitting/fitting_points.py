# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting to sparse 3D points in closed form (docs/model.md section 3): few rows, so the same prior matters more.

With A the rows of the points, Λ the prior's diagonal and D the robust weights of a frame's points, the coefficients
are a = Λ⁻¹ Aᵀ (A Λ⁻¹ Aᵀ + D⁻¹)⁻¹ r: a system of 3 P equations, however many modes there are.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor, jaw_figures
from ..model.closed_form import prior_of_modes
from ..model.working_actor import modes_of
from ..points.points import Binding, PointPerformance, bind_points, binding_note, in_millimetres
from ..shared.faces.similarity import unit_note
from ..shared.foundation.errors import InputError
from ..shared.results.takes import Take
from ..shared.settings.point_settings import PointFittingSettings
from ..timing.timeline import Timeline
from .bounded_weights import BoundedWeights
from .error_figures import FitErrors
from .jaw_of_frame import JawOfPoints
from .performance_space import points_in_actor_axes
from .placed_points import PlacedPoints

Report = Callable[[dict], None]

MOST_POINTS = 1500
LEAST_POINTS = 3  # known in a frame; with fewer it is missing
LEAST_WEIGHT = 1e-6
FRAMES_AT_ONCE = 32


class PointSolver:
    """Coefficients of any number of frames from what is left at P points after jaw and head."""

    def __init__(
        self,
        actor: Actor,
        binding: Binding,
        settings: PointFittingSettings,
        known_modes: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """known_modes: modes (V, M') and their eigenvalues (M',), as many as the settings ask for or more."""
        count = settings.modes
        modes, eigenvalues = modes_of(actor, count) if known_modes is None else known_modes
        modes, eigenvalues = modes[:, :count], eigenvalues[:count]
        self.modes = modes  # (V, M)
        names = len(actor.names)
        at_points = np.einsum("pm,pnx->pxmn", binding.of(modes), binding.of_fields(actor.expressions))
        self.rows = at_points.reshape(-1, count * names)  # A (3P, M N)
        self.prior = np.repeat(prior_of_modes(eigenvalues, settings), names)  # Λ (M N,)
        self.gram = (self.rows / self.prior) @ self.rows.T  # A Λ⁻¹ Aᵀ (3P, 3P)
        self.inverse = np.linalg.inv(self.gram + np.eye(len(self.gram)))  # of the system where every point counts fully
        self.outlier_mm = settings.outlier_mm
        self.bounds = BoundedWeights(modes, settings.largest_weight) if settings.largest_weight else None
        self.names = names

    def bounded(self, free: np.ndarray, residual: np.ndarray, trust: np.ndarray) -> np.ndarray:
        """Coefficients (F, M, N) within the bounds, from those of solve for residuals (F, P, 3) and trust (F, P)."""
        if self.bounds is None:
            return free
        free = free.copy()
        flat = free.reshape(len(free), -1).T  # (M N, F)
        beyond = np.flatnonzero(self.bounds.beyond(flat, self.names))
        for shared in np.unique(trust[beyond], axis=0):  # frames with one matrix
            rows = beyond[(trust[beyond] == shared).all(1)]
            weighted = self.rows * np.repeat(shared, 3)[:, None]
            normal = self.rows.T @ weighted + np.diag(self.prior)
            wanted = np.where(shared[:, None] > 0, residual[rows], 0.0).reshape(len(rows), -1)
            right = weighted.T @ wanted.T
            bounded = self.bounds.kept(flat[:, rows], normal, right, float(shared.sum()), self.names)
            free[rows] = bounded.T.reshape(len(rows), *free.shape[1:])
        return free

    def solve(self, residual: np.ndarray, trust: np.ndarray) -> np.ndarray:
        """a (M, N) of docs/model.md (22) for residual (P, 3) of one frame, with trust (P,) in its points; 0 leaves a
        point out. Without bounds."""
        solution = self.inverse_for(trust) @ np.where(trust[:, None] > 0, residual, 0.0).reshape(-1)
        return (self.rows.T @ solution / self.prior).reshape(self.modes.shape[1], -1)

    def inliers(self, residual: np.ndarray, trust: np.ndarray) -> np.ndarray:
        """(P,) bool: not where a point lies elsewhere than the others have it.

        What a point misses tells nothing, because it pulls the fit to itself; what it would miss if it were left out
        follows from the same inverse: C_pp⁻¹ (C r)_p with C the inverse of the system, docs/model.md (23). The worst
        are left out first, because they make their neighbours look wrong, who may come back.
        """
        present = trust > 0
        if self.outlier_mm == 0:
            return present
        wanted = np.where(present[:, None], residual, 0.0).reshape(-1)
        robust_weight, inlier = trust, present
        for strictness in (4.0, 2.0, 1.0, 1.0):
            inverse = self.inverse_for(robust_weight)
            blocks = inverse.reshape(len(trust), 3, -1, 3)
            own = blocks[np.arange(len(blocks)), :, np.arange(len(blocks))]  # C_pp (P, 3, 3)
            left_out = np.linalg.solve(own, (inverse @ wanted).reshape(-1, 3, 1))[..., 0]
            off = np.linalg.norm(left_out, axis=1)
            inlier = present & (off < strictness * self.outlier_mm)
            if robust_weight is trust and (off[present] < self.outlier_mm).all():
                return present  # nor will the stricter rounds leave a point out
            robust_weight = np.where(inlier, trust, 0.0)
        return inlier

    def inverse_for(self, trust: np.ndarray) -> np.ndarray:
        """C = (A Λ⁻¹ Aᵀ + D⁻¹)⁻¹ (3P, 3P) for trust (P,): the inverse for full trust, put right where it is less."""
        slack = np.repeat(1.0 / trust.clip(min=LEAST_WEIGHT) - 1.0, 3)  # what D⁻¹ has more
        rows = np.flatnonzero(slack)
        if len(rows) == 0:
            return self.inverse
        if 2 * len(rows) > len(slack):
            return np.linalg.inv(self.gram + np.diag(1.0 + slack))
        some = self.inverse[rows]
        return self.inverse - some.T @ np.linalg.solve(some[:, rows] + np.diag(1.0 / slack[rows]), some)


def fit_points(
    actor: Actor,
    points: PointPerformance,
    settings: PointFittingSettings | None = None,
    report: Report | None = None,
) -> Take:
    """Fit sparse points: a take of the whole face. Missing points and points without confidence do not pull.

    Frames with fewer than LEAST_POINTS are filled in. report is called with {"message", "done", "total", "error_mm"}.
    Raises InputError if there are too many points, or too few in every frame, or they are no face like the actor's.
    """
    settings = settings or PointFittingSettings()
    report = report or (lambda _: None)
    total, count = points.positions.shape[:2]
    if count > MOST_POINTS:
        raise InputError(
            f"{points.source} has {count} points a frame; give at most {MOST_POINTS}, or the whole meshes instead"
        )
    report({"message": "Preparing the fit", "done": 0, "total": total})
    start = time.perf_counter()
    points, unit = in_millimetres(actor, points)
    points, turned = points_in_actor_axes(points, actor.neutral)
    binding = bind_points(actor, points)
    bound = binding_note(points, binding, actor)
    trust = np.where(np.isfinite(points.positions).all(-1), points.confidence, 0.0)  # (F, P)
    missing = (trust > 0).sum(1) < LEAST_POINTS
    if missing.all():
        raise InputError(
            f"{points.source} has fewer than {LEAST_POINTS} points in every frame; more must be known at once"
        )
    solver = PointSolver(actor, binding, settings)
    placed = PlacedPoints(actor, binding, points, trust, missing, settings)
    setup_seconds = time.perf_counter() - start

    start = time.perf_counter()
    there = np.flatnonzero(~missing)
    jaw_of_points = JawOfPoints(actor, binding)
    skin_weight = binding.of(actor.skin_weight)
    head, jaw, robust_weight = placed.head, np.tile(np.eye(4), (total, 1, 1)), placed.trust.copy()
    stabilized = placed.stabilized(head)
    jaw[there] = jaw_of_points.predict(np.where(robust_weight[there, :, None] > 0, stabilized[there], np.nan))

    def residual(frames: np.ndarray) -> np.ndarray:  # (f, P, 3)
        return stabilized[frames] - linear_blend_skinning(placed.neutral, jaw[frames], skin_weight)

    coefficients = np.zeros((total, solver.modes.shape[1], len(actor.names)), dtype=np.float32)
    error_mm, errors = np.zeros((total, 2), dtype=np.float32), FitErrors(count)

    def compare(frames: np.ndarray, errors: FitErrors, lost: np.ndarray) -> None:
        explained = (coefficients[frames].reshape(len(frames), -1) @ solver.rows.T).reshape(len(frames), -1, 3)
        distance = np.linalg.norm(explained - residual(frames), axis=-1)
        error_mm[frames] = errors.add(frames, np.where(trust[frames] > 0, distance, np.nan), lost)

    for frame in there.tolist():
        given = robust_weight[frame]
        inlier = solver.inliers(residual(there[there == frame])[0], given)
        if not inlier[given > 0].all():
            jaw[frame] = jaw_of_points.predict(np.where(inlier[:, None], stabilized[frame], np.nan)[None])[0]
        robust_weight[frame] = np.where(inlier, given, 0.0)
    placed.refuse_if_most_are_lost(trust, robust_weight)
    for first in range(0, len(there), FRAMES_AT_ONCE):
        rows = there[first : first + FRAMES_AT_ONCE]
        missed = residual(rows)
        free = np.stack([solver.solve(*each) for each in zip(missed, robust_weight[rows], strict=True)])
        coefficients[rows] = solver.bounded(free, missed, robust_weight[rows])
        compare(rows, errors, robust_weight[rows] == 0)
        report({"message": "Fitting", "done": first + len(rows), "total": len(there), "error_mm": errors.all.mean})
    timeline = Timeline(actor, points.frames, missing, settings.temporal)
    head, jaw = timeline.settled_motions(head, jaw)
    coefficients = timeline.settled_weights(coefficients)
    if settings.temporal > 0:
        stabilized = placed.stabilized(head)
        before, errors = errors, FitErrors(count)
        compare(there, errors, before.lost_in(there))
    seconds = time.perf_counter() - start
    notes = [
        *unit_note(unit),
        *([turned] if turned else []),
        *bound,
        *placed.notes(),
        *timeline.notes("have too few points"),
    ]
    return Take(
        names=actor.names,
        topology_digest=actor.topology.digest,
        modes=solver.modes.astype(np.float32),
        coefficients=coefficients,
        jaw=jaw,
        head=head,
        frames=points.frames,
        fps=points.fps,
        error_mm=error_mm,
        settings=dataclasses.asdict(settings),
        figures={
            **timeline.figures(error_mm),
            **errors.figures(),
            **jaw_figures(actor, jaw),
            "points": count,
            "missing_points": int((trust[there] == 0).sum()),
            "unit_factor": points.unit_factor or unit,
            **placed.figures(),
            "notes": [*points.notes, *notes, *errors.notes(points.names.__getitem__, "points")],
            "setup_s": setup_seconds,
            "frames_per_second": total / seconds,
        },
    )
