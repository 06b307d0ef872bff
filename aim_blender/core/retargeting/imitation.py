# SPDX-License-Identifier: GPL-3.0-or-later
"""What each of a source's shapes is on a target: the target's shapes that are paired with it, or the mixture of the
target's shapes that moves the skin alike.

What no mixture within its bounds does is left undone, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..model.actor import Actor
from ..shared.faces.expression_names import only_numbered
from .carrying import facing
from .jaw_range import JawRange
from .meaning import Meaning
from .mixing import ALIKE, LEAST_PAIRS, NOTHING, STRONGER, UNLIKE, Mixing, Mixture, agreement_of

SHOWN_PART = 0.1  # of a full weight, from which a shape is named as a part of a mixture
TELLING = 0.1  # of a measure's range: what changes it by less says little about how strong a shape is
MEANT = (0.7, 0.9)  # agreement in what two mean, on each face by itself: as UNLIKE of their motion
MOST_MISSING = 0.6  # of the partners of one name
PART = 0.75, 0.9  # agreement with all that share a partner, up to which a shape is a part of it, and from which all
LEAST_AREA = 0.15  # of a shape's motion, by its square, from which an area of the face is told apart


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
    mixing = Mixing(own, palette.usable, trust, palette.modes, meaning)
    strength = _strength(source, target, partners, wanted, own, trust, jaw, meaning)
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
        leads = instead.leading in found[i].shapes
        if i not in numbered:  # led by the partner itself, it is only as strong as it has to be
            found[i] = replace(instead, namesake="" if leads else partners[source.names[i]][0])
        elif not leads:
            found[i] = instead
    _share_partners(found, wanted, mixing)
    meant = [mixing.meant(*each) for each in zip(found, meaning.wanted, bone, strict=True)]
    return [_settled(*each, own, palette) for each in zip(found, wanted, bone, meant, strict=True)]


def _strength(
    source: Actor,
    target: Actor,
    partners: Mapping[str, Sequence[str]],
    wanted: np.ndarray,
    own: np.ndarray,
    trust: np.ndarray,
    jaw: JawRange | None,
    meaning: Meaning,
) -> np.ndarray:
    """(N, 1, 1) by how much more than the source's shapes, wanted (N, V, 3), the target's of their names move: what a
    face does of those without a partner is in its own range, too. Where too few pairs tell, it is for each shape what
    the ranges of the measures tell that it changes."""
    sizes = [np.log(jaw.ratio)] if jaw is not None and jaw.known else []
    for i, name in enumerate(source.names):
        pair = own[target.names.index(partners[name][0])] if len(partners.get(name, ())) == 1 else np.zeros_like(own[0])
        if agreement_of(pair, wanted[i], trust) > ALIKE:
            sizes.append(np.log((trust @ np.square(pair)).sum() / (trust @ np.square(wanted[i])).sum()) / 2)
    found = np.full(len(wanted), np.median(sizes) if len(sizes) >= LEAST_PAIRS else 0.0)
    if len(sizes) < LEAST_PAIRS and meaning.ratios:
        ranges = np.log(meaning.ratios) - np.log(facing(source.neutral, target.neutral)[0])
        shares = np.square(meaning.wanted / meaning.ranges)  # (N, M)
        found = shares @ ranges / (shares.sum(1) + TELLING**2)
    return np.exp(found).clip(1 / STRONGER, STRONGER)[:, None, None]


def _share_partners(found: list[Mixture], wanted: np.ndarray, mixing: Mixing) -> None:
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
        alike = np.array([agreement_of(wanted[i], all_of_it, at_partner) for i in together])
        whole = ((alike - PART[0]) / (PART[1] - PART[0])).clip(0.0, 1.0)  # (i,)
        others = energy * (1 - whole)
        share = energy / (energy + others.sum(1, keepdims=True) - others)
        share = whole + (1 - whole) * share
        for column, i in enumerate(together):
            weights = np.broadcast_to(found[i].weights, (len(share), len(found[i].shapes))).copy()
            weights[:, found[i].shapes == k] = share[:, column, None]
            found[i] = replace(found[i], weights=weights)


def _settled(
    each: Mixture,
    motion: np.ndarray,
    bone: np.ndarray,
    meant: tuple[float, float],
    own: np.ndarray,
    palette: Palette,
) -> Mixture:
    """The mixture, less of it where it hardly agrees with the motion (V, 3) nor with what that means, and how much of
    it it does. meant: as Mixing.meant has it."""
    trust, share, moves = palette.trust, 1.0, 1.0
    if not each.paired:
        agreement = agreement_of(each.of(own) + each.bone * bone, motion, trust)
        moves = _ramp(agreement, *UNLIKE)
        share = max(moves, _ramp(meant[0], *MEANT))
    if share == 0.0:
        return replace(NOTHING, namesake=each.namesake)
    weights = (share * each.weights).astype(np.float32)
    each = replace(each, weights=weights, bone=share * each.bone)
    shown = each.of(own) + each.bone * bone
    agreement = agreement_of(shown, motion, trust)
    size = np.sqrt((trust @ np.square(shown)).sum() / max((trust @ np.square(motion)).sum(), 1e-12))
    stronger = np.clip(agreement / max(size, 1e-12), 1.0, STRONGER)
    done = max(2 * stronger * size * agreement - (stronger * size) ** 2, 0.0)
    if each.paired:
        return replace(each, agreement=agreement, done=1.0)
    if moves < share:  # it means the same, moving other skin
        return replace(each, agreement=agreement, done=max(float(done), share * meant[1]))
    moved = trust * np.square(motion).sum(-1)
    left = trust * np.square(motion - stronger * shown).sum(-1)
    of_area = {}
    for area in np.unique(palette.areas):
        here = palette.areas == area
        if area and moved[here].sum() > LEAST_AREA * moved.sum():
            of_area[str(area)] = float(max(1.0 - left[here].sum() / moved[here].sum(), 0.0))
    return replace(each, agreement=agreement, done=float(done), areas=of_area)


def _ramp(value: float, none: float, whole: float) -> float:
    return float(np.clip((value - none) / (whole - none), 0.0, 1.0))


def imitate_motions(
    motions: np.ndarray, own: np.ndarray, trust: np.ndarray, modes: tuple[np.ndarray, np.ndarray]
) -> list[Mixture]:
    """A mixture of shapes own (K, V, 3) for each of motions (m, V, 3) mm of the same points, whatever made them. trust,
    modes: as Palette has them."""
    trust = np.asarray(trust, np.float64)
    palette = Palette(np.ones(len(own), dtype=bool), modes, trust, np.full(motions.shape[1], ""))
    nothing = Meaning((), np.zeros(0), np.zeros((1, 0)))
    mixing = Mixing(own, palette.usable, trust, modes, nothing)
    no_bone = np.zeros(motions.shape[1:])
    found = [mixing.of(motion, np.zeros(0), no_bone) for motion in motions]
    return [
        _settled(each, motion, no_bone, (0.0, 0.0), own, palette) for each, motion in zip(found, motions, strict=True)
    ]
