# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of retargeting: which expressions belong together, and how strongly regions of the face perform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bpy
import numpy as np

from ...core.shared.faces.expression_names import pair_expressions
from ...core.shared.foundation.errors import InputError
from ...core.shared.settings.retarget_settings import RetargetSettings
from ..actors import actors
from ..basics import options
from ..basics.vertex_groups import read_vertex_group


def picked_target(scene: bpy.types.Scene, actor: Any, name: str) -> Any:
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


def list_pairs(state: Any, source: Any, target: Any) -> list[str]:
    """Fill the list with the source's expressions, each with the target's of the same meaning.

    Returns those that have none. Raises InputError if none pairs.
    """
    names = [shape.name for shape in source.shapes]
    found = pair_expressions(names, [shape.name for shape in target.shapes])
    state.pairs.clear()
    for name in names:
        pair = state.pairs.add()
        pair.name, pair.target = name, found.get(name, "")
    return [name for name in names if name not in found]


def chosen_pairs(state: Any) -> dict[str, str] | None:
    """{the source's expression: the target's} as the list says, "" for one left out; None while the list is empty."""
    if not len(state.pairs):
        return None
    return {pair.name: "" if pair.left_out else pair.target for pair in state.pairs if pair.left_out or pair.target}


def scene_choices(state: Any, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the scene's settings say of a retarget, as the task `retarget` takes it, and over it what is given; of
    regions see region_strength."""
    choices: dict[str, Any] = {}
    if state.retarget_from_rest:
        choices["neutral_frame"] = state.retarget_neutral_frame
    pairs = chosen_pairs(state.retarget)
    if pairs is not None:
        choices["pairs"] = pairs
    return {**choices, **options.chosen(state, RetargetSettings, given)}


def region_strength(state: Any, target: Any) -> np.ndarray | None:
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
