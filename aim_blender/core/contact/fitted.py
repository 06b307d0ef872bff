# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact in fits: lips and lids that touch in a performance touch in its take, and do not cross."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ..model.actor import Actor
from ..model.evaluation import stabilized_frames
from ..shared.results.takes import Take
from .contact import Contact

CHUNK_FRAMES = 64
TOLD_MM = 0.5  # by which lips or lids are moved, from where a note says so
Shown = Callable[[np.ndarray, np.ndarray], np.ndarray]
Meant = Callable[[Contact], dict[str, np.ndarray]]


def in_contact(
    actor: Actor,
    take: Take,
    strength: float,
    shown: Shown | None = None,
    meant: Meant | None = None,
    report: Callable[[dict], None] = lambda _: None,
) -> Take:
    """The take of an actor's whole mesh, whose lips and lids touch where the performance's do, and do not cross, by the
    amounts y of docs/model.md (33b).

    shown: gives vertices (R,) of the performance in frames (f,), (f, R, 3) mm without the head's motion, not a number
    where nothing is known; None where no mesh was performed: what the fit found then counts, or, if it is given, what
    meant gives, the gaps (F, C) mm of slits by name. strength: how much of what is wrong is taken away. report is
    called with {"message", "done", "total"}. The take's errors stay those of the fit; its figures say what was moved.
    """
    if strength == 0:
        return take
    contact = Contact.of(actor)
    notes = [*take.figures.get("notes", []), *contact.note("the actor")]
    if not contact.slits:
        return dataclasses.replace(take, figures=take.figures | {"notes": notes})
    told = {} if meant is None else meant(contact)
    amounts, moved = [], np.zeros(len(take.frames))
    for first in range(0, len(take.frames), CHUNK_FRAMES):
        rows = np.arange(first, min(first + CHUNK_FRAMES, len(take.frames)))
        frames = stabilized_frames(actor, take, slice(rows[0], rows[-1] + 1), contact.rows)
        performed = {name: gaps[rows] for name, gaps in told.items()}
        if shown is not None:
            given = shown(rows, contact.rows)
            performed = contact.measured(np.where(np.isfinite(given), given, frames))
        amounts.append(contact.amounts(frames, performed, strength))
        moved[rows] = np.linalg.norm(contact.displacement(amounts[-1]), axis=-1).max(1, initial=0.0)
        report({"message": "Closing lips and lids", "done": first + len(rows), "total": len(take.frames)})
    added = contact.added(take, np.concatenate(amounts))
    if moved.max(initial=0.0) > TOLD_MM:
        worst = int(moved.argmax())
        notes.append(
            f"contact moved lips or lids by up to {moved[worst]:.1f} mm in {(moved > TOLD_MM).sum()} frames, most in "
            f"frame {take.frames[worst]}, where they crossed or stood apart; errors are told without it"
        )
    figures = {
        "contact_frames": int((moved > 0).sum()),
        "contact_moved_mm": float(moved.max(initial=0.0)),
        "notes": notes,
    }
    return dataclasses.replace(added, figures=take.figures | figures)
