# SPDX-License-Identifier: GPL-3.0-or-later
"""What all fits do alike with what they find of the frames: fill in the missing, smooth over time, sum up errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..model.actor import Actor
from ..shared.results.takes import worst_frames
from .time_smoothing import Gaps, smoothed, smoothed_motion

LISTED_FRAMES = 20  # in a note


class Timeline:
    """The frames (F,) int32 of a fit, of which some are missing (F,) bool. temporal: as in FittingSettings. cuts: (F,)
    bool frames that do not go on from the one before: nothing is smoothed or filled in over these."""

    def __init__(
        self, actor: Actor, frames: np.ndarray, missing: np.ndarray, temporal: float, cuts: np.ndarray | None = None
    ) -> None:
        self.frames, self.missing, self.temporal = frames, missing, temporal
        stretch = np.zeros(len(frames), dtype=int) if cuts is None else np.cumsum(cuts)
        self.gaps = Gaps(frames, missing, stretch)
        ends = [0, *(np.flatnonzero(np.diff(stretch)) + 1).tolist(), len(frames)]
        self.stretches = [slice(*each) for each in itertools.pairwise(ends)]
        self.middle = actor.neutral.mean(0)
        self.hinge = self.middle if actor.hinge is None else actor.hinge.centre

    def fill_motions(self, head: np.ndarray, jaw: np.ndarray) -> None:
        """Fill head and jaw (F, 4, 4) of missing frames in place."""
        self.gaps.fill_motion(head, self.middle)
        self.gaps.fill_motion(jaw, self.hinge)

    def settled_motions(self, head: np.ndarray, jaw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Head and jaw (F, 4, 4), filled in and smoothed."""
        self.fill_motions(head, jaw)

        def settled(motion: np.ndarray, pivot: np.ndarray) -> np.ndarray:
            parts = [smoothed_motion(motion[at], self.frames[at], self.temporal, pivot) for at in self.stretches]
            return np.concatenate(parts)

        return settled(head, self.middle), settled(jaw, self.hinge)

    def settled_weights(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients (F, M, N), filled in and smoothed in place: a copy would double a long take."""
        self.gaps.fill(coefficients)
        for at in self.stretches if self.temporal > 0 else ():
            coefficients[at] = smoothed(coefficients[at], self.frames[at], self.temporal)
        return coefficients

    def figures(self, error_mm: np.ndarray) -> dict[str, Any]:
        """Of the mean and worst errors (F, 2), which it fills in: a missing frame was compared with nothing, and is
        said to be as far off as the worse of its neighbours. The mean of all points is FitErrors' to tell."""
        gaps = self.gaps
        error_mm[gaps.missing] = np.maximum(error_mm[gaps.before], error_mm[gaps.after])
        frames, errors = self.frames[~self.missing], error_mm[~self.missing]
        return {
            "frames": len(self.frames),
            "worst_mm": float(errors[:, 1].max()),
            "worst_frame": int(frames[errors[:, 1].argmax()]),
            "worst_frames": worst_frames(frames, errors),
            "missing_frames": self.frames[self.missing].tolist(),
        }

    def notes(self, what: str) -> list[str]:
        """What an artist should know: that missing frames, which `what`, were filled in."""
        numbers = self.frames[self.missing].tolist()
        if not numbers:
            return []
        listed = ", ".join(map(str, numbers[:LISTED_FRAMES])) + (", ..." if len(numbers) > LISTED_FRAMES else "")
        return [f"{len(numbers)} of {len(self.frames)} frames {what} and were filled in: {listed}"]
