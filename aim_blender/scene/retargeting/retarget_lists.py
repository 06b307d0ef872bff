# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of retargeting: which expressions belong together, and how strongly regions of the face perform.

A list of pairs belongs to a performer and a target. The one of who is chosen is shown and can be changed; those of
others are kept, and come back when these are chosen again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np

from ...core.shared.faces.expression_names import JOINED, pair_expressions
from ...core.shared.foundation.errors import InputError
from ...core.shared.settings.retarget_settings import RetargetSettings
from ..actors import actors
from ..basics import options
from ..basics.records import ActorRecord, PairRecord, RetargetRecord, SceneRecord
from ..basics.vertex_groups import read_vertex_group
from . import pair_rows


def picked_target(scene: bpy.types.Scene, actor: ActorRecord, name: str) -> ActorRecord:
    """The actor that a performance of `actor` goes to: of this name, else the scene's choice, else the only other one.

    Raises InputError if none is picked, or the source itself.
    """
    state = scene.aim
    name = name or state.retarget_target
    others = [each for each in state.actors if each != actor]
    if not name and len(others) == 1:
        return others[0]
    if not name:
        raise InputError("no target is picked; pick another learned actor, to whom the performance goes")
    target = next((each for each in others if each.name == name), None)
    if target is None:
        raise InputError(
            f"{name!r} is the actor that performed; pick another as the target"
            if actor is not None and name == actor.name
            else f"there is no actor {name!r} in the scene {scene.name!r}; pick another target"
        )
    return target


# -- the list that is shown -------------------------------------------------------------------------------------------


def list_pairs(state: RetargetRecord, source: ActorRecord, target: ActorRecord) -> list[str]:
    """Fill the list with the source's expressions, each with the target's of the same meaning.

    Returns those that have none. Raises InputError if none pairs.
    """
    names = [shape.name for shape in source.shapes]
    found = pair_expressions(names, [shape.name for shape in target.shapes])
    clear_pairs(state)
    state.source, state.target = source.identifier, target.identifier
    for name in names:
        pair = state.pairs.add()
        pair.name, pair.target = name, found.get(name, "")
    return [name for name in names if name not in found]


def list_proposals(
    state: RetargetRecord, source: ActorRecord, target: ActorRecord, proposal: dict[str, Any], compared: dict[str, Any]
) -> None:
    """Fill the list with what was found; what the artist has changed in it, or accepted, stays.

    proposal: the figures of the task `pair`. compared: those of the same with the artist's own pairs, or nothing.
    """
    before = {pair.name: pair for pair in state.pairs} if state.proposed and is_of(state, source, target) else {}
    own = {
        name: {field: getattr(pair, field) for field in ("target", "left_out", "accepted", "found")}
        for name, pair in before.items()
    }
    likeness = {row["name"]: row for row in compared.get("shapes", [])}
    clear_pairs(state)
    state.source, state.target, state.proposed = source.identifier, target.identifier, True
    state.made_of = made_of(source, target)
    state.target_shapes = json.dumps(proposal["target_shapes"])
    state.notes = json.dumps(proposal.get("notes", []))
    for row in proposal["shapes"]:
        pair, known = state.pairs.add(), own.get(row["name"], {})
        pair.name, pair.found = row["name"], json.dumps(row)
        pair.target, pair.left_out = known.get("target", ""), known.get("left_out", False)
        # What was accepted is accepted no more once it is something else.
        same = known and pair_rows.found_summary(json.loads(known["found"])) == pair_rows.found_summary(row)
        pair.accepted = bool(same and known["accepted"])
        if pair.target and pair.name in likeness:
            pair.compared, pair.likeness = pair.target, likeness[pair.name]["agreement"]


def clear_pairs(state: RetargetRecord) -> None:
    """Empty the list that is shown."""
    state.pairs.clear()
    for name in ("source", "target", "made_of", "target_shapes", "notes"):
        setattr(state, name, "")
    state.proposed = False


def is_of(state: RetargetRecord, source: ActorRecord, target: ActorRecord) -> bool:
    """Whether the list is of these two; one of an older file does not know whose it is, and is of all."""
    if not state.source:
        return len(state.pairs) > 0
    return (state.source, state.target) == (source.identifier, target.identifier)


def made_of(source: ActorRecord, target: ActorRecord) -> str:
    """Changes when one of the two is learned again; it does not when a project is moved."""
    return json.dumps(["/".join(Path(each.file_path.replace("\\", "/")).parts[-2:]) for each in (source, target)])


def is_outdated(state: RetargetRecord, source: ActorRecord, target: ActorRecord) -> bool:
    """Whether one of the two was learned again since the proposal."""
    return bool(state.proposed and state.made_of != made_of(source, target))


def notes_of(state: RetargetRecord) -> list[str]:
    """What the search for pairs said."""
    return json.loads(state.notes) if state.notes else []


def shape_names(scene: bpy.types.Scene) -> list[str]:
    """The target's shapes that may be chosen: of its learned file where pairs were proposed, else those it lists."""
    state = scene.aim.retarget
    if state.target_shapes:
        return json.loads(state.target_shapes)
    try:
        target = picked_target(scene, actors.active_actor(scene), "")
    except InputError:
        return []
    return [shape.name for shape in target.shapes]


def unknown_partners(scene: bpy.types.Scene, pair: PairRecord) -> list[str]:
    """The names in the artist's choice that the target does not have."""
    if not pair.target:
        return []
    names = shape_names(scene)
    return [] if pair.target in names else [name for name in pair.target.split(JOINED) if name not in names]


def suggested(scene: bpy.types.Scene, pair: PairRecord, typed: str) -> list[str]:
    """What a pair's field offers while something is typed: shapes, and the shapes that may join those before a +."""
    names = shape_names(scene)
    *before, last = typed.split(JOINED)
    before = [name for name in before if name in names]
    begun = JOINED.join([*before, ""]) if before else ""
    alike = [begun + name for name in names if last.lower() in name.lower() and name not in before]
    if typed == pair.target and typed:  # not yet changed: another one, or one more
        return [*names, *(typed + JOINED + name for name in names if name not in typed.split(JOINED))]
    return alike


# -- changing a pair --------------------------------------------------------------------------------------------------


def active_pair(state: RetargetRecord) -> PairRecord:
    """The pair that is chosen in the list. Raises InputError if there is none."""
    if not 0 <= state.active_pair < len(state.pairs):
        raise InputError("no expression is chosen; press Propose Pairs, and choose one in the list")
    return state.pairs[state.active_pair]


def add_partner(scene: bpy.types.Scene, pair: PairRecord, name: str) -> None:
    """Make a shape of the target one more that the pair means. Raises InputError if there is none of this name."""
    names = shape_names(scene)
    if name not in names:
        raise InputError(f"the target has no shape {name!r}; choose one of {', '.join(names[:4])} ...")
    pair.target = JOINED.join(dict.fromkeys([*pair_rows.partners(pair), name]))
    pair.left_out = False


def remove_partner(pair: PairRecord, name: str) -> None:
    """Take a shape out of those that the pair means. Raises InputError if it is none of them, or the last."""
    there = [each for each, _ in pair_rows.parts(pair)]
    left = [each for each in pair_rows.partners(pair) if each != name]
    if name not in there:
        raise InputError(f"{name!r} is not one of the shapes of {pair.name!r}")
    if not left:
        raise InputError(f"{pair.name!r} would have no partner left; leave it out by its eye, or choose another shape")
    pair.target = JOINED.join(left)


def accept(state: RetargetRecord, pairs: list[PairRecord]) -> int:
    """Call what was found for these pairs good: they are no longer marked as doubtful. Returns how many were."""
    if not state.proposed:
        raise InputError("nothing is proposed yet; press Propose Pairs first")
    doubtful = [pair for pair in pairs if pair_rows.is_doubtful(pair)]
    for pair in pairs:
        if not pair_rows.is_changed(pair):
            pair.accepted = True
    return len(doubtful)


def reset(state: RetargetRecord, pairs: list[PairRecord]) -> int:
    """Take back what the artist made of these pairs: what was found counts again. Returns how many were changed."""
    if not state.proposed:
        raise InputError("nothing is proposed yet; press Propose Pairs first")
    changed = [pair for pair in pairs if pair_rows.is_changed(pair) or pair.accepted]
    for pair in changed:
        pair.target, pair.left_out, pair.accepted = "", False, False
    return len(changed)


# -- whose list it is -------------------------------------------------------------------------------------------------

KEPT = ("source", "target", "proposed", "made_of", "target_shapes", "notes", "active_pair")


def turn_to_chosen(scene: bpy.types.Scene) -> None:
    """Show the list of the performer and the target that are chosen now, if both are."""
    source = actors.active_actor(scene)
    if source is None:
        return
    try:
        target = picked_target(scene, source, "")
    except InputError:
        return
    turn_to(scene.aim.retarget, source, target)


def turn_to(state: RetargetRecord, source: ActorRecord, target: ActorRecord) -> None:
    """Show the list of these two, and keep that which is shown."""
    if is_of(state, source, target):
        return
    _keep(state)
    index = _kept_index(state, source, target)
    clear_pairs(state)
    if index >= 0:
        _bring_back(state, json.loads(state.kept[index].content))
        state.kept.remove(index)


def _keep(state: RetargetRecord) -> None:
    """Keep the list that is shown, and no longer those of actors who were removed."""
    there = {actor.identifier for actor in state.id_data.aim.actors}
    for index in reversed(range(len(state.kept))):
        if not there.issuperset(state.kept[index].name.split()):
            state.kept.remove(index)
    rows = [{field: getattr(pair, field) for field in pair_rows.FIELDS} for pair in state.pairs]
    if not rows or not there.issuperset((state.source, state.target)):
        return
    kept = state.kept.add()
    kept.name = f"{state.source} {state.target}"
    kept.content = json.dumps({**{name: getattr(state, name) for name in KEPT}, "pairs": rows})


def _kept_index(state: RetargetRecord, source: ActorRecord, target: ActorRecord) -> int:
    return int(state.kept.find(f"{source.identifier} {target.identifier}"))


def _bring_back(state: RetargetRecord, content: dict[str, Any]) -> None:
    for row in content["pairs"]:
        pair = state.pairs.add()
        for field, value in row.items():
            setattr(pair, field, value)
    for name in KEPT:
        setattr(state, name, content[name])


def pairs_between(
    state: RetargetRecord, source: ActorRecord, target: ActorRecord, whoever: bool = True
) -> dict[str, str] | None:
    """The artist's pairs of these two, shown or kept, as the task `retarget` takes them; None where there are none.

    whoever: whether a list that does not know whose it is counts.
    """
    if (whoever or state.source) and is_of(state, source, target):
        return pair_rows.chosen(list(state.pairs), state.proposed)
    index = _kept_index(state, source, target)
    if index < 0:
        return None
    content = json.loads(state.kept[index].content)
    return pair_rows.chosen([SimpleNamespace(**row) for row in content["pairs"]], content["proposed"])


# -- for a retarget ---------------------------------------------------------------------------------------------------


def scene_choices(
    state: SceneRecord, source: ActorRecord, target: ActorRecord, given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the scene's settings say of a retarget, as the task `retarget` takes it, and over it what is given; of
    regions see region_strength."""
    choices: dict[str, Any] = {}
    if state.retarget_from_rest:
        choices["neutral_frame"] = state.retarget_neutral_frame
    pairs = pairs_between(state.retarget, source, target)
    if pairs is not None:
        choices["pairs"] = pairs
    return {**choices, **options.chosen(state, RetargetSettings, given)}


def region_strength(state: RetargetRecord, target: ActorRecord) -> np.ndarray | None:
    """(V,) how strongly the expressions show at each vertex of the target's neutral; None while no region is listed.

    Where groups overlap their strengths multiply; half a weight counts half. Raises InputError if a group is missing.
    """
    if not len(state.regions):
        return None
    neutral = actors.neutral_of(target)
    strength = np.ones(len(neutral.data.vertices))
    for region in state.regions:
        group = neutral.vertex_groups.get(region.name)
        if group is None:
            raise InputError(
                f"{neutral.name!r} has no vertex group {region.name!r}; pick one of its groups, or remove the region"
            )
        weights = read_vertex_group(neutral, group).astype(np.float64)
        strength *= 1 + weights * (round(region.strength, 6) - 1)
    return strength
