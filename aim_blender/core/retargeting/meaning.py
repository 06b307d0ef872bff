# SPDX-License-Identifier: GPL-3.0-or-later
"""What shapes mean, on two faces that share nothing: how far each opens the lips, widens the mouth, closes a lid, as
shares of what the face can do of it. The measures are those of face_measures, which are linear in the points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks.face_measures import FacePlaces, find_places
from ..model.actor import Actor
from ..shared.foundation.errors import InputError

RATIO = (0.5, 2.0)  # of two faces' ranges; what lies beyond is no range of a face's
LEAST_RANGE_MM = 1.0  # of a measure over a face's shapes, below which it tells nothing


@dataclass(frozen=True)
class Measure:
    """One measure as a sum over vertices (P,) of their offsets from rest times gradient (P, 3)."""

    vertices: np.ndarray
    gradient: np.ndarray

    def of(self, offsets: np.ndarray) -> np.ndarray:
        """(...,) mm how much offsets (..., V, 3) change it."""
        return np.einsum("...px,px->...", offsets[..., self.vertices, :], self.gradient)


def measures_of(actor: Actor) -> list[Measure | None]:
    """The measures of lips, mouth, lids and brows on an actor's mesh, None for those whose places are not found."""
    try:
        places = find_places(actor.neutral, actor.topology, actor.shapes()[1:])
    except InputError:
        return [None] * 7
    left, up = places.frame.left, places.frame.up
    corner, lid, low = places.mouth_corner, places.upper_lid, places.lower_lid
    return [
        _measure([(places.upper_lip, up), (places.lower_lip, -up)]),
        _measure([(corner[0], left), (corner[1], -left)]),
        _measure([(corner[0], up / 2), (corner[1], up / 2)]),
        *(_measure([(lid[side], up), (low[side], -up)]) for side in (0, 1)),
        *(_measure([(vertex, up / 2) for vertex in _brow(places, side)]) for side in (0, 1)),
    ]


def _brow(places: FacePlaces, side: int) -> tuple[int | None, int | None]:
    return places.inner_brow[side], places.outer_brow[side]


def _measure(terms: list[tuple[int | None, np.ndarray]]) -> Measure | None:
    vertices = [vertex for vertex, _ in terms if vertex is not None]
    if len(vertices) < len(terms):
        return None
    return Measure(np.array(vertices), np.stack([gradient for _, gradient in terms]))


@dataclass(frozen=True)
class Meaning:
    """What is wanted of a target. measures: (M,) those that both faces have and use. ranges: (M,) mm that the target's
    own shapes change each by. wanted: (N, M) mm by which each of the source's shapes should change it."""

    measures: tuple[Measure, ...]
    ranges: np.ndarray
    wanted: np.ndarray


def meaning_of(source: Actor, target: Actor) -> Meaning:
    """What the source's shapes mean on the target: measures as shares of what each face does of them."""
    measures, ranges, wanted = [], [], []
    own, other = source.shapes()[1:] - source.neutral, target.shapes()[1:] - target.neutral
    for one, two in zip(measures_of(source), measures_of(target), strict=True):
        if one is None or two is None:
            continue
        mine, theirs = one.of(own), two.of(other)  # (N,), (K,)
        range_, other_range = (np.ptp(np.append(each, 0.0)) for each in (mine, theirs))
        if min(range_, other_range) < LEAST_RANGE_MM:
            continue
        measures.append(two)
        ranges.append(other_range)
        wanted.append(np.clip(other_range / range_, *RATIO) * mine)
    count = len(source.names)
    return Meaning(tuple(measures), np.array(ranges), np.array(wanted).reshape(len(measures), count).T)
