# SPDX-License-Identifier: GPL-3.0-or-later
"""What each of a source's shapes is on a target: the target's shapes that are paired with it, or the mixture of the
target's shapes that moves the skin alike.

A mixture is local: a weight p_ik(c) in [0, 1] for each of the target's shapes k at each point c, so that a smile of one
side is one half of a smile of both, and a smile of both is two smiles of one side. What no mixture within these bounds
does is left undone, and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

from .actor import Actor
from .closed_form import ClosedForm, prior_of_modes, weights_at
from .registration import similarity

SAME_PLACE_DEGREES = 10.0  # two faces that are turned against each other by less face the same way
LOCAL_MODES = 30  # smooth functions in which a mixture changes over the face
LEAST_PART = 0.1  # of a full weight; a mixture does without shapes of which it would take less
SPARING = 0.04  # cosine by which a shape must agree with what is left, to be taken into a mixture
ALIKE = 0.7  # agreement from which a mixture tells how strongly its shapes are meant
UNLIKE = (0.3, 0.5)  # agreement up to which a mixture shows something else, and from which it is shown whole
GAIN = (0.5, 2.0)  # by how much more or less of a shape may be shown than its mm say
NOTHING_MM = 0.05  # a shape of which no point moves further shows nothing


@dataclass(frozen=True)
class _MixingPrior:
    """What a weight costs that leaves the mixture's own over the whole face: see prior_of_modes."""

    ridge: float = 0.5
    smoothness: float = 5.0


@dataclass(frozen=True)
class Mixture:
    """What one shape of the source is on the target.

    shapes: (k,) of the target's. weights: p (V, k) float32 in [0, 1] at the target's points, (1, k) where they are the
    same at all. paired: whether somebody, or the names, said so. agreement: in [-1, 1] the cosine between what the
    shape moves on the source, carried over, and what the mixture does: 1 is the same motion, whatever its size.
    """

    shapes: np.ndarray
    weights: np.ndarray
    paired: bool = False
    agreement: float = 0.0

    @property
    def done(self) -> float:
        """Which share of the shape's motion is done; all of a pair's."""
        return 1.0 if self.paired else max(self.agreement, 0.0) ** 2

    def of(self, own: np.ndarray) -> np.ndarray:
        """(V, 3) mm what it does, of the target's shapes own (K, V, 3)."""
        moved = np.zeros(own.shape[1:])
        for column, k in enumerate(self.shapes):
            moved += self.weights[:, column, None] * own[k]
        return moved

    def parts(self, own: np.ndarray) -> np.ndarray:
        """(k,) how much it takes of each shape of own (K, V, 3) where it takes any: half of a smile is a whole smile of
        one side."""
        moved = np.square(own[self.shapes]).sum(-1).T  # (V, k)
        weighted = moved * self.weights
        return (weighted * self.weights).sum(0) / weighted.sum(0).clip(min=1e-12)


NOTHING = Mixture(np.zeros(0, np.int64), np.zeros((1, 0), np.float32))


def carried_motion(source: Actor, target: Actor) -> np.ndarray:
    """(N, V, 3) mm what the source's shapes do, turned and scaled to the target's head; both are of one mesh."""
    scale, turn, _ = similarity(source.neutral, target.neutral)
    if Rotation.from_matrix(turn).magnitude() < np.deg2rad(SAME_PLACE_DEGREES):
        turn = np.eye(3)
    return scale * (source.shapes()[1:] - source.neutral) @ turn.T


def imitate(
    source: Actor,
    target: Actor,
    partners: Mapping[str, Sequence[str]],
    usable: np.ndarray,
    modes: tuple[np.ndarray, np.ndarray],
    trust: np.ndarray | None = None,
) -> list[Mixture]:
    """A mixture for each shape of the source.

    source: the actor as it is at the target's points. partners: {source's shape: target's shapes, which together are
    its partner}; of one that has an empty list nothing is shown. usable: (K,) bool, which of the target's shapes may be
    mixed for those without partners. modes: Φ (V, M) of the target and their eigenvalues (M,). trust: (V,) in [0, 1]
    how sure it is that the points of both belong together.
    """
    wanted = carried_motion(source, target)  # (N, V, 3)
    own = target.shapes()[1:] - target.neutral  # (K, V, 3)
    trust = np.ones(len(target.neutral)) if trust is None else np.asarray(trust, np.float64)
    mixing = _Mixing(own, usable, trust, modes)
    found = []
    for name, motion in zip(source.names, wanted, strict=True):
        if name in partners:
            chosen = np.array([target.names.index(each) for each in partners[name]], dtype=np.int64)
            found.append(Mixture(chosen, np.ones((1, len(chosen)), np.float32), paired=True))
        else:
            found.append(mixing.of(motion))
    _share_partners(found, wanted, mixing)
    gain = _gains(found, wanted, own, trust)
    return [_settled(each, motion, own, gain, trust) for each, motion in zip(found, wanted, strict=True)]


def _share_partners(found: list[Mixture], wanted: np.ndarray, mixing: _Mixing) -> None:
    """Where several of the source's shapes have one partner, each takes it where it moves more than the others."""
    paired = [i for i, each in enumerate(found) if each.paired]
    of = {k: [i for i in paired if k in found[i].shapes] for i in paired for k in found[i].shapes}
    for k, together in of.items():
        if len(together) < 2:
            continue
        energy = mixing.smoothed(np.square(wanted[together]).sum(-1).T)  # (V, i)
        share = energy / energy.sum(1, keepdims=True)
        for column, i in enumerate(together):
            weights = np.repeat(found[i].weights, len(share), axis=0) if len(found[i].weights) == 1 else found[i].weights
            weights[:, found[i].shapes == k] = share[:, column, None]
            found[i] = Mixture(found[i].shapes, weights, paired=True)


def _gains(found: list[Mixture], wanted: np.ndarray, own: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """(K,) by how much more than its mm say each of the target's shapes is meant: what the source does most with it, is
    all that the target does."""
    most = np.zeros(len(own))
    named: set[int] = set()
    for each, motion in zip(found, wanted, strict=True):
        if each.paired and len(each.shapes) == 1 and _agreement(own[each.shapes[0]], motion, trust) > ALIKE:
            k = int(each.shapes[0])
            named.add(k)
            along = (trust @ (motion * own[k])).sum() / (trust @ np.square(own[k])).sum()
            most[k] = max(most[k], float(along))
    for each, motion in zip(found, wanted, strict=True):
        if not each.paired and _agreement(each.of(own), motion, trust) > ALIKE:
            for k, part in zip(each.shapes.tolist(), each.parts(own), strict=True):
                if k not in named:
                    most[k] = max(most[k], float(part))
    return np.where(most > 0, 1.0 / most.clip(min=1e-6), 1.0).clip(*GAIN)


def _settled(each: Mixture, motion: np.ndarray, own: np.ndarray, gain: np.ndarray, trust: np.ndarray) -> Mixture:
    """The mixture with these gains, less of it the less it agrees with the motion (V, 3), and how much that is."""
    agreement = _agreement(each.of(own), motion, trust)
    if each.paired:
        return Mixture(each.shapes, each.weights, True, agreement)
    share = np.clip((agreement - UNLIKE[0]) / (UNLIKE[1] - UNLIKE[0]), 0.0, 1.0)
    if share == 0:
        return NOTHING
    weights = (share * gain[each.shapes] * each.weights).clip(max=1.0).astype(np.float32)
    return Mixture(each.shapes, weights, False, agreement * share)


class _Mixing:
    """Mixtures of a target's shapes own (K, V, 3), of which some are usable (K,)."""

    def __init__(
        self, own: np.ndarray, usable: np.ndarray, trust: np.ndarray, modes: tuple[np.ndarray, np.ndarray]
    ) -> None:
        self.own, self.trust = own, trust
        moves = np.linalg.norm(own, axis=-1).max(1) > NOTHING_MM
        self.usable = np.flatnonzero(usable & moves)
        self.modes = torch.as_tensor(modes[0][:, :LOCAL_MODES]).float()
        self.prior = torch.as_tensor(prior_of_modes(modes[1][:LOCAL_MODES], _MixingPrior())).float()

    def of(self, motion: np.ndarray) -> Mixture:
        """What does most of the motion (V, 3) of a shape."""
        if len(self.usable) == 0 or np.linalg.norm(motion, axis=-1).max() < NOTHING_MM:
            return NOTHING
        chosen = self.usable[self._overall(motion, self.usable) >= LEAST_PART]
        if len(chosen) == 0:
            return NOTHING
        overall = self._overall(motion, chosen)
        fields = torch.as_tensor(self.own[chosen].transpose(1, 0, 2)).float()  # (V, k, 3)
        left = torch.as_tensor(motion - np.tensordot(overall, self.own[chosen], 1)).float()
        trust = torch.as_tensor(self.trust).float()
        form = ClosedForm(fields, self.modes, self.prior, trust)
        more = weights_at(self.modes, form.solve((left * trust[:, None])[None]))[:, 0].numpy()  # (V, k)
        return Mixture(chosen, (overall + more).clip(0.0, 1.0).astype(np.float32))

    def smoothed(self, values: np.ndarray) -> np.ndarray:
        """(V, n) values of 0 or more as the smooth functions have them, nowhere 0."""
        modes = self.modes.double().numpy()
        smooth = modes @ np.linalg.lstsq(modes, values, rcond=None)[0]
        return smooth.clip(min=1e-3 * values.max(initial=1e-9))

    def _overall(self, motion: np.ndarray, shapes: np.ndarray) -> np.ndarray:
        """One weight in [0, 1] over the whole face for each of the shapes (k,), most of them 0 where others do."""
        root = np.sqrt(self.trust)[:, None]
        fields, wanted = (root * self.own[shapes]).reshape(len(shapes), -1), (root * motion).reshape(-1)
        sizes = np.linalg.norm(fields, axis=1)
        matrix = fields @ fields.T + 1e-6 * np.diag(np.square(sizes) + 1e-9)
        right = fields @ wanted - SPARING * sizes * np.linalg.norm(wanted)
        half = np.linalg.cholesky(matrix)
        return lsq_linear(half.T, np.linalg.solve(half, right), bounds=(0.0, 1.0)).x


def _agreement(one: np.ndarray, other: np.ndarray, trust: np.ndarray) -> float:
    """The cosine between two motions (V, 3) of points with trust (V,); 0 where one shows nothing."""
    size = np.sqrt((trust @ np.square(one)).sum() * (trust @ np.square(other)).sum())
    return float((trust @ (one * other)).sum() / size) if size > 0 else 0.0
