# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings lips and lids together or apart, as local weights of the actor's own expressions
(docs/model.md section 4)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..checks.face_spots import keeps_places
from ..model.actor import Actor
from ..shared.results.takes import Take
from .gaps import Gaps
from .meeting import Meeting
from .parting import Parting
from .slits import COLUMNS, find_slits


class Contact:
    """What an actor's lips and lids can do, found once. slits: those of the actor. rows: (R,) the vertices of its mesh
    that tell. of_shapes: for each (1 + N, C) mm the gaps of its neutral and shapes. rest: (C,) those of its neutral.

    modes: Ψ (V, B) float32 smooth functions of columns of sides: those of meetings, each twice, and of partings.
    weights: ν (b, N) of the expressions, with which the first b move the margin by a mm: up or down, to front or back;
    the others have weights of their own in each frame.
    """

    def __init__(self, actor: Actor) -> None:
        work = actor.working
        self.slits = find_slits(actor)
        used = [side.triangles.ravel() for slit in self.slits for side in (slit.upper, slit.lower)]
        used += [side.points for slit in self.slits for side in (slit.upper, slit.lower)]
        chosen = np.unique(np.concatenate([np.empty(0, np.int64), *used]))  # (R,) of the working mesh
        self.rows = work.chosen[chosen]
        place = np.full(len(work.chosen), -1)
        place[chosen] = np.arange(len(chosen))
        gaps = [Gaps(each, place) for each in self.slits]
        expressions = actor.expressions[work.chosen]
        self._meetings = [Meeting(slit, each, expressions, place) for slit, each in zip(self.slits, gaps, strict=True)]
        shapes = actor.shapes()[:, self.rows]
        self.of_shapes = [each.of(shapes).gap for each in gaps]
        self.rest = [each[0] for each in self.of_shapes]
        empty = np.zeros((len(work.chosen), 0))
        pairs = zip(self.slits, gaps, strict=True)
        self._partings = [Parting(slit, each, expressions, place) for slit, each in pairs]
        self._crosses_as_made = [each.as_made(gap) for each, gap in zip(self._partings, self.of_shapes, strict=True)]
        own = [*(each.modes for each in self._meetings), *(each.modes for each in self._partings)]
        modes = np.concatenate([empty, *own], axis=1)
        self.modes = work.spread(modes.astype(np.float32))
        self.weights = np.concatenate([np.zeros((0, len(actor.names))), *(each.weights for each in self._meetings)])

    @classmethod
    def of(cls, actor: Actor) -> Contact:
        """As it is made above; once for an actor that keeps where its face is. Another's face is looked for each time,
        because how it was found is told each time."""
        if not keeps_places(actor):
            return cls(actor)
        if "contact" not in actor.made:
            actor.made["contact"] = cls(actor)
        found: Contact = actor.made["contact"]
        return found

    def measured_in_shapes(self) -> dict[str, np.ndarray]:
        """{slit: (1 + N, C) mm} the gaps of its neutral and shapes, as measured has them."""
        return {slit.name: _filled(gap) for slit, gap in zip(self.slits, self.of_shapes, strict=True)}

    def note(self, whose: str) -> list[str]:
        """A sentence about what was not found of a mesh, the face's whose it is, if there is anything."""
        missing = [name for name in COLUMNS if all(slit.name != name for slit in self.slits)]
        if not missing:
            return []
        return [
            f"contact leaves the {' and the '.join(missing)} of {whose} as they are: its mesh shows no two sides there "
            "that a shape brings together or parts"
        ]

    def measured(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        """{slit: (f, C) mm} the gaps of frames (f, R, 3) of the rows, without head motion; columns without a vertex,
        as coarse meshes have them, are as those beside them."""
        return {each.slit.name: _filled(each.gaps.of(frames).gap) for each in self._meetings}

    def amounts(self, frames: np.ndarray, performed: dict[str, np.ndarray] | None, strength: float = 1.0) -> np.ndarray:
        """y (f, K) what brings lips and lids of frames (f, R, 3) together as they were performed: how much of each of
        the first b modes, and the weights of the others one after the other.

        performed: as another's measured has them, of the same frames. What is not among them only does not cross.
        """
        performed = performed or {}
        met, parted = [np.zeros((len(frames), 0))], [np.zeros((len(frames), 0))]
        slits = zip(self._meetings, self._partings, self.rest, self._crosses_as_made, strict=True)
        for meeting, parting, rest, as_made in slits:
            seen = performed.get(meeting.slit.name)
            found, crossing = meeting.needed(frames, rest, seen)
            weights = np.zeros((len(frames), parting.modes.shape[1], self.weights.shape[1]))
            sure = np.broadcast_to(1.0 - as_made * meeting.crosses_itself(seen), len(frames))
            left = np.flatnonzero((crossing > parting.crosses) & (sure > 0.0))
            if len(left):
                met_frames = frames[left] + meeting.displacement(found[left])
                own = None if seen is None else seen[left]
                most = meeting.most_of(parting.gaps.of(met_frames).gap, own)
                weights[left], moved = parting.needed(met_frames, rest, most)
                share = (sure[left] * parting.bearable(moved))[:, None, None]
                weights[left], moved = share * weights[left], share * moved
                closed, crossing = meeting.needed(met_frames + moved, rest, own)  # neutrals may stand open
                found[left] += np.where((crossing <= parting.crosses)[:, None], closed, 0.0)
            met.append(found)
            parted.append(weights.reshape(len(frames), -1))
        return strength * np.concatenate([*met, *parted], axis=1)

    def displacement(self, amounts: np.ndarray) -> np.ndarray:
        """(f, R, 3) mm by which amounts (f, K) of the modes move the rows."""
        found, first = np.zeros((len(amounts), len(self.rows), 3)), 0
        for each in self._meetings:
            found += each.displacement(amounts[:, first : first + len(each.fields)])
            first += len(each.fields)
        for parting in self._partings:
            shape = parting.modes.shape[1], self.weights.shape[1]
            weights = amounts[:, first : first + shape[0] * shape[1]].reshape(len(amounts), *shape)
            found += parting.displacement(weights, len(self.rows))
            first += shape[0] * shape[1]
        return found

    def coefficients(self, amounts: np.ndarray) -> np.ndarray:
        """(f, B, N) float32 weights of the modes with amounts (f, K)."""
        count, shapes = self.weights.shape
        own = amounts[:, count:].reshape(len(amounts), -1, shapes)
        return np.concatenate([amounts[:, :count, None] * self.weights, own], axis=1).astype(np.float32)

    def added(self, take: Take, amounts: np.ndarray) -> Take:
        """The take with amounts (F, K) of the modes: as it is where none is needed."""
        count, shapes = self.weights.shape
        most = np.abs(amounts).max(0, initial=0.0)
        used = np.flatnonzero([*most[:count], *most[count:].reshape(-1, shapes).max(1, initial=0.0)])
        if not len(used):
            return take
        more = self.coefficients(amounts)[:, used]
        kept = {"first": take.modes.shape[1], "count": len(used)}
        return dataclasses.replace(
            take,
            modes=np.concatenate([take.modes, self.modes[:, used]], axis=1),
            coefficients=np.concatenate([take.coefficients, more], axis=1),
            settings={**take.settings, "contact_modes": kept},
        )


def _filled(gaps: np.ndarray) -> np.ndarray:
    """Gaps (f, C), those that are endless in all frames from the columns beside."""
    known = np.flatnonzero(np.isfinite(gaps).all(0))
    if len(known) in (0, gaps.shape[1]):
        return gaps
    at = np.interp(np.arange(gaps.shape[1]), known, np.arange(len(known)))
    below, above = np.floor(at).astype(int), np.ceil(at).astype(int)
    share = at - below
    return (1 - share) * gaps[:, known[below]] + share * gaps[:, known[above]]


def without_contact(take: Take) -> Take:
    """The take without the modes that Contact added."""
    kept: dict[str, Any] | None = take.settings.get("contact_modes")
    if kept is None:
        return take
    chosen = np.delete(np.arange(take.modes.shape[1]), slice(kept["first"], kept["first"] + kept["count"]))
    settings = {name: value for name, value in take.settings.items() if name != "contact_modes"}
    return dataclasses.replace(
        take, modes=take.modes[:, chosen], coefficients=take.coefficients[:, chosen], settings=settings
    )
