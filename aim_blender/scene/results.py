# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the result of a finished job's folder into the scene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..core.errors import InputError
from ..jobs.folder import JobFolder
from . import actors, baked
from .job_making import read_delivery


def bring_in(context: bpy.types.Context, path: Path) -> str:
    """Write what the job in the folder `path` made into the scene of its actor. Returns what to tell the user.

    Raises InputError if the job is not finished, its files are damaged, or its actor is in no scene of this file.
    """
    delivery = read_delivery(path)
    result = JobFolder(path).read_result()
    if result.get("state") != "finished":
        raise InputError(f"the job in {path} is not finished; resume it first")
    found = actors.find_actor(delivery["actor"])
    if found is None:
        raise InputError(f"the actor of the job in {path} is not in this file; open the file that it was started from")
    scene, actor = found
    figures: dict[str, Any] = {}
    for each in result.get("figures", []):
        figures.update(each)
    if delivery["kind"] == "learn":
        text = _bring_in_actor(actor, path / delivery["actor_file"], figures)
    else:
        text = _bring_in_take(context, scene, actor, path, delivery, figures)
    actor.job_folder = ""
    return text


def _bring_in_actor(actor: Any, file: Path, figures: dict[str, Any]) -> str:
    if not file.is_file():
        raise InputError(f"the learned actor {file} is gone; learn {actor.name!r} again")
    actor.file_path = str(file)
    actor.figures = json.dumps(figures)
    return f"learned {actor.name}{_with_figures(figures)}; its file is {file}"


def _bring_in_take(
    context: bpy.types.Context, scene: bpy.types.Scene, actor: Any, path: Path, delivery: dict[str, Any],
    figures: dict[str, Any],
) -> str:
    take = baked.BakedTake.load(path / delivery["bake_file"], delivery["millimetres_per_unit"])
    name = actors.unique_name(delivery["take"], [other.name for other in scene.aim.takes])
    collection = baked.write_take(context, actor, take, np.array(delivery["frame"]), name)
    baked.record_take(scene, actor, name, path / delivery["take_file"], figures, take.frames, collection)
    first, last = int(take.frames.min()), int(take.frames.max())
    text = f"fitted {name}: frames {first} to {last}{_with_figures(figures)}; it is in collection {collection.name}"
    if first < scene.frame_start or last > scene.frame_end:
        text += f"; the scene plays only {scene.frame_start} to {scene.frame_end}"
    if delivery.get("still"):
        text += "; the performance never moves"
    return text


def _with_figures(figures: dict[str, Any]) -> str:
    """The most telling figures, in words."""
    parts = []
    if isinstance(figures.get("mean_mm"), float):
        parts.append(f"mean error {figures['mean_mm']:.3f} mm")
    if isinstance(figures.get("worst_mm"), float):
        parts.append(f"worst {figures['worst_mm']:.2f} mm")
    if isinstance(figures.get("correctives"), int):
        parts.append(f"{figures['correctives']} correctives")
    return f", {', '.join(parts)}" if parts else ""
