# SPDX-License-Identifier: GPL-3.0-or-later
"""What each of a source's shapes is on a target: the target's shapes that are paired with it, or the mixture of the
target's shapes that moves the skin alike.

A mixture is local: a weight p_ik(c) in [LEAST, MOST] for each of the target's shapes k at each point c, so that a smile
of one side is one half of a smile of both, and a smile of both is two smiles of one side. What no mixture within these
bounds does is left undone, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.optimize import lsq_linear

from ..model.actor import Actor
from ..model.closed_form import agreement_matrix, positive_factor, prior_of_modes, seen_by_modes, weights_at
from ..shared.faces.expression_names import only_numbered
from .carrying import facing
from .jaw_range import JawRange
from .meaning import Meaning

SHOWN_PART = 0.1  # of a full weight, from which a shape is named as a part of a mixture
LOCAL_MODES, LOCAL_POINTS = 60, 4000  # smooth functions in which a mixture changes, points that determine it
LEAST, MOST = -1.0, 1.5  # of a weight in a mixture; what the face shows in the end, retargeting bounds once more
LEAST_PART = 0.1  # of a full weight; a mixture does without shapes of which it would take less
ALIKE, LEAST_PAIRS = 0.7, 2  # agreement from which pairs, and how many with the jaw, tell how strongly a face moves
SPARING = 0.04  # cosine by which a shape must agree with what is left, to be taken into a mixture
UNLIKE = (0.3, 0.5)  # agreement up to which a mixture shows something else, and from which it is shown whole
SPARING_OF_LESS = 0.2  # likewise for less than nothing of a shape
SPARING_OF_BONE = 0.08  # likewise for the jaw bone: shapes show more of a mouth than a jaw does
STRONGER = 2.0  # by how much one face may do the same more strongly than another
MISSED = 0.25  # of a measure's range, by which a partner of that name may be off what is meant
HERE, ELSEWHERE = 0.3, 0.15  # of a shape's largest motion, from where it counts fully; how much less counts
MOST_MISSING = 0.6  # of the partners of one name
PART = 0.75, 0.9  # agreement with all that share a partner, up to which a shape is a part of it, and from which all
LEAST_AREA = 0.15  # of a shape's motion, by its square, from which an area of the face is told apart
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


@dataclass(frozen=True)
class Palette:
    """What of a target, of V points and K shapes, there is to mix with.

    usable: (K,) bool, which of its shapes may be mixed for those without partners. modes: Φ (V, M) and their
    eigenvalues (M,). trust: (V,) in [0, 1] how sure it is that its points and the source's belong together. areas: (V,)
    str, in which area of the face they lie.
    """

    usable: np.ndarray
    modes: tuple[np.ndarray, np.ndarray]
    trust: np.ndarray
    areas: np.ndarray


NOTHING = Mixture(np.zeros(0, np.int64), np.zeros((1, 0), np.float32))


def carried_motion(source: Actor, target: Actor) -> np.ndarray:
    """(N, V, 3) mm what the source's shapes do, turned and scaled to the target's head; both are of one mesh."""
    scale, turn = facing(source.neutral, target.neutral)
    return scale * (source.shapes()[1:] - source.neutral) @ turn.T


def imitate(
    source: Actor,
    target: Actor,
    partners: Mapping[str, Sequence[str]],
    palette: Palette,
    meaning: Meaning | None = None,
    jaw: JawRange | None = None,
    named: Collection[str] = (),
    report: Callable[[dict], None] | None = None,
) -> list[Mixture]:
    """A mixture for each shape of the source.

    source: the actor as it is at the target's points. partners: {source's shape: target's shapes, which together are
    its partner}; of one that has an empty list nothing is shown. palette: what the others are mixed of. meaning: what
    the source's shapes mean on the target. jaw: what the target's jaw bone can do, None where there is none. named:
    those whose partners nobody chose, only their names; of these, partners that mean something else are none. report:
    is told how far it is, shape by shape.
    """
    wanted = carried_motion(source, target)  # (N, V, 3)
    own = target.shapes()[1:] - target.neutral  # (K, V, 3)
    trust = palette.trust
    meaning = meaning or Meaning((), np.zeros(0), np.zeros((len(source.names), 0)))
    mixing = _Mixing(own, palette.usable, trust, palette.modes, meaning)
    strength = _strength(source, target, partners, wanted, own, trust, jaw)
    wanted = strength * wanted
    bone = np.zeros_like(wanted) if jaw is None else jaw.motion
    alike = bone if jaw is None else strength / jaw.ratio * bone  # what it would do as strongly as wanted
    found = []
    for i, name in enumerate(source.names):
        if report is not None:
            report({"message": "Comparing the shapes", "done": i, "total": len(source.names)})
        if name not in partners:
            found.append(mixing.of(wanted[i], meaning.wanted[i], alike[i]))
            continue
        chosen = np.array([target.names.index(each) for each in partners[name]], dtype=np.int64)
        found.append(Mixture(chosen, np.ones((1, len(chosen)), np.float32), paired=True))
    only_named = [i for i, name in enumerate(source.names) if name in named]
    missing = [i for i in only_named if mixing.misses(found[i], wanted[i], meaning.wanted[i])]
    # Where most names mean something else, it is rather the correspondence that is wrong: the names stay, if they tell
    # anything. Numbers tell nothing: of those the pair stays that is found by motion, too.
    numbers = only_numbered(source.names)
    numbered = [i for i in only_named if source.names[i] in numbers]
    if len(set(missing).difference(numbered)) > MOST_MISSING * (len(only_named) - len(numbered)):
        missing = []
    for i in {*missing, *numbered}:
        instead = mixing.of(wanted[i], meaning.wanted[i], alike[i])
        if i not in numbered:
            found[i] = replace(instead, namesake=partners[source.names[i]][0])
        elif instead.leading not in found[i].shapes:
            found[i] = instead
    _share_partners(found, wanted, mixing)
    return [_settled(*each, own, palette) for each in zip(found, wanted, bone, strict=True)]


def _strength(
    source: Actor,
    target: Actor,
    partners: Mapping[str, Sequence[str]],
    wanted: np.ndarray,
    own: np.ndarray,
    trust: np.ndarray,
    jaw: JawRange | None,
) -> float:
    """By how much more than the source's shapes, wanted (N, V, 3), the target's of their names move: what a face does
    of those without a partner is in its own range, too. 1 where too few pairs tell."""
    sizes = [np.log(jaw.ratio)] if jaw is not None and jaw.known else []
    for i, name in enumerate(source.names):
        pair = own[target.names.index(partners[name][0])] if len(partners.get(name, ())) == 1 else np.zeros_like(own[0])
        if _agreement(pair, wanted[i], trust) > ALIKE:
            sizes.append(np.log((trust @ np.square(pair)).sum() / (trust @ np.square(wanted[i])).sum()) / 2)
    return float(np.clip(np.exp(np.median(sizes)), 1 / STRONGER, STRONGER)) if len(sizes) >= LEAST_PAIRS else 1.0


def _share_partners(found: list[Mixture], wanted: np.ndarray, mixing: _Mixing) -> None:
    """Where several of the source's shapes have one partner, each takes it where it moves more than the others: a
    smile's left and right half. A shape that does all of what they do together is no part of it, and takes the whole:
    a smile beside a big smile, or beside its halves."""
    paired = [i for i, each in enumerate(found) if each.paired]
    of = {k: [i for i in paired if k in found[i].shapes] for i in paired for k in found[i].shapes}
    for k, together in of.items():
        if len(together) < 2:
            continue
        energy = mixing.smoothed(np.square(wanted[together]).sum(-1).T)  # (V, i)
        at_partner = mixing.trust * np.square(mixing.own[k]).sum(-1)
        all_of_it = wanted[together].sum(0)
        alike = np.array([_agreement(wanted[i], all_of_it, at_partner) for i in together])
        whole = ((alike - PART[0]) / (PART[1] - PART[0])).clip(0.0, 1.0)  # (i,)
        others = energy * (1 - whole)
        share = energy / (energy + others.sum(1, keepdims=True) - others)
        share = whole + (1 - whole) * share
        for column, i in enumerate(together):
            weights = np.broadcast_to(found[i].weights, (len(share), len(found[i].shapes))).copy()
            weights[:, found[i].shapes == k] = share[:, column, None]
            found[i] = replace(found[i], weights=weights)


def _settled(each: Mixture, motion: np.ndarray, bone: np.ndarray, own: np.ndarray, palette: Palette) -> Mixture:
    """The mixture, less of it where it hardly agrees with the motion (V, 3), and how much of that it does."""
    trust, share = palette.trust, 1.0
    if not each.paired:
        agreement = _agreement(each.of(own) + each.bone * bone, motion, trust)
        share = float(np.clip((agreement - UNLIKE[0]) / (UNLIKE[1] - UNLIKE[0]), 0.0, 1.0))
    if share == 0.0:
        return replace(NOTHING, namesake=each.namesake)
    weights = (share * each.weights).astype(np.float32)
    each = replace(each, weights=weights, bone=share * each.bone)
    shown = each.of(own) + each.bone * bone
    agreement = _agreement(shown, motion, trust)
    size = np.sqrt((trust @ np.square(shown)).sum() / max((trust @ np.square(motion)).sum(), 1e-12))
    stronger = np.clip(agreement / max(size, 1e-12), 1.0, STRONGER)
    done = max(2 * stronger * size * agreement - (stronger * size) ** 2, 0.0)
    if each.paired:
        return replace(each, agreement=agreement, done=1.0)
    moved = trust * np.square(motion).sum(-1)
    left = trust * np.square(motion - stronger * shown).sum(-1)
    of_area = {}
    for area in np.unique(palette.areas):
        here = palette.areas == area
        if area and moved[here].sum() > LEAST_AREA * moved.sum():
            of_area[str(area)] = float(max(1.0 - left[here].sum() / moved[here].sum(), 0.0))
    return replace(each, agreement=agreement, done=float(done), areas=of_area)


class _Mixing:
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
            more = self._local(
                motion - share * bone - np.tensordot(overall, self.own[chosen], 1),
                wanted - share * self._means_of(bone) - self.means[:, chosen] @ overall,
                chosen,
                self._importance(motion),
            )
            weights = (overall + more).clip(LEAST, MOST).astype(np.float32)
        found = Mixture(chosen, weights)
        left = motion - found.of(self.own)  # the bone does what bounded shapes have no room for, too
        if _agreement(bone, left, self.trust) > ALIKE:
            share = max(share, float((self.trust @ (bone * left)).sum() / (self.trust @ np.square(bone)).sum()))
        return replace(found, bone=min(share, 1.0))

    def misses(self, pair: Mixture, motion: np.ndarray, wanted: np.ndarray) -> bool:
        """Whether a pair does something else than the motion (V, 3), or means something else than is wanted (M,)."""
        means = self.means[:, pair.shapes].sum(1)
        ways = np.sort([wanted / STRONGER, wanted * STRONGER], axis=0)  # (2, M) a sculptor may have meant more, or less
        off = np.abs(means - means.clip(*ways)) / self.meaning.ranges
        return bool((off > MISSED).any()) or _agreement(pair.of(self.own), motion, self.trust) < UNLIKE[0]

    def _importance(self, motion: np.ndarray) -> np.ndarray:
        """(M,) mm of motion that a mm of each measure counts as."""
        return np.sqrt((self.trust @ np.square(motion)).sum()) / self.meaning.ranges

    def _local(self, left: np.ndarray, unmeant: np.ndarray, chosen: np.ndarray, importance: np.ndarray) -> np.ndarray:
        """(V, k) smooth weights of the chosen shapes for what is left of the motion (V, 3), and of measures (M,)."""
        some = slice(None, None, max(1, len(left) // LOCAL_POINTS))
        fields = torch.as_tensor(self.own[chosen][:, some].transpose(1, 0, 2)).float()  # (v, k, 3)
        modes, trust = self.modes[some].contiguous(), torch.as_tensor(self.trust[some]).float()
        count, names = modes.shape[1], len(chosen)
        matrix = agreement_matrix(modes * trust.sqrt()[:, None], fields).view(count * names, -1)
        matrix.diagonal().add_(len(modes) * self.prior.repeat_interleave(names))
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
        solution = torch.cholesky_solve(right[:, None], positive_factor(matrix))
        return weights_at(self.modes, solution.view(1, count, names).float())[:, 0].numpy()

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


def _agreement(one: np.ndarray, other: np.ndarray, trust: np.ndarray) -> float:
    """The cosine between two motions (V, 3) of points with trust (V,); 0 where one shows nothing."""
    size = np.sqrt((trust @ np.square(one)).sum() * (trust @ np.square(other)).sum())
    return float((trust @ (one * other)).sum() / size) if size > 0 else 0.0


def imitate_motions(
    motions: np.ndarray, own: np.ndarray, trust: np.ndarray, modes: tuple[np.ndarray, np.ndarray]
) -> list[Mixture]:
    """A mixture of shapes own (K, V, 3) for each of motions (m, V, 3) mm of the same points, whatever made them. trust,
    modes: as Palette has them."""
    trust = np.asarray(trust, np.float64)
    palette = Palette(np.ones(len(own), dtype=bool), modes, trust, np.full(motions.shape[1], ""))
    nothing = Meaning((), np.zeros(0), np.zeros((1, 0)))
    mixing = _Mixing(own, palette.usable, trust, modes, nothing)
    no_bone = np.zeros(motions.shape[1:])
    found = [mixing.of(motion, np.zeros(0), no_bone) for motion in motions]
    return [_settled(each, motion, no_bone, own, palette) for each, motion in zip(found, motions, strict=True)]
