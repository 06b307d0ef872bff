# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mesh is torn: edges that are stretched far beyond all that the actor's own shapes do to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.actor import Actor

FACTOR, LEAST_MM = 2.0, 1.0  # an edge is torn that is longer than this times its longest, and by this
EDGES = 5  # a frame is torn where more are


@dataclass(frozen=True)
class Tears:
    """What is torn in F frames. edges: (F,) how many torn edges each has. worst: the index of the frame with most.
    factor: of its torn edges the most stretched, by the longest it is in the shapes. ends: (K, 2) of its torn edges.
    """

    edges: np.ndarray
    worst: int
    factor: float
    ends: np.ndarray

    @property
    def frames(self) -> np.ndarray:
        """The indices of the torn frames."""
        return np.flatnonzero(self.edges > EDGES)


class TearSearch:
    """Looks for torn edges in frames of an actor, a part of them at a time."""

    def __init__(self, actor: Actor) -> None:
        self.edges = actor.topology.edges()
        self.longest = np.max([self._lengths(shape) for shape in actor.shapes()], axis=0)  # (E,)
        self.limit = (FACTOR * self.longest + LEAST_MM).astype(np.float32) ** 2
        self.counts: list[np.ndarray] = []
        self.most, self.worst, self.factor, self.ends = 0, 0, 0.0, self.edges[:0]

    def look(self, frames: np.ndarray) -> None:
        """Look at the next frames (f, V, 3) in mm; where the head stands does not matter."""
        first = sum(map(len, self.counts))
        counts = np.zeros(len(frames), dtype=int)
        for i, frame in enumerate(frames.astype(np.float32)):
            apart = frame[self.edges[:, 0]] - frame[self.edges[:, 1]]
            torn = np.einsum("ex,ex->e", apart, apart) > self.limit
            counts[i] = np.count_nonzero(torn)
            if counts[i] > self.most:
                lengths = np.linalg.norm(apart[torn], axis=1)
                self.most, self.worst, self.ends = counts[i], first + i, self.edges[torn]
                self.factor = float((lengths / np.maximum(self.longest[torn], 1e-3)).max())
        self.counts.append(counts)

    def found(self) -> Tears:
        """What was found in all frames that were looked at."""
        return Tears(np.concatenate(self.counts), self.worst, self.factor, self.ends)

    def _lengths(self, vertices: np.ndarray) -> np.ndarray:
        return np.linalg.norm(vertices[self.edges[:, 0]] - vertices[self.edges[:, 1]], axis=-1)
