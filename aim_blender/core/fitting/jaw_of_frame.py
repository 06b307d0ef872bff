# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw T_j of a frame, read from some points of the skin by Gauss-Newton, with what the actor's own jaw does as
prior.

Left to compete with weights at every point, the jaw comes out half (docs/model.md section 3). Here it competes with one
weight per shape for the whole face: s = LBS(s0, T, k) + sum_i g_i e_i, where T has the pose sum_i g_i t_i of the
actor's jaws t_i and, within Posselt's envelope, a little more. What the face does here and there departs from that by
millimetres, so the points are believed robustly.

On real faces (benchmarks/jaw_of_frames.py; 400 frames of actors 3, 11 and 117, against the true jaw) the lower incisors
are off by 0.5 to 0.6 mm, 1.4 to 2.5 at worst, of up to 28 mm that they travel. A ridge regression on the actor's
shapes, from the skin over the mandible (the idea of Zoss et al. 2019), left two to four times the error in degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.jaw import compose_jaw, decompose_jaw, envelope, hinge_axes
from ..geometry.rigid import apply_motion, motion_columns, small_motion
from ..model.actor import Actor
from ..model.head import squared_motions, without_head
from ..points.points import Binding
from ..shared.foundation.robust_weights import cauchy

POINTS = 80  # of a whole mesh that are looked at
RIDGE_MM = 0.2  # what a weight of 1 of a shape costs at every point
ENVELOPE_MM = 1.0  # what a departure from the shapes' jaws by a standard deviation of the envelope costs likewise
ROBUST_MM = 2.0  # a point this far off keeps half of its say
PLAIN_ROUNDS, ROUNDS = 2, 5  # at first all points count fully: a jaw that opens wide moves them far
HEAD_ROUNDS = 8  # where the head is solved along
FACE_MM = 0.5  # along each axis: real faces depart from one weight a shape at least so far, few points or many
FIRM = 1e-9  # mm², beside what points tell of the head
CHUNK_BYTES = 4 * 2**20  # what a processor keeps at hand
# How far a performance may leave what the actor's jaw does in the shapes: opening in shares of the widest, and all in
# degrees (opening, yaw, roll) and mm (aside, up, forward). It does not close further.
WIDER = 0.25
FURTHER_DEGREES, FURTHER_MM = (1.0, 4.0, 1.0), (3.0, 1.0, 4.0)


@dataclass(frozen=True)
class FaceOfPoints:
    """A face with one weight per shape that explains the points of F frames.

    pose: (F, 6) of its jaw, as compose_jaw takes them. head: (F, 4, 4) what carries it to the points. costs: (F,) mm²
    a point, of what is left and of the weights. loose: (F,) by how many degrees the points leave the head's turn open.
    """

    pose: np.ndarray
    head: np.ndarray
    costs: np.ndarray
    loose: np.ndarray


class JawOfPoints:
    """The jaw from points at `places` of the skin, any number of them."""

    def __init__(self, actor: Actor, places: Binding) -> None:
        self.hinge = actor.hinge
        if self.hinge is None:
            return
        poses = decompose_jaw(actor.jaw, self.hinge)  # (N, 6)
        self.neutral = places.of(actor.neutral)  # (P, 3)
        self.skin_weight = places.of(actor.skin_weight)  # (P, 1)
        self.expressions = places.of_fields(actor.expressions).transpose(0, 2, 1)  # (P, 3, N)
        self.pose_of = np.concatenate([poses.T, np.eye(6)], axis=1)  # (6, N + 6) of weights and the departure
        spread = envelope(self.hinge)
        self.prior = RIDGE_MM**2 * np.eye(len(poses) + 6)
        self.prior[len(poses) :, len(poses) :] = ENVELOPE_MM**2 * spread.T @ spread
        self.plausible = PlausibleJaw(actor)
        self.middle = self.neutral.mean(0)  # about which a head turns here

    def predict(self, positions: np.ndarray) -> np.ndarray:
        """T_j (F, 4, 4) of positions (F, P, 3) in mm without head motion; points that are not numbers are left out.

        Rest where the actor has no jaw, or a frame no point.
        """
        if self.hinge is None:
            return np.tile(np.eye(4), (len(positions), 1, 1))
        return compose_jaw(self.plausible.within(self.face_of(positions, head=False).pose), self.hinge)

    def face_of(self, positions: np.ndarray, head: bool) -> FaceOfPoints:
        """The face that explains positions (F, P, 3) mm best: docs/model.md (21) and, where head is asked for, its
        motion H, (21b). Points that are not numbers are left out. The actor has a jaw."""
        length = max(1, CHUNK_BYTES // (8 * self.expressions.size * 4))
        chunks = [self._solved(positions[first : first + length], head) for first in range(0, len(positions), length)]
        return FaceOfPoints(*map(np.concatenate, zip(*chunks, strict=True)))

    def _solved(self, positions: np.ndarray, head: bool) -> tuple[np.ndarray, ...]:
        """The fields of FaceOfPoints of (f, P, 3)."""
        assert self.hinge is not None
        present = np.isfinite(positions).all(-1)  # (f, P)
        count, names = len(positions), self.expressions.shape[2]
        unknowns = names + (12 if head else 6)  # weights g, the departure, and a step of the head
        points = np.maximum(present.sum(1), 1)
        prior = np.zeros((unknowns, unknowns))
        prior[: names + 6, : names + 6] = self.prior
        prior = prior * points[:, None, None] + FIRM * np.eye(unknowns)
        found, turned_head = np.zeros((count, names + 6)), np.tile(np.eye(4), (count, 1, 1))
        for round_ in range(HEAD_ROUNDS if head else ROUNDS):
            pose = found @ self.pose_of.T
            motion = compose_jaw(pose, self.hinge)
            moved = apply_motion(self.neutral, motion)  # (f, P, 3)
            skinned = self.neutral + self.skin_weight * (moved - self.neutral)
            face = skinned + np.tensordot(found[:, :names], self.expressions, (1, 2))
            off = (without_head(positions, turned_head) if head else positions) - face
            off[~present] = 0.0
            say = present.astype(np.float64)
            if round_ >= PLAIN_ROUNDS:
                say *= cauchy((off**2).sum(-1) / ROBUST_MM**2)
            turned = self.skin_weight[..., None] * motion_columns(moved - self.hinge.centre - pose[:, None, 3:])
            columns = turned @ self.pose_of  # (f, P, 3, N + 6)
            columns[..., :names] += self.expressions
            if head:
                columns = np.concatenate([columns, motion_columns(face - self.middle)], axis=-1)
            rows = columns.reshape(count, -1, unknowns)
            weighted = (columns * say[..., None, None]).reshape(rows.shape).transpose(0, 2, 1)
            normal = weighted @ rows + prior
            right = weighted @ off.reshape(count, -1, 1) - prior[..., : names + 6] @ found[..., None]
            step = np.linalg.solve(normal, right)[..., 0]
            priced, found = found, found + step[:, : names + 6]
            if head:
                turned_head = turned_head @ small_motion(step[:, names + 6 :], self.middle)
        costs = ROBUST_MM**2 * np.log1p((off**2).sum(-1) / ROBUST_MM**2).sum(1) / points
        costs += np.einsum("fi,ij,fj->f", priced, self.prior, priced)
        loose = np.zeros(count)
        if head:
            spread = np.linalg.inv(normal)[:, names + 6 : names + 9, names + 6 : names + 9]
            off_by = np.maximum(costs / 3.0, FACE_MM**2)
            loose = np.rad2deg(np.sqrt(np.einsum("fii->f", spread) * off_by))
        return found @ self.pose_of.T, turned_head, costs, loose


class JawOfFrame(JawOfPoints):
    """The jaw from whole meshes: from points all over the face, more where it moves."""

    def __init__(self, actor: Actor, squared: np.ndarray | None = None) -> None:
        """squared: the actor's squared_motions (N, V), if they are known."""
        moved = np.sqrt((squared_motions(actor) if squared is None else squared).mean(0))
        wanted = np.sqrt(np.minimum(moved / max(moved.mean(), 1e-9), 3.0))
        self.points = spread_points(actor.neutral, wanted, min(POINTS, len(moved)))
        super().__init__(actor, Binding.at(self.points))

    def predict(self, positions: np.ndarray) -> np.ndarray:
        """T_j (F, 4, 4) of frames (F, V, 3), as JawOfPoints."""
        return self.predict_at_points(positions[:, self.points])

    def predict_at_points(self, positions: np.ndarray) -> np.ndarray:
        """T_j (F, 4, 4) of the points (F, P, 3) that are looked at."""
        return super().predict(positions)


class PlausibleJaw:
    """What poses of the jaw are plausible for an actor that has one: those of its shapes, and somewhat further."""

    def __init__(self, actor: Actor) -> None:
        assert actor.hinge is not None
        self.axes = hinge_axes(actor.hinge)  # (3, 3) rows: opening and aside, yaw and up, roll and forward
        known = self._along(decompose_jaw(actor.jaw, actor.hinge))
        further = np.concatenate([np.deg2rad(FURTHER_DEGREES), FURTHER_MM])
        self.least = known.min(0, initial=0.0) - further
        self.most = known.max(0, initial=0.0) + further
        self.least[0] = known[:, 0].min(initial=0.0)  # at rest, or in the most closed of the shapes, the teeth meet
        self.most[0] += WIDER * known[:, 0].max(initial=0.0)

    def within(self, poses: np.ndarray) -> np.ndarray:
        """The poses (..., 6) nearest to the given that are in the range."""
        limited = self._along(poses).clip(self.least, self.most)
        return np.concatenate([limited[..., :3] @ self.axes, limited[..., 3:] @ self.axes], axis=-1)

    def _along(self, poses: np.ndarray) -> np.ndarray:
        return np.concatenate([poses[..., :3] @ self.axes.T, poses[..., 3:] @ self.axes.T], axis=-1)


def spread_points(places: np.ndarray, wanted: np.ndarray, count: int) -> np.ndarray:
    """Numbers (count,) of the places (V, 3) that lie far from each other, denser where more is wanted (V,)."""
    chosen, squared = [int(wanted.argmax())], np.full(len(places), np.inf)
    wanted = wanted**2
    for _ in range(count - 1):
        apart = places - places[chosen[-1]]
        np.minimum(squared, np.einsum("vc,vc->v", apart, apart), out=squared)
        chosen.append(int((squared * wanted).argmax()))
    return np.array(chosen)
