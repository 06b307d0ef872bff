# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a fitted take is off, seen on its result: colours of every point, in the present frame or at worst."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.archives import open_archive
from ...core.shared.foundation.errors import UNREADABLE, InputError
from ...core.shared.sources.sources import OTHER_FILES, source_of
from ...jobs.folders.folder import JobFolder
from ..basics import folders, legends, meshes, painting
from ..basics.records import ActorRecord, TakeRecord
from .job_making import TAKE_SUFFIX, fitted_file, learned_file, write_delivery

SUFFIX = ".errors.npz"
PICTURES = {
    "ERROR": ("error curve", ".error.png"),
    "JAW": ("jaw path", ".jaw.png"),
    "FACE": ("curves of the face", ".face.png"),
    "SHEET": ("sheet", ".sheet.png"),
}
COLOURS = "AIM Error"
VALUES = "error_mm"
LEGEND = "aim_error_legend"
SHOWN_QUANTILE = 0.999  # a few points off must not darken all others
VIEWS = ("FRAME", "WORST")

_loaded: tuple[str, float, dict[str, np.ndarray]] | None = None  # of the latest file: its path, time and arrays


def beside(take: TakeRecord, suffix: str) -> Path:
    """A file beside the take's. Raises InputError if the take is gone."""
    file = fitted_file(take)
    return file.with_name(file.name.removesuffix(TAKE_SUFFIX) + suffix)


def picture_of(take: TakeRecord, which: str) -> Path:
    """A picture that was made with the take, one of PICTURES. Raises InputError if it is not there."""
    name, suffix = PICTURES[which]
    picture = beside(take, suffix)
    if not picture.is_file():
        unknown = "; there is none of an actor without bones and teeth" if which == "JAW" else ""
        raise InputError(f"the {name} of {take.name!r} is not beside its file; fit it again to have one{unknown}")
    return picture


def worst_frames(take: TakeRecord) -> list[tuple[int, float]]:
    """The frames that are furthest off, and how far their worst point is in mm; empty where nothing is known."""
    try:
        found = json.loads(take.figures).get("fit_worst_frames") or []
        return [(int(each["frame"]), float(each["worst_mm"])) for each in found]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def prepare(actor: ActorRecord, take: TakeRecord, view: str) -> JobFolder:
    """Describe the work of measuring every point of a take, to show it as `view`, one of VIEWS.

    Raises InputError if it was not fitted to meshes or what it was fitted to is gone, OSError.
    """
    out = beside(take, SUFFIX)
    job = JobFolder(out.parent)
    arguments = next((each["arguments"] for each in job.read_job()["steps"] if each["task"] == "fit"), None)
    if arguments is None:
        raise InputError(f"{take.name!r} was not fitted but made from another take; look at that one's error")
    # As folders.found_again has it: the project may have moved since.
    performance = folders.found_again(arguments["performance"])
    source = source_of(performance, [name for name in OTHER_FILES if arguments.get(name)])
    if not source.whole:
        raise InputError(f"{take.name!r} was fitted to {source.label}; {source.apart}")
    if not performance.exists():
        raise InputError(f"the performance {performance} is gone; put it back or fit {take.name!r} again")
    path = folders.new_job_folder(actor.name, "errors")
    delivery = {"kind": "errors", "actor": actor.identifier, "take_path": take.file_path, "show": view}
    write_delivery(path, delivery)
    steps = [
        {
            "task": "errors",
            "arguments": {
                "actor": str(learned_file(actor)),
                "take": str(fitted_file(take)),
                "performance": str(performance),
                "out": str(out),
            },
        }
    ]
    return JobFolder.create(path, f"measure {take.name}", steps)


def load(path: Path) -> dict[str, np.ndarray]:
    """What the task `errors` wrote; the latest is kept. Raises InputError if it is missing or damaged."""
    global _loaded
    try:
        changed = path.stat().st_mtime
        if _loaded is None or _loaded[:2] != (str(path), changed):
            with open_archive(path) as archive:
                arrays = {name: archive[name] for name in ("errors", "frames", "up", "forward")}
            if len(arrays["errors"]) != len(arrays["frames"]) or arrays["errors"].ndim != 2:
                raise ValueError("errors")
            _loaded = str(path), changed, arrays
        return _loaded[2]
    except UNREADABLE as error:
        raise InputError(f"{path} is missing or damaged; remove it and show the error again") from error


def skin_of(take: TakeRecord, count: int) -> bpy.types.Object:
    """The take's face, a mesh of so many vertices. Raises InputError if it was removed or changed."""
    found = [] if take.collection is None else take.collection.all_objects
    for item in found:
        if isinstance(item.data, bpy.types.Mesh) and item.data.shape_keys and len(item.data.vertices) == count:
            return item
    raise InputError(f"the result of {take.name!r} was removed or has another mesh now; fit it again")


def show(context: bpy.types.Context, take: TakeRecord, view: str) -> str:
    """Colour the take's result by what lies beside the take. Returns what to tell."""
    arrays = load(beside(take, SUFFIX))
    errors = arrays["errors"]
    skin = skin_of(take, errors.shape[1])
    worst = _worst(errors)
    largest = max(float(np.quantile(worst, SHOWN_QUANTILE)), 1e-3)
    hide(take)
    take.error_view, take.error_largest = view, largest
    mesh = meshes.mesh_of(skin)
    painting.set_values(mesh, VALUES, worst)
    _colour(context.scene, take, skin, arrays)
    mesh.color_attributes.active_color = mesh.color_attributes[COLOURS]
    rest = meshes.read_key_positions(mesh.shape_keys.reference_key).astype(np.float64)
    bar = painting.material(f"{skin.name} Legend", (0.5, 0.5, 0.5), of_colours=True)
    added = legends.add_legend(take.collection, skin, rest, (arrays["up"], arrays["forward"]), largest, "mm", bar)
    for item in added:
        item[LEGEND] = True
    painting.show_colours(context.scene)
    meant = "at the present frame" if view == "FRAME" else "of the worst frame of each point"
    return f"the colours of {skin.name} are the error {meant}, brightest from {largest:.2f} mm on"


def hide(take: TakeRecord) -> None:
    """Take colours and legend away again."""
    take.error_view = ""
    if take.collection is None:
        return
    for item in list(take.collection.all_objects):
        if item.get(LEGEND):
            data = item.data
            materials = list(data.materials)
            bpy.data.objects.remove(item)
            bpy.data.batch_remove([data])
            bpy.data.batch_remove([each for each in set(materials) if each is not None and each.users == 0])
        elif isinstance(item.data, bpy.types.Mesh) and COLOURS in item.data.attributes:
            for name in (COLOURS, VALUES):
                if name in item.data.attributes:
                    item.data.attributes.remove(item.data.attributes[name])


def follow(scene: bpy.types.Scene, *_: Any) -> None:
    """Colour what shows the error of the present frame; Blender calls it before a frame is evaluated."""
    for take in scene.aim.takes:
        if take.error_view == "FRAME":
            # What is gone or damaged keeps its colours: a frame change is no place for messages.
            with contextlib.suppress(InputError):
                arrays = load(beside(take, SUFFIX))
                _colour(scene, take, skin_of(take, arrays["errors"].shape[1]), arrays)


def _worst(errors: np.ndarray) -> np.ndarray:
    """(V,) float32 the worst error of each point, 0 where it is known in no frame."""
    return np.fmax.reduce(errors, axis=0, initial=0.0).astype(np.float32)


def _colour(scene: bpy.types.Scene, take: TakeRecord, skin: bpy.types.Object, arrays: dict[str, np.ndarray]) -> None:
    if take.error_view == "WORST":
        values = _worst(arrays["errors"])
    else:
        row = int(np.abs(arrays["frames"] - scene.frame_current).argmin())
        values = np.nan_to_num(arrays["errors"][row].astype(np.float32))
    painting.colour(meshes.mesh_of(skin), painting.heat_colours(values, take.error_largest), COLOURS)
    painting.set_values(meshes.mesh_of(skin), VALUES, values)


@bpy.app.handlers.persistent
def _before_frame(scene: bpy.types.Scene, *rest: Any) -> None:
    follow(scene, *rest)


def register() -> None:
    """Follow the frames from now on."""
    bpy.app.handlers.frame_change_pre.append(_before_frame)


def unregister() -> None:
    """Leave nothing behind."""
    global _loaded
    _loaded = None
    if _before_frame in bpy.app.handlers.frame_change_pre:
        bpy.app.handlers.frame_change_pre.remove(_before_frame)
