# SPDX-License-Identifier: GPL-3.0-or-later
"""Mixtures of a target's shapes that move the skin as a motion does, and change what the face means alike.

A mixture is local: a weight p_ik(c) in [LEAST, MOST] for each of the target's shapes k at each point c, so that a smile
of one side is one half of a smile of both, and a smile of both is two smiles of one side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.optimize import lsq_linear

from ..model.closed_form import agreement_matrix, positive_factor, prior_of_modes, seen_by_modes, weights_at
from .meaning import Meaning

STIFFNESS = 1.0, 8.0, 64.0  # of smooth weights, tried one after another while bounds take something away
LOCAL_MODES, LOCAL_POINTS = 60, 4000  # smooth functions in which a mixture changes, points that determine it
LEAST, MOST = -1.0, 1.5  # of a weight in a mixture; what the face shows in the end, retargeting bounds once more
LEAST_PART = 0.1  # of a full weight; a mixture does without shapes of which it would take less
ALIKE, LEAST_PAIRS = 0.7, 2  # agreement from which pairs, and how many with the jaw, tell how strongly a face moves
UNLIKE = (0.3, 0.5)  # agreement up to which a mixture shows something else, and from which it is shown whole
SPARING = 0.04  # cosine by which a shape must agree with what is left, to be taken into a mixture
SPARING_OF_LESS = 0.2  # likewise for less than nothing of a shape
SPARING_OF_BONE = 0.08  # likewise for the jaw bone: shapes show more of a mouth than a jaw does
STRONGER = 2.0  # by how much one face may do the same more strongly than another
MISSED = 0.25  # of a measure's range, by which a partner of that name may be off what is meant
HERE, ELSEWHERE = 0.3, 0.15  # of a shape's largest motion, from where it counts fully; how much less counts
NOTHING_MM = 0.05  # a shape of which no point moves further shows nothing


@dataclass(frozen=True)
class _MixingPrior:
    """What a weight costs that leaves the mixture's own over the whole face: see prior_of_modes."""

    ridge: float = 0.5
    smoothness: float = 5.0


@dataclass(frozen=True)
class Mixture:
    """What one shape of the source is on the target.

    shapes: (k,) of the target's. weights: p (V, k) float32 in [LEAST, MOST] at the target's points, (1, k) where they
    are the same at all. paired: whether somebody, or the names, said so. agreement: in [-1, 1] the cosine between what
    the shape moves on the source, carried over, and what the mixture does: 1 is the same motion, whatever its size.
    done: in [0, 1] the share of the motion, by its square, that is done, be it up to STRONGER times as weak. areas:
    the same of each area of the face that the shape moves much. namesake: a shape of the target that has the name, but
    does something else. bone: in [0, 1] how much of what the jaw does in the shape is left to the target's jaw bone.
    """

    shapes: np.ndarray
    weights: np.ndarray
    paired: bool = False
    agreement: float = 0.0
    done: float = 0.0
    areas: dict[str, float] = field(default_factory=dict)
    namesake: str = ""
    bone: float = 0.0

    @property
    def leading(self) -> int | None:
        """Of the target's shapes the one that takes part most; None where none does."""
        return int(self.shapes[np.abs(self.weights).mean(0).argmax()]) if len(self.shapes) else None

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
        total = weighted.sum(0)
        return (weighted * self.weights).sum(0) / np.where(np.abs(total) > 1e-12, total, np.inf)


NOTHING = Mixture(np.zeros(0, np.int64), np.zeros((1, 0), np.float32))


class Mixing:
    """Mixtures of a target's shapes own (K, V, 3), of which some are usable (K,).

    They minimise, in shares of what the shape moves, how far they are off its motion, and, in shares of the target's
    range, how far off what it means: a mouth that opens where the source's does not is worse than its mm.
    """

    def __init__(
        self,
        own: np.ndarray,
        usable: np.ndarray,
        trust: np.ndarray,
        modes: tuple[np.ndarray, np.ndarray],
        meaning: Meaning,
    ) -> None:
        self.own, self.trust, self.meaning = own, trust, meaning
        moves = np.linalg.norm(own, axis=-1).max(1) > NOTHING_MM
        self.usable = np.flatnonzero(usable & moves)
        self.modes = torch.as_tensor(modes[0][:, :LOCAL_MODES]).float()
        self.prior = torch.as_tensor(prior_of_modes(modes[1][:LOCAL_MODES], _MixingPrior())).double()
        self.means = self._means_of(own).reshape(-1, len(own))  # (M, K) mm

    def of(self, motion: np.ndarray, wanted: np.ndarray, bone: np.ndarray) -> Mixture:
        """What does most of the motion (V, 3) of a shape, and changes the measures by what is wanted (M,) mm.

        bone: (V, 3) what the jaw bone alone would do; it is taken for what the shapes do not do.
        """
        if np.linalg.norm(motion, axis=-1).max() < NOTHING_MM:
            return NOTHING
        overall, _ = self._overall(motion, wanted, bone, self.usable)
        chosen = self.usable[np.abs(overall) >= LEAST_PART]
        overall, share = self._overall(motion, wanted, bone, chosen)
        weights = np.zeros((1, 0), np.float32)
        if len(chosen):
            left, unmeant = motion - share * bone, wanted - share * self._means_of(bone)
            weights = self._local(left, unmeant, chosen, overall, self._importance(motion))
        found = Mixture(chosen, weights)
        left = motion - found.of(self.own)  # the bone does what bounded shapes have no room for, too
        if agreement_of(bone, left, self.trust) > ALIKE:
            share = max(share, float((self.trust @ (bone * left)).sum() / (self.trust @ np.square(bone)).sum()))
        return replace(found, bone=min(share, 1.0))

    def meant(self, mixture: Mixture, wanted: np.ndarray, bone: np.ndarray) -> tuple[float, float]:
        """In [-1, 1] how well a mixture agrees with what is wanted (M,) of the measures, over their ranges, with the
        motion (V, 3) of the bone, and the share of it that it does; 0 where little is wanted."""
        shown = self._means_of(mixture.of(self.own) + mixture.bone * bone) / self.meaning.ranges
        wanted = wanted / self.meaning.ranges
        size = np.linalg.norm(shown) * np.linalg.norm(wanted)
        if size == 0 or np.abs(wanted).max() < MISSED:
            return 0.0, 0.0
        left = np.square(wanted - shown).sum() / np.square(wanted).sum()
        return float(shown @ wanted / size), float(max(1.0 - left, 0.0))

    def misses(self, pair: Mixture, motion: np.ndarray, wanted: np.ndarray) -> bool:
        """Whether a pair does something else than the motion (V, 3), or means something else than is wanted (M,)."""
        means = self.means[:, pair.shapes].sum(1)
        ways = np.sort([wanted / STRONGER, wanted * STRONGER], axis=0)  # (2, M) a sculptor may have meant more, or less
        off = np.abs(means - means.clip(*ways)) / self.meaning.ranges
        return bool((off > MISSED).any()) or agreement_of(pair.of(self.own), motion, self.trust) < UNLIKE[0]

    def _importance(self, motion: np.ndarray) -> np.ndarray:
        """(M,) mm of motion that a mm of each measure counts as."""
        return np.sqrt((self.trust @ np.square(motion)).sum()) / self.meaning.ranges

    def _local(
        self, motion: np.ndarray, wanted: np.ndarray, chosen: np.ndarray, overall: np.ndarray, importance: np.ndarray
    ) -> np.ndarray:
        """(V, k) float32 weights in [LEAST, MOST] of the chosen shapes, smoothly off overall (k,), for the motion
        (V, 3) and measures (M,); (1, k) where no smooth weights within the bounds do more of it than overall."""
        left = motion - np.tensordot(overall, self.own[chosen], 1)
        matrix, right = self._equations(left, wanted - self.means[:, chosen] @ overall, chosen, importance)
        best = overall[None].clip(LEAST, MOST).astype(np.float32)
        least = self._missed(best, motion, wanted, chosen, importance)
        some = self.modes[:: self._step].shape[0]
        for stiffness in STIFFNESS:
            stiff = matrix.clone()
            stiff.diagonal().add_(some * stiffness * self.prior.repeat_interleave(len(chosen)))
            solution = torch.cholesky_solve(right[:, None], positive_factor(stiff))
            more = weights_at(self.modes, solution.view(1, -1, len(chosen)).float())[:, 0].numpy()
            weights = (overall + more).astype(np.float32)
            bounded = weights.clip(LEAST, MOST)
            missed = self._missed(bounded, motion, wanted, chosen, importance)
            if missed < least:
                best, least = bounded, missed
            if np.array_equal(bounded, weights):
                break  # the bounds take nothing away, and stiffer weights would do less
        return best

    def _missed(
        self, weights: np.ndarray, motion: np.ndarray, wanted: np.ndarray, chosen: np.ndarray, importance: np.ndarray
    ) -> float:
        """By how much weights (V, k) of the chosen shapes miss the motion (V, 3) and the measures (M,)."""
        shown = Mixture(chosen, weights).of(self.own)
        unmeant = importance * (wanted - self._means_of(shown))
        return float(self.trust @ np.square(motion - shown).sum(-1) + unmeant @ unmeant)

    @property
    def _step(self) -> int:
        """Every how manieth point determines local weights."""
        return max(1, len(self.trust) // LOCAL_POINTS)

    def _equations(
        self, left: np.ndarray, unmeant: np.ndarray, chosen: np.ndarray, importance: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The normal equations of coefficients (m, k) of smooth weights of the chosen shapes for what is left of the
        motion (V, 3), and of measures (M,): a matrix and a right side, the prior not in it."""
        some = slice(None, None, self._step)
        fields = torch.as_tensor(self.own[chosen][:, some].transpose(1, 0, 2)).float()  # (v, k, 3)
        modes, trust = self.modes[some].contiguous(), torch.as_tensor(self.trust[some]).float()
        size = modes.shape[1] * len(chosen)
        matrix = agreement_matrix(modes * trust.sqrt()[:, None], fields).view(size, size)
        seen = torch.as_tensor(left[some]).float() * trust[:, None]
        right = seen_by_modes(modes, fields, seen[None])[..., 0].reshape(-1).double()
        share = np.sqrt(len(modes) / len(left))  # of all points, that the measures' weight is for
        if len(importance):
            slopes = [
                np.einsum(
                    "pm,kpx,px->mk", self.modes.numpy()[at.vertices], self.own[chosen][:, at.vertices], at.gradient
                )
                for at in self.meaning.measures
            ]
            jacobian = torch.as_tensor(share * importance[:, None] * np.stack(slopes).reshape(len(slopes), -1))
            matrix = matrix + jacobian.T @ jacobian
            right = right + jacobian.T @ torch.as_tensor(share * importance * unmeant)
        return matrix, right

    def smoothed(self, values: np.ndarray) -> np.ndarray:
        """(V, n) values of 0 or more as the smooth functions have them, nowhere 0."""
        modes = self.modes.double().numpy()
        smooth = modes @ np.linalg.lstsq(modes, values, rcond=None)[0]
        return smooth.clip(min=1e-3 * values.max(initial=1e-9))

    def _means_of(self, offsets: np.ndarray) -> np.ndarray:
        """(M, ...) mm by how much offsets (..., V, 3) change each measure."""
        return np.array([each.of(offsets) for each in self.meaning.measures])

    def _overall(
        self, motion: np.ndarray, wanted: np.ndarray, bone: np.ndarray, shapes: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """One weight over the whole face for each of the shapes (k,), most of them 0 where others do, and for the bone.

        What the right shapes have not the strength for is nothing for the wrong ones: so weights end at STRONGER. Of a
        shape less than nothing is meant where others show it at the same time, as closed lips do of an open jaw.
        """
        importance, fields = self._importance(motion), np.concatenate([self.own[shapes], bone[None]])
        moved = np.linalg.norm(motion, axis=1)
        # What a shape does elsewhere counts less: a local weight can keep it from there.
        here = (moved / (HERE * moved.max())).clip(ELSEWHERE, 1.0)
        root = np.sqrt(self.trust * here)[:, None]
        means = np.concatenate([self.means[:, shapes], self._means_of(bone)[:, None].reshape(-1, 1)], axis=1)
        rows = np.concatenate([(root * fields).reshape(len(fields), -1), (importance[:, None] * means).T], axis=1)
        rows = np.concatenate([rows, -rows[:-1]])
        goal = np.concatenate([(root * motion).reshape(-1), importance * wanted])
        sizes = np.linalg.norm(rows, axis=1)
        sparing = np.repeat([SPARING, SPARING_OF_BONE, SPARING_OF_LESS], [len(shapes), 1, len(shapes)])
        matrix = rows @ rows.T + 1e-6 * np.diag(np.square(sizes) + 1e-9)
        right = rows @ goal - sparing * sizes * np.linalg.norm(goal)
        half = np.linalg.cholesky(matrix)
        most = np.repeat([STRONGER, STRONGER, -LEAST], [len(shapes), 1, len(shapes)])
        found = lsq_linear(half.T, np.linalg.solve(half, right), bounds=(0.0, most)).x
        more, bone_share, less = np.split(found, [len(shapes), len(shapes) + 1])
        return more - less, min(float(bone_share[0]), 1.0)


def agreement_of(one: np.ndarray, other: np.ndarray, trust: np.ndarray) -> float:
    """The cosine between two motions (V, 3) of points with trust (V,); 0 where one shows nothing."""
    size = np.sqrt((trust @ np.square(one)).sum() * (trust @ np.square(other)).sum())
    return float((trust @ (one * other)).sum() / size) if size > 0 else 0.0
