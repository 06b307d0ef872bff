# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting (MODEL.md section 4): s = H [ LBS(s0', T', k') + sum_i w_i(c) e'_i(c) ] with the target's fields.

Weights per point move over between whole shapes, jaw included: s_j = s0 + sum_i w_i(c) (s_i - s0) on the source, and
the same w on the target's s'_i. What the target then shows is fitted by the target's own model, so that its jaw T' and
its weights are what they would be if it had performed, in its own range. Where the two meshes differ, the source is
first carried along a correspondence onto the target's.

Where not all of the source's shapes have a partner, those that have one show what they can of the others, and the jaw
is carried in the range of the two: what it does beyond the paired shapes, only the target's jaw does. A shape that is
left out on purpose is told apart from the others, and nothing is shown of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .actor import Actor, skin
from .archives import open_archive
from .closed_form import agreement_matrix, expression_offsets, seen_by_modes, weights_at
from .constraints import Constraints
from .correspondence import Correspondence
from .errors import UNREADABLE, InputError, reason
from .evaluation import check_belongs
from .expression_names import JOINED, chosen_partners, pair_expressions
from .fitting_session import FittingSession
from .fitting_settings import FittingSettings
from .imitation import imitate
from .jaw import compose_jaw, decompose_jaw
from .jaw_range import JawBeyond
from .registration import similarity
from .rigid import angle_degrees, rigid_registration
from .takes import Take, index_of
from .topology import Topology, same_surface

Report = Callable[[dict], None]

CHUNK_FRAMES = 32
LEAST, MOST = -0.5, 1.5  # of a weight: a face goes a little beyond its shapes, and no further
SAME_PLACE_DEGREES, SAME_PLACE_SHARE = 10.0, 0.2  # of the head's size: less is how two faces differ


@dataclass(frozen=True)
class RetargetSettings:
    """How to retarget.

    strength: of everything but the head; 0 is the target's neutral. jaw_strength: of the jaw, times strength. head:
    whether the head moves. region_strength: (V,) of the expressions at each point, times strength; the jaw is one bone
    and keeps its own. pairs: {source expression: target expression}, None pairs by name; what an expression does that
    is not in it, the others imitate; of one that is given "" nothing shows, its jaw included. neutral_frame: a frame of
    the take in which the performer's face rests; what it shows there is taken off every frame, so that the target rests
    in its own neutral (the neutral offset). None takes nothing off.

    settling: how much weights that the source does not determine are drawn to the shape's weight over the whole face.
    A weight is undetermined where the source's shape moves little; if the target's moves much there, it would show.

    Measured on learned actors (benchmarks/retargeting.py, 100 frames, mean error on the target in mm), actor 3 to 11
    and back: 0.131 and 0.136. Carrying the weights of e_i and, apart from them, the jaw gave 0.152 and 0.150 at best,
    with the jaw written in the span of the source's jaws and rebuilt from the target's, and 0.28 with the jaw as it is.
    With jaw_open, 3, 6 and 10 of the 19 shapes unpaired, 3 to 11: 0.147, 0.206, 0.230, 0.486; leaving out all that they
    do gave 0.456, 0.464, 0.786 and 1.151, and a jaw that opened a quarter as far where jaw_open was among them.
    """

    strength: float = 1.0
    jaw_strength: float = 1.0
    head: bool = True
    region_strength: np.ndarray | None = None
    pairs: Mapping[str, str] | None = None
    neutral_frame: int | None = None
    settling: float = 0.002

    def __post_init__(self) -> None:
        for name in ("strength", "jaw_strength", "settling"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise InputError(f"{name.replace('_', ' ')} is {value:g}; it must be 0 or more, and 1 is as performed")


def retarget_take(
    take: Take,
    source: Actor,
    target: Actor,
    settings: RetargetSettings | None = None,
    report: Report | None = None,
    correspondence: Correspondence | None = None,
    cache: Path | None = None,
) -> Take:
    """The performance of a take of the source as a take of the target.

    correspondence: of the source's mesh to the target's; needed where they are not of one topology, and else not used.
    Of what unpaired shapes do, the paired ones show what they can, and the jaw moves. cache: a file for what the next
    fit of the target can use again. Its error_mm stays that of the source's fit: on the target there is nothing to
    compare with. Raises InputError if the take is not the source's, the meshes differ and the correspondence is not
    theirs, or no expressions pair.
    """
    settings = settings or RetargetSettings()
    report = report or (lambda _: None)
    total = len(take.frames)
    report({"message": "Retargeting", "done": 0, "total": total})
    carrying = Retargeting(take, source, target, settings, correspondence, cache)
    coefficients = np.zeros((total, carrying.modes.shape[1], len(target.names)), dtype=np.float32)
    jaw = np.empty((total, 4, 4))
    for first in range(0, total, CHUNK_FRAMES):
        part = slice(first, first + CHUNK_FRAMES)
        coefficients[part], jaw[part] = carrying.carried(part)
        report({"message": "Retargeting", "done": min(part.stop, total), "total": total})
    return carrying.finished(coefficients, jaw, slice(None), settings)


class Retargeting:
    """What carries the frames of one take to one target, made once: then a frame takes milliseconds.

    Of the settings pairs and settling count; what carried() gives is as strong as it was performed. pairs: {source
    expression: target expression} of those that have a partner. mixtures: what each of the source's shapes is on the
    target. modes: (V, M) of the target. across: whether the meshes differ. Raises InputError as retarget_take does.
    """

    def __init__(
        self,
        take: Take,
        source: Actor,
        target: Actor,
        settings: RetargetSettings,
        correspondence: Correspondence | None = None,
        cache: Path | None = None,
    ) -> None:
        check_belongs(source, take)
        _checked_region(settings.region_strength, len(target.bone))
        self.across = not same_surface(source.topology, target.topology)
        trust: np.ndarray | None = None
        if self.across:
            if correspondence is None:
                raise InputError(
                    f"the source's mesh has {len(source.bone)} vertices and the target's {len(target.bone)}, "
                    "or their faces differ; retargeting across topologies needs their correspondence"
                )
            correspondence.check(source.topology, target.topology)
            source = carried_actor(source, correspondence, target.topology)
            take = dataclasses.replace(take, modes=correspondence.carry(take.modes))
            trust = correspondence.confidence
        self.take, self.source, self.target = take, source, target
        partners = chosen_partners(source.names, target.names, settings.pairs)
        self.left_out = [name for name, each in partners.items() if not each]
        self.pairs = {name: JOINED.join(each) for name, each in partners.items() if each}
        taken = {each for some in partners.values() for each in some}
        usable = np.array([settings.pairs is None or name in taken for name in target.names])
        # The target's own fits would find another factor in their file, if it were not for all its shapes.
        self._to = np.flatnonzero(usable)  # (k,) of the target's shapes
        performer = target if usable.all() else _with_expressions(target, self._to)
        fitting = FittingSettings(modes=take.modes.shape[1], outlier_mm=0.0, head="still")
        self.session = FittingSession(performer, fitting, cache if usable.all() else None)
        self.modes = self.session.modes
        self.mixtures = imitate(
            source, target, partners, usable, (self.modes, self.session.eigenvalues), trust
        )
        if not any(len(each.shapes) for each in self.mixtures):
            pair_expressions(source.names, target.names)  # says which names do not pair
            raise InputError("no expression of the source does what one of the target's does; say which do with pairs")
        self._shown = torch.as_tensor(_offsets(target)).float()  # (V, K, 3) δ'
        self._places = [
            (torch.as_tensor(each.shapes), torch.as_tensor(np.ascontiguousarray(each.weights)))
            for each in self.mixtures
        ]
        energy = torch.stack([self._energy(i) for i in range(len(source.names))], dim=1)  # (V, N)
        self._weights = _WholeWeights(take, source, energy, settings.settling)
        self._beyond: JawBeyond | None = None
        if source.hinge is not None and target.hinge is not None:
            scale = similarity(source.neutral, target.neutral)[0]
            self._beyond = JawBeyond(source, target, self.mixtures, self.left_out, scale)
            self._poses = decompose_jaw(take.jaw, source.hinge)
        self._at_rest: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def _energy(self, index: int) -> Tensor:
        """(V,) |δ'|^2 of what the target shows of a shape; of one that is left out, what the source shows."""
        if self.source.names[index] in self.left_out:
            moved = self.source.shapes()[index + 1] - self.source.neutral
        else:
            moved = self.mixtures[index].of(self._shown.permute(1, 0, 2).double().numpy())
        return torch.as_tensor(np.square(moved).sum(-1)).float()

    def prepare_for_single_frames(self) -> None:
        """Make a frame alone several times as fast, for a second now: factors are quick for many frames at once."""
        self._weights.inverse = torch.cholesky_inverse(self._weights.factor)
        self.session.solver.prepare_for_single_frames()

    def shown(self, coefficients: Tensor) -> np.ndarray:
        """(f, V, 3) mm the target with coefficients (f, M, N) of the weights of the source's shapes.

        Each weight, and all that mixtures make of one of the target's shapes, stays between LEAST and MOST at every
        point: the target does what its own shapes can do.
        """
        weights = weights_at(self._weights.modes, coefficients).clamp(LEAST, MOST)  # (V, f, N)
        found = torch.zeros(*weights.shape[:2], self._shown.shape[1])  # (V, f, K)
        for i, (shapes, parts) in enumerate(self._places):
            found[..., shapes] += weights[..., i, None] * parts[:, None]
        return self.target.neutral + torch.matmul(found.clamp(LEAST, MOST), self._shown).transpose(0, 1).numpy()

    def carried(self, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (f, M, N) float32 of the target's shapes and its jaw (f, 4, 4), in a part of the take."""
        weights = self._weights.of(part)
        frames = self.shown(weights)
        jaw = self.session.jaw(frames)
        found = self.session.solve(frames, jaw)
        if self._beyond is not None:
            assert self.target.hinge is not None
            more = self._beyond.of(self._weights.overall_of(weights), self._poses[part])
            jaw = compose_jaw(decompose_jaw(jaw, self.target.hinge) + more, self.target.hinge)
        carried = np.zeros((len(frames), self.modes.shape[1], len(self.target.names)), dtype=np.float32)
        carried[:, :, self._to] = found.coefficients.cpu().numpy()
        return carried, jaw

    def finished(self, coefficients: np.ndarray, jaw: np.ndarray, part: slice, settings: RetargetSettings) -> Take:
        """The take of these frames of the target, as strong as the settings say; of them pairs and settling are those
        it was prepared with.

        coefficients: (f, M, N) and jaw: (f, 4, 4) as carried gives them.
        """
        take, source, target, pairs = self.take, self.source, self.target, self.pairs
        region = _checked_region(settings.region_strength, len(target.bone))
        resting = None if settings.neutral_frame is None else self._resting(settings.neutral_frame)
        if resting is not None:
            coefficients = coefficients - resting[0]
        if target.hinge is not None:
            pose = decompose_jaw(jaw, target.hinge)
            if resting is not None:
                pose = pose - decompose_jaw(resting[1], target.hinge)
            jaw = compose_jaw(pose * settings.strength * settings.jaw_strength, target.hinge)
        frames = take.frames[part]
        head = self._head[part] if settings.head else np.tile(np.eye(4), (len(frames), 1, 1))
        return Take(
            names=target.names,
            topology_digest=target.topology.digest,
            modes=self.modes if region is None else (self.modes * region[:, None]).astype(np.float32),
            coefficients=coefficients * np.float32(settings.strength),
            jaw=jaw,
            head=head,
            frames=frames,
            fps=take.fps,
            error_mm=take.error_mm[part],
            settings={
                "strength": settings.strength,
                "jaw_strength": settings.jaw_strength,
                "head": settings.head,
                "regions": settings.region_strength is not None,
                "neutral_frame": settings.neutral_frame,
                "settling": settings.settling,
                "pairs": pairs | dict.fromkeys(self.left_out, ""),
            },
            figures={
                "frames": len(frames),
                "paired": len(pairs),
                "across_topologies": self.across,
                "renamed": [f"{one} -> {other}" for one, other in pairs.items() if one != other],
                "left_out": self.left_out,
                "unpaired_source": [name for name in source.names if name not in (*pairs, *self.left_out)],
                "unpaired_target": [name for name in target.names if name not in pairs.values()],
                "source_jaw_degrees": float(angle_degrees(take.jaw[part]).max(initial=0.0)),
                "target_jaw_degrees": float(angle_degrees(jaw).max(initial=0.0)),
            },
        )

    def _resting(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """What the target does in one frame of the take, as carried() gives it. Raises InputError if it has none."""
        if frame not in self._at_rest:
            index = index_of(self.take, frame, " for the neutral offset")
            self._at_rest[frame] = self.carried(slice(index, index + 1))
        return self._at_rest[frame]

    @cached_property
    def _head(self) -> np.ndarray:
        """H'_j (F, 4, 4) of the target."""
        return _carry_head(self.take.head, self.source, self.target)


def carried_actor(actor: Actor, correspondence: Correspondence, topology: Topology) -> Actor:
    """The actor as it is at the vertices of another mesh: its fields on that mesh's topology, without the networks."""
    fields = ("template", "bone", "normal", "thickness", "skin_weight", "implicit_expressions")
    residuals = ("neutral_residual", "expression_residual")
    carried: dict[str, Any] = {name: correspondence.carry(getattr(actor, name)) for name in (*fields, *residuals)}
    # d n of a place is not its mean d times its mean n: what is left of the neutral goes to the residual.
    neutral = correspondence.carry(actor.neutral)
    implicit = carried["bone"] + carried["thickness"] * carried["normal"]
    carried["neutral_residual"] = (neutral - implicit.astype(np.float64)).astype(np.float32)
    return dataclasses.replace(actor, topology=topology, constraints=Constraints.none(), networks={}, **carried)


def read_regions(path: Path) -> np.ndarray:
    """(V,) the region strength in an .npz file's `strength`. Raises InputError if it is no such file."""
    try:
        with open_archive(path) as archive:
            return archive["strength"]
    except UNREADABLE as error:
        raise InputError(
            f"{path} must be an .npz file with `strength`, a number for each vertex: {reason(error)}"
        ) from error


# -- weights ----------------------------------------------------------------------------------------------------------


class _WholeWeights:
    """Coefficients a (f, M, N) of weights of the source's whole shapes, settled where these leave them undetermined.

    energy: (V, N) |δ'|^2 of what the target shows of each. With δ_i = s_i - s0, they minimise over w
        sum_c |sum_i w_i(c) δ_i(c) - x(c)|^2 + settling sum_ci |δ'_i(c)|^2 |w_i(c) - u_i|^2
    with x the take's frame without its head, and u_i the weight of shape i over the whole face: what shows on
    the source stays, and what would show on the target alone comes to rest.
    """

    def __init__(self, take: Take, source: Actor, energy: Tensor, settling: float) -> None:
        self.take, self.source = take, source
        self.modes = modes = torch.as_tensor(take.modes)  # (V, M)
        count, names = modes.shape[1], len(source.names)
        self.fields = torch.as_tensor(_offsets(source)).float()  # (V, N, 3) δ
        self.expressions = torch.as_tensor(source.expressions).float()  # (V, N, 3)
        matrix = agreement_matrix(modes, self.fields)
        diagonal = matrix.view(count * names, -1).diagonal()
        # The blocks, summed in float32, stay positive definite; and what neither actor shows stays small.
        diagonal.add_(5e-5 * float(diagonal.mean()) + 1e-9)
        self.factor = torch.linalg.cholesky(matrix.view(count * names, -1))
        self.inverse: Tensor | None = None
        self.rest: Tensor | None = None
        importance = self.fields.square().sum(-1)
        self.share = modes.T @ (importance / importance.sum(0).clamp(min=1e-12))  # (M, N): of a weight's mean
        if settling == 0:
            return
        rest = torch.stack([(modes.T @ (energy[:, i, None] * modes)).double() for i in range(names)])
        rest *= settling  # (N, M, M)
        flat = torch.linalg.lstsq(modes.double(), torch.ones(len(modes), 1, dtype=torch.float64)).solution  # (M, 1): 1
        self.rest = rest @ flat[:, 0]  # (N, M)
        # u is linear in the right side, so that one solution a frame is enough.
        means = torch.einsum("mi,ij->mij", self.share.double(), torch.eye(names, dtype=torch.float64))
        self.overall = torch.cholesky_solve(means.view(count * names, names), self.factor)  # (M N, N)
        for i in range(names):
            matrix[:, i, :, i] += rest[i]
        self.factor = torch.linalg.cholesky(matrix.view(count * names, -1))

    def of(self, part: slice) -> Tensor:
        """The coefficients (f, M, N) float32 in a part of the take."""
        seen = seen_by_modes(self.modes, self.fields, self._seen_offsets(part)).double()
        count, names, frames = seen.shape
        right = seen.reshape(-1, frames)
        if self.rest is not None:
            overall = self.overall.T @ right  # (N, f) u
            right = right + torch.einsum("im,if->mif", self.rest, overall).reshape(-1, frames)
        solution = torch.cholesky_solve(right, self.factor) if self.inverse is None else self.inverse @ right
        return solution.view(count, names, frames).permute(2, 0, 1).float().contiguous()

    def overall_of(self, weights: Tensor) -> np.ndarray:
        """(f, N) the weights over the whole face of coefficients (f, M, N)."""
        return torch.einsum("fmi,mi->fi", weights, self.share).double().numpy()

    def _seen_offsets(self, part: slice) -> Tensor:
        """(f, V, 3) float32 the take's frames without head motion, as offsets from the source's neutral."""
        neutral = self.source.neutral
        moved = skin(neutral, self.take.jaw[part], self.source.skin_weight) - neutral
        coefficients = torch.as_tensor(self.take.coefficients[part])
        return torch.as_tensor(moved).float() + expression_offsets(self.modes, coefficients, self.expressions)


def _offsets(actor: Actor) -> np.ndarray:
    """(V, N, 3) the actor's shapes as offsets from its neutral, the jaw's motion included."""
    return (actor.shapes()[1:] - actor.neutral).transpose(1, 0, 2)


def _with_expressions(actor: Actor, chosen: np.ndarray) -> Actor:
    """The actor with only the expressions chosen (P,)."""
    return dataclasses.replace(
        actor,
        names=tuple(actor.names[i] for i in chosen),
        jaw=actor.jaw[chosen],
        implicit_expressions=actor.implicit_expressions[:, chosen],
        expression_residual=actor.expression_residual[:, chosen],
    )


# -- head --------------------------------------------------------------------------------------------------------------


def _carry_head(head: np.ndarray, source: Actor, target: Actor) -> np.ndarray:
    """H'_j (F, 4, 4): H_j as it is for heads that stand in one place, else seen from where the target stands."""
    one = np.ones((1, len(source.bone)))
    placement = rigid_registration(source.neutral, target.neutral[None], one)[0]
    middle = source.neutral.mean(0)
    shift = np.linalg.norm(placement[:3, :3] @ middle + placement[:3, 3] - middle)
    size = np.linalg.norm(np.ptp(source.neutral, axis=0))
    if angle_degrees(placement[None])[0] < SAME_PLACE_DEGREES and shift < SAME_PLACE_SHARE * size:
        return head.copy()
    carried = placement @ head @ np.linalg.inv(placement)
    carried[:, 3] = (0.0, 0.0, 0.0, 1.0)
    return carried


def _checked_region(region: np.ndarray | None, points: int) -> np.ndarray | None:
    if region is None:
        return None
    region = np.asarray(region, dtype=np.float64)
    if region.shape != (points,) or not np.isfinite(region).all() or region.min() < 0:
        raise InputError(
            f"the region strength must be {points} numbers of 0 or more, one for each vertex; "
            f"what was given has the shape {region.shape}"
        )
    return region
