# SPDX-License-Identifier: GPL-3.0-or-later
"""A preview of a retarget: the target performs the present frame while strengths, regions and pairs are changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ..actors import actors, placing
from ..basics import folders
from ..basics.records import ActorRecord
from ..jobs import characters
from ..jobs.job_making import learned_file
from ..retargeting import retarget_lists
from . import live, live_objects


class LiveRetarget(live.Live):
    """A face of the target that performs the present frame of a take, as the scene's settings say."""

    title = "the preview"

    def __init__(self, context: bpy.types.Context, actor: ActorRecord, interpreter: Path, device: str) -> None:
        """actor: the one that performed. Raises InputError if something is missing, JobFailed."""
        scene, state = context.scene, context.scene.aim
        target = retarget_lists.picked_target(scene, actor, "")
        take = actors.take_of(scene, actor)
        if take is None:
            raise InputError(f"{actor.name!r} has no take yet; fit a performance of it first")
        file = learned_file(target)
        neutral = actors.neutral_of(target)
        steps, correspondence = characters.correspondence_steps(actor, target)
        self._correspondence: dict[str, Any] = dict(correspondence)
        if steps:
            self._correspondence["correspond"] = steps[0]["arguments"]
        self._begun_with = interpreter, device
        self.actor, self.target = actor.identifier, target.identifier
        self.take_name = take.name
        self._source_file = str(learned_file(actor))
        self._settings: tuple[Any, ...] = ()
        self._regions: tuple[tuple[Any, ...], np.ndarray] | None = None
        self._neutral_mesh = neutral.data.name
        self._place, self._rest = live_objects.rest_of(neutral)
        covered = []
        if state.beside:
            self._place = placing.beside(context, self._place, self._rest)
        elif neutral.visible_get():
            covered = [neutral.name]
        worker = live.start_worker(interpreter, file, device)
        shown = self._make_face(scene, target)
        super().__init__(scene.name, shown, covered, target.millimetres_per_unit, worker)

    def succeeded(self) -> str:
        frame = self.figures.get("frame")
        scene = bpy.data.scenes.get(self.scene)
        text = f"{self.take_name} at frame {frame}"
        if scene is not None and scene.frame_current != frame:
            text += f", the nearest to {scene.frame_current} that it has"
        return f"{text}; {self.latency_ms:.0f} ms a change"

    def poll(self, scene: bpy.types.Scene) -> None:
        # Not every change of a setting comes as an update of the scene.
        state = scene.aim
        source, target = actors.find_actor(self.actor), actors.find_actor(self.target)
        chosen = retarget_lists.scene_choices(state, source[1], target[1]) if source and target else {}
        settings = (
            tuple(sorted(chosen.items(), key=lambda each: each[0])),
            tuple((region.name, region.strength) for region in state.retarget.regions),
            state.active_take,
        )
        if str(settings) != str(self._settings):
            self._settings = settings
            self.changed = True

    def successor(self, scene: bpy.types.Scene) -> Callable[[], live.Live] | None:
        found = actors.find_actor(self.actor)
        try:
            target = retarget_lists.picked_target(scene, found[1], "") if found is not None else None
        except InputError:
            return None
        if found is None or target is None or target.identifier == self.target or not target.file_path:
            return None
        return lambda: LiveRetarget(bpy.context, found[1], *self._begun_with)

    def request(self, scene: bpy.types.Scene) -> tuple[dict[str, Any], np.ndarray]:
        source, target = actors.find_actor(self.actor), actors.find_actor(self.target)
        if source is None or target is None:
            raise InputError("an actor of the preview is gone; undo, or switch the preview off")
        take = actors.take_of(scene, source[1])
        if take is None:
            raise InputError(f"{source[1].name!r} has no take any more; undo, or switch the preview off")
        self.take_name = take.name
        header = {
            "kind": "retarget",
            "take": str(folders.found_again(take.file_path)),
            "source": self._source_file,
            **self._correspondence,
            "frame": scene.frame_current,
            "choices": retarget_lists.scene_choices(scene.aim, source[1], target[1]),
        }
        return header, self._region_strength(scene, target[1])

    def noted(self, graph: bpy.types.Depsgraph) -> None:
        self.changed = True
        if any(isinstance(each.id, bpy.types.Mesh) and each.id.name == self._neutral_mesh for each in graph.updates):
            self._regions = None  # it may have been painted on

    def forget(self) -> None:
        scene, found = bpy.data.scenes.get(self.scene), actors.find_actor(self.target)
        if self.shown not in bpy.data.objects and scene is not None and found is not None:  # not there in that step
            self.shown = self._make_face(scene, found[1])
        super().forget()

    def _make_face(self, scene: bpy.types.Scene, target: ActorRecord) -> str:
        return live_objects.temporary_face(scene, target, f"{target.name} Preview", self._rest, self._place).name

    def _region_strength(self, scene: bpy.types.Scene, target: ActorRecord) -> np.ndarray:
        """(V,) numbers, none where no region is listed. Vertex groups are read again only once they changed."""
        listed = tuple((region.name, region.strength) for region in scene.aim.retarget.regions)
        if self._regions is None or self._regions[0] != listed:
            strength = retarget_lists.region_strength(scene.aim.retarget, target)
            self._regions = listed, np.zeros(0) if strength is None else strength
        return self._regions[1]

    def leave(self) -> None:
        live_objects.remove_temporary()
