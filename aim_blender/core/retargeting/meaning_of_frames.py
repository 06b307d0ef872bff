# SPDX-License-Identifier: GPL-3.0-or-later
"""What the frames of a take mean, kept on a target (docs/model.md section 4): a mouth that a smile and a pucker hold at
rest together is at rest there, too, though the two are not as strong beside each other on both faces.

Shape by shape pairs and mixtures are right; together they may part lips, widen a mouth, close lids or raise brows by
another share of the face's range than the performer does. Where it is off by more than TOLERANCE, shapes of the target
are shown more or less: about the mouth, about each eye and each brow by itself, and mostly shapes that it shows there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks.face_measures import Measure, Places
from ..checks.face_spots import places_of
from ..model.actor import Actor
from ..model.evaluation import stabilized_frames
from ..shared.foundation.smoothstep import smoothstep
from ..shared.results.takes import Take
from .pairing import Pairing

TOLERANCE = 0.06  # of a measure's range
LEAST_AGREEMENT = 0.5  # correlation over the shapes from which a measure is believed on both faces
EACH_WAY = 0.5  # of the way from one range in all to one up and one down that a measure may go
LEAST_OF_RANGE = 0.1  # that a face must go up, or down, for this to be a range of its own
MOST = 1.25  # of a shape that is shown to mean the same, and of a range
SPARING, SHOWN = 0.01, 0.1  # what shapes cost, and how much must be shown of one for it to cost little
ROUNDS = 3  # of which each shares out what shapes at their limits left
TELLING = 0.02  # of a range, from which a shape tells something of a measure
MOUTH = ("lip_gap", "mouth_width", "corner_height")
MOUTH_FROM = 0.25, 0.6  # of the way down from the lids to the mouth, from where its shapes count, and fully
# Of a typical adult: how far lids reach, above which height brows are, and fully, and where left and right part.
LIDS_MM, BROW_MM, SIDE_MM, EYES_MM = 14.0, (6.0, 16.0), 8.0, -12.0


@dataclass(frozen=True)
class _Range:
    """How far the shapes of a face change measures: least and most (M,) mm, with 0 between them."""

    least: np.ndarray
    most: np.ndarray

    @classmethod
    def of(cls, changes: np.ndarray) -> _Range:
        """Of changes (M, N)."""
        return cls(changes.min(1, initial=0.0), changes.max(1, initial=0.0))

    @property
    def whole(self) -> np.ndarray:
        """(M,) mm."""
        return self.most - self.least

    def ratio(self, other: _Range, up: np.ndarray) -> np.ndarray:
        """(M,) how much farther another face goes the one way, where up (M,) is true, or the other; in all, where this
        face hardly goes that way."""
        mine, theirs = (np.where(up, each.most, each.least) for each in (self, other))
        known = np.abs(mine) > LEAST_OF_RANGE * self.whole
        return np.where(known, theirs / np.where(known, mine, 1.0), other.whole / self.whole)


class MeaningOfFrames:
    """What keeps the meaning of a performed take's frames on a target.

    pairing: what the source's shapes are there; it has a meaning. take, source: as performed, on the source's own mesh.
    used: (M,) bool, which measures are believed. columns: (c,) shapes of the target, each in one part of the face, with
    slopes (M, c), by which shares of their ranges one of it changes the measures, and costs (c,).
    """

    def __init__(self, pairing: Pairing, take: Take, source: Actor, target: Actor) -> None:
        assert pairing.meaning is not None
        self.take, self.source, self.target, self.meaning = take, source, target, pairing.meaning
        self.own = target.shapes()[1:] - target.neutral  # (K, V, 3)
        shapes = source.shapes()[1:] - source.neutral
        performed = np.stack([each.of(shapes) for each in self.meaning.performed])  # (M, N) mm
        can = self._means(self.own)  # (M, K) mm
        self.ranges = _Range.of(performed), _Range.of(can)
        self.parts = np.zeros((len(source.names), len(self.own)))  # how much of each shape the source's are
        for i, each in enumerate(pairing.mixtures):
            self.parts[i, each.shapes] = each.parts(self.own)
        self.by_bone = np.zeros_like(performed)  # (M, N) mm what the jaw bone adds later
        if pairing.jaw is not None:
            self.by_bone = self._means(pairing.jaw.motion) * [each.bone for each in pairing.mixtures]
        self.left_out = performed * [name in pairing.left_out for name in source.names]  # (M, N) mm
        shown = can @ self.parts.T + self.by_bone
        self.used = np.array([_alike(*each) for each in zip(performed, shown, strict=True)], dtype=bool)
        places = places_of(target)
        assert places is not None
        self.windows: list[tuple[np.ndarray, np.ndarray]] = []
        for rows, window in self._windows(places):
            telling = np.abs(can[rows]) > TELLING * self.ranges[1].whole[rows, None]
            self.windows.append((np.flatnonzero(telling.any(0)), window))
        self.columns = np.concatenate([chosen for chosen, _ in self.windows])
        parts = [self.own[chosen] * window[:, None] for chosen, window in self.windows]
        energies = [np.square(part).sum((1, 2)) for part in parts]
        self.costs = np.concatenate([each / max(each.sum() / max(len(each), 1), 1e-12) for each in energies])
        self.slopes = np.concatenate([self._means(part) for part in parts], axis=1) / self.ranges[1].whole[:, None]

    def missing(self, frames: np.ndarray, part: slice, overall: np.ndarray) -> np.ndarray:
        """(f, V, 3) mm what is to be added to the target's frames (f, V, 3) of a part of the take, to mean the same: y
        of docs/model.md (31a) at every point.

        overall: (f, N) weights of the source's shapes over the whole face.
        """
        off = self._off(frames, part, overall)
        shown = (overall @ self.parts)[:, self.columns]  # (f, c)
        ends = np.cumsum([len(chosen) for chosen, _ in self.windows])[:-1]
        added = np.zeros_like(frames)
        for j in np.flatnonzero(off.any(1)):
            weights = np.split(self._weights(off[j], shown[j]), ends)
            for (chosen, window), here in zip(self.windows, weights, strict=True):
                added[j] += window[:, None] * np.tensordot(here, self.own[chosen], 1)
        return added

    def _off(self, frames: np.ndarray, part: slice, overall: np.ndarray) -> np.ndarray:
        """(f, M) by which shares of its range each measure is to change.

        A measure may be what it is as a share of the range in all, or rather of the range up, or down, and between.
        """
        one, other = self.ranges
        wanted, shown = [], []
        for mine, theirs in zip(self.meaning.performed, self.meaning.measures, strict=True):
            seen = stabilized_frames(self.source, self.take, part, mine.vertices)
            wanted.append(_change(seen - self.source.neutral[mine.vertices], mine))
            shown.append(_change(frames[:, theirs.vertices] - self.target.neutral[theirs.vertices], theirs))
        goal = np.stack(wanted, axis=1) - overall @ self.left_out.T
        now = np.stack(shown, axis=1) + overall @ self.by_bone.T
        even = goal * other.whole / one.whole
        each_way = goal * one.ratio(other, goal > 0)
        ways = np.sort([even, even + EACH_WAY * (each_way - even)], axis=0).clip(MOST * other.least, MOST * other.most)
        slack = TOLERANCE * other.whole
        return (now.clip(ways[0] - slack, ways[1] + slack) - now) / other.whole * self.used

    def _weights(self, off: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """(c,) how much more is to be shown of columns of which shown (c,) is seen, to change measures by off (M,)."""
        least, most = np.minimum(shown, 0.0), np.maximum(shown, MOST)
        cheap = np.square(np.abs(shown) + SHOWN) / (SPARING * self.costs.clip(min=1e-6))
        found = np.zeros(len(shown))
        free = np.ones(len(shown), dtype=bool)
        for _ in range(ROUNDS):
            slopes = self.slopes * free
            system = (slopes * cheap) @ slopes.T + np.eye(len(off))
            wanted = found + cheap * (slopes.T @ np.linalg.solve(system, off - self.slopes @ found))
            found = wanted.clip(least - shown, most - shown)
            free &= np.abs(found - wanted) < 1e-9
        return found

    def _means(self, offsets: np.ndarray) -> np.ndarray:
        """(M, n) mm by which offsets (n, V, 3) of the target change its measures."""
        return np.stack([each.of(offsets) for each in self.meaning.measures])

    def _windows(self, places: Places) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each part of the face, which measures (m,) are its, and how much each point (V,) of the target is."""
        at = places.frame.local(self.target.neutral)
        known = zip(self.meaning.names, self.meaning.measures, strict=True)
        middles = {name: at[each.vertices].mean(0) for name, each in known}
        lids = [middle[1] for name, middle in middles.items() if name.startswith("lid")]
        eyes = np.mean(lids) if lids else EYES_MM
        mouth = [k for k, name in enumerate(middles) if name in MOUTH]
        found = []
        if mouth:
            lips = np.mean([middles[self.meaning.names[k]][1] for k in mouth])
            down = (eyes - at[:, 1]) / max(eyes - lips, 1.0)
            found.append((np.array(mouth), smoothstep((down - MOUTH_FROM[0]) / (MOUTH_FROM[1] - MOUTH_FROM[0]))))
        for k, (name, middle) in enumerate(middles.items()):
            if name in MOUTH:
                continue
            window = smoothstep((at[:, 1] - eyes - BROW_MM[0]) / (BROW_MM[1] - BROW_MM[0]))
            if name.startswith("lid"):
                window = np.exp(-np.square((at - middle)[:, :2]).sum(1) / (2 * LIDS_MM**2))
            found.append((np.array([k]), window * smoothstep(0.5 + np.sign(middle[0]) * at[:, 0] / (2 * SIDE_MM))))
        return found


def _change(offsets: np.ndarray, measure: Measure) -> np.ndarray:
    """(f,) mm by which offsets (f, P, 3) of a measure's own vertices change it."""
    return np.einsum("fpx,px->f", offsets, measure.gradient)


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether a measure changes alike over shapes, by one (N,) and other (N,)."""
    moves = min(np.ptp(one), np.ptp(other)) > 0
    return moves and float(np.corrcoef(one, other)[0, 1]) > LEAST_AGREEMENT
