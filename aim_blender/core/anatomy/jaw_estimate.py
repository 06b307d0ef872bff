# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw's rigid motion T_i in each shape, and what share of it the skin takes, estimated before any network learns.

Learned together with the expressions from the start, the jaw is swallowed by them (docs/model.md section 2). So it is
estimated here first, robustly, from the skin over the mandible, and within what a jaw can do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg, splu

from ..geometry.rigid import angle_degrees, apply_motion, motion_columns
from ..shared.bones.constraints import Constraints
from ..shared.foundation.robust_weights import cauchy
from ..shared.foundation.smoothstep import smoothstep
from .anatomy import Hinge
from .jaw import JawEstimate, compose_jaw, rest_jaw
from .mandible_frame import (
    INCISORS_ASIDE_MM,
    INCISORS_TRAVEL_MM,
    MandibleFrame,
    even_share,
    find_mandible_frame,
    lower_border_share,
)
from .muscles_seen import goes_aside_alone, without_muscles

ROUNDS, FREE_STEPS, STEPS = 5, 5, 9
MUSCLE_ROUNDS = 2  # at first, a jaw that is hidden by a smile is taken for a muscle
# Standard deviations of Posselt's envelope: opening, yaw and roll in degrees, then the condyles' slide in mm aside, off
# their path and along it. With a degree of opening they slide along it by so much.
SPREAD = (30.0, 2.27, 0.5, 3.5, 2.0, 6.0)
SLIDE_WITH_DEGREE_MM = 0.2
OPENS_WIDE_DEGREES, BOUND_TO_OPENING = 10.0, 4.0  # from where, and by how much more, the slide keeps to that
ASIDE = [1, 2, 3]  # of a pose, what carries the chin aside
# How far the skin may be off before the envelope matters: so many times what it is off without, but within these.
NOISE_SHARE, LEAST_NOISE_MM, MOST_NOISE_MM = 2.4, 0.3, 1.45
# A point off where the jaw would carry it by more than this share of what the skin moves belongs to a muscle as well.
# Muscles do what they do as far as an expression goes, so no fixed length parts the two.
ROBUST_SHARE, LEAST_ROBUST_MM = 0.8, 1.0
NOISE_MM = 0.5  # motions below which nothing is told
# Share of the motion along the mandible's lower border that a rigid jaw must explain: below the first, none of it is
# the jaw's. On real and on hand-made faces it is 0.82 to 1 where the jaw moves, and up to 0.67 where only lips, cheeks
# and chin do.
RIGID_FROM, RIGID_TO = 0.7, 0.82
# Lips, cheeks and chin pull up, aside and forward, but nothing other than a jaw turns the lower border down about the
# hinge. So where it opens wide, less must be rigid: a mouth closed or cheeks puffed over an open jaw leave 0.56.
# Without a jaw, no shape that was tried of ICT's, ARKit's and MakeHuman's faces turns it by more than 2.4 degrees.
TURNS_DEGREES = (3.0, 4.5)
HIDDEN_DEGREES = (4.0, 5.5)  # the same for what is seen only once muscles are taken away: up to 3.7 degrees falsely
TURNED_FROM, TURNED_TO = 0.4, 0.52  # the share that must then be rigid
# What draws the lower lip down turns the lower border too, by up to 2.7 degrees, and explains 0.58 to 0.81; a jaw that
# opens as little, 0.9 and more.
OPENS_FROM, OPENS_TO = 0.82, 0.88
# The skin over the mandible that follows it most, follows it fully where much of it follows alike, as a plateau; where
# it keeps rising to a peak, only almost. Alike: what the second quantile of it takes, in what the first does.
MOST_QUANTILES, ALIKE_QUANTILE = (0.94, 0.955, 0.97, 0.985), 0.7  # several, for each hangs on a few points
PEAK, PLATEAU = (0.82, 0.86), (0.95, 1.0)  # how much is alike, and what the most then takes
REST_DEGREES = 4.0  # only shapes that open wider than this tell how much the skin follows
SAME_WAY = 0.5  # share of the motion that must be a turn about the hinge, for a shape to be an opening at first
SOLVED, MOST_STEPS = 1e-9, 500  # of the right side, and of conjugate gradients
HEAD_MOVES_MM = 10.0  # where the skin over the skull moves further, it is no expression


def estimate_jaw(
    neutral: np.ndarray, shapes: np.ndarray, edges: np.ndarray, constraints: Constraints, hinge: Hinge
) -> JawEstimate:
    """Estimate T_i and k by turns: each shape's rigid motion robustly for the present k, then k for these motions.

    neutral: (V, 3) mm. shapes: (N, V, 3) mm. edges: (E, 2). What fixes the scale between the two is that the points
    which follow most, follow almost fully.
    """
    over = constraints.on_mandible
    points, bone = constraints.points[over], constraints.bone[over]
    frame = find_mandible_frame(hinge, bone)
    share = lower_border_share(frame, bone)
    even = even_share(frame, bone)
    expression = _head_is_still(neutral, shapes, constraints.points[~over], frame)  # (N,)

    def follow(motion: np.ndarray, use: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return skin_share(neutral, shapes, motion, edges, use, lambda k: _fully(k[points], even))

    motion, use = _first_openings(neutral[points], shapes[:, points], share, frame)
    use = use * expression
    if not use.any():
        return rest_jaw(len(shapes), len(neutral))
    skin_weight, trust = follow(motion, use)
    for _ in range(ROUNDS):
        pose, explained = _fit_poses(neutral[points], shapes[:, points], skin_weight[points], share, frame)
        jaws = _is_the_jaws(pose[:, 0], explained) * expression
        use = jaws * (pose[:, 0] > np.deg2rad(REST_DEGREES))
        if not use.any():
            return rest_jaw(len(shapes), len(neutral))
        skin_weight, trust = follow(compose_jaw(pose @ frame.poses.T, hinge), use)
    present = np.where(expression > 0.0, jaws, np.nan)
    pose = _poses_apart(neutral, shapes, skin_weight, points, share, frame, pose[:, 0], present)
    pose = _within_reach(pose, frame)
    return JawEstimate(compose_jaw(pose @ frame.poses.T, hinge), skin_weight, trust)


def _poses_apart(
    neutral: np.ndarray,
    shapes: np.ndarray,
    skin_weight: np.ndarray,
    points: np.ndarray,
    share: np.ndarray,
    frame: MandibleFrame,
    opening: np.ndarray,
    shown: np.ndarray,
) -> np.ndarray:
    """The jaw's poses (N, 6), as far as they are the jaw's, in shapes without what muscles are seen to do in them.

    skin_weight: (V,). points: (P,) over the mandible, with their share (P,). opening: (N,) in radians, as found with
    the muscles in. shown: (N,) how much of that is the jaw's, not a number where a shape is no expression.
    """
    expression, shown = np.isfinite(shown), np.nan_to_num(shown)
    jaws, follows = shown, skin_weight[points]
    for _ in range(MUSCLE_ROUNDS):
        seen = without_muscles(neutral, shapes, skin_weight, jaws * opening, (jaws == 0.0) & expression, frame)
        pose, explained = _fit_poses(neutral[points], seen[:, points], follows, share, frame)
        opening = pose[:, 0]
        jaws = _is_the_jaws(opening, explained) * np.maximum(shown, _turns(opening, HIDDEN_DEGREES)) * expression
    aside = (seen[:, points] - neutral[points]) @ frame.hinge.axis @ (follows / follows.sum())
    pose = pose * jaws[:, None]
    pose[:, ASIDE] *= goes_aside_alone(neutral, seen, skin_weight, aside, frame)[:, None]
    pose[:, 0] *= _opens(opening, explained)
    return pose


def opening_share(neutral: np.ndarray, shapes: np.ndarray, constraints: Constraints, hinge: Hinge) -> float:
    """What share of the skin's motion over the mandible a turn about the hinge explains in the shape that is most an
    opening; 0 if none is. Arguments as estimate_jaw's."""
    over = constraints.on_mandible
    points, bone = constraints.points[over], constraints.bone[over]
    if len(points) == 0:
        return 0.0
    frame = find_mandible_frame(hinge, bone)
    use = _first_openings(neutral[points], shapes[:, points], even_share(frame, bone), frame)[1]
    use = use * _head_is_still(neutral, shapes, constraints.points[~over], frame)
    return float(SAME_WAY + (1.0 - SAME_WAY) * use.max()) if use.any() else 0.0


def measured_jaw(neutral: np.ndarray, shapes: np.ndarray, edges: np.ndarray, motion: np.ndarray) -> JawEstimate:
    """The estimate where the jaw's motion (N, 4, 4) is known: only k is sought. neutral, shapes, edges as
    estimate_jaw."""
    use = (angle_degrees(motion) > REST_DEGREES).astype(np.float64)
    if not use.any():
        return JawEstimate(motion, np.zeros(len(neutral)), np.zeros(len(neutral)))
    return JawEstimate(motion, *skin_share(neutral, shapes, motion, edges, use, None))


def skin_share(
    neutral: np.ndarray,
    shapes: np.ndarray,
    jaw: np.ndarray,
    edges: np.ndarray,
    use: np.ndarray,
    scale_of: Callable[[np.ndarray], float] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Each point's share k (V,) of the jaw's motion over the shapes to use (N,), smoothed along the mesh, and trust
    (V,). scale_of: of such k what would be a full share; None if the jaw is known."""
    used = np.flatnonzero(use)
    moved = apply_motion(neutral, jaw[used]) - neutral  # (n, V, 3)
    displaced = shapes[used] - neutral
    say = np.broadcast_to(use[used, None], moved.shape[:2])
    # k minimises  sum_v full (k - seen / full)^2 + smoothness k^T L k : a screened Laplacian on the mesh
    seen, full = np.einsum("nvx,nvx,nv->v", displaced, moved, say), np.einsum("nvx,nvx,nv->v", moved, moved, say)
    count = len(neutral)
    adjacency = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    adjacency = adjacency + adjacency.T
    laplacian = sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency
    scale = np.median(full[full > 0]) if (full > 0).any() else 1.0
    system = (sparse.diags(full / scale + 1e-6) + 0.2 * laplacian).tocsr()
    weight = _solved(system, seen.clip(min=0.0) / scale).clip(min=0.0)
    if scale_of is not None:  # the motion is known up to what the skin that follows most takes of it
        weight = weight / max(scale_of(weight), 1e-6)
    return weight.clip(max=1.0), full / (full + scale)


def _solved(system: sparse.csr_matrix, right: np.ndarray) -> np.ndarray:
    """(V,) x of a positive definite system (V, V) with a right side (V,). Nearly all skin moves with the jaw, were it
    rigid, so conjugate gradients are there in some dozen steps, where a factor of 180,000 vertices takes seconds."""
    diagonal = sparse.diags(1.0 / system.diagonal())
    found, failed = cg(system, right, rtol=SOLVED, maxiter=MOST_STEPS, M=diagonal)
    return np.asarray(splu(system.tocsc()).solve(right) if failed else found)


def _first_openings(
    neutral: np.ndarray, shapes: np.ndarray, share: np.ndarray, frame: MandibleFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Motions (N, 4, 4) that open the jaw as far as most points (P, 3) over it go about the hinge, and how much each
    shape is such an opening (N,), whatever share of it each of its points takes."""
    hinge = frame.hinge
    angle = np.stack([_opening_angles(neutral, shape, hinge) for shape in shapes])  # (N, P)
    widest = np.array([_quantile(each, share, MOST_QUANTILES[2]) for each in angle]).clip(0.0, frame.limits[1][0])
    motion = compose_jaw(np.concatenate([widest[:, None] * hinge.axis, np.zeros((len(shapes), 3))], axis=1), hinge)
    moved, displaced = apply_motion(neutral, motion) - neutral, shapes - neutral
    follows = ((displaced * moved).sum(-1) / (moved**2).sum(-1).clip(1e-9)).clip(0.0, 1.2)
    explained = _explained(displaced - follows[..., None] * moved, displaced, share, frame)
    opens = widest > np.deg2rad(REST_DEGREES)
    return motion, opens * ((explained - SAME_WAY) / (1.0 - SAME_WAY)).clip(0.0)


def _fit_poses(
    neutral: np.ndarray, shapes: np.ndarray, weight: np.ndarray, share: np.ndarray, frame: MandibleFrame
) -> tuple[np.ndarray, np.ndarray]:
    """The jaw's poses (N, 6) along the columns of frame.poses, from skin points (P, 3) that follow it by weight (P,),
    and what share of their motion each explains (N,).

    Muscles move this skin too, but not rigidly: what no jaw could do, or a jaw explains badly, is not the jaw's. At
    first the poses follow the skin, then the envelope has a say, the more the further off the skin was.
    """
    hinge, columns = frame.hinge, frame.poses
    least, most = frame.limits
    spread = np.diag(1.0 / (np.array(SPREAD) * [*np.deg2rad(np.ones(3)), *np.full(3, frame.unit)]))
    spread[5, 0] = -spread[5, 5] * np.rad2deg(SLIDE_WITH_DEGREE_MM * frame.unit)
    prior = np.tile(spread.T @ spread, (len(shapes), 1, 1))
    pose = np.zeros((len(shapes), 6))
    noise = np.full(len(shapes), LEAST_NOISE_MM * frame.unit)
    explained = np.zeros(len(shapes))
    moves = np.sqrt(((shapes - neutral) ** 2).sum(-1) @ share)
    robust = np.maximum(ROBUST_SHARE * moves, LEAST_ROBUST_MM * frame.unit)[:, None]  # (N, 1)
    for step in range(STEPS):
        found = pose @ columns.T
        moved = apply_motion(neutral, compose_jaw(found, hinge))  # (N, P, 3)
        off = shapes - neutral - weight[:, None] * (moved - neutral)
        if step == FREE_STEPS:
            explained = _explained(off, shapes - neutral, share, frame)
            left = NOISE_SHARE * np.sqrt((off**2).sum(-1) @ share)
            noise = left.clip(LEAST_NOISE_MM * frame.unit, MOST_NOISE_MM * frame.unit)
            wide = (pose[:, 0] / np.deg2rad(OPENS_WIDE_DEGREES)).clip(0.0, 1.0)
            prior += (BOUND_TO_OPENING - 1.0) * wide[:, None, None] * np.outer(spread[5], spread[5])
        say = share * cauchy((off**2).sum(-1) / robust**2)  # lips must not turn the jaw
        turned = weight[:, None, None] * motion_columns(moved - hinge.centre - found[:, None, 3:]) @ columns
        rows = turned.reshape(len(shapes), -1, 6)
        weighted = (turned * say[..., None, None]).reshape(rows.shape).transpose(0, 2, 1)
        normal = weighted @ rows  # (N, 6, 6)
        right = weighted @ off.reshape(len(shapes), -1, 1) + normal @ pose[..., None]
        pose = _bounded(normal + (noise**2)[:, None, None] * prior, right[..., 0], least, most)
    return pose, explained


def _is_the_jaws(opening: np.ndarray, explained: np.ndarray) -> np.ndarray:
    """How much (N,) of shapes is the jaw's, by how far it would open (N,), in radians, and what that explains (N,)."""
    turns = _turns(opening)
    least = RIGID_FROM + (TURNED_FROM - RIGID_FROM) * turns
    most = RIGID_TO + (TURNED_TO - RIGID_TO) * turns
    return smoothstep((explained - least) / (most - least))


def _turns(opening: np.ndarray, degrees: tuple[float, float] = TURNS_DEGREES) -> np.ndarray:
    """How much (N,) an opening (N,) in radians is wider than anything other than a jaw makes it."""
    return smoothstep((np.rad2deg(opening) - degrees[0]) / (degrees[1] - degrees[0]))


def _opens(opening: np.ndarray, explained: np.ndarray) -> np.ndarray:
    """How much (N,) of an opening (N,) in radians, which explains so much (N,), is the jaw's, not the lip's."""
    return np.maximum(_turns(opening), smoothstep((explained - OPENS_FROM) / (OPENS_TO - OPENS_FROM)))


def _bounded(normal: np.ndarray, right: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Solutions (N, 6) of normal (N, 6, 6) x = right (N, 6), with what would leave its limits (6,) held at them."""
    held, at = np.zeros(right.shape, dtype=bool), np.zeros(right.shape)
    for _ in range(right.shape[1] + 1):
        free = ~held
        system = np.where(free[:, :, None] & free[:, None], normal, np.eye(right.shape[1]))
        rest = right - (normal @ np.where(held, at, 0.0)[..., None])[..., 0]
        found = np.where(held, at, np.linalg.solve(system, np.where(free, rest, 0.0)[..., None])[..., 0])
        within = found.clip(least, most)
        beyond = free & (within != found)
        if not beyond.any():
            break
        held, at = held | beyond, np.where(beyond, within, at)
    return found


def _within_reach(pose: np.ndarray, frame: MandibleFrame) -> np.ndarray:
    """Poses (N, 6) with as much less of them as brings the lower incisors within human reach."""
    incisors = frame.incisors
    pose = pose.copy()
    for part, direction, most in (
        (ASIDE, frame.axes[:1], INCISORS_ASIDE_MM),
        (range(6), np.eye(3), INCISORS_TRAVEL_MM),
    ):
        moved = apply_motion(incisors[None], compose_jaw(pose @ frame.poses.T, frame.hinge))[:, 0] - incisors
        travel = np.linalg.norm(moved @ direction.T, axis=1) / frame.unit
        pose[:, list(part)] *= np.minimum(1.0, most / travel.clip(1e-9))[:, None]
    return pose


def _explained(off: np.ndarray, displaced: np.ndarray, share: np.ndarray, frame: MandibleFrame) -> np.ndarray:
    """What share (N,) of the motions displaced (N, P, 3) is not off (N, P, 3), with points that tell share (P,)."""
    left, there = (((each**2).sum(-1) @ share) for each in (off, displaced))
    return 1.0 - left / (there + (NOISE_MM * frame.unit) ** 2)


def _head_is_still(neutral: np.ndarray, shapes: np.ndarray, skull: np.ndarray, frame: MandibleFrame) -> np.ndarray:
    """(N,) 1.0 where most of the skin over the skull (points) stays in its place, 0.0 where the whole head goes."""
    if len(skull) == 0:
        return np.ones(len(shapes))
    moved = np.median(np.linalg.norm(shapes[:, skull] - neutral[skull], axis=-1), axis=1)
    return (moved < HEAD_MOVES_MM * frame.unit).astype(np.float64)


def _opening_angles(neutral: np.ndarray, shape: np.ndarray, hinge: Hinge) -> np.ndarray:
    """By what angle about the hinge each of the points (P, 3) turned, in radians (P,)."""
    before, after = neutral - hinge.centre, shape - hinge.centre
    before = before - np.outer(before @ hinge.axis, hinge.axis)
    after = after - np.outer(after @ hinge.axis, hinge.axis)
    return np.arctan2(np.cross(before, after) @ hinge.axis, (before * after).sum(1))


def _fully(weight: np.ndarray, share: np.ndarray) -> float:
    """What a full share of the jaw's motion would be among the weights (P,) of points over it that tell share (P,)."""
    most = float(np.mean([_quantile(weight, share, quantile) for quantile in MOST_QUANTILES]))
    alike = _quantile(weight, share, ALIKE_QUANTILE) / max(most, 1e-9)
    return most / float(np.interp(alike, *np.transpose([PEAK, PLATEAU])))


def _quantile(values: np.ndarray, share: np.ndarray, quantile: float) -> float:
    """The value below which lies a quantile of the values (P,), each counted by its share (P,) of 1."""
    order = np.argsort(values)
    at = int(np.searchsorted(np.cumsum(share[order]), quantile))
    return float(values[order][min(at, len(values) - 1)])
