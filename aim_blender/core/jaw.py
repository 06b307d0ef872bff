# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw's rigid motion T_i in each shape, and what share of it the skin takes, estimated before any network learns.

Learned together with the expressions from the start, the jaw is swallowed by them (MODEL.md section 2). So it is
estimated here first, robustly, from the skin over the mandible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from .anatomy import Hinge
from .constraints import Constraints
from .errors import InputError
from .rigid import angle_degrees, apply_motion, motion_columns, rigid_registration

# Posselt's envelope as standard deviations about the hinge. Opening is wide, nothing else is: the condyles slide
# forward along the skull and a little aside, but not up or down.
ROTATION_DEGREES = (0.3, 4.0, 1.0)  # opening, yaw, roll
SLIDE_MM = (3.0, 1.0, 8.0)  # aside, up, forward
ROBUST_MM = 4.0  # a point further than this from where the jaw would carry it belongs to a muscle as well
PRIOR_MM = 0.5  # how far a point may be off before the envelope matters
# Share of the skin's motion over the mandible that a rigid jaw must explain: below the first, none of it is the jaw's.
# Measured on real faces: 0.9 to 0.99 in shapes where the jaw moves, below 0.75 where only muscles do.
RIGID_FROM, RIGID_TO = 0.78, 0.9
FULL_FOLLOWER_QUANTILE = 0.98  # of the points over the mandible, those that follow it almost fully
FULL_FOLLOWER = 0.92
RIGID_MM = 1.0  # how far a scanned rigid jaw may be off
REST_DEGREES = 4.0  # only shapes that open wider than this tell how much the skin follows


@dataclass(frozen=True)
class JawEstimate:
    """jaw: (N, 4, 4) rigid motion T_i of the mandible from the neutral. skin_weight: (V,) k in [0, 1].

    trust: (V,) in [0, 1], how well the motion seen at a point determines its skin weight.
    """

    jaw: np.ndarray
    skin_weight: np.ndarray
    trust: np.ndarray


def rest_jaw(count: int, vertex_count: int) -> JawEstimate:
    """The estimate where there is no mandible to follow: a jaw that stays at rest."""
    return JawEstimate(np.tile(np.eye(4), (count, 1, 1)), np.zeros(vertex_count), np.zeros(vertex_count))


def jaw_of_points(points: np.ndarray) -> np.ndarray:
    """T_i (N, 4, 4) exactly, from points (N+1, J, 3) that move rigidly with the mandible, such as the lower teeth.

    Raises InputError if they do not move rigidly.
    """
    motion = rigid_registration(points[0], points[1:], np.ones(points[1:].shape[:2]))
    worst = np.linalg.norm(apply_motion(points[0], motion) - points[1:], axis=-1).max()
    if worst > RIGID_MM:
        raise InputError(
            f"the jaw's meshes change their form by {worst:.1f} mm from shape to shape; "
            "they must be rigid, as teeth are"
        )
    return motion


def hinge_of_motion(motion: np.ndarray, jaw_points: np.ndarray, neutral: np.ndarray) -> Hinge:
    """The hinge where there is no mandible: what the widest opening (of N, (N, 4, 4)) leaves in place.

    jaw_points: (J, 3) of the jaw at rest. neutral: (V, 3). Raises InputError if the jaw turns in no shape.
    """
    turn = Rotation.from_matrix(motion[:, :3, :3]).as_rotvec()
    widest = np.linalg.norm(turn, axis=1).argmax()
    angle = np.linalg.norm(turn[widest])
    if angle < np.deg2rad(REST_DEGREES):
        raise InputError("the jaw's meshes open in no shape; one shape must have the mouth wide open")
    axis = turn[widest] / angle
    rows = np.vstack([motion[widest, :3, :3] - np.eye(3), axis])
    centre = np.linalg.lstsq(rows, np.append(-motion[widest, :3, 3], axis @ jaw_points.mean(0)), rcond=None)[0]
    up = neutral.mean(0) - jaw_points.mean(0)
    up = up - (up @ axis) * axis
    return Hinge(centre, axis, up / np.linalg.norm(up))


def measured_jaw(neutral: np.ndarray, shapes: np.ndarray, edges: np.ndarray, motion: np.ndarray) -> JawEstimate:
    """The estimate where the jaw's motion (N, 4, 4) is known: only k is sought. neutral, shapes, edges as
    estimate_jaw."""
    return JawEstimate(motion, *_skin_weight(neutral, shapes, motion, edges, None))


def compose_jaw(pose: np.ndarray, hinge: Hinge) -> np.ndarray:
    """Rigid motions (..., 4, 4) of poses (..., 6): rotation vector in radians about the hinge's centre, then a slide
    in mm."""
    pose = np.asarray(pose, dtype=np.float64)
    rotation = Rotation.from_rotvec(pose[..., :3].reshape(-1, 3)).as_matrix().reshape(*pose.shape[:-1], 3, 3)
    motion = np.zeros((*pose.shape[:-1], 4, 4))
    motion[..., :3, :3] = rotation
    motion[..., :3, 3] = hinge.centre - rotation @ hinge.centre + pose[..., 3:]
    motion[..., 3, 3] = 1.0
    return motion


def decompose_jaw(motion: np.ndarray, hinge: Hinge) -> np.ndarray:
    """Poses (..., 6) of rigid motions (..., 4, 4): the inverse of compose_jaw."""
    rotation = motion[..., :3, :3]
    rotvec = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_rotvec().reshape(*motion.shape[:-2], 3)
    slide = motion[..., :3, 3] - hinge.centre + rotation @ hinge.centre
    return np.concatenate([rotvec, slide], axis=-1)


def estimate_jaw(
    neutral: np.ndarray, shapes: np.ndarray, edges: np.ndarray, constraints: Constraints, hinge: Hinge, rounds: int = 4
) -> JawEstimate:
    """Estimate T_i and k by turns: each shape's rigid motion robustly for the present k, then k for these motions.

    neutral: (V, 3) mm. shapes: (N, V, 3) mm. edges: (E, 2). What fixes the scale between the two is that the points
    which follow most, follow fully.
    """
    over_mandible = constraints.points[constraints.on_mandible]
    opening = np.stack(
        [_opening_angles(neutral[over_mandible], shape[over_mandible], hinge) for shape in shapes]
    )  # (N, P)
    widest = np.quantile(opening, FULL_FOLLOWER_QUANTILE, axis=1)
    pose = np.zeros((len(shapes), 6))
    pose[:, :3] = np.where(widest > np.deg2rad(REST_DEGREES), widest, 0.0)[:, None] * hinge.axis
    skin_weight, trust = _skin_weight(neutral, shapes, compose_jaw(pose, hinge), edges, over_mandible)
    for _ in range(rounds):
        weight = skin_weight[over_mandible]
        pose = np.stack([_fit_pose(neutral[over_mandible], shape[over_mandible], weight, hinge) for shape in shapes])
        skin_weight, trust = _skin_weight(neutral, shapes, compose_jaw(pose, hinge), edges, over_mandible)
    return JawEstimate(compose_jaw(pose, hinge), skin_weight, trust)


def _opening_angles(neutral: np.ndarray, shape: np.ndarray, hinge: Hinge) -> np.ndarray:
    """By what angle about the hinge each of the points (P, 3) turned, in radians (P,)."""
    before, after = neutral - hinge.centre, shape - hinge.centre
    before = before - np.outer(before @ hinge.axis, hinge.axis)
    after = after - np.outer(after @ hinge.axis, hinge.axis)
    return np.arctan2(np.cross(before, after) @ hinge.axis, (before * after).sum(1))


def hinge_axes(hinge: Hinge) -> np.ndarray:
    """(3, 3) rows: the axes of opening, yaw and roll, along which lie aside, up and forward."""
    return np.stack([hinge.axis, hinge.up, hinge.forward])


def envelope(hinge: Hinge) -> np.ndarray:
    """(6, 6) matrix that turns a pose into standard deviations of the envelope."""
    axes = hinge_axes(hinge)
    scale = np.zeros((6, 6))
    scale[:3, :3] = axes / np.deg2rad(ROTATION_DEGREES)[:, None]
    scale[3:, 3:] = axes / np.array(SLIDE_MM)[:, None]
    return scale


def _fit_pose(neutral: np.ndarray, shape: np.ndarray, weight: np.ndarray, hinge: Hinge) -> np.ndarray:
    """The jaw pose (6,) in one shape, from the skin over the mandible: points (P, 3) that follow it by weight (P,).

    Muscles move this skin too, but not rigidly: a motion that a rigid mandible does not explain well is not the jaw's.
    Between clearly explained and clearly not, the pose fades to rest.
    """
    # What the points agree on: muscles pull some of them further down than the jaw does, and others up.
    leading = weight >= max(np.median(weight), 0.2)
    opening = _opening_angles(neutral[leading], shape[leading], hinge) / weight[leading]
    angle = np.median(opening) if leading.any() else 0.0
    rest = np.concatenate([max(angle, 0.0) * hinge.axis, np.zeros(3)])  # the teeth are in the way of less than 0
    free = _solve_pose(neutral, shape, weight, hinge, np.zeros(6), np.eye(6) * 1e-3)
    residual, _ = _pose_residual(neutral, shape, weight, hinge, free)
    displaced = shape - neutral
    explained = 1.0 - (weight * (residual**2).sum(1)).sum() / max((weight * (displaced**2).sum(1)).sum(), 1e-9)
    share = np.clip((explained - RIGID_FROM) / (RIGID_TO - RIGID_FROM), 0.0, 1.0)
    pose = _solve_pose(neutral, shape, weight, hinge, rest, envelope(hinge))
    return pose * share * share * (3 - 2 * share)


def _solve_pose(
    neutral: np.ndarray, shape: np.ndarray, weight: np.ndarray, hinge: Hinge, rest: np.ndarray, envelope: np.ndarray
) -> np.ndarray:
    """The pose (6,) that carries points (P, 3) by their weight (P,), kept near rest (6,) by the envelope (6, 6)."""
    prior = envelope.T @ envelope * PRIOR_MM**2 * len(neutral)
    pose = rest
    for _ in range(8):
        residual, jacobian = _pose_residual(neutral, shape, weight, hinge, pose)
        trust = 1.0 / (1.0 + (residual**2).sum(1) / ROBUST_MM**2)  # Cauchy: a few lips must not turn the jaw
        normal = np.einsum("pxi,p,pxj->ij", jacobian, trust, jacobian) + prior
        pose = pose + np.linalg.solve(
            normal, np.einsum("pxi,p,px->i", jacobian, trust, residual) - prior @ (pose - rest)
        )
    return pose


def _pose_residual(
    neutral: np.ndarray, shape: np.ndarray, weight: np.ndarray, hinge: Hinge, pose: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is left of the motion (P, 3) after the jaw's share, and the Jacobian (P, 3, 6) of that share."""
    moved = apply_motion(neutral, compose_jaw(pose[None], hinge))[0]
    residual = shape - neutral - weight[:, None] * (moved - neutral)
    return residual, weight[:, None, None] * motion_columns(moved - hinge.centre - pose[3:])


def _skin_weight(
    neutral: np.ndarray, shapes: np.ndarray, jaw: np.ndarray, edges: np.ndarray, over_mandible: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Each point's share k (V,) of the jaw's motion over the shapes that open it, smoothed along the mesh, and trust
    (V,)."""
    moved = apply_motion(neutral, jaw) - neutral  # (N, V, 3)
    angle = angle_degrees(jaw)
    opens = angle > max(REST_DEGREES, 0.35 * angle.max())
    if not opens.any():
        return np.zeros(len(neutral)), np.zeros(len(neutral))
    seen = ((shapes[opens] - neutral) * moved[opens]).sum((0, 2))
    full = (moved[opens] ** 2).sum((0, 2))
    # k minimises  sum_v full (k - seen / full)^2 + smoothness k^T L k : a screened Laplacian on the mesh
    count = len(neutral)
    adjacency = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    adjacency = adjacency + adjacency.T
    degree = np.asarray(adjacency.sum(1)).ravel()
    laplacian = sparse.diags(degree) - adjacency
    scale = np.median(full[full > 0]) if (full > 0).any() else 1.0
    system = (sparse.diags(full / scale + 1e-6) + 0.2 * laplacian).tocsc()
    weight = splu(system).solve(seen.clip(min=0.0) / scale).clip(min=0.0)
    if over_mandible is not None:  # the motion is known up to what the skin that follows most takes of it
        follows = np.quantile(weight[over_mandible], FULL_FOLLOWER_QUANTILE)
        weight = weight * FULL_FOLLOWER / max(follows, 1e-6)
    weight = weight.clip(max=1.0)
    return weight, full / (full + scale)
