# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the folders of jobs from what stands in the scene.

Beside what every job's folder holds, these hold the worker's input (capture.npz or performance.npz) and delivery.json:
all that is needed to bring the result into a scene later, even in another session.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.faces.face_landmarks import LEAST_PICKED
from ...core.shared.foundation.errors import UNREADABLE, InputError
from ...core.shared.foundation.topology import Topology
from ...core.shared.results.kept_files import ACTOR_SUFFIX
from ...core.shared.settings.learning_settings import LearningSettings
from ...core.shared.settings.option import chosen_of
from ...core.shared.settings.settings_of_tasks import options_of_task
from ...core.shared.sources.sources import NAMED, Source
from ...jobs.folders.folder import JobFolder, write_atomically
from ...jobs.tasks.arguments import TAKE_SUFFIX
from ..actors import actors, tracing
from ..basics import folders, meshes
from ..basics.meanwhile import meanwhile
from ..basics.records import ActorRecord, SceneRecord, TakeRecord
from ..fitting.image_points import ImageReader
from ..fitting.markers import PointReader
from ..fitting.performances import FrameReader, PerformanceReader, frame_list, performed_source, picked_source

DELIVERY = "delivery.json"
# The kinds of results, and whether they have a place in the scene; results.py brings each in.
PLACED = {
    "learn": False,
    "transfer": False,
    "fit": True,
    "retarget": True,
    "bake": True,
    "arkit": True,
    "csv": False,
    "anatomy": True,
    "inspect": False,
    "errors": False,
    "pair": False,
}
READING_STRETCH_S = 0.02  # and one frame more: together below what is felt

# What a preparation yields while it works: what it does, and the share that is done.
Preparation = Generator[tuple[str, float], None, JobFolder]


@dataclass(frozen=True)
class PerformanceSource:
    """What to fit: an object over frames (start, end, step); or the places of a collection's objects; or what the
    scene's views show of points (images); or, if none of these is given, a folder of meshes or a file, with fps frames
    a second, or as many as it says where this is 0, in units of so many mm, or told by its size where this is 0, and
    for points with a file of landmarks, if it is given."""

    item: bpy.types.Object | None
    start: int = 1
    end: int = 1
    step: int = 1
    folder: str = ""
    fps: float = 0.0
    millimetres_per_unit: float = 0.0
    landmarks: str = ""
    points: bpy.types.Collection | None = None
    images: bool = False

    @property
    def kind(self) -> Source:
        """Which source it is."""
        if self.images or self.points is not None:
            return NAMED["images" if self.images else "points"]
        return picked_source(self.folder) if self.item is None else NAMED["meshes"]

    @property
    def settings(self) -> type[Any]:
        """How it is to be fitted: the dataclass of its settings."""
        return self.kind.settings

    def check(self, choices: dict[str, Any]) -> None:
        """Raise InputError unless it can be fitted so. choices: of the task `fit`."""
        for name in choices:
            if not self.kind.takes(name) and (self.kind.whole or name not in ("solver", "device")):
                called = options_of_task("fit")[name].label.lower()
                raise InputError(f"{self.kind.label} have no {called} to choose; leave it out")
        self.kind.settings_of(choices)


def chosen_settings(state: SceneRecord) -> type[Any]:
    """How the performance that the scene chooses is to be fitted: the dataclass of its settings. state: the scene's
    `aim`."""
    return performed_source(state.performance_kind, state.performance_folder).settings


def prepare_learning(actor: ActorRecord, choices: dict[str, Any]) -> Preparation:
    """Write the capture of an actor and the description of its learning, as prepare_fitting does its own.

    choices: what the task `learn` takes beyond capture and out. Raises InputError, OSError.
    """
    LearningSettings(**chosen_of(LearningSettings, choices))  # which refuses what cannot be
    identifier, actor_name, scale = actor.identifier, actor.name, actor.millimetres_per_unit
    checked = actors.read_actor(actor)
    yield "reading the shapes", 0.5
    there = actors.find_actor(identifier)
    if there is None:
        raise InputError(f"{actor_name!r} was removed while it was read; undo that, and learn it again")
    trusted = tracing.trusted_weights(there[1])
    marks = there[1].landmarks
    picked = {each.name: each.vertex for each in marks} if any(each.picked for each in marks) else {}
    path = folders.new_job_folder(actor_name, "learn")

    def write() -> JobFolder:
        arrays = checked().capture_arrays(scale)
        if trusted is not None:
            arrays["trusted"] = trusted
        folders.write_arrays(path / "capture.npz", arrays)
        out = path / (folders.safe_name(actor_name) + ACTOR_SUFFIX)
        write_delivery(path, {"kind": "learn", "actor": identifier, "actor_file": out.name})
        arguments = {"capture": str(path / "capture.npz"), "out": str(out), "millimetres_per_unit": 1.0, **choices}
        if len(picked) >= LEAST_PICKED:
            write_atomically(path / "landmarks.json", json.dumps(picked, indent=1) + "\n")
            arguments["landmarks"] = str(path / "landmarks.json")
        return JobFolder.create(path, f"learn {actor_name}", [{"task": "learn", "arguments": arguments}])

    return (yield from meanwhile("writing the shapes", write))


def prepare_fitting(
    scene: bpy.types.Scene,
    actor: ActorRecord,
    source: PerformanceSource,
    choices: dict[str, Any],
    tolerance_mm: float,
    beside: bool,
) -> Preparation:
    """Read the performance, then write it and the description of fit and bake.

    A generator, so that a window can do other things in between; closing it puts the scene's frame back.
    choices: what the task `fit` takes beyond actor, performance and out. beside: the result stands beside the
    performance and not on it. Raises InputError before anything is written, OSError.
    """
    source.check(choices)  # before anything is read
    actor_file = learned_file(actor)
    identifier, actor_name, scale = actor.identifier, actor.name, actor.millimetres_per_unit
    neutral = actors.neutral_of(actor)
    reader = _reader(scene, actor, source)
    if reader is None:
        performance = Path(bpy.path.abspath(source.folder)) if source.folder else None
        if performance is None or not performance.exists():
            raise InputError(
                f"there is no file or folder {performance}; pick a folder of meshes, or a file"
                if performance is not None
                else "no file is picked; pick a folder of meshes, or a file of meshes or points"
            )
        frame = meshes.rigid_part(meshes.matrix_array(neutral.matrix_world))
        take_name = performance.stem if performance.is_file() else performance.name
        given: dict[str, Any] = {"performance": str(performance)}
        if source.fps:
            given["performance_fps"] = round(source.fps, 4)  # 59.94, not its nearest float32
        if source.kind.takes("take_fps") and "take_fps" not in choices:  # as long as it was, in the scene's frames
            given["take_fps"] = round(scene.render.fps / scene.render.fps_base, 4)
        if source.millimetres_per_unit:
            given["performance_millimetres_per_unit"] = round(source.millimetres_per_unit, 6)
        if source.landmarks and "landmarks" in source.kind.usable:
            given["landmarks"] = bpy.path.abspath(source.landmarks)
    else:
        take_name = reader.name
        try:
            while not reader.finished:
                reader.read(READING_STRETCH_S)
                yield f"reading frame {reader.frames[reader.done - 1]}", reader.done / len(reader.frames)
        finally:
            reader.close()
        frame = reader.frame
    path = folders.new_job_folder(actor_name, "fit")
    unmoved = False
    if reader is not None:
        given, unmoved = yield from meanwhile(
            "writing the performance", lambda: (reader.save_for_fit(path), reader.is_still)
        )
    take_file, bake_file = path / (folders.safe_name(take_name) + TAKE_SUFFIX), path / "bake.npz"
    delivery = {
        "kind": "fit",
        "actor": identifier,
        "take": take_name,
        "take_file": take_file.name,
        "bake_file": bake_file.name,
        "frame": frame.tolist(),
        "millimetres_per_unit": scale,
        "beside": beside and not source.images,  # what cameras see has its place
        "still": unmoved,
        "remark": reader.remark if reader is not None else "",
    }
    steps = [
        {
            "task": "fit",
            "arguments": {
                "actor": str(actor_file),
                **given,
                "out": str(take_file),
                **choices,
            },
        },
        {
            "task": "bake",
            "arguments": {
                "actor": str(actor_file),
                "take": str(take_file),
                "out": str(bake_file),
                "tolerance_mm": tolerance_mm,
            },
        },
    ]

    def describe() -> JobFolder:  # a busy disk may take its time
        write_delivery(path, delivery)
        return JobFolder.create(path, f"fit {take_name}", steps)

    return (yield from meanwhile("writing the performance", describe))


def _reader(scene: bpy.types.Scene, actor: ActorRecord, source: PerformanceSource) -> FrameReader | None:
    """What reads the source from the scene, None for a file. Raises InputError."""
    if source.item is None and source.points is None and not source.images:
        return None
    frames = frame_list(source.start, source.end, source.step)
    if source.images:
        return ImageReader(scene, frames, actor)
    if source.points is not None:
        return PointReader(scene, source.points, frames, actor)
    topology: Topology = meshes.read_topology(meshes.mesh_of(actor.neutral), actor.neutral.name)
    return PerformanceReader(scene, source.item, frames, topology, actor.name, actor.millimetres_per_unit)


def prepare_retargeting(
    actor: ActorRecord,
    take: TakeRecord,
    target: ActorRecord,
    choices: dict[str, Any],
    tolerance_mm: float,
    beside: bool,
    first: Sequence[dict[str, Any]] = (),
    regions: np.ndarray | None = None,
) -> JobFolder:
    """Write the description of retargeting an actor's take to another actor, and of baking it.

    choices: what the task `retarget` takes beyond take, source, target and out. first: steps that come before, such as
    making a correspondence. regions: (V,) how strongly each vertex of the target performs. beside: the result stands
    beside the target's neutral and not on it. Raises InputError, OSError.
    """
    source_file, target_file, take_path = learned_file(actor), learned_file(target), fitted_file(take)
    neutral = actors.neutral_of(target)
    name = f"{target.name} {take.name}"
    path = folders.new_job_folder(target.name, "retarget")
    take_file, bake_file = path / (folders.safe_name(name) + TAKE_SUFFIX), path / "bake.npz"
    delivery = {
        "kind": "retarget",
        "actor": actor.identifier,
        "target": target.identifier,
        "take": name,
        "take_file": take_file.name,
        "bake_file": bake_file.name,
        "frame": meshes.rigid_part(meshes.matrix_array(neutral.matrix_world)).tolist(),
        "millimetres_per_unit": target.millimetres_per_unit,
        "beside": beside,
    }
    write_delivery(path, delivery)
    carry = {
        "take": str(take_path),
        "source": str(source_file),
        "target": str(target_file),
        "out": str(take_file),
        **choices,
    }
    if regions is not None:
        folders.write_arrays(path / "regions.npz", {"strength": regions})
        carry["regions"] = str(path / "regions.npz")
    bake = {"actor": str(target_file), "take": str(take_file), "out": str(bake_file), "tolerance_mm": tolerance_mm}
    steps = [*first, {"task": "retarget", "arguments": carry}, {"task": "bake", "arguments": bake}]
    return JobFolder.create(path, f"retarget {take.name} to {target.name}", steps)


def learned_file(actor: ActorRecord) -> Path:
    """The actor's file. Raises InputError if the actor is not learned or the file is gone."""
    if not actor.file_path:
        raise InputError(f"{actor.name!r} is not learned yet; learn it first")
    path = folders.found_again(actor.file_path)
    if not path.is_file():
        raise InputError(f"the learned actor {path} is gone; put it back or learn {actor.name!r} again")
    return path


def fitted_file(take: TakeRecord) -> Path:
    """The take's file. Raises InputError if it is gone."""
    path = folders.found_again(take.file_path)
    if not path.is_file():
        raise InputError(f"the take {path} is gone; put it back or fit {take.name!r} again")
    return path


def write_delivery(path: Path, delivery: dict[str, Any]) -> None:
    """Write delivery.json into a job's folder: where its result is to go."""
    write_atomically(path / DELIVERY, json.dumps(delivery, indent=1) + "\n")


def read_delivery(path: Path) -> dict[str, Any]:
    """What delivery.json of a job's folder says. Raises InputError if it is missing or damaged."""
    try:
        delivery = json.loads((path / DELIVERY).read_text(encoding="utf-8"))
        if delivery["kind"] not in PLACED:
            raise ValueError(delivery["kind"])
        if PLACED[delivery["kind"]] and np.shape(delivery["frame"]) != (4, 4):
            raise ValueError("frame")
    except UNREADABLE as error:
        raise InputError(f"{path / DELIVERY} is missing or damaged; start the job again") from error
    return delivery
