# SPDX-License-Identifier: GPL-3.0-or-later
"""The solve of points seen in images (docs/model.md section 3): Gauss-Newton with the perspective projection.

Two stages for every frame. First the head and one weight per shape, g_i, for the whole face: few unknowns, which even a
single camera determines. The jaw is the same mixture of the actor's own jaws. Then the head once more, with
weights w_i(c) = g_i + sum_m Φ_m(c) a_mi. Both are robust: a point far from where it should be seen counts less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.jaw import compose_jaw, decompose_jaw
from ..geometry.rigid import motion_columns, small_motion
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor
from ..model.closed_form import prior_of_modes
from ..model.working_actor import modes_of
from ..points.points import Binding
from ..shared.captured.image_views import View
from ..shared.foundation.robust_weights import geman_mcclure
from ..shared.settings.point_settings import ImageFittingSettings
from .bounded_weights import BoundedWeights, within_box
from .jaw_of_frame import PlausibleJaw

FACE_ROUNDS, DETAIL_ROUNDS = 20, 3
DAMPING = 1e-3  # of the normal matrix, in the first stage
HEAD_TURN, HEAD_SLIDE = 0.05, 20.0  # radians, mm: how far the second stage may find the head from where the first did


@dataclass(frozen=True)
class Solved:
    """What is found of one frame: head H (4, 4), jaw T (4, 4), weights g (N,) and a (M, N) that depart from them.

    off: (C, P, 2) mm that are missing to where the points are seen. scale: (C,) pixels a mm. robust_weight: (C, P)
    what is left of the trust in the points.
    """

    head: np.ndarray
    jaw: np.ndarray
    face: np.ndarray
    detail: np.ndarray
    off: np.ndarray
    scale: np.ndarray
    robust_weight: np.ndarray


class ImageSolver:
    """Head, jaw and weights of a frame, from what cameras see of P points of the mesh."""

    def __init__(self, actor: Actor, binding: Binding, settings: ImageFittingSettings) -> None:
        self.modes, eigenvalues = modes_of(actor, settings.modes)
        names = len(actor.names)
        moved = (actor.shapes()[1:] - actor.neutral).transpose(1, 0, 2)  # (V, N, 3)
        self.hinge = actor.hinge
        if self.hinge is not None:
            self.jaw_poses = decompose_jaw(actor.jaw, self.hinge)  # (N, 6)
            self.plausible_jaw = PlausibleJaw(actor)
        self.neutral = binding.of(actor.neutral)  # (P, 3)
        self.moved = binding.of_fields(moved)  # (P, N, 3) jaw included
        self.expressions = binding.of_fields(actor.expressions)
        self.skin_weight = binding.of(actor.skin_weight)
        self.point_modes = binding.of(self.modes).astype(np.float32)  # (P, M)
        self.face_cost = settings.face_ridge**2
        self.detail_cost = np.repeat(prior_of_modes(eigenvalues, settings), names)  # (M N,)
        self.head_is_held = settings.head == "still"
        self.largest_weight = settings.largest_weight
        self.bounds = BoundedWeights(self.modes, settings.largest_weight) if settings.largest_weight else None

    def solve(self, view: View) -> Solved:
        """What one frame shows."""
        head, face = self.face(view)
        jaw = np.eye(4)
        if self.hinge is not None:
            jaw = compose_jaw(self.plausible_jaw.within(face @ self.jaw_poses), self.hinge)
        return self._detail(view, head, jaw, face)

    def face(self, view: View, held: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Head (4, 4) and one weight per shape g (N,) for the whole face, docs/model.md (25). held: (N,) weights that
        are known."""
        head = np.eye(4) if self.head_is_held else self.first_head(view)
        face = np.zeros(self.moved.shape[1]) if held is None else held
        if held is not None and self.head_is_held:
            return head, face
        first = 6 if self.head_is_held else 0
        for _ in range(FACE_ROUNDS):
            world = (self.neutral + _mix(self.moved, face)) @ head[:3, :3].T + head[:3, 3]
            pivot = world.mean(0)
            off, change, scale = view.equations(world)
            robust = view.robust_weight(off, scale)
            turned = self.moved @ head[:3, :3].T  # (P, N, 3)
            columns = np.concatenate([motion_columns(world - pivot), turned.transpose(0, 2, 1)], axis=2)  # (P, 3, 6+N)
            rows = (change @ columns)[..., first:]  # (C, P, 2, U)
            weighted = rows * robust[..., None, None]
            cost = np.concatenate([np.zeros(6 - first), np.full(len(face), self.face_cost * robust.sum())])
            flat = rows.reshape(-1, len(cost))
            normal = weighted.reshape(flat.shape).T @ flat + np.diag(cost)
            normal += DAMPING * np.diag(np.diag(normal)) + 1e-9 * np.eye(len(cost))
            right = weighted.reshape(flat.shape).T @ off.reshape(-1)
            right[6 - first :] -= cost[6 - first :] * face
            if held is not None:  # the head alone
                normal, right = normal[:6, :6], right[:6]
            found = np.linalg.solve(normal, right)
            if held is None and self.largest_weight:
                found = within_box(normal, right, found, 1.0 - self.largest_weight - face, self.largest_weight - face)
            step = np.zeros(6 + len(face))
            step[first : first + len(found)] = found
            step[3:6] = view.kept_in_front(pivot, step[3:6])
            head = small_motion(step[None, :6], pivot)[0] @ head
            face = face + step[6:]
            if np.abs(step[3:6]).max() < 1e-3 and np.abs(step[6:]).max() < 1e-4 and np.abs(step[:3]).max() < 1e-5:
                break
        return head, face

    def _detail(self, view: View, head: np.ndarray, jaw: np.ndarray, face: np.ndarray) -> Solved:
        names = self.expressions.shape[1]
        count = self.point_modes.shape[1]
        base = linear_blend_skinning(self.neutral, jaw[None], self.skin_weight)[0] + _mix(self.expressions, face)
        detail = np.zeros((count, names))
        found_head = np.zeros(0 if self.head_is_held else 6)
        head_cost = np.repeat([1.0 / HEAD_TURN**2, 1.0 / HEAD_SLIDE**2], 3)[: len(found_head)]
        cost = np.concatenate([head_cost, self.detail_cost])
        for round_ in range(DETAIL_ROUNDS + 1):
            local = base + np.einsum("pm,mn,pnx->px", self.point_modes, detail, self.expressions, optimize=True)
            world = local @ head[:3, :3].T + head[:3, 3]
            off, change, scale = view.equations(world)
            robust = view.robust_weight(off, scale)
            if round_ == DETAIL_ROUNDS:
                return Solved(head, jaw, face, detail, off, scale, robust)
            seen = (change @ head[:3, :3]) @ self.expressions.transpose(0, 2, 1)  # (C, P, 2, N)
            rows = self.point_modes[:, None, :, None] * seen[..., None, :].astype(np.float32)  # (C, P, 2, M, N)
            rows = rows.reshape(*seen.shape[:3], -1)
            pivot = world.mean(0)
            if not self.head_is_held:
                rows = np.concatenate([(change @ motion_columns(world - pivot)).astype(np.float32), rows], axis=-1)
            known = np.concatenate([found_head, detail.reshape(-1)])
            system = rows.reshape(-1, len(cost)), np.repeat(robust.reshape(-1), 2), off.reshape(-1), cost, known
            step = self._bounded(system, _least_squares(*system), face)
            if not self.head_is_held:
                step[3:6] = view.kept_in_front(pivot, step[3:6])
                head = small_motion(step[None, :6], pivot)[0] @ head
                found_head = found_head + step[:6]
            detail = detail + step[len(found_head) :].reshape(count, names)
        raise AssertionError

    def _bounded(self, system: tuple[np.ndarray, ...], step: np.ndarray, face: np.ndarray) -> np.ndarray:
        """The step (U,) of _least_squares that keeps weights within the bounds on top of those (N,) of the face."""
        rows, weight, missing, cost, known = system
        free = (known + step)[:, None]
        if self.bounds is None or not self.bounds.beyond(free, len(face), face).any():
            return step
        weighted = rows * weight[:, None].astype(rows.dtype)
        normal = (weighted.T @ rows).astype(np.float64)
        normal[np.diag_indices_from(normal)] += cost
        right = weighted.T @ (missing + rows @ known)
        kept = self.bounds.kept(free, normal, right[:, None].astype(np.float64), weight.sum() / 2, len(face), face)
        return kept[:, 0] - known

    def off(self, view: View, head: np.ndarray, jaw: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(C, P, 2) mm and (C,) pixels a mm, as Solved has them, with a head (4, 4), a jaw (4, 4) and weights (M, N)
        given."""
        local = linear_blend_skinning(self.neutral, jaw[None], self.skin_weight)[0]
        local = local + np.einsum("pm,mn,pnx->px", self.point_modes, weights, self.expressions, optimize=True)
        off, _, scale = view.equations(local @ head[:3, :3].T + head[:3, 3])
        return off, scale

    def first_head(self, view: View) -> np.ndarray:
        """H (4, 4) of the neutral as the camera that sees most of it would have it with parallel rays."""
        most = int((view.trust > 0).sum(1).argmax())
        camera, seen = view.cameras[most], view.trust[most] > 0
        model = self.neutral[seen]
        image = camera.undistorted(view.pixels[most, seen])
        middle = model.mean(0)
        rows = np.concatenate([model - middle, np.ones((len(model), 1))], axis=1)
        weight = trust = view.trust[most, seen]
        for _ in range(5):
            root = np.sqrt(weight)[:, None]
            affine = np.linalg.lstsq(rows * root, image * root, rcond=None)[0]  # (4, 2)
            squared = ((image - rows @ affine) ** 2).sum(1)
            weight = trust * geman_mcclure(squared / (9.0 * np.median(squared) + 1e-12))
        u, scales, vt = np.linalg.svd(affine[:3].T, full_matrices=False)
        across = u @ vt  # (2, 3) the nearest orthonormal rows
        rotation = np.vstack([across, np.cross(across[0], across[1])])
        depth = 1.0 / scales.mean()
        pose = np.eye(4)
        pose[:3, :3] = rotation
        pose[:3, 3] = depth * np.append(affine[3], 1.0) - rotation @ middle
        return np.linalg.inv(camera.world_to_camera) @ pose


def _mix(shapes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_i g_i x_i (P, 3) of x (P, N, 3) and g (N,)."""
    return np.einsum("pnx,n->px", shapes, weights)


def _least_squares(
    rows: np.ndarray, weight: np.ndarray, missing: np.ndarray, cost: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """The step x (U,) that minimises weight |missing - rows x|² + cost |known + x|².

    rows: (R, U). weight, missing: (R,). cost, known: (U,).
    """
    used = weight > 1e-6
    rows, weight, missing = rows[used], weight[used], missing[used] + rows[used] @ known
    if len(rows) < len(cost):  # as many equations as there are rows
        spread = rows / cost
        answer = np.linalg.solve(spread @ rows.T + np.diag(1.0 / weight), missing)
        return spread.T @ answer - known
    weighted = rows * weight[:, None].astype(rows.dtype)
    normal = (weighted.T @ rows).astype(np.float64)
    normal[np.diag_indices_from(normal)] += cost
    return np.linalg.solve(normal, weighted.T @ missing) - known
