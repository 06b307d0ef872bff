# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting to sparse 3D points in closed form (docs/model.md section 3): few rows, so the same prior matters more.

With A the rows of the points, Λ the prior's diagonal and D the robust weights of a frame's points, the coefficients
are a = Λ⁻¹ Aᵀ (A Λ⁻¹ Aᵀ + D⁻¹)⁻¹ r: a system of 3 P equations, however many modes there are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..contact.fitted import in_contact
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor
from ..model.closed_form import prior_of_modes
from ..model.working_actor import modes_of
from ..parts.looking import points_on_eyes
from ..points.image_points import at_landmarks, read_landmark_map
from ..points.points import Binding, PointPerformance, bind_points, binding_note, in_millimetres, read_points
from ..shared.faces.similarity import unit_note
from ..shared.foundation.errors import InputError
from ..shared.results.takes import Take
from ..shared.settings.point_settings import PointFittingSettings
from ..timing.timeline import Timeline
from .bounded_weights import BoundedWeights
from .driving.error_figures import FitErrors
from .driving.one_fit import fit_target
from .driving.request import FitRequest, Fitted
from .driving.target import SolvedFrames, Target
from .performance_space import points_in_actor_axes
from .placed_points import PlacedPoints
from .unbound_points import settled

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


def fit_file(actor: Actor, request: FitRequest) -> Fitted:
    """Fit a file of points, of which the file `landmarks` may say where they belong. Raises InputError as its readers
    and fit_points do."""
    points = read_points(request.path, request.fps, request.millimetres_per_unit)
    if "landmarks" in request.files:
        points = at_landmarks(points, read_landmark_map(request.files["landmarks"]))
    return Fitted(fit_points(actor, points, request.settings, request.report, request.checkpoint_folder))


def describe_file(path: Path) -> dict[str, Any]:
    """What a file of points holds, as JSON values. Raises InputError."""
    found = read_points(path)
    frames = [int(found.frames[0]), int(found.frames[-1])]
    return {
        "kind": "points",
        "frames": len(found.frames),
        "range": frames,
        "fps": found.fps,
        "names": list(found.names),
    }


def fit_points(
    actor: Actor,
    points: PointPerformance,
    settings: PointFittingSettings | None = None,
    report: Report | None = None,
    checkpoint_folder: Path | None = None,
) -> Take:
    """Fit sparse points: a take of the whole face. Missing points and points without confidence do not pull.

    Frames with fewer than LEAST_POINTS are filled in. report is called with {"message", "done", "total", "error_mm"}.
    checkpoint_folder: where long work is kept, and goes on from. Raises InputError if there are too many points, or too
    few in every frame, or they are no face like the actor's.
    """
    settings = settings or PointFittingSettings()
    total, count = points.positions.shape[:2]
    if count > MOST_POINTS:
        raise InputError(
            f"{points.source} has {count} points a frame; give at most {MOST_POINTS}, or the whole meshes instead"
        )
    report = report or (lambda _: None)
    take = fit_target(actor, lambda: PointTarget(actor, points, settings), total, report, checkpoint_folder)
    return in_contact(actor, take, settings.contact, report=report)


class PointTarget(Target):
    """Sparse points in any unit, of the actor's face or another."""

    at_once = FRAMES_AT_ONCE
    keeps = True

    def __init__(self, actor: Actor, points: PointPerformance, settings: PointFittingSettings) -> None:
        points, unit = in_millimetres(actor, points)
        points, turned = points_in_actor_axes(points, actor.neutral)
        self.performance, self.settings, self.unit = points, settings, points.unit_factor or unit
        known_modes = modes_of(actor, settings.modes)
        binding = bind_points(actor, points, settings.rest_frame)
        self.eyes = points_on_eyes(
            actor.parts, binding.corners, binding.of(actor.neutral), points.names, points.vertices >= 0
        )
        self.seen_on_eyes = np.zeros((len(points.frames), 0, 3))  # (F, Q, 3)
        if self.eyes is not None:  # they tell where eyes look, and nothing of the skin
            self.seen_on_eyes, self.sure_of_eyes = (
                each[:, self.eyes.which] for each in (points.positions, points.confidence)
            )
            skin = np.delete(np.arange(len(points.names)), self.eyes.which)
            points, binding = points.only(skin), binding.only(skin)
            self.performance = points
        binding = settled(actor, points, binding, known_modes, settings)
        self.told = [*unit_note(unit), *([turned] if turned else []), *binding_note(points, binding, actor)]
        # (F, P) 0 where there is no point.
        self.given = np.where(np.isfinite(points.positions).all(-1), points.confidence, 0.0)
        self.missing = (self.given > 0).sum(1) < LEAST_POINTS
        if self.missing.all():
            raise InputError(
                f"{points.source} has fewer than {LEAST_POINTS} points in every frame; more must be known at once"
            )
        self.frames, self.fps, self.points = points.frames, points.fps, points.positions.shape[1]
        self.solver = PointSolver(actor, binding, settings, known_modes)
        self.modes = self.solver.modes
        self.placed = PlacedPoints(actor, binding, points, self.given, self.missing, settings)
        self.robust_weight = self.placed.trust.copy()  # (F, P) 0 for outliers, once motions() has found them
        self.skin_weight = binding.of(actor.skin_weight)

    def motions(self) -> tuple[np.ndarray, np.ndarray]:
        """Head and jaw, and on the way which points are outliers."""
        placed, robust_weight, there = self.placed, self.robust_weight, self.there
        head, jaw = placed.head.copy(), super().motions()[1]
        stabilized = placed.stabilized(head)
        known = np.where(robust_weight[there, :, None] > 0, stabilized[there], np.nan)
        jaw[there] = placed.jaw_of_points.predict(known)
        for done, frame in enumerate(there.tolist()):
            self.report({"message": "Finding outliers", "done": done, "total": len(there)})
            given = robust_weight[frame]
            inlier = self.solver.inliers(stabilized[frame] - self._skinned(jaw[frame : frame + 1])[0], given)
            if not inlier[given > 0].all():
                known = np.where(inlier[:, None], stabilized[frame], np.nan)
                jaw[frame] = placed.jaw_of_points.predict(known[None])[0]
            robust_weight[frame] = np.where(inlier, given, 0.0)
        placed.refuse_if_most_are_lost(self.given, robust_weight)
        return head, jaw

    def solve(self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray) -> SolvedFrames:
        residual, weight = self._residual(rows, head, jaw), self.robust_weight[rows]
        free = np.stack([self.solver.solve(*each) for each in zip(residual, weight, strict=True)])
        # As the take keeps them, so that the errors are the take's.
        coefficients = self.solver.bounded(free, residual, weight).astype(np.float32)
        return SolvedFrames(coefficients, head, jaw, self._distance(rows, residual, coefficients), weight == 0)

    def distance(self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        return self._distance(rows, self._residual(rows, head, jaw), coefficients)

    def origin(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        solver = self.solver
        arrays = {"rows": solver.rows, "prior": solver.prior, "modes": self.modes, "skin": self.skin_weight}
        return arrays | {"neutral": self.placed.neutral}, dataclasses.asdict(self.settings)

    def inputs(self, rows: np.ndarray, head: np.ndarray) -> dict[str, np.ndarray]:
        return {"points": self.placed.stabilized(head, rows), "trust": self.robust_weight[rows]}

    def gaze(self, head: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        if self.eyes is None:
            return None
        return self.eyes.gaze(*self.placed.beside(self.seen_on_eyes, self.eyes.rest, self.sure_of_eyes, head))

    def figures(self) -> dict[str, Any]:
        missing = int((self.given[self.there] == 0).sum())
        told = {"points": self.points, "missing_points": missing, "unit_factor": self.unit}
        return told | self.placed.figures()

    def notes(self, timeline: Timeline, errors: FitErrors) -> list[str]:
        known = [*self.performance.notes, *self.told, *self.placed.notes()]
        names = self.performance.names
        return [*known, *timeline.notes("have too few points"), *errors.notes(names.__getitem__, "points")]

    def _residual(self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray) -> np.ndarray:
        """What is left (f, P, 3) of the points after head and jaw (f, 4, 4)."""
        return self.placed.stabilized(head, rows) - self._skinned(jaw)

    def _skinned(self, jaw: np.ndarray) -> np.ndarray:
        return linear_blend_skinning(self.placed.neutral, jaw, self.skin_weight)

    def _distance(self, rows: np.ndarray, residual: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        explained = (coefficients.reshape(len(rows), -1) @ self.solver.rows.T).reshape(residual.shape)
        return np.where(self.given[rows] > 0, np.linalg.norm(explained - residual, axis=-1), np.nan)
