# SPDX-License-Identifier: GPL-3.0-or-later
"""Correcting a take frame by frame: handles pull the present frame of its result, and what they make of it is kept.

The take's files stay as they are: a kept frame is in a new take file, and on the result it is a shape key of its own
that is keyed at this frame, and fades before and after.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...core.shared.results.takes import fading
from ..actors import actors
from ..basics import folders, meshes
from ..basics.records import TakeRecord
from ..fitting import markers
from ..jobs import errors
from ..jobs.job_making import TAKE_SUFFIX, fitted_file, learned_file
from . import live, live_objects
from .live_fitting import LiveFit


class LiveCorrection(live.Live):
    """The present frame of a take, as handles on its face shape it. The result is hidden meanwhile."""

    title = "correcting"

    def __init__(self, context: bpy.types.Context, take: TakeRecord, interpreter: Path, device: str) -> None:
        """Raises InputError if the take, its actor or its result is gone, JobFailed."""
        actor = actors.actor_of(take)
        neutral, file = actors.neutral_of(actor), learned_file(actor)
        fitted_file(take)
        skin = errors.skin_of(take, len(neutral.data.vertices))
        rig = skin.parent or skin
        self.place = meshes.rigid_part(meshes.matrix_array(rig.matrix_world))
        self.take_name, self.actor = take.name, actor.identifier
        self._at: tuple[int, str] | None = None  # the frame and take file that the handles are placed on
        self._asked = (0, "")
        self._latest_vertices = np.zeros((0, 3), dtype=np.float32)
        _, rest = live_objects.rest_of(neutral)
        worker = live.start_worker(interpreter, file, device)
        shown = live_objects.temporary_face(context.scene, actor, f"{take.name} Frame", rest, self.place).name
        super().__init__(context.scene.name, shown, [skin.name], actor.millimetres_per_unit, worker)

    def succeeded(self) -> str:
        count = len(self.handles())
        if not count:
            return f"frame {self._asked[0]} of {self.take_name}; add handles where it is to be pulled"
        return (
            f"frame {self._asked[0]}, {count} handles within {self.figures['mean_mm']:.2f} mm; {self.latency_ms:.0f} ms"
        )

    @property
    def number(self) -> int:
        """The frame that is shown."""
        return self._asked[0]

    def take(self) -> TakeRecord:
        """The take that is corrected. Raises InputError if it is gone."""
        scene = bpy.data.scenes.get(self.scene)
        found = scene.aim.takes.get(self.take_name) if scene is not None else None
        if found is None:
            raise InputError(f"the take {self.take_name!r} is gone; undo, or stop correcting it")
        return found

    def handles(self) -> list[bpy.types.Object]:
        """The handles on the face, by name."""
        found = [item for item in bpy.data.objects if item.get(live_objects.OWNER) == self.shown and item.users_scene]
        return sorted(found, key=lambda item: item.name)

    def add_handle(self, vertex: int) -> bpy.types.Object:
        """An empty at a vertex of the face as it is shown. Raises InputError if there is none, or it has one."""
        if not 0 <= vertex < len(self._latest_vertices):
            raise InputError(f"the face has no vertex {vertex}; it has {len(self._latest_vertices)}")
        if any(item[markers.VERTEX] == vertex for item in self.handles()):
            raise InputError(f"vertex {vertex} has a handle already; move that one")
        item = bpy.data.objects.new(f"{self.take_name} Handle", None)
        item[markers.VERTEX], item[live_objects.OWNER] = vertex, self.shown
        live_objects.make_temporary(item)
        item.empty_display_type, item.show_in_front = "SPHERE", True
        size = np.ptp(self._latest_vertices, axis=0).max() / self.scale
        item.empty_display_size = markers.HANDLE_SIZE * float(size)
        bpy.data.scenes[self.scene].collection.objects.link(item)
        item.location = self._in_scene(vertex)
        return item

    def request(self, scene: bpy.types.Scene) -> tuple[dict[str, Any], np.ndarray]:
        file, handles = str(fitted_file(self.take())), self.handles()
        self._asked = scene.frame_current, file
        header = {"kind": "correct", "take": file, "frame": scene.frame_current, "vertices": []}
        if self._at != self._asked or not handles:  # first as it is, to put the handles on it
            return header, np.zeros((0, 3))
        graph = bpy.context.evaluated_depsgraph_get()
        places = np.array([item.evaluated_get(graph).matrix_world.translation for item in handles])
        vertices = [markers.vertex_of(item) for item in handles]
        return {**header, "vertices": vertices}, meshes.transform(np.linalg.inv(self.place), places) * self.scale

    def taken(self, header: dict[str, Any], vertices: np.ndarray) -> None:
        self._latest_vertices = vertices.copy()
        if self._at != self._asked:
            self._at = self._asked
            for item in self.handles():
                item.location = self._in_scene(item[markers.VERTEX])
            self.changed = True

    def forget(self) -> None:
        if self.shown not in bpy.data.objects:
            live.end(f"undone to before {self.take_name} was being corrected")
            return
        super().forget()

    def leave(self) -> None:
        live_objects.remove_temporary()

    def _in_scene(self, vertex: int) -> list[float]:
        place = self._latest_vertices[vertex].astype(np.float64) / self.scale
        return list(meshes.transform(self.place, place))


@dataclass(frozen=True)
class Kept:
    """A frame as it was kept in new files: take, the take's name, key, that of the shape key to be, and its offsets
    (V, 3) in mm. out, bake_out: the new files. blend: over how many frames it fades."""

    take: str
    number: int
    blend: int
    out: Path
    bake_out: Path
    key: str
    offsets: np.ndarray


def ask_to_keep(context: bpy.types.Context, now: LiveCorrection | LiveFit, blend: int) -> Callable[[], Kept]:
    """Have the face that is shown kept as the present frame of the take. Returns what waits until its files are there.

    Of a live fit it goes to the take of its actor that is chosen. Raises InputError if there is none or it is no frame
    of the take, JobFailed.
    """
    scene = context.scene
    found = actors.find_actor(now.actor)
    if found is None:
        raise InputError(f"the actor of {now.title} is gone; undo, or switch it off")
    actor = found[1]
    take = now.take() if isinstance(now, LiveCorrection) else actors.take_of(scene, actor)
    if take is None:
        raise InputError(f"{actor.name!r} has no take that a frame could be kept in; fit a performance first")
    now.settle()
    file, name, number = fitted_file(take), take.name, scene.frame_current
    errors.skin_of(take, len(actor.neutral.data.vertices))
    out = _free(file)
    bake = folders.found_again(take.bake_path) if take.bake_path else None
    if bake is None or not bake.is_file():
        raise InputError(f"{name!r} is no result of shape keys; bake it as keys first, and correct that")
    bake_out = out.with_name(out.name.removesuffix(TAKE_SUFFIX) + ".bake.npz")
    header = {"kind": "keep", "take": str(file), "out": str(out), "frame": number, "blend": blend}
    answer = now.ask({**header, "bake": str(bake), "bake_out": str(bake_out)})

    def kept() -> Kept:
        told, payload = answer()
        offsets = np.frombuffer(payload, "<f4").reshape(-1, 3)
        return Kept(name, number, blend, out, bake_out, str(told["key"]), offsets)

    return kept


def keep_frame(context: bpy.types.Context, kept: Kept) -> str:
    """Give the take the new files, and its result the shape key. Returns what to tell. Raises InputError."""
    take = context.scene.aim.takes.get(kept.take)
    found = actors.find_actor(take.actor) if take is not None else None
    if take is None or found is None:
        raise InputError(f"the take {kept.take!r}, or its actor, is gone; undo its removal, and keep the frame again")
    offsets = kept.offsets / found[1].millimetres_per_unit
    present = context.scene.frame_current
    name = _add_key(errors.skin_of(take, len(offsets)), kept.key, offsets, kept.number, kept.blend, present)
    take.file_path, take.bake_path = str(kept.out), str(kept.bake_out)
    figures = json.loads(take.figures or "{}")
    faded = f", fading over {kept.blend} frames" if kept.blend else ""
    notes = [*(figures.get("fit_notes") or []), f"frame {kept.number} was corrected{faded}"]
    take.figures = json.dumps({**figures, "fit_notes": notes})
    if live.CURRENT is not None:
        live.CURRENT.forget()
    return f"kept frame {kept.number} of {take.name} as the shape key {name}{faded}"


def _add_key(skin: bpy.types.Object, name: str, offsets: np.ndarray, number: int, blend: int, present: int) -> str:
    """Add a shape key of offsets (V, 3) in Blender units that is keyed about a frame. Returns its name.

    present: the frame that is shown and is not evaluated again.
    """
    key = skin.shape_key_add(name=name, from_mix=False)
    rest = meshes.read_key_positions(skin.data.shape_keys.reference_key)
    meshes.write_key_positions(key, rest + offsets)
    frames = np.arange(number - blend - 1, number + blend + 2)
    for frame, value in zip(frames.tolist(), fading(frames, number, blend).tolist(), strict=True):
        key.value = value
        key.keyframe_insert("value", frame=frame, group="Correctives")
    key.value = float(fading(np.array([present]), number, blend)[0])
    return str(key.name)


def _free(file: Path) -> Path:
    """A name beside the take's file that no file has: its own, with a number."""
    stem = file.name.removesuffix(TAKE_SUFFIX)
    first, _, number = stem.rpartition(".")
    stem = first if first and number.isdecimal() else stem
    found = (file.with_name(f"{stem}.{each}{TAKE_SUFFIX}") for each in itertools.count(2))
    return next(path for path in found if not path.exists())
