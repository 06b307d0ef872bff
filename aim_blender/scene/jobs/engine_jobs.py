# SPDX-License-Identifier: GPL-3.0-or-later
"""For engines: the 52 shapes of ARKit as shape keys, and a take as the CSV of Live Link Face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...jobs.folders.folder import JobFolder
from ..actors import actors
from ..baking.engine_keys import write_shapes
from ..basics import folders, meshes
from ..basics.records import ActorRecord, TakeRecord
from .job_making import fitted_file, learned_file, write_delivery

TITLES = {"arkit": "ARKit", "vrm0": "VRM 0", "vrm1": "VRM 1"}


def prepare_shapes(actor: ActorRecord, keys: str, beside: bool) -> JobFolder:
    """Write the description of making the shapes of `arkit`, `vrm0` or `vrm1` of a learned actor.

    Raises InputError, OSError.
    """
    actor_file, neutral = learned_file(actor), actors.neutral_of(actor)
    path = folders.new_job_folder(actor.name, "arkit")
    delivery = {
        "kind": "arkit",
        "actor": actor.identifier,
        "keys": keys,
        "frame": meshes.rigid_part(meshes.matrix_array(neutral.matrix_world)).tolist(),
        "beside": beside,
    }
    write_delivery(path, delivery)
    arguments = {"actor": str(actor_file), "out": str(path / "shapes.npz"), "keys": keys}
    return JobFolder.create(path, f"{TITLES[keys]} of {actor.name}", [{"task": "arkit", "arguments": arguments}])


def bring_in_shapes(
    context: bpy.types.Context, actor: ActorRecord, path: Path, delivery: dict[str, Any], figures: dict[str, Any]
) -> str:
    """Add the mesh with the shapes as keys. Returns what to tell. Raises InputError."""
    title = f"{actor.name} {TITLES[delivery['keys']]}"
    item = write_shapes(
        context, actor, path / "shapes.npz", np.array(delivery["frame"]), title, bool(delivery["beside"])
    )
    count = len(item.data.shape_keys.key_blocks) - 1
    return "; ".join([f"added {item.name} with {count} shape keys", *figures.get("notes", [])])


def prepare_csv(actor: ActorRecord, take: TakeRecord, timing: dict[str, Any], file: Path) -> JobFolder:
    """Write the description of writing a take as Live Link Face would have recorded it.

    timing: of the task bake's start, end, step, first and fps. Raises InputError, OSError.
    """
    if file.suffix.lower() != ".csv":
        raise InputError(f"{file} is no name of a recording; it must end with .csv")
    path = folders.new_job_folder(actor.name, "csv")
    write_delivery(path, {"kind": "csv", "actor": actor.identifier, "file": str(file)})
    arguments = {
        "actor": str(learned_file(actor)), "take": str(fitted_file(take)), "out": str(file), "keys": "arkit", **timing
    }  # fmt: skip
    return JobFolder.create(path, f"write {take.name}", [{"task": "bake", "arguments": arguments}])


def describe_csv(delivery: dict[str, Any], figures: dict[str, Any]) -> str:
    """What was written, in one sentence."""
    return "; ".join([f"wrote {figures['frames']} frames to {delivery['file']}", *figures.get("notes", [])])
