# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking a take again, as keys or as a mesh cache: other frames, another frame rate, another tolerance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...jobs.folders.folder import JobFolder
from ..actors import actors, placing
from ..baking import baked
from ..basics import folders, meshes, naming
from ..basics.records import ActorRecord, TakeRecord
from . import read_ahead
from .job_making import fitted_file, learned_file, write_delivery

CACHES = ("PC2", "MDD")


def prepare_baking(
    actor: ActorRecord,
    take: TakeRecord,
    kind: str,
    timing: dict[str, Any],
    tolerance_mm: float,
    reduce_keys_mm: float,
    beside: bool,
    keys: dict[str, Any] | None = None,
) -> JobFolder:
    """Write the description of baking an actor's take as `KEYS`, or as a mesh cache, `PC2` or `MDD`.

    timing: of the tasks' start, end, step, first, fps. reduce_keys_mm: by how much fewer keyframes may move a point.
    keys: of the task's keys and jaw_as, where they are not the actor's own, which alone keep the tolerance.
    Raises InputError, OSError.
    """
    actor_file, take_path, neutral = learned_file(actor), fitted_file(take), actors.neutral_of(actor)
    path, scale = folders.new_job_folder(actor.name, "bake"), actor.millimetres_per_unit
    file = f"bake.{kind.lower()}" if kind in CACHES else "bake.npz"
    delivery = {
        "kind": "bake",
        "actor": actor.identifier,
        "take": take.name,
        "take_file": str(take_path),
        "cache_file" if kind in CACHES else "bake_file": file,
        "frame": meshes.rigid_part(meshes.matrix_array(neutral.matrix_world)).tolist(),
        "millimetres_per_unit": scale,
        "reduce_keys_mm": reduce_keys_mm,
        "beside": beside,
    }
    write_delivery(path, delivery)
    arguments = {"actor": str(actor_file), "take": str(take_path), "out": str(path / file), **timing}
    if kind in CACHES:
        step = {"task": "evaluate", "arguments": {**arguments, "millimetres_per_unit": scale}}
    else:
        step = {"task": "bake", "arguments": {**arguments, **(keys or {"tolerance_mm": tolerance_mm})}}
    return JobFolder.create(path, f"bake {take.name}", [step])


def bring_in_bake(
    context: bpy.types.Context,
    scene: bpy.types.Scene,
    actor: ActorRecord,
    path: Path,
    delivery: dict[str, Any],
    figures: dict[str, Any],
) -> str:
    """Write what such a job made into the scene. Returns what to tell the user. Raises InputError."""
    name = naming.unique_name(delivery["take"], [other.name for other in scene.aim.takes])
    frame = np.array(delivery["frame"])
    bake_file = None
    if "bake_file" in delivery:
        take, kept = read_ahead.take_of(path, delivery)
        if delivery.get("beside"):
            frame = placing.beside(context, frame, take.neutral)
        collection = baked.write_take(context, actor, take, frame, name, kept)
        frames, bake_file = take.frames, path / delivery["bake_file"]
    else:
        file = path / delivery["cache_file"]
        if not file.is_file():
            raise InputError(f"the cache {file} is gone; bake the take again")
        neutral = actors.neutral_of(actor)
        if delivery.get("beside"):
            matrix = meshes.matrix_array(neutral.matrix_world)
            stretch = np.linalg.inv(meshes.rigid_part(matrix)) @ matrix
            points = meshes.transform(stretch, meshes.read_positions(meshes.mesh_of(neutral)).astype(np.float64))
            frame = placing.beside(context, frame, points)
        collection = _show_cache(context, actor, file, figures, frame, name)
        frames = np.array([figures["first"], figures["last"]])
    baked.record_take(
        scene, actor, name, folders.found_again(delivery["take_file"]), figures, frames, collection, bake_file
    )
    text = f"baked {name}, frames {int(frames.min())} to {int(frames.max())}; it is in collection {collection.name}"
    if "worst_mm" in figures:
        text += f", within {figures['worst_mm']:.3f} mm of the take"
    return "; ".join([text, *figures.get("notes", [])])


def _show_cache(
    context: bpy.types.Context, actor: ActorRecord, file: Path, figures: dict[str, Any], frame: np.ndarray, name: str
) -> bpy.types.Collection:
    """A new object, a copy of the neutral, that a Mesh Cache modifier moves as the file says."""
    title = name if name.startswith(actor.name) else f"{actor.name} {name}"
    collection = bpy.data.collections.new(title)
    context.scene.collection.children.link(collection)
    mesh = actor.neutral.data.copy()
    mesh.name = title
    mesh.animation_data_clear()
    item = bpy.data.objects.new(title, mesh)
    item.shape_key_clear()
    collection.objects.link(item)
    item.matrix_world = meshes.matrix_of(frame)
    modifier = item.modifiers.new("Cache", "MESH_CACHE")
    modifier.cache_format = file.suffix[1:].upper()
    modifier.filepath = str(file)
    modifier.frame_start = figures["first"]
    context.view_layer.update()
    return collection
