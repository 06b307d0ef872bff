# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs about an actor's anatomy: fitting bones to the neutral, and looking inside what was learned."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.captured.captures import BONE_NAMES
from ...core.shared.captured.meshes import read_mesh, write_mesh
from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.topology import Topology
from ...core.shared.foundation.wording import listed
from ...jobs.folders.folder import JobFolder, write_atomically
from ..actors import actor_meshes, actors, inspected
from ..basics import folders, meshes, painting, pictures
from ..basics.meanwhile import meanwhile
from ..basics.records import ActorRecord
from .job_making import ACTOR_SUFFIX, Preparation, learned_file, write_delivery

SHEET = "sheet"
FITTED = "aim_fitted"  # on a bone that was fitted: how it came, so that one which was worked on is never thrown away
TEETH = ("upper_teeth", "lower_teeth")


# -- fitting bones ----------------------------------------------------------------------------------------------------


def prepare_anatomy(actor: ActorRecord) -> Preparation:
    """Write the neutral, landmarks, depths and teeth of an actor, and the description of fitting bones to them.

    A generator, as job_making's are. Raises InputError, OSError.
    """
    identifier, actor_name = actor.identifier, actor.name
    found = actors.read_neutral(actor)
    scale, to_frame = actor.millimetres_per_unit, np.linalg.inv(found.frame)
    count = found.topology.vertex_count
    for landmark in actor.landmarks:
        if not 0 <= landmark.vertex < count:
            raise InputError(
                f"the landmark {landmark.name} lies on vertex {landmark.vertex}, but {actor.neutral.name!r} has "
                f"{count}; pick it again or remove it"
            )
    teeth = {}
    for name in TEETH:
        item = getattr(actor, name)
        if item is not None:
            if not actors.is_there(item):
                raise InputError(f"the {name.replace('_', ' ')} of {actor.name!r} were deleted; undo, or pick others")
            teeth[name] = actor_meshes.read_bone(item, to_frame, found.vertices[0])
    path = folders.new_job_folder(actor.name, "anatomy")
    neutral = str(path / "neutral.obj")
    arguments: dict[str, Any] = {"neutral": neutral, "out": str(path / "bones"), "millimetres_per_unit": 1.0}
    if len(actor.landmarks):
        arguments["landmarks"] = str(path / "landmarks.json")
        _write_json(path / "landmarks.json", {each.name: each.vertex for each in actor.landmarks})
    changed = {each.name: each.millimetres for each in actor.depths if each.changed}
    if changed:
        arguments["depths"] = str(path / "depths.json")
        _write_json(path / "depths.json", changed)
    if teeth:
        arguments["teeth"] = str(path / "teeth")
        (path / "teeth").mkdir()
        for name, (points, triangles) in teeth.items():
            topology = Topology(triangles.ravel(), np.full(len(triangles), 3), len(points))
            write_mesh(path / "teeth" / f"{name}.obj", points * scale, topology)
    neutral = found.vertices[0] * scale
    delivery = {
        "kind": "anatomy",
        "actor": identifier,
        "bones": "bones",
        "frame": found.frame.tolist(),
        "millimetres_per_unit": scale,
    }

    def write() -> JobFolder:
        write_mesh(path / "neutral.obj", neutral, found.topology)
        write_delivery(path, delivery)
        return JobFolder.create(path, f"fit bones to {actor_name}", [{"task": "anatomy", "arguments": arguments}])

    return (yield from meanwhile("writing the neutral", write))


def bring_in_bones(
    scene: bpy.types.Scene, actor: ActorRecord, path: Path, delivery: dict[str, Any], figures: dict[str, Any]
) -> str:
    """Add the fitted bones as new objects and make them the actor's. Returns what to tell.

    Bones that were there stay as they are; only those of an earlier fit, which nobody worked on, give way.
    """
    found = {name: read_mesh(path / delivery["bones"] / f"{name}.obj") for name in BONE_NAMES}
    frame = np.array(delivery["frame"])
    collection = _collection_of(scene, actor)
    kept = []
    for name, (vertices, topology) in found.items():
        before = getattr(actor, name)
        title = f"{actor.name} {name}"
        if actors.is_there(before):
            if _is_untouched(before):
                _remove(before)
            else:
                kept.append(before.name)
        mesh = meshes.make_mesh(title, vertices / delivery["millimetres_per_unit"], topology.corners, topology.sizes)
        mesh.materials.append(painting.material(title, inspected.BONE_COLOUR))
        item = bpy.data.objects.new(title, mesh)
        collection.objects.link(item)
        item.matrix_world = meshes.matrix_of(frame)
        item[FITTED] = _digest(item)
        setattr(actor, name, item)
    actor.anatomy_figures = json.dumps(figures)
    notes = [f"{listed(kept)} stayed in the scene, but are no longer the actor's"] if kept else []
    return "; ".join([describe_fit(actor.name, figures), *figures.get("notes", []), *notes])


def describe_fit(name: str, figures: dict[str, Any]) -> str:
    """What was fitted, in one sentence."""
    error = figures.get("mean_depth_error_mm")
    known = isinstance(error, int | float) and not isinstance(error, bool)
    depth = f"; the soft tissue is within {error:.1f} mm of the table on the mean" if known else ""
    return f"fitted a skull and a mandible to {name}{depth}"


def _collection_of(scene: bpy.types.Scene, actor: ActorRecord) -> bpy.types.Collection:
    """Where the neutral lies, if that is in this scene."""
    own = [
        each
        for each in actor.neutral.users_collection
        if each in [scene.collection, *scene.collection.children_recursive]
    ]
    return own[0] if own else scene.collection


def is_fitted(item: bpy.types.Object) -> bool:
    """Whether a bone came from a fit, and is not one that an artist brought."""
    return item.get(FITTED) is not None


def _is_untouched(item: bpy.types.Object) -> bool:
    return item.get(FITTED) == _digest(item) and not item.children


def _remove(item: bpy.types.Object) -> None:
    mesh = meshes.mesh_of(item)
    materials = list(mesh.materials)
    bpy.data.objects.remove(item)
    if mesh.users == 0:
        bpy.data.meshes.remove(mesh)
    bpy.data.batch_remove([each for each in materials if each is not None and each.users == 0])


def _digest(item: bpy.types.Object) -> str:
    content = hashlib.sha256(meshes.read_positions(meshes.mesh_of(item)).tobytes())
    content.update(np.round(meshes.matrix_array(item.matrix_world), 5).tobytes())
    return content.hexdigest()


# -- looking inside ---------------------------------------------------------------------------------------------------


def inspection_file(actor: ActorRecord) -> Path:
    """Where the anatomy of the learned actor lies, or will: beside its file. Raises InputError if it is not learned."""
    file = learned_file(actor)
    return file.with_name(file.name.removesuffix(ACTOR_SUFFIX) + inspected.SUFFIX)


def prepare_inspection(actor: ActorRecord, what: str) -> JobFolder:
    """Describe the work of looking inside a learned actor, to show `what`. Raises InputError, OSError."""
    out = inspection_file(actor)
    path = folders.new_job_folder(actor.name, "inspect")
    write_delivery(path, {"kind": "inspect", "actor": actor.identifier, "show": what, "file": str(out)})
    arguments = {"actor": str(learned_file(actor)), "out": str(out)}
    return JobFolder.create(path, f"look inside {actor.name}", [{"task": "inspect", "arguments": arguments}])


def show_inside(context: bpy.types.Context, actor: ActorRecord, what: str) -> str:
    """Show what lies beside the learned actor's file: one of inspected.VIEWS, or the sheet. Returns what to tell."""
    file = inspection_file(actor)
    if what == SHEET:
        image = pictures.load(file.with_suffix(".png"))
        pictures.show(context, image)
        return f"the sheet is {image.name}"
    item = inspected.show(context, actor, inspected.load(file), what)
    return f"added {item.name}"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=1) + "\n")
