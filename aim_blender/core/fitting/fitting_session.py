# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a closed-form fit needs beside the frames, made once: then a frame takes milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..geometry.rigid import recentred
from ..model.actor import Actor
from ..model.carried_fields import CarriedFields
from ..model.closed_form import ClosedForm, WeightBounds, affordable_modes, prior_of_modes
from ..model.devices import choose_device
from ..model.frames_last import LeftOver, hinged_places
from ..model.head import estimate_head, quietness, squared_motions, without_head
from ..model.working_actor import coarse_modes_of, modes_of
from ..shared.foundation.robust_weights import geman_mcclure
from ..shared.settings.fitting_settings import FittingSettings
from .fitting_cache import Prepared, is_big, load_prepared, save_prepared
from .jaw_of_frame import JawOfFrame

ROBUST_ROUNDS = 2
OUTLIER_SPREADS = 20.0  # times the median distance of a frame: nearer, a point is no outlier
INLIER_SHARE = 0.25  # of its weight: a point that keeps less is an outlier, and left out
WILD_REACHES = 2.0  # times what the actor's shapes move any point: further off, no face was ever recorded


def _some_are_missing(trust: np.ndarray | None) -> bool:
    """Whether points (V,) count so little on the mean that the normal matrix is one of their own."""
    return trust is not None and bool(trust.min() < 0.5)


@dataclass(frozen=True)
class FittedFrames:
    """coefficients: a (f, M, N). jaw: T_j (f, 4, 4). distance: (f, V) mm of all points that were given, not a number
    where there is none. lost: (f, V) bool which of them are outliers, None if none did."""

    coefficients: Tensor
    jaw: np.ndarray
    distance: Tensor
    lost: Tensor | None = None


def _prepared(actor: Actor, settings: FittingSettings) -> Prepared:
    """The smooth functions of an actor's mesh; of a big one, those that follow from few places."""
    if not is_big(actor, settings):
        modes, eigenvalues = modes_of(actor, settings.modes)
        return Prepared(modes.astype(np.float32), eigenvalues)
    mesh, at_places, eigenvalues = coarse_modes_of(actor, settings.modes)
    at_places = at_places.astype(np.float32)
    return Prepared(mesh.spread(at_places), eigenvalues, None, mesh, at_places)


class FittingSession:
    """Smooth modes, the inverse normal matrix and what reads the jaw of one actor, on one device.

    There are fewer modes than the settings ask for where so many expressions would fill the memory; `notes` says so.
    cache: a file to keep the modes and the inverse in, for the next session. trust: (V,) how much each point counts on
    the mean, if not fully; what differs from it in a frame costs a few iterations.
    """

    def __init__(
        self, actor: Actor, settings: FittingSettings, cache: Path | None = None, trust: np.ndarray | None = None
    ) -> None:
        self.actor = actor
        count, names = affordable_modes(settings.modes, len(actor.names)), len(actor.names)
        self.notes: list[str] = []
        if count < settings.modes:
            self.notes.append(
                f"{names} expressions are many: their weights are made of {count} smooth functions instead of "
                f"{settings.modes}, which bounds the memory"
            )
            settings = replace(settings, modes=count)
        self.settings = settings
        self.device = choose_device(settings.device)
        # Positions about the head's middle keep their last digits in float32.
        self.centre = actor.neutral.mean(0)
        found = load_prepared(cache, actor, settings) if cache is not None else None
        prepared = found or _prepared(actor, settings)
        self.modes, self.eigenvalues = prepared.modes, prepared.eigenvalues  # (V, M), (M,)
        expressions, prior = self.tensor(actor.expressions), self.tensor(prior_of_modes(self.eigenvalues, settings))
        # Where only a few points are missing, the matrix for all of them is near enough, and may be known already.
        partial = self.tensor(trust) if trust is not None and _some_are_missing(trust) else None
        inverse = None
        if prepared.inverse is not None and partial is None:
            inverse = torch.as_tensor(prepared.inverse, device=self.device)
        fields = None
        self.is_coarse = prepared.mesh is not None
        if prepared.mesh is not None and prepared.at_places is not None:
            fields = CarriedFields(prepared.mesh, self.tensor(prepared.at_places), expressions)
        self.solver = ClosedForm(expressions, self.tensor(self.modes), prior, partial, inverse, fields)
        if settings.largest_weight:
            self.bound_weights(settings.largest_weight)
        if cache is not None and found is None and partial is None:
            save_prepared(cache, actor, settings, replace(prepared, inverse=self.solver.inverse.cpu().numpy()))
        self.usual_trust = partial  # what the inverse is for
        squared = squared_motions(actor)  # (N, V)
        self.jaw_of_frame = JawOfFrame(actor, squared)
        self.quietness = quietness(actor, squared)
        self.shapes_reach = float(np.sqrt(squared.max()))
        hinged = hinged_places(actor.neutral, actor.skin_weight, self.centre)
        self.left_over = LeftOver(actor.neutral, self.tensor(hinged))

    @classmethod
    def of(
        cls, actor: Actor, settings: FittingSettings, cache: Path | None = None, trust: np.ndarray | None = None
    ) -> FittingSession:
        """A session as it is made above, or the actor's latest again where it would be the same: nobody changes it."""
        before = actor.made.get("session")
        if before is not None and before[0] == settings and not _some_are_missing(trust):
            found: FittingSession = before[1]
            return found
        made = cls(actor, settings, cache, trust)
        # What lies in a GPU's memory is in the way of others there.
        if made.usual_trust is None and made.device.type == "cpu":
            actor.made["session"] = settings, made
        return made

    def tensor(self, array: np.ndarray) -> Tensor:
        """The array in float32 on the session's device."""
        return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32, device=self.device)

    def bound_weights(self, largest: float) -> None:
        """Keep all weights that are found from now on between 1 - largest and largest."""
        self.solver.bounds = WeightBounds(self.solver, 1.0 - largest, largest)

    def head(self, frames: np.ndarray, trust: np.ndarray | None = None) -> np.ndarray:
        """H_j (f, 4, 4) of frames (f, V, 3) in mm; trust (f, V) as in solve."""
        return estimate_head(self.actor, self._whole(frames, trust), trust, self.quietness)

    def jaw(self, stabilized: np.ndarray, trust: np.ndarray | None = None) -> np.ndarray:
        """T_j (f, 4, 4) of frames (f, V, 3) in mm without head motion."""
        wild = None
        if self.settings.outlier_mm:
            moved, furthest = self.left_over.of(stabilized, trust=trust)
            wild = self._wild(moved, furthest, trust)
        if trust is None and wild is None:
            return self.jaw_of_frame.predict(stabilized)
        unknown = np.zeros(stabilized.shape[:2], dtype=bool) if trust is None else trust <= INLIER_SHARE
        if wild is not None:
            unknown = unknown | wild
        points = self.jaw_of_frame.points
        return self.jaw_of_frame.predict_at_points(np.where(unknown[:, points, None], np.nan, stabilized[:, points]))

    def jaw_under_head(self, frames: np.ndarray, head: np.ndarray, trust: np.ndarray | None = None) -> np.ndarray:
        """As jaw, of frames (f, V, 3) with heads (f, 4, 4); the head is taken off few points where these will do."""
        points = self.jaw_of_frame.points
        if trust is None and len(points):
            some = without_head(frames[:, points].astype(np.float64), head)
            if self._near(float(np.abs(some - self.actor.neutral[points]).max())):
                return self.jaw_of_frame.predict_at_points(some)
        return self.jaw(without_head(frames, head), trust)

    def solve(
        self,
        frames: np.ndarray,
        jaw: np.ndarray,
        trust: np.ndarray | None = None,
        hold_jaw: bool = False,
        head: np.ndarray | None = None,
    ) -> FittedFrames:
        """The weights of frames (f, V, 3) in mm with jaw (f, 4, 4).

        trust: (f, V) how much each point counts; None for all fully. hold_jaw: leave the jaw as it is even where
        outliers are found, which the jaw was read from too. head: (f, 4, 4), None for frames without head motion.
        """
        weight = None if trust is None else self.tensor(trust)
        residual, furthest = self._residual(frames, jaw, trust, head)
        wild = None
        if not self._near(furthest):  # as in nearly no frames
            wild = self._wild(residual + self._jaw_motion(jaw), furthest, trust)
        sane = residual if wild is None else self._sane(residual, wild)
        found = self._solve(sane, weight)
        distance = self._distance(sane, found, weight)
        if self.settings.outlier_mm == 0 or (wild is None and not bool((distance > self.settings.outlier_mm).any())):
            return FittedFrames(found, jaw, distance)
        reach = self._outlier_reach(distance)  # (f,)
        doubtful = (distance.nan_to_num() > reach[:, None]).any(1)
        if wild is not None:
            doubtful |= torch.as_tensor(wild.any(1), device=self.device)
        if not bool(doubtful.any()):
            return FittedFrames(found, jaw, distance)
        rows = doubtful.cpu().numpy()
        jaw = jaw.copy()
        whole = torch.ones(residual.shape[:2], device=self.device) if weight is None else weight
        given = whole[doubtful]
        before = given if wild is None else given.masked_fill(torch.as_tensor(wild[rows], device=self.device), 0.0)
        some_residual, some = sane[doubtful], found[doubtful]
        for round_ in range(ROBUST_ROUNDS):
            # Geman and McClure, docs/model.md (19): a point at a third of the reach keeps 0.8 of its weight, at the
            # reach 0.25, far off 0.
            off = self.solver.fields.distance(some, some_residual)
            robust = before * geman_mcclure((off / reach[doubtful, None]) ** 2)
            # What is near counts fully, so that nothing but the outliers changes.
            robust = torch.where(off > 0.5 * reach[doubtful, None], robust, before)
            if round_ == 0 and not hold_jaw:
                robust_weight = robust.cpu().numpy()
                stabilized = frames[rows] if head is None else without_head(frames[rows], head[rows])
                jaw[rows] = self.jaw(stabilized, robust_weight)
                seen = None if trust is None else trust[rows]
                residual[doubtful] = self._residual(stabilized, jaw[rows], seen)[0]
                some_residual = residual[doubtful] if wild is None else self._sane(residual[doubtful], wild[rows])
            some = self.solver.solve(some_residual, robust, some)
        found[doubtful] = some
        lost = torch.zeros_like(residual[..., 0], dtype=torch.bool)
        lost[doubtful] = (given > 0) & (robust <= INLIER_SHARE * given)
        return FittedFrames(found, jaw, self._distance(residual, found, weight), lost)

    def explained(self, moved: Tensor) -> tuple[Tensor, np.ndarray]:
        """Coefficients (f, M, N) and jaw (f, 4, 4) of frames that are moved (f, V, 3) mm from the neutral without head
        motion, where all that is given is believed and nobody asks how far off they are."""
        points = self.jaw_of_frame.points
        jaw = self.jaw_of_frame.predict_at_points(self.actor.neutral[points] + moved[:, points].cpu().double().numpy())
        return self._solve(self.left_over.without_jaw(moved, recentred(jaw, self.centre)), None), jaw

    def residual(self, frames: np.ndarray, jaw: np.ndarray) -> Tensor:
        """What is left of frames (f, V, 3) without head motion after the neutral and the jaw (f, 4, 4): r of
        docs/model.md (16), (f, V, 3)."""
        return self._residual(frames, jaw)[0]

    def distance(
        self,
        frames: np.ndarray,
        jaw: np.ndarray,
        coefficients: np.ndarray,
        trust: np.ndarray | None = None,
        head: np.ndarray | None = None,
    ) -> Tensor:
        """How far (f, V) in mm frames are from given coefficients (f, M, N), as solve has it."""
        residual = self._residual(frames, jaw, trust, head)[0]
        weight = None if trust is None else self.tensor(trust)
        return self._distance(residual, self.tensor(coefficients), weight)

    def _residual(
        self, frames: np.ndarray, jaw: np.ndarray, trust: np.ndarray | None = None, head: np.ndarray | None = None
    ) -> tuple[Tensor, float]:
        """As LeftOver.of."""
        return self.left_over.of(frames, head, recentred(jaw, self.centre), trust)

    def _jaw_motion(self, jaw: np.ndarray) -> Tensor:
        """LBS(s0, T, k) - s0 (f, V, 3) of jaws (f, 4, 4)."""
        return self.left_over.jaw_motion(recentred(jaw, self.centre))

    def _solve(self, residual: Tensor, weight: Tensor | None) -> Tensor:
        if weight is None and self.usual_trust is None:
            return self.solver.solve(residual)
        if weight is None:
            weight = torch.ones(residual.shape[:2], device=self.device)
        if self.usual_trust is not None and bool((weight == self.usual_trust).all()):
            return self.solver.solve(residual * weight[..., None])
        start = self.solver.solve(residual * weight[..., None])
        return self.solver.solve(residual, weight, start)

    def _distance(self, residual: Tensor, coefficients: Tensor, weight: Tensor | None) -> Tensor:
        distance = self.solver.fields.distance(coefficients, residual)
        return distance if weight is None else torch.where(weight > 0, distance, torch.nan)

    def _outlier_reach(self, distance: Tensor) -> Tensor:
        """(f,) mm from where a point of each frame is an outlier."""
        return (OUTLIER_SPREADS * distance.nanmedian(dim=1).values).clamp(min=self.settings.outlier_mm)

    def _near(self, furthest: float) -> bool:
        """Whether frames whose points are at most `furthest` from the neutral along an axis have none that is wild."""
        return furthest < WILD_REACHES * self.shapes_reach / 2

    def _wild(self, moved: Tensor, furthest: float, trust: np.ndarray | None) -> np.ndarray | None:
        """(f, V) bool where frames moved (f, V, 3), at most `furthest` along an axis, further from the neutral than any
        face goes, even for the frame's own median, None if nowhere: they would drown all others in the first solve, and
        in float32."""
        if self.settings.outlier_mm == 0 or self._near(furthest):  # as in nearly all frames
            return None
        far = moved.cpu().numpy().astype(np.float64)
        squared = np.einsum("fvc,fvc->fv", far, far)
        if trust is not None:
            squared = np.where(trust > 0, squared, 0.0)
        most = OUTLIER_SPREADS * np.sqrt(np.median(squared, axis=1)) + WILD_REACHES * self.shapes_reach  # (f,)
        wild: np.ndarray = squared > most[:, None] ** 2
        return wild if wild.any() else None

    def _sane(self, residual: Tensor, wild: np.ndarray) -> Tensor:
        """The residual (f, V, 3), none where a point is wild (f, V)."""
        return residual.masked_fill(torch.as_tensor(wild, device=self.device)[..., None], 0.0)

    def _whole(self, frames: np.ndarray, trust: np.ndarray | None) -> np.ndarray:
        """Frames with a number at every point: the neutral's where nothing is known."""
        return frames if trust is None else np.where((trust > 0)[..., None], frames, self.actor.neutral)
