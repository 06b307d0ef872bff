# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a face's neutral is at rest, and whether what is open or closed is so on another face.

All that is carried is motion from the neutral. If a performer's lips are apart in it, the other's are pressed together
where the performer's meet, and open less far; if its lids are half closed, the other's are torn open.
"""

from __future__ import annotations

import numpy as np

from ..model.actor import Actor
from ..shared.foundation.wording import listed
from .contact import Contact

LIPS = "lips"
# Between the lips, in mm of a common head. Neutrals of nine faces of five makes have 0 to 1.3, one that is open by a
# third of its jaw 10.
APART_MM, MEET_MM = 3.0, 1.2
LEAST_FRAMES, LEAST_SHARE = 3, 0.05  # in which something is wrong, so that it is no chance
STAYS_MM = 1.5  # between the target's lips or lids, in mm of a common head, where the performer's meet
WIDER, WIDER_MM = 1.15, 0.5  # than in any of its shapes lids are, times and mm of a common head

HALF_CLOSED = "if those of the performer's neutral are half closed, learn it from a neutral with open eyes"


def middles(gaps: np.ndarray) -> np.ndarray:
    """(f,) mm how far sides with gaps (f, C) are apart in the middle of a slit, 0 where they touch or cross."""
    return np.median(gaps[:, 1:-1], axis=1).clip(min=0.0)


def check_rest(actor: Actor) -> list[str]:
    """What cannot be right in an actor's neutral, by its own shapes."""
    contact = Contact.of(actor)
    lips = next((slit for slit in contact.slits if slit.name == LIPS), None)
    if lips is None:
        return []
    apart, *shapes = middles(contact.measured_in_shapes()[LIPS])
    if not apart > APART_MM * lips.unit:
        return []
    closest = int(np.argmin(shapes))
    if not shapes[closest] < MEET_MM * lips.unit:
        return []
    return [
        f"the neutral is not at rest: its lips are {apart:.1f} mm apart, but they meet in {actor.names[closest]!r}; "
        "retargets from and to this face will be off about the mouth, so learn it from a neutral with closed lips"
    ]


class States:
    """What lips and lids of performer and target do in all frames, a part of them at a time: open, or closed.

    performer, target: what is known of their lips and lids.
    """

    def __init__(self, performer: Contact, target: Contact) -> None:
        self.performer, self.target = performer, target
        units = {slit.name: slit.unit for slit in performer.slits}
        self.slits = [(slit.name, units[slit.name], slit.unit) for slit in target.slits if slit.name in units]
        self.widest = {name: float(middles(gaps).max()) for name, gaps in target.measured_in_shapes().items()}
        self._gaps: dict[str, list[np.ndarray]] = {name: [] for name, _, _ in self.slits}

    def look(self, performed: dict[str, np.ndarray], shown: dict[str, np.ndarray]) -> None:
        """The next frames' gaps {slit: (f, C) mm}: those that were performed, and those of the target."""
        for name, kept in self._gaps.items():
            kept.append(np.stack([middles(performed[name]), middles(shown[name])]))

    def said(self, frames: np.ndarray, rest_chosen: bool) -> list[str]:
        """Sentences about frames (F,). rest_chosen: somebody chose a frame in which the performer rests."""
        gaps = {name: np.concatenate(kept, axis=1) for name, kept in self._gaps.items()}  # (2, F) each
        performed = [] if rest_chosen else self._performed_apart(gaps)
        return [*performed, *self._opened_wide(gaps, frames), *self._stay_apart(gaps, frames)]

    def _performed_apart(self, gaps: dict[str, np.ndarray]) -> list[str]:
        for name, unit, _ in self.slits:
            rest = float(middles(self.performer.measured_in_shapes()[name])[0])
            meet = int((gaps[name][0] < MEET_MM * unit).sum())
            if name == LIPS and rest > APART_MM * unit and meet >= LEAST_FRAMES:
                return [
                    f"the performer's neutral is not at rest: its lips are {rest:.1f} mm apart, but in {meet} of "
                    f"{gaps[name].shape[1]} frames they meet; the target's mouth opens less far than was performed and "
                    "is pressed together, so learn the performer from a neutral with closed lips"
                ]
        return []

    def _opened_wide(self, gaps: dict[str, np.ndarray], frames: np.ndarray) -> list[str]:
        wide = {}
        for name, _, unit in self.slits:
            over = gaps[name][1] > WIDER * self.widest[name] + WIDER_MM * unit
            if name != LIPS and _often(over, len(frames)):
                wide[name] = over
        if not wide:
            return []
        worst = max(wide, key=lambda name: float(gaps[name][1].max()))
        frame = int(gaps[worst][1].argmax())
        many = np.any(list(wide.values()), axis=0).sum()
        return [
            f"the target's {listed(list(wide))} open wider than in any of its shapes in {many} of {len(frames)} "
            f"frames: to {gaps[worst][1][frame]:.1f} mm in frame {frames[frame]}, in its shapes to "
            f"{self.widest[worst]:.1f} at most; {HALF_CLOSED}"
        ]

    def _stay_apart(self, gaps: dict[str, np.ndarray], frames: np.ndarray) -> list[str]:
        told = []
        for name, performers, unit in self.slits:
            performed, shown = gaps[name]
            closed = performed < MEET_MM * performers
            apart = closed & (shown > STAYS_MM * unit)
            if not _often(apart, int(closed.sum())):
                continue
            worst = int(np.where(apart, shown, 0.0).argmax())
            rest = float(middles(self.target.measured_in_shapes()[name])[0])
            why = "look there, and at the pairs of shapes that close them"
            if name != LIPS:
                why += f"; {HALF_CLOSED}"
            elif rest > APART_MM * unit:
                why = f"its neutral is not at rest, with lips {rest:.1f} mm apart; learn it from one with closed lips"
            told.append(
                f"the target's {name} stay apart in {apart.sum()} of the {closed.sum()} frames in which the "
                f"performer's meet, by {shown[worst]:.1f} mm in frame {frames[worst]}: {why}"
            )
        return told


def _often(wrong: np.ndarray, of: int) -> bool:
    return int(wrong.sum()) >= max(LEAST_FRAMES, LEAST_SHARE * of)
