# SPDX-License-Identifier: GPL-3.0-or-later
"""Live fitting: what is shown of a target, or pulled by handles, is fitted again whenever it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.topology import Topology
from ..actors import actors, placing
from ..basics import meshes
from ..basics.records import ActorRecord
from ..fitting import markers
from ..fitting.performances import evaluated_mesh
from ..jobs.job_making import learned_file
from . import live, live_objects

KINDS = ("OBJECT", "POINTS")


class LiveFit(live.Live):
    """Live fitting of one actor to an object, or to a collection of handles."""

    def __init__(self, context: bpy.types.Context, actor: ActorRecord, interpreter: Path, device: str) -> None:
        """Raises InputError if there is nothing to follow, JobFailed if the worker cannot be started."""
        state = context.scene.aim
        self.kind = state.performance_kind
        if self.kind not in KINDS:
            raise InputError("live fitting follows an object or points of the scene; choose one of them as the source")
        file = learned_file(actor)
        actors.neutral_of(actor)
        self.actor, self.actor_name = actor.identifier, actor.name
        self.topology: Topology = meshes.read_topology(meshes.mesh_of(actor.neutral), actor.neutral.name)
        place, rest = live_objects.rest_of(actor.neutral)
        covered = []
        if self.kind == "OBJECT":
            item = state.performance_object
            if not actors.is_there(item):
                raise InputError("no performance is picked; pick the object whose mesh is to be followed")
            self.source = item.name
            _, matrix = evaluated_mesh(item, self.topology, item.name, actor.name)
            self.frame = meshes.rigid_part(matrix)
            place = placing.beside(context, self.frame, rest)
        else:
            markers.points_of(state.sources.points)
            self.source = state.sources.points.name
            if actor.neutral.visible_get():  # it would be seen through the result
                covered = [actor.neutral.name]
        worker = live.start_worker(interpreter, file, device)
        shown = live_objects.lasting_face(context.scene, actor, rest, place).name
        super().__init__(context.scene.name, shown, covered, actor.millimetres_per_unit, worker)

    @property
    def mean_mm(self) -> float:
        """How far the target is from what is shown, on the mean."""
        return float(self.figures.get("mean_mm", 0.0))

    def succeeded(self) -> str:
        worst = self.figures["worst_mm"]
        return f"within {self.mean_mm:.3f} mm, {worst:.2f} mm at worst; {self.latency_ms:.0f} ms a fit"

    def request(self, scene: bpy.types.Scene) -> tuple[dict[str, Any], np.ndarray]:
        found = actors.find_actor(self.actor)
        if found is None:
            raise InputError("the actor of live fitting is gone; undo, or switch live fitting off")
        return self._mesh(scene) if self.kind == "OBJECT" else self._handles(found[1])

    def _mesh(self, scene: bpy.types.Scene) -> tuple[dict[str, Any], np.ndarray]:
        item = scene.objects.get(self.source)
        if item is None:
            raise InputError(f"{self.source!r} was removed; undo, or switch live fitting off")
        if item.mode == "EDIT":
            raise InputError(f"{item.name!r} is in Edit Mode; its fit comes when you leave it")
        positions, matrix = evaluated_mesh(item, self.topology, item.name, self.actor_name)
        placed = meshes.transform(np.linalg.inv(self.frame) @ matrix, positions.astype(np.float64))
        return {"kind": "mesh", "head": "free"}, placed * self.scale

    def _handles(self, actor: ActorRecord) -> tuple[dict[str, Any], np.ndarray]:
        items = markers.points_of(bpy.data.collections.get(self.source))
        vertices = [markers.vertex_of(item) for item in items]
        if min(vertices) < 0:
            unbound = items[vertices.index(min(vertices))].name
            raise InputError(f"{unbound!r} belongs to no vertex yet; bind it to one, for live fitting needs to know")
        placed = markers.places(items, actor.neutral, self.scale)
        return {"kind": "handles", "vertices": vertices, "head": "still"}, placed
