# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame at a time, while an artist moves a target mesh or drags handles: all is kept ready between frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..contact.contact import Contact
from ..fitting.fitting_parts import PartsOfFrames
from ..fitting.fitting_points import PointSolver
from ..fitting.fitting_session import FittingSession
from ..fitting.jaw_of_frame import JawOfPoints
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor
from ..model.evaluation import placed
from ..model.head import robust_registration, without_head
from ..parts.turning import place_eyes
from ..points.points import Binding
from ..shared.foundation.errors import InputError
from ..shared.settings.fitting_settings import FittingSettings
from ..shared.settings.point_settings import PointFittingSettings

HEADS = ("free", "still")
MOST_HANDLES = 500
# Of handles, in mm: more than tracked points take, for an artist drags them to where no face can go. On the demo actor
# a chin drawn 24 mm away from a handle that stays then asks for weights of 3.6 and not 15; nine handles on a true jaw
# opening give a face that is 0.7 mm off on the mean and not 0.24.
HANDLE_RIDGE, HANDLE_SMOOTHNESS = 1.0, 60.0


@dataclass(frozen=True)
class LiveFrame:
    """vertices: (V, 3) float32 mm. jaw, head: (4, 4). Of a fit also weights: (N,) the mean weight of each shape,
    coefficients: (M', N) of the first of the fit's modes, and mean_mm, worst_mm: how far the targets are from it.
    Of a take also frame: its number."""

    vertices: np.ndarray
    jaw: np.ndarray
    head: np.ndarray
    weights: np.ndarray | None = None
    coefficients: np.ndarray | None = None
    mean_mm: float | None = None
    worst_mm: float | None = None
    frame: int | None = None


class LiveFit:
    """Fits frames of one actor as they come. cache: as in FittingSession."""

    def __init__(self, actor: Actor, settings: FittingSettings | None = None, cache: Path | None = None) -> None:
        self.actor = actor
        self.session = FittingSession(actor, settings or FittingSettings(), cache)
        energy = (actor.expressions**2).sum(-1)  # (V, N)
        self.contact = Contact(actor) if self.session.settings.contact else None
        contact_modes = [] if self.contact is None else [self.contact.modes]
        self.modes = np.concatenate([self.session.modes, *contact_modes], axis=1)  # (V, M + B)
        self._share = self.modes.T @ (energy / energy.sum(0).clip(min=1e-12))  # (M + B, N)
        self._handles: tuple[bytes, Handles] | None = None

    def mesh(self, vertices: np.ndarray, head: str = "free") -> LiveFrame:
        """The fit of a whole mesh (V, 3) in mm; points that are not numbers do not pull.

        Raises InputError if it has another number of points, or too few of them are there.
        """
        _check_head(head)
        if vertices.shape != self.actor.neutral.shape:
            raise InputError(
                f"the mesh has {len(vertices)} vertices but the actor's has {len(self.actor.neutral)}; "
                "it must be in the topology the actor was learned in"
            )
        frame = vertices.astype(np.float64)[None]
        known = np.isfinite(frame).all(-1)
        if known.sum() < 3:
            raise InputError("the mesh has fewer than 3 points that are numbers")
        trust = None if known.all() else np.asarray(known, dtype=np.float32)
        motion = self.session.head(frame, trust) if head == "free" else np.eye(4)[None]
        stabilized = without_head(frame, motion)
        jaw, gaze, held = self.session.jaw(stabilized, trust), None, False
        if self.actor.parts is not None:
            jaw, gaze, held = self._shown_by_parts(stabilized, np.asarray(known), jaw)
        found = self.session.solve(stabilized, jaw, trust, hold_jaw=held)
        distance = found.distance if self.actor.parts is None else found.distance[:, ~self.actor.parts.rigid]
        distance = distance[~distance.isnan()]
        coefficients = self._in_contact(stabilized, np.asarray(known), found.coefficients[0].cpu().numpy(), found.jaw)
        return self._frame(coefficients, found.jaw, motion, float(distance.mean()), float(distance.max()), gaze)

    def _in_contact(
        self, stabilized: np.ndarray, known: np.ndarray, coefficients: np.ndarray, jaw: np.ndarray
    ) -> np.ndarray:
        """Coefficients (M, N) of a frame (1, V, 3) of which known (1, V) is there, with those (B, N) by which lips and
        lids touch as they do in it, and do not cross; as they are where nothing is to be done."""
        contact, actor = self.contact, self.actor
        if contact is None:
            return coefficients
        rows = contact.rows
        shown = linear_blend_skinning(actor.neutral[rows], jaw, actor.skin_weight[rows])
        shown += self.offsets(coefficients, rows)
        performed = contact.measured(np.where(known[:, rows, None], stabilized[:, rows], shown))
        amounts = contact.amounts(shown, performed, self.session.settings.contact)
        if not amounts.any():
            return coefficients
        return np.concatenate([coefficients, contact.coefficients(amounts)[0]])

    def _shown_by_parts(
        self, stabilized: np.ndarray, known: np.ndarray, jaw: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None, bool]:
        """The jaw (1, 4, 4) that teeth give, else as it is; the gaze (1, E, 3); whether teeth gave the jaw.

        Rigid parts of the frame (1, V, 3), of which known (1, V) is there, are then put where the model has them, for
        the skin is what is solved for."""
        actor, parts = self.actor, self.actor.parts
        assert parts is not None
        shown = PartsOfFrames(actor, parts)
        trust = known.astype(np.float64)
        held = False
        if shown.has_jaw():
            measured, sure = shown.jaw(stabilized, trust)
            jaw, held = (measured, True) if sure[0] else (jaw, False)
        gaze = shown.gaze(stabilized, trust)
        rigid = np.flatnonzero(parts.rigid)
        stabilized[:, rigid] = linear_blend_skinning(actor.neutral[rigid], jaw, actor.skin_weight[rigid])
        return jaw, gaze, held

    def handles(self, vertices: np.ndarray, positions: np.ndarray, head: str = "still") -> LiveFrame:
        """The face whose vertices (P,) are drawn to positions (P, 3) in mm; not a number leaves a handle out.

        Raises InputError if a vertex does not exist or no handle is left.
        """
        _check_head(head)
        return self._frame(*self.handles_on(vertices, positions).solve(positions.astype(np.float64), head))

    def handles_on(self, vertices: np.ndarray, positions: np.ndarray) -> Handles:
        """Handles on these vertices (P,), those of before if they are the same. Raises InputError as handles does."""
        vertices = np.asarray(vertices, dtype=np.int64)
        if not 1 <= len(vertices) <= MOST_HANDLES or positions.shape != (len(vertices), 3):
            raise InputError(f"there must be 1 to {MOST_HANDLES} handles, each with a vertex and a position")
        if vertices.min() < 0 or vertices.max() >= len(self.actor.neutral):
            raise InputError(f"a handle names vertex {vertices.max()}, but the mesh has {len(self.actor.neutral)}")
        key = vertices.tobytes()
        if self._handles is None or self._handles[0] != key:
            self._handles = key, Handles(self.session, vertices)
        return self._handles[1]

    def offsets(self, coefficients: np.ndarray, vertices: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(V, 3) float64 what the expressions do by coefficients (M', N) of the first modes, or at some vertices."""
        weights = torch.as_tensor(self.modes[vertices, : len(coefficients)] @ coefficients)  # (V, N)
        expressions = self.session.solver.expressions[vertices].cpu()
        return torch.einsum("vn,vnx->vx", weights, expressions).double().numpy()

    def _frame(
        self,
        coefficients: np.ndarray,
        jaw: np.ndarray,
        head: np.ndarray,
        mean_mm: float,
        worst_mm: float,
        gaze: np.ndarray | None = None,
    ) -> LiveFrame:
        """Of coefficients (M', N), jaw and head (1, 4, 4), and gaze (1, E, 3)."""
        stabilized = linear_blend_skinning(self.actor.neutral, jaw, self.actor.skin_weight)[0] + self.offsets(
            coefficients
        )
        if gaze is not None:
            stabilized = place_eyes(stabilized[None], self.actor.parts, gaze)[0]
        shown = placed(self.actor, stabilized[None], head)[0].astype(np.float32)
        overall = (coefficients * self._share[: len(coefficients)]).sum(0)
        return LiveFrame(shown, jaw[0], head[0], overall, coefficients, mean_mm, worst_mm)


class Handles:
    """Handles on one set of vertices (P,), ready to be moved."""

    def __init__(self, session: FittingSession, vertices: np.ndarray) -> None:
        actor = session.actor
        self.binding = Binding.at(vertices)
        modes = min(PointFittingSettings.modes, session.modes.shape[1])
        settings = PointFittingSettings(modes, HANDLE_RIDGE, HANDLE_SMOOTHNESS, largest_weight=0.0)
        self.solver = PointSolver(actor, self.binding, settings, (session.modes, session.eigenvalues))
        self.neutral = self.binding.of(actor.neutral)
        self.skin_weight = self.binding.of(actor.skin_weight)
        self.quietness = session.quietness[vertices]
        self.jaw = JawOfPoints(actor, self.binding)

    def solve(self, positions: np.ndarray, head: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
        """Coefficients (M', N), jaw and head (1, 4, 4), mean and worst distance of positions (P, 3)."""
        known = np.isfinite(positions).all(-1)
        if not known.any():
            raise InputError("no handle has a position; at least one must have one")
        trust = known.astype(np.float64)
        filled = np.where(known[:, None], positions, self.neutral)
        motion = np.eye(4)[None]
        if head == "free" and known.sum() >= 3:
            motion = robust_registration(self.neutral, filled[None], (trust * self.quietness)[None])
        stabilized = without_head(filled[None], motion)[0]
        jaw = self.jaw.predict(np.where(known[:, None], stabilized, np.nan)[None])
        residual = stabilized - linear_blend_skinning(self.neutral, jaw, self.skin_weight)[0]
        coefficients, off = self.solve_residual(residual, trust)
        return coefficients, jaw, motion, float(off.mean()), float(off.max())

    def solve_residual(self, residual: np.ndarray, trust: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (M', N) float32 that explain residual (P, 3), and how far they are off where trust (P,) is
        given."""
        coefficients = self.solver.solve(residual, trust)
        left = (self.solver.rows @ coefficients.reshape(-1)).reshape(-1, 3) - residual
        return coefficients.astype(np.float32), np.linalg.norm(left, axis=1)[trust > 0]


def _check_head(head: str) -> None:
    if head not in HEADS:
        raise InputError(f"head is {head!r}; it must be {' or '.join(HEADS)}")
