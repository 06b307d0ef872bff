# SPDX-License-Identifier: GPL-3.0-or-later
"""What ARKit's shapes do to an actor's own jaw: a weight of 1 is as far as the actor opened it, or moved it aside or
forward, in its own expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..anatomy.jaw import compose_jaw, decompose_jaw, hinge_axes
from ..model.actor import Actor
from ..shared.demo.demo_arkit import JAW_POSES
from ..shared.faces.arkit_names import JAW, MOTIONS, SHAPES, UNSIDED
from .phone_guide import Guide

LEAST = {"jawOpen": np.deg2rad(4.0), "jawLeft": np.deg2rad(2.0), "jawRight": np.deg2rad(2.0), "jawForward": 2.0}
LEAST_SHARE = 0.1  # of a full motion, that is told from a jaw at rest
AT_REST = np.deg2rad(1.0), 0.7  # radians, mm: less is what a jaw at rest is estimated to do
FOLLOWS = (0.3, 3.0)  # how far a jaw opens, by the demo head's


class JawShapes:
    """Of an actor's jaw. poses: (52, 6) of decompose_jaw for a full weight of each shape, zero without a hinge.
    opening: how far it opens, by the demo head's 20 degrees."""

    def __init__(self, actor: Actor, guide: Guide, named: Sequence[Mapping[str, tuple[str, ...]]]) -> None:
        self.hinge = actor.hinge
        self.poses = np.zeros((len(SHAPES), 6))
        self.shares = np.zeros((len(actor.names), len(JAW)))
        self.opening = 1.0
        alone = {next(iter(each)): k for k, each in reversed(list(enumerate(named))) if len(each) == 1}
        for column, motion in enumerate(JAW):
            if motion in alone:
                self.shares[alone[motion], column] = 1.0
        if self.hinge is None or not actor.skin_weight.any():
            self._by_names(named)
            return
        own = decompose_jaw(actor.jaw, self.hinge)  # (K, 6)
        full = [self._full(own, motion, alone.get(motion), guide) for motion in JAW]
        for motion, pose in zip(JAW, full, strict=True):
            self.poses[SHAPES.index(motion)] = pose
        # A name that says one thing says it whole, with what the jaw does in it.
        free = np.array([[_may_have(each, motion) for motion in JAW] for each in named])
        self._measure(own, np.stack(full), free)
        turned = float(np.rad2deg(full[0][:3] @ self.hinge.axis))
        self.opening = float(np.clip(turned / JAW_POSES["jawOpen"][0], *FOLLOWS)) if turned > 1.0 else 1.0
        left = own - self.shares @ np.stack(full)
        for motion in set(MOTIONS) - set(JAW):  # a funnel opens the jaw a little, too
            k = alone.get(motion)
            if k is None:
                continue
            moves = np.linalg.norm(left[k, :3]) > AT_REST[0] or np.linalg.norm(left[k, 3:]) > AT_REST[1]
            sides = named[k][motion]
            if moves and (motion in UNSIDED or len(sides) == 2):
                for side in sides:
                    self.poses[SHAPES.index(motion + side)] = left[k] / len(sides)

    def share(self, k: int, motion: str) -> float:
        """How much of one of the jaw's motions is in an expression."""
        return float(self.shares[k, JAW.index(motion)])

    def moves(self, shape: str) -> bool:
        """Whether the jaw moves in a shape."""
        return bool(np.abs(self.poses[SHAPES.index(shape)]).max() > 1e-6)

    def motions(self, weights: np.ndarray) -> np.ndarray:
        """T_j (F, 4, 4) of weights (F, 52)."""
        if self.hinge is None:
            return np.tile(np.eye(4), (len(weights), 1, 1))
        return compose_jaw(weights @ self.poses, self.hinge)

    def _by_names(self, named: Sequence[Mapping[str, tuple[str, ...]]]) -> None:
        """Without a hinge, a name that says several things says each of them whole."""
        for k, each in enumerate(named):
            for column, motion in enumerate(JAW):
                if motion in each:
                    self.shares[k, column] = 1.0

    def _amounts(self, poses: np.ndarray) -> np.ndarray:
        """(K, 4) radians of opening, of turning left and right, and mm forward, of poses (K, 6)."""
        assert self.hinge is not None
        axes = hinge_axes(self.hinge)
        turns, slides = poses[:, :3] @ axes.T, poses[:, 3:] @ axes.T
        return np.stack([turns[:, 0], turns[:, 1], -turns[:, 1], slides[:, 2]], axis=1)

    def _full(self, own: np.ndarray, motion: str, alone: int | None, guide: Guide) -> np.ndarray:
        """(6,) the pose of a full weight: the expression's of that name, or of the one that moves the jaw so most, or,
        where none does, as the demo head's jaw moves; an actor whose jaw opens in nothing keeps it shut."""
        assert self.hinge is not None
        if alone is not None:
            return own[alone]
        amounts = self._amounts(own)
        column = JAW.index(motion)
        best = int(amounts[:, column].argmax())
        axes = hinge_axes(self.hinge)
        if amounts[best, column] > LEAST[motion]:
            if motion == "jawOpen":
                return own[best]
            aside, up = (own[best, part] @ axes.T for part in (slice(0, 3), slice(3, 6)))
            turn, slide = aside * [0.0, 1.0, 1.0], up * ([0.0, 0.0, 1.0] if motion == "jawForward" else [1.0, 0.0, 0.0])
            turn = turn * (motion != "jawForward")
            return np.concatenate([turn @ axes, slide @ axes])
        if amounts[:, 0].max() < LEAST["jawOpen"] or motion == "jawOpen":
            return np.zeros(6)
        _, left, forward = JAW_POSES[motion]
        turn = np.array([0.0, np.deg2rad(left), 0.0])
        slide = np.array([0.5 * left, 0.0, forward]) * guide.size
        # The hinge's axes may point the other way than the character's.
        signs = np.sign(np.einsum("ij,ij->i", axes, guide.axes))
        return np.concatenate([(turn * signs[1]) @ axes, (slide * signs) @ axes])

    def _measure(self, own: np.ndarray, full: np.ndarray, free: np.ndarray) -> None:
        """Write how much of each motion is in expressions that may have it, free (K, 4) bool."""
        whole, amounts = self._amounts(full), self._amounts(own)
        for column, motion in enumerate(JAW):
            if whole[column, column] <= 0:
                continue
            shares = amounts[:, column] / whole[column, column]
            shares[(shares < LEAST_SHARE) | (amounts[:, column] < LEAST[motion])] = 0.0
            self.shares[free[:, column], column] = shares[free[:, column]]


def _may_have(named: Mapping[str, tuple[str, ...]], motion: str) -> bool:
    """Whether an expression may hold one of the jaw's motions: what its name says, and more than one thing may open the
    mouth besides, as a surprise does."""
    return not named or (len(named) > 1 and (motion in named or motion == "jawOpen"))
