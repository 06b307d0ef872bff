# SPDX-License-Identifier: GPL-3.0-or-later
"""What a phone recorded, as a source of performances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..correspondence.keeping import kept_or_made
from ..fitting.driving.request import FitRequest, Fitted
from ..model.actor import Actor
from ..shared.demo.demo_actor import make_demo_actor
from ..shared.foundation.errors import InputError
from ..shared.phone.phone_tables import read_phone_recording
from ..shared.results.correspondences import Correspondence
from ..shared.results.kept_files import kept_correspondence
from .fitting_phone import PhoneActor, Report, fit_phone, guide_correspondence, phone_actor


def fit_file(actor: Actor, request: FitRequest) -> Fitted:
    """Fit a phone's recording.

    Raises InputError as read_phone_recording, phone_actor and fit_phone do, and for a unit, which weights have not.
    """
    if request.millimetres_per_unit is not None:
        raise InputError(f"{request.path} holds weights that a phone recorded, which have no unit; leave it out")
    recording = read_phone_recording(request.path, request.fps, request.settings.keep_timecode)
    take = fit_phone(performer_of(actor, request.actor_path, request.report), recording, request.settings)
    return Fitted(take, only_in_take=("eye_degrees",))


def performer_of(actor: Actor, actor_path: Path, report: Report) -> PhoneActor:
    """An actor as one that can do ARKit's shapes. The correspondence to the demo head is kept beside the actor's file.

    Raises InputError as phone_actor does.
    """
    demo = make_demo_actor()
    kept = kept_correspondence(actor_path, demo.topology.digest)

    def compared() -> Correspondence | None:
        report({"message": "Comparing the face with the demo head"})
        return guide_correspondence(actor, demo, report)

    correspondence = kept_or_made(kept, demo.topology, actor.topology, compared)
    report({"message": "Finding the shapes"})
    return phone_actor(actor, demo, correspondence)


def describe_file(path: Path) -> dict[str, Any]:
    """What a phone's recording holds, as JSON values. Raises InputError."""
    found = read_phone_recording(path)
    return {
        "kind": "phone recording",
        "program": found.program,
        "frames": len(found.frames),
        "fps": found.fps,
        "missing": int(found.missing.sum()),
        "notes": list(found.notes),
    }
