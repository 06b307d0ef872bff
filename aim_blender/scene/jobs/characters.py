# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters that were never captured: an actor from one mesh at rest, with another actor's expressions; and between
meshes of different topology the correspondence, to be judged by eye."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.faces.part_kinds import read_choices
from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.topology import same_surface
from ...core.shared.results.correspondence_files import read_places
from ...core.shared.results.kept_files import kept_correspondence
from ...jobs.folders.folder import JobFolder, write_atomically
from ..actors import actors, placing
from ..basics import folders, meshes, painting
from ..basics.records import ActorRecord
from ..basics.selecting import select_only
from .job_making import ACTOR_SUFFIX, learned_file, write_delivery

CELL_MM = 12.0  # of the checker
DARK = 0.35
DOUBTFUL = 0.5  # confidence below which a place is shown in red
RED = np.array([0.9, 0.05, 0.03])


def prepare_transfer(actor: ActorRecord, source: ActorRecord) -> JobFolder:
    """Write an actor's neutral and the description of giving it the expressions of a learned actor, the source.

    Landmarks that were picked on both guide the correspondence. Raises InputError, OSError.
    """
    source_file = learned_file(source)
    found = actors.read_neutral(actor)
    path = folders.new_job_folder(actor.name, "transfer")
    folders.write_arrays(path / "neutral.npz", found.capture_arrays(actor.millimetres_per_unit))
    out = path / (folders.safe_name(actor.name) + ACTOR_SUFFIX)
    write_delivery(path, {"kind": "transfer", "actor": actor.identifier, "actor_file": out.name})
    arguments = {
        "source": str(source_file),
        "target": str(path / "neutral.npz"),
        "out": str(out),
        "name": source.name,
        "millimetres_per_unit": 1.0,
    }
    if actor.parts:
        read_choices(actor.parts)  # which refuses what says nothing
        arguments["parts"] = actor.parts
    picked = _picked_landmarks(source, actor)
    if picked:
        arguments["landmarks"] = str(path / "landmarks.json")
        write_atomically(path / "landmarks.json", picked)
    steps = [{"task": "transfer", "arguments": arguments}]
    return JobFolder.create(path, f"make {actor.name} from {source.name}", steps)


def correspondence_steps(source: ActorRecord, target: ActorRecord) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The step that a job between these actors needs first, if any, and what the task `retarget` takes of it.

    One that is kept serves until other landmarks are picked. Raises InputError if a mesh is gone, OSError.
    """
    topologies = [meshes.read_topology(meshes.mesh_of(each.neutral), each.neutral.name) for each in (source, target)]
    if same_surface(*topologies):
        return [], {}
    file = kept_correspondence(learned_file(target), topologies[0].digest)
    choices = {"correspondence": str(file)}
    picked, note = _picked_landmarks(source, target), file.with_suffix(".landmarks.json")
    if file.is_file() and (not picked or (note.is_file() and note.read_text(encoding="utf-8") == picked)):
        return [], choices
    arguments = {"source": str(learned_file(source)), "target": str(learned_file(target)), "out": str(file)}
    if picked:
        write_atomically(note, picked)
        arguments["landmarks"] = str(note)
    return [{"task": "correspond", "arguments": arguments}], choices


def _picked_landmarks(source: ActorRecord, target: ActorRecord) -> str:
    """What a landmarks file holds of those that were picked on both actors; empty where there are none."""
    picked = [{each.name: each.vertex for each in actor.landmarks if each.picked} for actor in (source, target)]
    names = [name for name in picked[0] if name in picked[1]]
    both = {side: {name: each[name] for name in names} for side, each in zip(("source", "target"), picked, strict=True)}
    return json.dumps(both, indent=1) + "\n" if names else ""


def correspondence_file(source: ActorRecord, target: ActorRecord) -> Path:
    """Where the correspondence of two learned actors is kept. Raises InputError if they need none."""
    topologies = [meshes.read_topology(meshes.mesh_of(each.neutral), each.neutral.name) for each in (source, target)]
    if same_surface(*topologies):
        raise InputError(f"{source.name!r} and {target.name!r} are of one topology and need no correspondence")
    return kept_correspondence(learned_file(target), topologies[0].digest)


def show_correspondence(
    context: bpy.types.Context, source: ActorRecord, target: ActorRecord
) -> tuple[bpy.types.Object, float]:
    """Add copies of both neutrals under one checker, which the correspondence carries to the target's.

    Returns the target's copy, and what share of its vertices is doubtful and shown in red. Raises InputError.
    """
    file = correspondence_file(source, target)
    found = [actors.read_neutral(each) for each in (source, target)]
    corners, weights, confidence = read_places(file, *(each.topology.vertex_count for each in found))
    millimetres = found[0].vertices[0] * source.millimetres_per_unit
    places = (weights[:, :, None] * millimetres[corners]).sum(1)
    doubtful = confidence < DOUBTFUL
    colours = [_checker(millimetres, millimetres), _checker(places, millimetres)]
    colours[1][doubtful] = RED
    collection = bpy.data.collections.new(f"{target.name} from {source.name}")
    context.scene.collection.children.link(collection)
    for actor, each, colour in zip((source, target), found, colours, strict=True):
        name = f"{actor.name} Correspondence"
        mesh = meshes.make_mesh(name, each.vertices[0], each.topology.corners, each.topology.sizes)
        painting.colour(mesh, colour)
        mesh.materials.append(painting.material(name, (0.8, 0.8, 0.8), of_colours=True))
        item = bpy.data.objects.new(name, mesh)
        collection.objects.link(item)
        item.matrix_world = meshes.matrix_of(placing.beside(context, each.frame, each.vertices[0]))
    painting.add_values(mesh, "confidence", confidence)
    select_only(context, item)
    painting.show_colours(context.scene)
    return item, float(doubtful.mean())


def _checker(places: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(V, 3) colours of places (V, 3) in mm: a checker in space, tinted by where it is in the neutral (·, 3)."""
    lowest, size = neutral.min(0), np.ptp(neutral, axis=0).clip(min=1e-9)
    tint = 0.15 + 0.85 * ((places - lowest) / size).clip(0, 1)
    dark = np.floor((places - neutral.mean(0)) / CELL_MM).astype(int).sum(1) % 2
    return tint * np.where(dark, DARK, 1.0)[:, None]
