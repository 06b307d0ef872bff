# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting (MODEL.md section 4): s = H [ LBS(s0', T', k') + sum_i w_i(c) e'_i(c) ] with the target's fields.

Weights per point move over, settled first where the source's own shapes do not determine them; the jaw is carried into
the target's range. Where the two meshes differ, the source is first carried along a correspondence onto the target's.
"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .actor import Actor, skin
from .anatomy import Hinge
from .closed_form import agreement_matrix, expression_offsets, seen_by_modes
from .constraints import Constraints
from .correspondence import Correspondence
from .errors import InputError
from .evaluation import check_belongs
from .expression_names import pair_expressions
from .jaw import compose_jaw, decompose_jaw
from .rigid import angle_degrees, rigid_registration
from .takes import Take
from .topology import Topology, same_surface

Report = Callable[[dict], None]

JAWS = ("span", "ratio", "raw")
JAW_RIDGE_MM = 1.0  # motion of the mandible below which a shape tells nothing of the jaw
CHUNK_FRAMES = 32
SAME_PLACE_DEGREES, SAME_PLACE_SHARE = 10.0, 0.2  # of the head's size: less is how two faces differ


@dataclass(frozen=True)
class RetargetSettings:
    """How to retarget.

    strength: of everything but the head; 0 is the target's neutral. jaw_strength: of the jaw, times strength. head:
    whether the head moves. region_strength: (V,) of the expressions at each point, times strength; the jaw is one bone
    and keeps its own. pairs: {source expression: target expression}, None pairs by name.

    settling: how much weights that the source does not determine are drawn to the shape's weight over the whole face.
    A weight is undetermined where the source's e_i is small; if the target's e'_i is large there, it would show.
    jaw: span, ratio or raw: see carry_jaw.

    Measured on learned actors (benchmarks/retargeting.py, 100 frames, mean error on the target in mm), actor 3 to 11:
    weights as fitted 0.277 raw, 0.210 ratio, 0.209 span; settled 0.242, 0.177, 0.184; and 11 to 3 settled 0.208 ratio,
    0.195 span. With takes whose modes give every vertex the same share of detail, settled: 0.154 ratio and 0.151 span,
    and 0.174 and 0.147 the other way. Settling of 0.001 to 0.03 differs by less than 0.004.
    """

    strength: float = 1.0
    jaw_strength: float = 1.0
    head: bool = True
    region_strength: np.ndarray | None = None
    pairs: Mapping[str, str] | None = None
    settling: float = 0.002
    jaw: str = "span"

    def __post_init__(self) -> None:
        for name in ("strength", "jaw_strength", "settling"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise InputError(f"{name.replace('_', ' ')} is {value:g}; it must be 0 or more, and 1 is as performed")
        if self.jaw not in JAWS:
            raise InputError(f"jaw is {self.jaw!r}; it must be one of {', '.join(JAWS)}")


def retarget_take(
    take: Take,
    source: Actor,
    target: Actor,
    settings: RetargetSettings | None = None,
    report: Report | None = None,
    correspondence: Correspondence | None = None,
) -> Take:
    """The performance of a take of the source as a take of the target.

    correspondence: of the source's mesh to the target's; needed where they are not of one topology, and else not used.
    Its error_mm stays that of the source's fit: on the target there is nothing to compare with. Raises InputError if
    the take is not the source's, the meshes differ and the correspondence is not theirs, or no expressions pair.
    """
    settings = settings or RetargetSettings()
    report = report or (lambda _: None)
    check_belongs(source, take)
    across = not same_surface(source.topology, target.topology)
    if across:
        if correspondence is None:
            raise InputError(
                f"the source's mesh has {len(source.bone)} vertices and the target's {len(target.bone)}, "
                "or their faces differ; retargeting across topologies needs their correspondence"
            )
        correspondence.check(source.topology, target.topology)
        source = carried_actor(source, correspondence, target.topology)
        take = dataclasses.replace(take, modes=correspondence.carry(take.modes))
    region = _checked_region(settings.region_strength, len(target.bone))
    pairs = pair_expressions(source.names, target.names, settings.pairs)
    from_index = np.array([source.names.index(name) for name in pairs])  # (P,)
    to_index = np.array([target.names.index(name) for name in pairs.values()])  # (P,)

    report({"message": "Retargeting", "done": 0, "total": 2})
    coefficients = _settled(take, source, target, from_index, to_index, settings.settling)
    report({"message": "Retargeting", "done": 1, "total": 2})
    weights = _jaw_weights(take.modes, coefficients, source, target)[:, from_index]
    jaw = carry_jaw(take.jaw, weights, source, target, from_index, to_index, settings.jaw)
    if target.hinge is not None:
        pose = decompose_jaw(jaw, target.hinge)
        jaw = compose_jaw(pose * settings.strength * settings.jaw_strength, target.hinge)
    carried = np.zeros((len(take.frames), take.modes.shape[1], len(target.names)), dtype=np.float32)
    carried[:, :, to_index] = coefficients[:, :, from_index] * settings.strength
    head = _carry_head(take.head, source, target) if settings.head else np.tile(np.eye(4), (len(take.frames), 1, 1))
    report({"message": "Retargeting", "done": 2, "total": 2})
    figures = {
        "frames": len(take.frames),
        "paired": len(pairs),
        "across_topologies": across,
        "renamed": [f"{one} -> {other}" for one, other in pairs.items() if one != other],
        "unpaired_source": [name for name in source.names if name not in pairs],
        "unpaired_target": [name for name in target.names if name not in pairs.values()],
        "source_jaw_degrees": float(angle_degrees(take.jaw).max(initial=0.0)),
        "target_jaw_degrees": float(angle_degrees(jaw).max(initial=0.0)),
    }
    return Take(
        names=target.names,
        topology_digest=target.topology.digest,
        modes=np.ascontiguousarray(take.modes * region[:, None], dtype=np.float32),
        coefficients=carried,
        jaw=jaw,
        head=head,
        frames=take.frames,
        fps=take.fps,
        error_mm=take.error_mm,
        settings={
            "strength": settings.strength,
            "jaw_strength": settings.jaw_strength,
            "head": settings.head,
            "regions": settings.region_strength is not None,
            "settling": settings.settling,
            "jaw": settings.jaw,
            "pairs": pairs,
        },
        figures=figures,
    )


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
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return archive["strength"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        raise InputError(f"{path} must be an .npz file with `strength`, a number for each vertex: {error}") from error


# -- weights ----------------------------------------------------------------------------------------------------------


def _settled(
    take: Take, source: Actor, target: Actor, from_index: np.ndarray, to_index: np.ndarray, settling: float
) -> np.ndarray:
    """Coefficients a (F, M, N) of the source's weights, settled where its own shapes leave them undetermined.

    Minimises  sum_c |sum_i (w_i - v_i)(c) e_i(c)|^2 + settling sum_ci |e'_i(c)|^2 |w_i(c) - u_i|^2  over w, with v the
    take's weights and u_i the weight of shape i over the whole face: what shows on the source stays, and what would
    show on the target alone comes to rest. Where the target has no jaw, its e'_i hold the jaw's motion, so w is then
    solved for the source's whole offsets.
    """
    whole = source.hinge is not None and target.hinge is None
    if settling == 0 and not whole:
        return take.coefficients
    modes = torch.as_tensor(take.modes)  # (V, M)
    coefficients = torch.as_tensor(take.coefficients)  # (F, M, N)
    frames, count, names = coefficients.shape
    points = len(modes)
    fields = torch.as_tensor(_offsets(source) if whole else source.expressions).float()  # (V, N, 3)
    target_energy = torch.zeros(points, names)  # (V, N)
    other = torch.as_tensor(_offsets(target) if whole else target.expressions).float()
    target_energy[:, from_index] = other[:, to_index].square().sum(-1)

    matrix = agreement_matrix(modes, fields)
    rest = torch.stack([(modes.T @ (target_energy[:, i, None] * modes)).double() for i in range(names)])  # (N, M, M)
    rest *= max(settling, 1e-3)

    right = torch.empty(count, names, frames, dtype=torch.float64)
    for first in range(0, frames, CHUNK_FRAMES):
        part = slice(first, min(first + CHUNK_FRAMES, frames))
        seen = _seen_offsets(take, source, part, whole)  # (f, V, 3)
        right[:, :, part] = seen_by_modes(modes, fields, seen).double()

    flat = torch.linalg.lstsq(modes.double(), torch.ones(points, 1, dtype=torch.float64)).solution  # (M, 1): weight 1
    energy = fields.square().sum(-1)  # (V, N)
    overall = _mean_weights(modes, coefficients, energy).double()  # (F, N)
    still = flat[:, 0, None, None] * overall.T  # (M, N, F)
    right += torch.einsum("imp,pif->mif", rest, still)
    for i in range(names):
        matrix[:, i, :, i] += rest[i]
    matrix = matrix.view(count * names, count * names)
    # What neither actor shows stays as it was; and the blocks, summed in float32, stay positive definite.
    ridge = 5e-5 * float(matrix.diagonal().mean()) + 1e-9
    matrix.diagonal().add_(ridge)
    right += ridge * coefficients.double().permute(1, 2, 0)
    solution = torch.cholesky_solve(right.view(count * names, frames), torch.linalg.cholesky(matrix))
    return solution.view(count, names, frames).permute(2, 0, 1).float().numpy()


def _offsets(actor: Actor) -> np.ndarray:
    """(V, N, 3) the actor's shapes as offsets from its neutral, the jaw's motion included."""
    return (actor.shapes()[1:] - actor.neutral).transpose(1, 0, 2)


def _seen_offsets(take: Take, source: Actor, part: slice, whole: bool) -> Tensor:
    """(f, V, 3) float32 what the take's weights add on the source, and with `whole` what its jaw does too."""
    offsets = expression_offsets(
        torch.as_tensor(take.modes),
        torch.as_tensor(take.coefficients[part]),
        torch.as_tensor(source.expressions).float(),
    )
    if whole:
        moved = skin(source.neutral, take.jaw[part], source.skin_weight) - source.neutral
        offsets = offsets + torch.as_tensor(moved).float()
    return offsets


def _mean_weights(modes: Tensor, coefficients: Tensor, importance: Tensor) -> Tensor:
    """(F, N) the mean of w_i(c) over points of importance (V, N), and 0 for a shape without any."""
    total = importance.sum(0)
    share = modes.T @ (importance / total.clamp(min=1e-12))  # (M, N)
    return torch.einsum("fmi,mi->fi", coefficients, share)


# -- jaw and head -----------------------------------------------------------------------------------------------------


def carry_jaw(
    jaw: np.ndarray,
    weights: np.ndarray,
    source: Actor,
    target: Actor,
    from_index: np.ndarray,
    to_index: np.ndarray,
    how: str = "span",
) -> np.ndarray:
    """The target's jaw T'_j (F, 4, 4) for the source's T_j (F, 4, 4).

    weights: (F, P) of the paired shapes where the jaw moves the skin. from_index, to_index: (P,) the paired shapes.
    A pose is rotation and slide about each actor's own hinge, in its own axes (opening, yaw, roll; aside, up, forward).

    span: the pose is written as sum_i c_i p_i of the poses of the source's shapes, with c as near to the weights as it
    can be, and rebuilt as sum_i c_i p'_i; what lies outside the span of the shapes is scaled by the ratio of the two
    actors' openings. ratio: the whole pose is scaled so. raw: T'_j = T_j.
    A target without a mandible keeps its jaw at rest; for a source without one, c is the weights.
    """
    if target.hinge is None:
        return np.tile(np.eye(4), (len(jaw), 1, 1))
    if how == "raw":
        return jaw.copy()
    lever = _lever(target)
    target_shapes = _pose(target.jaw[to_index], target.hinge, lever)  # (P, 6)
    if source.hinge is None:
        return _motion(weights @ target_shapes, target.hinge, lever)
    pose = _pose(jaw, source.hinge, lever)  # (F, 6)
    source_shapes = _pose(source.jaw[from_index], source.hinge, lever)
    widest = source_shapes[:, 0].max()
    ratio = target_shapes[:, 0].max() / widest if widest > JAW_RIDGE_MM else 1.0
    if how == "ratio":
        return _motion(pose * ratio, target.hinge, lever)
    left = pose - weights @ source_shapes
    normal = source_shapes.T @ source_shapes + JAW_RIDGE_MM**2 * np.eye(6)
    chosen = weights + left @ np.linalg.solve(normal, source_shapes.T)  # (F, P) c
    outside = pose - chosen @ source_shapes
    return _motion(chosen @ target_shapes + ratio * outside, target.hinge, lever)


def _lever(actor: Actor) -> float:
    """How far the skin that the jaw moves lies from the hinge, in mm: what a turn of one radian comes to."""
    share = actor.skin_weight[:, 0].astype(np.float64) ** 2
    if actor.hinge is None or share.sum() == 0:
        return 80.0
    return float(share @ np.linalg.norm(actor.neutral - actor.hinge.centre, axis=1) / share.sum())


def _pose(motion: np.ndarray, hinge: Hinge, lever: float) -> np.ndarray:
    """Poses (F, 6) in mm along the hinge's axes: opening, yaw and roll times lever; aside, up, forward."""
    pose, axes = decompose_jaw(motion, hinge), np.stack([hinge.axis, hinge.up, hinge.forward])
    return np.concatenate([pose[:, :3] @ axes.T * lever, pose[:, 3:] @ axes.T], axis=1)


def _motion(pose: np.ndarray, hinge: Hinge, lever: float) -> np.ndarray:
    """Rigid motions (F, 4, 4) of such poses (F, 6)."""
    axes = np.stack([hinge.axis, hinge.up, hinge.forward])
    return compose_jaw(np.concatenate([pose[:, :3] @ axes / lever, pose[:, 3:] @ axes], axis=1), hinge)


def _jaw_weights(modes: np.ndarray, coefficients: np.ndarray, source: Actor, target: Actor) -> np.ndarray:
    """(F, N) each shape's weight where the jaw moves the skin, float64."""
    share = source.skin_weight if source.hinge is not None else target.skin_weight  # (V, 1)
    importance = share.astype(np.float64) ** 2 * (source.expressions**2).sum(-1)
    return _mean_weights(
        torch.as_tensor(modes).double(), torch.as_tensor(coefficients).double(), torch.as_tensor(importance)
    ).numpy()


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


def _checked_region(region: np.ndarray | None, points: int) -> np.ndarray:
    if region is None:
        return np.ones(points)
    region = np.asarray(region, dtype=np.float64)
    if region.shape != (points,) or not np.isfinite(region).all() or region.min() < 0:
        raise InputError(
            f"the region strength must be {points} numbers of 0 or more, one for each vertex; "
            f"what was given has the shape {region.shape}"
        )
    return region
