# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a fit is from what it was given, outliers included, and what of it was left out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

STEPS_OF_OCTAVE = 9  # bits: 512 bins from a distance to twice that, so a quantile is right within 0.2 %
SHIFT = 23 - STEPS_OF_OCTAVE  # a positive float32's bits grow with it; those beyond this are dropped
BINS = 1 << (31 - SHIFT)
NAMED = 6  # points in a note
TOLD = 1.2  # by how much the mean of all must exceed that of the inliers to be told beside it
MOST = 0.5  # of the frames


class _Counted:
    """Distances (f, P) in mm, not a number where there was nothing: how many, their sums, and a histogram of all.

    given: (f, P) bool where there was something, None if everywhere. known: the distances, 0 where there was nothing.
    """

    def __init__(self, distance: Tensor) -> None:
        sums = distance.sum(1)
        self.given, self.known = None, distance
        self.counts = torch.full((len(distance),), distance.shape[1], device=distance.device)
        if bool(sums.isnan().any()):
            self.given = ~distance.isnan()
            self.known = torch.where(self.given, distance, 0.0)
            self.counts, sums = self.given.sum(1), self.known.sum(1)
        self.sums = sums.double()
        as_it_lies = distance if distance.is_contiguous() else distance.T  # in a histogram no order counts
        shown = as_it_lies.flatten() if self.given is None else distance[self.given]
        self.bins = torch.bincount(shown.view(torch.int32) >> SHIFT, minlength=BINS)

    def means_and_worst(self) -> np.ndarray:
        """(f, 2) float32 of each row."""
        means = self.sums / self.counts.clamp(min=1)
        return torch.stack([means.float(), self.known.amax(1)], dim=1).cpu().numpy()


class DistanceSummary:
    """Mean and quantiles of any number of distances, in the memory of a histogram."""

    def __init__(self) -> None:
        self.bins: Tensor | None = None  # (BINS,)
        self.total, self.count = 0.0, 0

    def add(self, distance: Tensor | np.ndarray) -> np.ndarray:
        """Count distances (f, ..., V) in mm, not a number where there was nothing. Returns mean and worst (f, 2)
        float32 of each row."""
        counted = _Counted(torch.as_tensor(distance).float().flatten(1))
        self.take(counted)
        return counted.means_and_worst()

    def take(self, counted: _Counted) -> None:
        """Add what was counted."""
        self.total += float(counted.sums.sum())
        self.count += int(counted.counts.sum())
        self.bins = counted.bins if self.bins is None else self.bins + counted.bins

    @property
    def mean(self) -> float:
        """The mean of all distances in mm; 0 where there is none."""
        return self.total / max(self.count, 1)

    def quantile(self, share: float) -> float:
        """The distance that this share of all is nearer than; 0 where there is none."""
        if self.bins is None or self.count == 0:
            return 0.0
        below = np.cumsum(self.bins.cpu().numpy())
        rank = share * (self.count - 1) + 0.5
        found = min(int(np.searchsorted(below, rank)), BINS - 1)
        before = below[found - 1] if found else 0
        edges = (np.array([found, found + 1], dtype=np.int64) << SHIFT).astype(np.int32).view(np.float32)
        return float(edges[0] + (edges[1] - edges[0]) * (rank - before) / (below[found] - before))


class FitErrors:
    """The errors of a fit to P points a frame, outliers included, and in how many frames each point was left out."""

    def __init__(self, count: int) -> None:
        self.all, self.inliers = DistanceSummary(), DistanceSummary()
        self.given, self.lost = np.zeros((2, count), dtype=np.int64)
        self._lost_in: dict[int, np.ndarray] = {}

    def add(self, rows: np.ndarray, distance: Tensor | np.ndarray, lost: Tensor | np.ndarray | None) -> np.ndarray:
        """Mean and worst (f, 2) of distances in mm of frames `rows` (f,), not a number where nothing was given: (f, P),
        or (f, C, P) where C cameras see the points.

        lost: bool, shaped alike, where a point was left out, None if nowhere.
        """
        distance = torch.as_tensor(distance)
        counted = _Counted(distance.float().flatten(1))
        if counted.given is None:
            self.given += math.prod(distance.shape[:-1])
        else:
            self.given += counted.given.view(-1, distance.shape[-1]).sum(0).cpu().numpy()
        self.all.take(counted)
        if lost is None:
            self.inliers.take(counted)
        else:
            lost = torch.as_tensor(lost, device=distance.device) & ~distance.isnan()
            self.lost += lost.flatten(0, -2).sum(0).cpu().numpy()
            self._lost_in |= dict(zip(rows.tolist(), map(np.flatnonzero, lost.cpu().numpy()), strict=True))
            self.inliers.add(distance.masked_fill(lost, torch.nan))
        return counted.means_and_worst()

    def lost_in(self, rows: np.ndarray, cameras: tuple[int, ...] = ()) -> np.ndarray:
        """(f, P) bool which points of frames (f,) were left out; (f, C, P) where that many cameras (C,) see them."""
        found = np.zeros((len(rows), math.prod(cameras) * len(self.lost)), dtype=bool)
        for index, row in enumerate(rows.tolist()):
            found[index, self._lost_in.get(row, [])] = True
        return found.reshape(len(rows), *cameras, len(self.lost))

    @property
    def lost_share(self) -> float:
        """Of all that was given."""
        return float(self.lost.sum() / max(self.given.sum(), 1))

    def figures(self) -> dict[str, Any]:
        """Over all that was given, and over the inliers."""
        return {
            "mean_mm": self.all.mean,
            "p99_mm": self.all.quantile(0.99),
            "outliers": int(self.lost.sum()),
            "outlier_share": self.lost_share,
            "believed_mean_mm": self.inliers.mean,
        }

    def notes(self, name: Callable[[int], str], what: str, each_named: bool = True) -> list[str]:
        """What an artist should know of what was left out.

        name: of a point by its number. what: the points are called, in the plural. each_named: those that were left out
        in few frames are named too.
        """
        shares = self.lost / self.given.clip(min=1)
        order = np.argsort(-shares, kind="stable")
        mostly, sometimes = order[shares[order] > MOST], order[(shares[order] > 0) & (shares[order] <= MOST)]

        def listed(numbers: np.ndarray) -> str:
            named = [f"{name(int(number))} ({100 * shares[number]:.0f} %)" for number in numbers[:NAMED]]
            return ", ".join(named) + (", ..." if len(numbers) > NAMED else "")

        notes = []
        if len(mostly):
            notes.append(f"{len(mostly)} of {len(shares)} {what} were left out in most frames: {listed(mostly)}")
        if len(sometimes):
            a_frame = self.lost[sometimes].sum() / self.given.max()
            amount = f"{a_frame:.1f}" if a_frame >= 0.05 else "fewer than 0.1"
            others = f"other {what}" if len(mostly) else what
            named = f": {listed(sometimes)}" if each_named else ""
            notes.append(f"{amount} {others} a frame lie far from what the face can do and were left out{named}")
        if notes and self.all.mean > TOLD * self.inliers.mean:
            notes[-1] += f"; without them the error is {self.inliers.mean:.2f} mm on the mean, not {self.all.mean:.2f}"
        return notes
