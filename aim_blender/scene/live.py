# SPDX-License-Identifier: GPL-3.0-or-later
"""Live fitting: what is shown of a target, or pulled by handles, is fitted again whenever it changes.

One at a time. A worker stays up; handlers note that something changed, and a timer reads it, sends it, and shows the
answer on an object of its own. One request is under way at most, so that what is shown is never more than one fit old.
"""

from __future__ import annotations

import atexit
import statistics
import time
from collections import deque
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..core.errors import InputError
from ..core.topology import Topology
from ..jobs.live_worker import LiveWorker
from ..jobs.sentences import sentence_for
from ..jobs.supervisor import JobFailed
from . import actors, folders, jobs, markers, meshes, placing
from .job_making import learned_file
from .performances import evaluated_mesh, scene_in_context

OWNER = "aim_live"
WAITING_S, IDLE_S = 0.004, 0.02
KINDS = ("OBJECT", "POINTS")
REMEMBERED = 25  # latencies, of which the median is told


class Live:
    """Live fitting of one actor to an object, or to a collection of handles."""

    def __init__(self, context: bpy.types.Context, actor: Any, interpreter: Path, device: str) -> None:
        """Raises InputError if there is nothing to follow, JobFailed if the worker cannot be started."""
        state = context.scene.aim
        self.kind = state.performance_kind
        if self.kind not in KINDS:
            raise InputError("live fitting follows an object or points of the scene; choose one of them as the source")
        file = learned_file(actor)
        if not actors.is_there(actor.neutral):
            raise InputError(f"the neutral of {actor.name!r} was deleted; undo, or make the actor again")
        self.scene, self.actor, self.actor_name = context.scene.name, actor.identifier, actor.name
        self.scale = actor.millimetres_per_unit
        self.topology: Topology = meshes.read_topology(meshes.mesh_of(actor.neutral), actor.neutral.name)
        rest = meshes.read_positions(actor.neutral.data).astype(np.float64)
        to_frame = meshes.matrix_array(actor.neutral.matrix_world)
        neutral_frame = meshes.rigid_part(to_frame)
        rest = meshes.transform(np.linalg.inv(neutral_frame) @ to_frame, rest)
        self.hidden = ""
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
            self.frame = place = neutral_frame
            if actor.neutral.visible_get():  # it would be seen through the result
                self.hidden = actor.neutral.name
        self.worker = LiveWorker(interpreter, file, device)
        self.shown = _live_object(context, actor, rest, place).name
        if self.hidden:
            actor.neutral.hide_set(True)
        self.changed = True
        self.problem = ""
        self.mean_mm = self.worst_mm = self.worker_s = 0.0
        self.fits = 0
        self._number = 0
        self._asked_at: float | None = None
        self._latest = b""
        self._latencies: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def latency_ms(self) -> float:
        """Milliseconds from reading what changed to having shown its fit; the median of the latest."""
        return 1000.0 * statistics.median(self._latencies) if self._latencies else 0.0

    @property
    def message(self) -> str:
        """How it goes, in one sentence."""
        if self.problem:
            return self.problem
        if not self.fits:
            return "waiting for the first fit" if self.worker.ready else "starting the worker"
        return f"within {self.mean_mm:.3f} mm, {self.worst_mm:.2f} mm at worst; {self.latency_ms:.0f} ms a fit"

    @property
    def waiting(self) -> bool:
        """Whether an answer is under way, or the worker is not up yet."""
        return self._asked_at is not None or not self.worker.ready

    def advance(self) -> None:
        """Show the answer that came, and ask for the next fit if something changed.

        Raises InputError or JobFailed if it cannot go on.
        """
        for header, payload in self.worker.received():
            if header.get("id") == self._number:
                self._take(header, payload)
        if self.changed and not self.waiting:
            self.changed = False
            self._ask()

    def stop(self) -> None:
        """End the worker and show the neutral again."""
        self.worker.stop()
        item = bpy.data.objects.get(self.hidden) if self.hidden else None
        if item is not None and item.name in bpy.context.view_layer.objects:
            item.hide_set(False)

    def _ask(self) -> None:
        start = time.perf_counter()
        scene, found = bpy.data.scenes.get(self.scene), actors.find_actor(self.actor)
        if scene is None or found is None:
            raise InputError("the actor of live fitting is gone")
        try:
            with scene_in_context(scene):
                header, positions = self._mesh(scene) if self.kind == "OBJECT" else self._handles(found[1])
        except InputError as error:  # the artist may go on and mend it
            self.problem = str(error)
            return
        payload = positions.astype("<f4").tobytes()
        content = str(header).encode() + payload
        if content == self._latest:
            return
        self._latest = content
        self._number += 1
        self.worker.send({"id": self._number, **header}, payload)
        self._asked_at = start

    def _mesh(self, scene: bpy.types.Scene) -> tuple[dict[str, Any], np.ndarray]:
        item = scene.objects.get(self.source)
        if item is None:
            raise InputError(f"{self.source!r} was removed; undo, or switch live fitting off")
        if item.mode == "EDIT":
            raise InputError(f"{item.name!r} is in Edit Mode; its fit comes when you leave it")
        positions, matrix = evaluated_mesh(item, self.topology, item.name, self.actor_name)
        placed = meshes.transform(np.linalg.inv(self.frame) @ matrix, positions.astype(np.float64))
        return {"kind": "mesh", "head": "free"}, placed * self.scale

    def _handles(self, actor: Any) -> tuple[dict[str, Any], np.ndarray]:
        items = markers.points_of(bpy.data.collections.get(self.source))
        vertices = [markers.vertex_of(item) for item in items]
        if min(vertices) < 0:
            unbound = items[vertices.index(min(vertices))].name
            raise InputError(f"{unbound!r} belongs to no vertex yet; bind it to one, for live fitting needs to know")
        placed = markers.places(items, actor.neutral, self.scale)
        return {"kind": "handles", "vertices": vertices, "head": "still"}, placed

    def _take(self, header: dict[str, Any], payload: bytes) -> None:
        asked, self._asked_at = self._asked_at, None
        if "error" in header:
            self.problem = str(header["error"])
            return
        if header.get("skipped"):
            return
        item = bpy.data.objects.get(self.shown)
        if item is None or not isinstance(item.data, bpy.types.Mesh):
            raise InputError("the object of live fitting was removed; switch it on again to get another")
        if item.mode == "EDIT":
            self.problem = f"{item.name!r} is in Edit Mode; leave it to see the fit"
            return
        meshes.write_positions(item.data, np.frombuffer(payload, "<f4").reshape(-1, 3) / self.scale)
        item.data.update_tag()
        self.problem = ""
        self.mean_mm, self.worst_mm = float(header["mean_mm"]), float(header["worst_mm"])
        self.worker_s = float(header.get("seconds", 0.0))
        self.fits += 1
        if asked is not None:
            self._latencies.append(time.perf_counter() - asked)


CURRENT: Live | None = None
LATEST_PROBLEM = ""


def begin(context: bpy.types.Context, actor: Any, interpreter: Path, device: str) -> Live:
    """Start live fitting of an actor; another ends. Raises InputError, JobFailed."""
    global CURRENT, LATEST_PROBLEM
    end()
    LATEST_PROBLEM = ""
    CURRENT = Live(context, actor, interpreter, device)
    bpy.app.handlers.depsgraph_update_post.append(_note)
    bpy.app.handlers.frame_change_post.append(_note)
    if not bpy.app.background:
        bpy.app.timers.register(_tick, first_interval=IDLE_S, persistent=True)
    return CURRENT


def end(problem: str = "") -> None:
    """Stop live fitting, if it is on; the worker is gone when this returns. problem: why, for the panel."""
    global CURRENT, LATEST_PROBLEM
    ended, CURRENT = CURRENT, None
    for handlers in (bpy.app.handlers.depsgraph_update_post, bpy.app.handlers.frame_change_post):
        if _note in handlers:
            handlers.remove(_note)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if ended is not None:
        LATEST_PROBLEM = problem
        ended.stop()


def advance() -> None:
    """Do what can be done now; the timer calls it, and in the background a script may."""
    if CURRENT is None:
        return
    try:
        CURRENT.advance()
    except (InputError, JobFailed) as error:
        end(str(error))
    except Exception as error:  # a timer that raises is dropped by Blender, and the worker with it
        end(sentence_for(error, folders.user_folder()))


def _tick() -> float | None:
    before = CURRENT.message if CURRENT is not None else ""
    advance()
    if CURRENT is None or CURRENT.message != before:
        jobs.redraw()
    if CURRENT is None:
        return None
    return WAITING_S if CURRENT.waiting else IDLE_S


@bpy.app.handlers.persistent
def _note(*_: Any) -> None:
    if CURRENT is not None:
        CURRENT.changed = True


@bpy.app.handlers.persistent
def _before_load(*_: Any) -> None:
    end()


def register() -> None:
    """Watch for files that are opened."""
    bpy.app.handlers.load_pre.append(_before_load)
    atexit.register(end)


def unregister() -> None:
    """Stop and leave nothing behind."""
    end()
    atexit.unregister(end)
    if _before_load in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_before_load)


def _live_object(context: bpy.types.Context, actor: Any, rest: np.ndarray, place: np.ndarray) -> bpy.types.Object:
    """The actor's object of live fitting: the one of before if it still has the actor's faces, else a new one."""
    neutral = meshes.mesh_of(actor.neutral)
    corners = meshes.read_corners(neutral)
    for item in context.scene.objects:
        if item.get(OWNER) != actor.identifier or not isinstance(item.data, bpy.types.Mesh):
            continue
        if np.array_equal(meshes.read_corners(item.data), corners):
            item.matrix_world = meshes.matrix_of(place)
            return item
    name = f"{actor.name} Live"
    topology = meshes.read_topology(neutral, actor.neutral.name)
    mesh = meshes.make_mesh(name, rest, topology.corners, topology.sizes)
    for material in neutral.materials:
        mesh.materials.append(material)
    item = bpy.data.objects.new(name, mesh)
    item[OWNER] = actor.identifier
    context.scene.collection.objects.link(item)
    item.matrix_world = meshes.matrix_of(place)
    return item
