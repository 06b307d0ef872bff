# SPDX-License-Identifier: GPL-3.0-or-later
"""What shapes mean, on two faces that share nothing: how far each opens the lips, widens the mouth, closes a lid, as
shares of what the face can do of it. The measures are those of face_measures, which are linear in the points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks.face_measures import Measure, measures_at
from ..checks.face_spots import places_of
from ..model.actor import Actor

RATIO = (0.5, 2.0)  # of two faces' ranges; what lies beyond is no range of a face's
LEAST_RANGE_MM = 1.0  # of a measure over a face's shapes, below which it tells nothing


@dataclass(frozen=True)
class Meaning:
    """What is wanted of a target. measures: (M,) those that both faces have and use. ranges: (M,) mm that the target's
    own shapes change each by. wanted: (N, M) mm by which each of the source's shapes should change it. names,
    performed: (M,) of the same measures, their names and where they are on the source's own mesh. ratios: (M,) how many
    times as far, in mm, the target's shapes go as the source's."""

    measures: tuple[Measure, ...]
    ranges: np.ndarray
    wanted: np.ndarray
    names: tuple[str, ...] = ()
    performed: tuple[Measure, ...] = ()
    ratios: tuple[float, ...] = ()


def meaning_of(source: Actor, target: Actor) -> Meaning:
    """What the source's shapes mean on the target: measures as shares of what each face does of them."""
    names, performed, measures, ranges, wanted, ratios = [], [], [], [], [], []
    own, other = source.shapes()[1:] - source.neutral, target.shapes()[1:] - target.neutral
    one_face, other_face = places_of(source), places_of(target)
    known = [{} if each is None else measures_at(each) for each in (one_face, other_face)]
    for name, one in known[0].items():
        two = known[1].get(name)
        if one is None or two is None:
            continue
        mine, theirs = one.of(own), two.of(other)  # (N,), (K,)
        range_, other_range = _ranges(name, mine, theirs)
        if min(range_, other_range) < LEAST_RANGE_MM:
            continue
        names.append(name)
        performed.append(one)
        measures.append(two)
        ranges.append(other_range)
        ratios.append(float(np.clip(other_range / range_, *RATIO)))
        wanted.append(ratios[-1] * mine)
    count = len(source.names)
    by_shape = np.array(wanted).reshape(len(measures), count).T
    return Meaning(tuple(measures), np.array(ranges), by_shape, tuple(names), tuple(performed), tuple(ratios))


def _ranges(name: str, mine: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """How far a measure goes on two faces whose shapes change it by mine (N,) and theirs (K,) mm.

    Of lips it is how far they part: what brings them together from rest is meant over an open jaw, which it has to
    cancel on either face.
    """
    part = name == "lip_gap" and min(mine.max(initial=0.0), theirs.max(initial=0.0)) >= LEAST_RANGE_MM
    one, other = (np.ptp(np.append(each.clip(min=0.0) if part else each, 0.0)) for each in (mine, theirs))
    return float(one), float(other)
