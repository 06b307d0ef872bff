# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fit comes near to: the part of it that differs from meshes to points to images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor

from ...timing.timeline import Timeline
from .error_figures import FitErrors

Report = Callable[[dict[str, Any]], None]


class Chosen(Protocol):
    """The settings of any fit, a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def temporal(self) -> float:
        """Movements that go to and fro within this many frames are halved."""
        ...


@dataclass(frozen=True)
class SolvedFrames:
    """What some frames (f,) show. coefficients: a (f, M, N). head, jaw: H and T (f, 4, 4). distance: (f, P) mm of all
    points that were given, not a number where there is none; (f, C, P) where C cameras see them. lost: bool, shaped
    alike, which of them lost their say, None if none did."""

    coefficients: np.ndarray
    head: np.ndarray
    jaw: np.ndarray
    distance: Tensor | np.ndarray
    lost: Tensor | np.ndarray | None


class Target(ABC):
    """F frames of P points that a fit comes near to.

    settings: what was chosen, and is kept in the take. frames: (F,) int32 frame numbers, fps of them a second. missing:
    (F,) bool those that show too little: they are never asked for, and lie between their neighbours. points: P. modes:
    (V, M) the smooth functions whose coefficients are solved. at_once: how many frames are. temporal: movements that go
    to and fro within this many frames are halved. settles_first: whether head and jaw are smoothed before the weights
    are solved, which then explain what these leave over; otherwise all are smoothed in the end. threads: as many
    chunks of frames are worked on at once; more than one only where solve() and distance() change nothing. keeps:
    whether long work is kept in the job's folder.
    """

    settings: Chosen
    frames: np.ndarray
    fps: float
    missing: np.ndarray
    points: int
    modes: np.ndarray
    at_once: int = 1
    threads: int = 1
    settles_first = False
    keeps = False
    report: Report = staticmethod(lambda _: None)  # the fit's: long work before the frames tells it how far it is

    @property
    def temporal(self) -> float:
        """As the settings have it."""
        return self.settings.temporal

    @property
    def there(self) -> np.ndarray:
        """The indices of frames that are not missing."""
        return np.flatnonzero(~self.missing)

    def chunks(self) -> Iterator[np.ndarray]:
        """The indices (f,) of frames that are there, as many as are solved at once."""
        there = self.there
        for first in range(0, len(there), self.at_once):
            yield there[first : first + self.at_once]

    def motions(self) -> tuple[np.ndarray, np.ndarray]:
        """Head and jaw (F, 4, 4) as they are known before the weights; at rest where these are solved with them."""
        head, jaw = np.tile(np.eye(4), (2, len(self.frames), 1, 1))
        return head, jaw

    @abstractmethod
    def solve(self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray) -> SolvedFrames:
        """What frames (f,) show, with heads and jaws (f, 4, 4) as motions() found them, settled if settles_first."""

    @abstractmethod
    def distance(
        self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray, coefficients: np.ndarray
    ) -> Tensor | np.ndarray:
        """How far frames (f,) are from given motions (f, 4, 4) and coefficients (f, M, N), as SolvedFrames has it."""

    def gaze(self, head: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """(F, E, 3) rotation vectors of the actor's eyes in heads (F, 4, 4), and (F, E) bool where they are known; None
        where no point tells."""
        del head
        return None

    def origin(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values that all frames follow from, of a target that keeps."""
        return {}, {}

    def inputs(self, rows: np.ndarray, head: np.ndarray) -> dict[str, np.ndarray]:
        """What frames (f,) with heads (f, 4, 4) alone follow from, beside their motions, of a target that keeps."""
        del rows, head
        return {}

    @abstractmethod
    def figures(self) -> dict[str, Any]:
        """What the take tells beside what all fits tell."""

    @abstractmethod
    def notes(self, timeline: Timeline, errors: FitErrors) -> list[str]:
        """What an artist should know before trusting the fit."""
