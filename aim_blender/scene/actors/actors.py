# SPDX-License-Identifier: GPL-3.0-or-later
"""Actors as the scene records them: added, found, and read again."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import bpy
import numpy as np

from ...core.shared.captured.capture_checks import check_registered
from ...core.shared.foundation.errors import InputError
from ..basics.meshes import is_there
from ..basics.naming import unique_name
from ..basics.records import ActorRecord, TakeRecord
from .actor_meshes import (
    ActorMeshes,
    ShapeSource,
    check_object,
    measured_of,
    read_at_rest,
    read_bone,
    read_jaw,
    read_meshes,
    read_unchecked,
    with_measure,
)
from .actor_units import guess_millimetres_per_unit, note_on_unit, scene_millimetres_per_unit


def add_actor(
    scene: bpy.types.Scene,
    name: str,
    sources: list[ShapeSource],
    bones: dict[str, bpy.types.Object],
    millimetres_per_unit: float | None = None,
) -> tuple[ActorRecord, list[str]]:
    """Check the meshes and record them as a new actor of the scene, which becomes the active one.

    Returns the actor and notes for the artist. Raises InputError before anything is recorded.
    """
    found = with_measure(read_meshes(sources, bones, millimetres_per_unit))
    return record_actor(scene, name, sources, bones, found, millimetres_per_unit)


def record_actor(
    scene: bpy.types.Scene,
    name: str,
    sources: list[ShapeSource],
    bones: dict[str, bpy.types.Object],
    found: ActorMeshes,
    millimetres_per_unit: float | None = None,
) -> tuple[ActorRecord, list[str]]:
    """As add_actor, of meshes that were read, checked and measured before."""
    actor, notes = _record(scene, name, sources[0].object, found, millimetres_per_unit)
    for source in sources[1:]:
        shape = actor.shapes.add()
        shape.name = source.name
        shape.object = source.object
        shape.shape_key = source.shape_key
    actor.skull = bones.get("skull")
    actor.mandible = bones.get("mandible")
    return actor, notes


def add_character(
    scene: bpy.types.Scene, name: str, item: bpy.types.Object, millimetres_per_unit: float | None = None
) -> tuple[ActorRecord, list[str]]:
    """Check a mesh at rest and record it as a new actor without shapes, which becomes the active one.

    Returns the actor and notes for the artist. Raises InputError before anything is recorded.
    """
    return _record(scene, name, item, with_measure(read_at_rest(item)), millimetres_per_unit)


def _record(
    scene: bpy.types.Scene, name: str, neutral: bpy.types.Object, found: ActorMeshes, millimetres_per_unit: float | None
) -> tuple[ActorRecord, list[str]]:
    """A new actor of the scene, still without shapes, which becomes the active one, and notes for the artist.

    millimetres_per_unit: guessed by the size of what was found, if it is None; else it is said if it makes no head.
    """
    note = ""
    if millimetres_per_unit is None:
        millimetres_per_unit, note = guess_millimetres_per_unit(measured_of(found), scene_millimetres_per_unit(scene))
    elif found.measured is not None:
        note = note_on_unit(found.measured, millimetres_per_unit)
    notes = [*found.notes, *([note] if note else [])]
    state = scene.aim
    actor = state.actors.add()
    actor.identifier = uuid.uuid4().hex
    actor.name = unique_name(name, [other.name for other in state.actors if other != actor])
    actor.neutral = neutral
    actor.millimetres_per_unit = millimetres_per_unit
    state.active_actor = len(state.actors) - 1
    return actor, notes


def read_actor(actor: ActorRecord) -> Callable[[], ActorMeshes]:
    """Read the meshes of a recorded actor. Returns what places and checks them, without touching Blender's data.

    That the shapes are of one face was checked when they were recorded; whoever learns from them checks it again.
    Raises InputError naming what was lost, and so does what it returns, naming what is wrong.
    """
    sources = [ShapeSource("neutral", neutral_of(actor))]
    for shape in actor.shapes:
        if not is_there(shape.object):
            raise InputError(f"the mesh of {shape.name!r} was deleted; undo, or remove it from the actor's shapes")
        sources.append(ShapeSource(shape.name, shape.object, shape.shape_key))
    bones = _bones_of(actor)
    checked = read_unchecked(sources, bones, actor.millimetres_per_unit, check_registered)
    names = ["neutral", *(shape.name for shape in actor.shapes)]
    repeated = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if repeated is not None:
        raise InputError(f"two shapes of {actor.name!r} are called {repeated!r}; give every shape a name of its own")
    jaw_points = None
    if actor.jaw is not None:
        if not is_there(actor.jaw):
            raise InputError(f"the jaw of {actor.name!r} was deleted; undo, or pick another")
        neutral = read_at_rest(actor.neutral)
        jaw_points = read_jaw(actor.jaw, names, np.linalg.inv(neutral.frame), neutral.vertices[0])
    return lambda: replace(checked(), names=names, jaw_points=jaw_points)


def read_neutral(actor: ActorRecord, with_bones: bool = False) -> ActorMeshes:
    """Read the neutral of a recorded actor alone, with_bones: and its bones. Raises InputError naming what is wrong."""
    neutral = neutral_of(actor)
    bones = _bones_of(actor) if with_bones else {}
    if with_bones and not bones:
        raise InputError(f"{actor.name!r} has no bones; fit them to its neutral, or pick a skull and a mandible")
    found = read_at_rest(neutral)
    to_frame = np.linalg.inv(found.frame)
    for name, item in bones.items():
        check_object(item)
        found.bones[name] = read_bone(item, to_frame, found.vertices[0])
    return found


def neutral_of(actor: ActorRecord) -> bpy.types.Object:
    """The neutral of a recorded actor. Raises InputError if it was deleted."""
    if not is_there(actor.neutral):
        raise InputError(f"the neutral of {actor.name!r} was deleted; undo, or make the actor again")
    return actor.neutral


def _bones_of(actor: ActorRecord) -> dict[str, bpy.types.Object]:
    """Skull and mandible of a recorded actor, or none. Raises InputError if one is missing or was deleted."""
    bones = {name: getattr(actor, name) for name in ("skull", "mandible") if getattr(actor, name) is not None}
    for name, item in bones.items():
        if not is_there(item):
            raise InputError(f"the {name} of {actor.name!r} was deleted; undo, or pick another")
    if len(bones) == 1:
        missing = "mandible" if "skull" in bones else "skull"
        raise InputError(f"{actor.name!r} has a {next(iter(bones))} but no {missing}; pick both bones or none")
    return bones


def find_actor(identifier: str) -> tuple[bpy.types.Scene, ActorRecord] | None:
    """The actor with this identifier and its scene, None if undo or another file took it away."""
    for scene in bpy.data.scenes:
        for actor in scene.aim.actors:
            if actor.identifier == identifier:
                return scene, actor
    return None


def active_actor(scene: bpy.types.Scene) -> ActorRecord | None:
    """The actor chosen in the list, None if there is none."""
    state = scene.aim
    return state.actors[state.active_actor] if 0 <= state.active_actor < len(state.actors) else None


def active_take(scene: bpy.types.Scene) -> TakeRecord | None:
    """The take chosen in the list, None if there is none."""
    state = scene.aim
    return state.takes[state.active_take] if 0 <= state.active_take < len(state.takes) else None


def take_and_actor(scene: bpy.types.Scene, name: str) -> tuple[TakeRecord, ActorRecord]:
    """The take of this name, or the one chosen in the list, and its actor. Raises InputError."""
    take = next((each for each in scene.aim.takes if each.name == name), None) if name else active_take(scene)
    if take is None:
        raise InputError(
            f"there is no take called {name!r}; choose one of the list"
            if name
            else "there is no take yet; fit a performance first"
        )
    return take, actor_of(take)


def actor_of(take: TakeRecord) -> ActorRecord:
    """The actor of a take. Raises InputError if it is gone."""
    found = find_actor(take.actor)
    if found is None:
        raise InputError(f"the actor of the take {take.name!r} is gone; undo its removal, or fit it again")
    return found[1]


def take_of(scene: bpy.types.Scene, actor: ActorRecord, name: str = "") -> TakeRecord | None:
    """A take of an actor: of this name, else the one chosen in the list, else the latest; None if there is none."""
    takes = [take for take in scene.aim.takes if take.actor == actor.identifier]
    if name:
        return next((take for take in takes if take.name == name), None)
    chosen = active_take(scene)
    return chosen if chosen in takes else (takes[-1] if takes else None)
