# SPDX-License-Identifier: GPL-3.0-or-later
"""How far contact moves skin beyond what an actor's own shapes do there.

What it may move is bounded along the margins. The skin beside them comes along as the expressions take it, and a margin
that has gone as far as its own shapes take it goes on.
"""

from __future__ import annotations

import numpy as np

from ..checks.face_spots import spots_of
from ..model.actor import Actor
from .contact import Contact

BEYOND, BEYOND_MM = 1.25, 1.5  # times as far as a shape moves skin, and mm of a common head more, it may go unsaid
LEAST_FRAMES = 2  # in which it goes farther


class Reach:
    """Looks for skin of an actor that contact moves beyond its shapes, in all frames, a part of them at a time."""

    def __init__(self, actor: Actor, contact: Contact) -> None:
        self.actor, self.rows = actor, contact.rows
        self.neutral = actor.neutral[self.rows]
        self.most = np.linalg.norm(actor.shapes()[1:, self.rows] - self.neutral, axis=-1).max(0, initial=0.0)  # (R,)
        unit = contact.slits[0].unit if contact.slits else 1.0
        self.limit = BEYOND * self.most + BEYOND_MM * unit
        self._beyond: list[np.ndarray] = []
        self._worst = 0.0, 0, 0.0, 0  # mm beyond, row, mm moved, frame

    def look(self, frames: np.ndarray, moved: np.ndarray) -> None:
        """The next frames (f, R, 3) of the rows, and by how many mm contact moves these (f, R, 3)."""
        first = sum(map(len, self._beyond))
        before, after = (np.linalg.norm(each - self.neutral, axis=-1) for each in (frames, frames + moved))
        beyond = after - np.maximum(self.limit, before)  # what was beyond without it is told of elsewhere
        self._beyond.append(beyond.max(1, initial=0.0) > 0.0)
        if beyond.size and beyond.max() > self._worst[0]:
            frame, row = np.unravel_index(beyond.argmax(), beyond.shape)
            by = float(np.linalg.norm(moved[frame, row]))
            self._worst = float(beyond.max()), int(row), by, first + int(frame)

    def said(self, frames: np.ndarray) -> list[str]:
        """A sentence about frames (F,), if contact goes beyond the shapes in some."""
        many = int(np.concatenate([np.zeros(0, bool), *self._beyond]).sum())
        if many < LEAST_FRAMES:
            return []
        _, row, by, frame = self._worst
        vertex, spots = self.rows[row : row + 1], spots_of(self.actor)
        place = f"vertex {vertex[0]}" if spots is None else f"the {spots.region(self.actor.neutral, vertex)}"
        return [
            f"contact takes skin farther than any of the target's shapes in {many} of {len(frames)} frames: {place} by "
            f"{by:.1f} mm in frame {frames[frame]}, where its shapes move it by {self.most[row]:.1f} at most; look "
            "there, and lower Contact if it shows"
        ]
