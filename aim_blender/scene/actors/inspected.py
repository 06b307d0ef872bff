# SPDX-License-Identifier: GPL-3.0-or-later
"""What was learned of an actor's inside, as new objects that stand beside the actor. Nothing of the user's is touched.

Every object is whole in itself: a mesh in the actor's topology, with its numbers as attributes and, where colours mean
millimetres, a legend as its children.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...core.shared.foundation.archives import open_archive
from ...core.shared.foundation.errors import UNREADABLE, InputError
from ..basics import legends, meshes, painting, vertex_groups
from ..basics.records import ActorRecord
from ..basics.selecting import select_only
from . import actors, placing

SUFFIX = ".anatomy.npz"
BONE_COLOUR = (0.78, 0.73, 0.60)
SKIN_COLOUR = (0.62, 0.36, 0.26)
NORMAL_MM = 6.0  # how long a normal is drawn
NORMALS = 1500  # about how many are drawn: more of them hide the bone
SHOWN_QUANTILE = 0.995  # a few points off must not darken all others
JAW_GROUP = "Jaw"
ARRAYS = ("corners", "sizes", "neutral", "bone", "normal", "thickness", "skin_weight", "error", "symmetry")


@dataclass(frozen=True)
class View:
    """One thing to see. title: behind the actor's name. on_bone: on the dense anatomy, else on the skin.

    values: which array is shown as colours, with its unit; none where colours mean nothing or directions.
    """

    title: str
    on_bone: bool
    values: str = ""
    unit: str = "mm"
    largest: float = 0.0  # 0 takes it from the values


VIEWS: dict[str, View] = {
    "anatomy": View("Dense Anatomy", on_bone=True),
    "thickness": View("Thickness", on_bone=False, values="thickness"),
    "normals": View("Bone Normals", on_bone=True),
    "skin_weight": View("Skinning Weight", on_bone=False, values="skin_weight", unit="of the jaw", largest=1.0),
    "error": View("Network Error", on_bone=False, values="error"),
    "symmetry": View("Asymmetry", on_bone=True, values="symmetry"),
}


def load(path: Path) -> dict[str, np.ndarray]:
    """What the task `inspect` wrote. Raises InputError if it is missing or damaged."""
    try:
        with open_archive(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        count = len(arrays["neutral"])
        for name in ARRAYS[2:]:
            if len(arrays[name]) != count or not np.isfinite(arrays[name]).all():
                raise ValueError(name)
    except UNREADABLE as error:
        raise InputError(f"{path} is missing or damaged; remove it and show the anatomy again") from error
    return arrays


def show(context: bpy.types.Context, actor: ActorRecord, arrays: dict[str, np.ndarray], what: str) -> bpy.types.Object:
    """Add the object of a view, one of VIEWS, beside the actor. Returns it.

    Raises InputError if the actor's neutral is gone.
    """
    view, scale = VIEWS[what], actor.millimetres_per_unit
    frame = meshes.rigid_part(meshes.matrix_array(actors.neutral_of(actor).matrix_world))
    frame = placing.beside(context, frame, arrays["neutral"] / scale)
    collection = _collection(context.scene, f"{actor.name} Anatomy")
    name = f"{actor.name} {view.title}"
    points = arrays["bone" if view.on_bone else "neutral"] / scale
    mesh = meshes.make_mesh(name, points, arrays["corners"], arrays["sizes"])
    item = bpy.data.objects.new(name, mesh)
    collection.objects.link(item)
    item.matrix_world = meshes.matrix_of(frame)
    for attribute in ("thickness", "skin_weight", "error", "symmetry"):
        painting.add_values(mesh, attribute, arrays[attribute])
    painting.add_values(mesh, "bone_normal", arrays["normal"])
    if view.values:
        values = arrays[view.values]
        largest = view.largest or max(float(np.quantile(values, SHOWN_QUANTILE)), 1e-6)
        painting.colour(mesh, painting.heat_colours(values, largest))
        mesh.materials.append(painting.material(name, SKIN_COLOUR, of_colours=True))
        axes, face = (arrays["up"], arrays["forward"]), arrays["neutral"] / scale
        legends.add_legend(collection, item, face, axes, largest, view.unit, mesh.materials[0])
    elif what == "normals":
        painting.colour(mesh, 0.5 + 0.5 * arrays["normal"])
        mesh.materials.append(painting.material(name, BONE_COLOUR, of_colours=True))
        _add_normals(collection, item, arrays, scale)
    else:
        mesh.materials.append(painting.material(name, BONE_COLOUR))
    if what == "skin_weight":
        vertex_groups.write_vertex_group(item, JAW_GROUP, arrays["skin_weight"])
    select_only(context, item)
    if view.values or what == "normals":
        painting.show_colours(context.scene)
    return item


def _collection(scene: bpy.types.Scene, name: str) -> bpy.types.Collection:
    """The scene's collection of this name, made if there is none."""
    found = next((each for each in scene.collection.children_recursive if each.name == name), None)
    if found is None:
        found = bpy.data.collections.new(name)
        scene.collection.children.link(found)
    return found


def _add_normals(
    collection: bpy.types.Collection, item: bpy.types.Object, arrays: dict[str, np.ndarray], scale: float
) -> None:
    """The bone's normals at some of its points as a mesh of edges, a child of the dense anatomy."""
    every = max(1, round(len(arrays["bone"]) / NORMALS))
    bone, normal = arrays["bone"][::every], arrays["normal"][::every]
    count = len(bone)
    points = np.concatenate([bone, bone + NORMAL_MM * normal]) / scale
    mesh = bpy.data.meshes.new(f"{item.name} Lines")
    mesh.vertices.add(2 * count)
    mesh.edges.add(count)
    edges = np.stack([np.arange(count), count + np.arange(count)], axis=1).astype(np.int32)
    mesh.edges.foreach_set("vertices", edges.ravel())
    meshes.write_positions(mesh, points)
    lines = bpy.data.objects.new(mesh.name, mesh)
    lines.parent = item
    collection.objects.link(lines)
