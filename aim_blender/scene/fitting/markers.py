# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a face as objects of the scene: markers that were tracked, or handles that an artist drags.

Where a point belongs on the mesh is a property of the object, VERTEX; without it, the fit takes the place on the
neutral's skin that is nearest to where the object first is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...jobs.folders.folder import write_atomically
from ..actors import actors
from ..basics import meshes
from ..basics.records import ActorRecord, SourcesRecord
from .performances import FrameReader

VERTEX = "aim_vertex"
COLLECTION = "AIM Points"
HANDLE_SIZE = 0.02  # of the head's


def points_of(collection: bpy.types.Collection | None) -> list[bpy.types.Object]:
    """The objects of a collection by name. Raises InputError if there are none."""
    if collection is None:
        raise InputError("no points are picked; pick a collection of empties, or select them and press Use Selected")
    found = sorted((item for item in collection.all_objects if actors.is_there(item)), key=lambda item: item.name)
    if not found:
        raise InputError(f"the collection {collection.name!r} is empty; put the objects into it that are points")
    return found


def vertex_of(item: bpy.types.Object) -> int:
    """The vertex that a point belongs to, -1 if it does not say. Raises InputError if it says no number."""
    vertex = item.get(VERTEX, -1)
    if not isinstance(vertex, int):
        raise InputError(f"the property {VERTEX} of {item.name!r} is {vertex!r}; it must be the number of a vertex")
    return vertex


def bind(actor: ActorRecord, item: bpy.types.Object, vertex: int) -> None:
    """Let a point belong to a vertex of the neutral. Raises InputError if there is no such vertex."""
    count = len(meshes.mesh_of(actor.neutral).vertices)
    if not 0 <= vertex < count:
        raise InputError(f"{actor.neutral.name!r} has no vertex {vertex}; it has {count}")
    item[VERTEX] = vertex


def collect(state: SourcesRecord, items: list[bpy.types.Object]) -> bpy.types.Collection:
    """Make these objects the points, in a collection of their own that they are linked to as well."""
    collection = bpy.data.collections.new(COLLECTION)
    for item in items:
        collection.objects.link(item)
    state.sources.points = collection
    return collection


def add_handle(scene: bpy.types.Scene, actor: ActorRecord, vertex: int) -> bpy.types.Object:
    """An empty at a vertex of the neutral, which it belongs to and moves with, among the scene's points.

    Raises InputError if there is no such vertex, or it has a handle already.
    """
    sources = scene.aim.sources
    neutral = actor.neutral
    mesh = meshes.mesh_of(neutral)
    if sources.points is not None and any(item.get(VERTEX) == vertex for item in sources.points.all_objects):
        raise InputError(f"vertex {vertex} has a handle already; move that one")
    item = bpy.data.objects.new(f"{actor.name} Handle", None)
    bind(actor, item, vertex)
    item.empty_display_type = "SPHERE"
    matrix = meshes.matrix_array(neutral.matrix_world)
    size = HANDLE_SIZE * float(np.ptp(meshes.transform(matrix, np.array(neutral.bound_box)), axis=0).max())
    item.empty_display_size = size / max(float(np.cbrt(abs(np.linalg.det(matrix[:3, :3])))), 1e-9)
    item.show_in_front = True
    if sources.points is None:
        sources.points = bpy.data.collections.new(f"{actor.name} Handles")
        scene.collection.children.link(sources.points)
    sources.points.objects.link(item)
    item.parent = neutral
    item.location = meshes.read_positions(mesh)[vertex].tolist()
    return item


def places(items: list[bpy.types.Object], neutral: bpy.types.Object, millimetres_per_unit: float) -> np.ndarray:
    """(P, 3) mm where objects are now, in the neutral's space without its scale; not a number for hidden ones."""
    graph = bpy.context.evaluated_depsgraph_get()
    frame = meshes.rigid_part(meshes.matrix_array(neutral.evaluated_get(graph).matrix_world))
    found = np.full((len(items), 3), np.nan)
    for row, item in enumerate(items):
        if not item.hide_viewport:
            found[row] = item.evaluated_get(graph).matrix_world.translation
    return meshes.transform(np.linalg.inv(frame), found) * millimetres_per_unit


class PointReader(FrameReader):
    """Reads the places of a collection's objects.

    An object that is hidden at a frame (its Disable in Viewports may be animated) has no place there.
    """

    def __init__(
        self, scene: bpy.types.Scene, collection: bpy.types.Collection | None, frames: np.ndarray, actor: ActorRecord
    ) -> None:
        items = points_of(collection)
        place = meshes.rigid_part(meshes.matrix_array(actor.neutral.matrix_world))
        super().__init__(scene, collection.name, frames, place)
        self.actor = actor.identifier
        self.names = [item.name for item in items]
        self.vertices = [vertex_of(item) for item in items]
        self.positions = np.empty((len(frames), len(items), 3))

    def read_frame(self, scene: bpy.types.Scene, number: int) -> None:
        found = actors.find_actor(self.actor)
        if found is None:
            raise InputError("the actor was removed while points were read for it")
        items = [scene.objects.get(name) for name in self.names]
        if None in items:
            raise InputError(f"{self.names[items.index(None)]!r} was removed while it was read")
        self.positions[self.done] = places(items, found[1].neutral, found[1].millimetres_per_unit)

    def save_for_fit(self, folder: Path) -> dict[str, str]:
        """Write points.json into a job's folder. Returns what the task `fit` takes of it."""
        points: list[dict[str, Any]] = [
            {"name": name, "vertex": vertex} if vertex >= 0 else {"name": name}
            for name, vertex in zip(self.names, self.vertices, strict=True)
        ]
        frames = [
            {"frame": int(frame), "positions": [None if np.isnan(place).any() else place.tolist() for place in row]}
            for frame, row in zip(self.frames, self.positions, strict=True)
        ]
        write_atomically(
            folder / "points.json", json.dumps({"fps": self.fps, "points": points, "frames": frames}) + "\n"
        )
        return {"performance": str(folder / "points.json")}
