# SPDX-License-Identifier: GPL-3.0-or-later
"""The job that looks which of the target's shapes do what the performer's do, and the list that comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.wording import listed
from ...jobs.folders.folder import JobFolder
from ..actors import actors
from ..basics import folders
from ..basics.records import ActorRecord, RetargetRecord
from ..retargeting import retarget_lists
from . import characters
from .job_making import learned_file, write_delivery


def prepare_pairing(state: RetargetRecord, source: ActorRecord, target: ActorRecord) -> JobFolder:
    """Write the description of pairing a performer's shapes with a target's, and of comparing what the artist chose.

    state: the scene's lists. Raises InputError, OSError.
    """
    files = {"source": str(learned_file(source)), "target": str(learned_file(target))}
    first, correspondence = characters.correspondence_steps(source, target)
    path = folders.new_job_folder(source.name, "pair")
    found = {"task": "pair", "arguments": {**files, "out": str(path / "pairs.json"), **correspondence}}
    own = retarget_lists.pairs_between(state, source, target) if state.proposed else None
    steps = [*first, found]
    if own is not None:
        compared = {**files, "out": str(path / "compared.json"), **correspondence, "pairs": own}
        steps.append({"task": "pair", "arguments": compared})
    delivery = {"kind": "pair", "actor": source.identifier, "target": target.identifier, "before": len(first)}
    write_delivery(path, delivery)
    return JobFolder.create(path, f"pair {source.name} with {target.name}", steps)


def bring_in_pairs(
    scene: bpy.types.Scene, actor: ActorRecord, path: Path, delivery: dict[str, Any], figures: list[dict[str, Any]]
) -> str:
    """List what was found. Returns what to tell. Raises InputError if the target is gone."""
    found = actors.find_actor(delivery.get("target", ""))
    if found is None:
        raise InputError(
            f"the target of the job in {path} is not in this file; undo its removal, or propose pairs anew"
        )
    target, state = found[1], scene.aim.retarget
    proposals = figures[delivery["before"] :]
    retarget_lists.turn_to(state, actor, target)
    retarget_lists.list_proposals(state, actor, target, proposals[0], proposals[1] if len(proposals) > 1 else {})
    retarget_lists.turn_to_chosen(scene)
    return described(actor.name, target.name, proposals[0])


def described(source: str, target: str, proposal: dict[str, Any]) -> str:
    """What was found, in one sentence."""
    rows = proposal["shapes"]
    count = {by: sum(row["by"] == by for row in rows) for by in ("name", "motion", "nothing")}
    told = (
        f"of {len(rows)} shapes of {source} {count['name']} pair with {target}'s by name, {count['motion']} by motion"
    )
    if count["nothing"]:
        told += f", {count['nothing']} have nothing alike"
    weak = [row["name"] for row in rows if row.get("weak")]
    return f"{told}; look at {listed(weak)}" if weak else told
