# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the result of a finished job's folder into the scene."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.wording import listed
from ...jobs.folders.folder import JobFolder
from ..actors import actors, placing
from ..baking import baked
from ..basics import folders, naming
from ..basics.records import ActorRecord
from . import anatomy_jobs, baking_jobs, engine_jobs, errors, pairing_jobs, read_ahead
from .job_making import ACTOR_SUFFIX, read_delivery

CURVE_SUFFIX = ".learning.png"
# What the panel takes for a jaw at rest: smaller motions are the estimate's own.
LEAST_DEGREES = 1.0
LEAST_MILLIMETRES = 1.0
RATE_NEARLY = 0.002  # 24 and 23.976 are one, as nobody sees it


@dataclass(frozen=True)
class Arrived:
    """A finished job's folder, and whose it is. delivery: what was noted of it when it started. steps: the figures of
    each of its steps."""

    context: bpy.types.Context
    scene: bpy.types.Scene
    actor: ActorRecord
    path: Path
    delivery: dict[str, Any]
    steps: list[dict[str, Any]]

    @property
    def first(self) -> dict[str, Any]:
        """The figures of the first step, if it has any."""
        return self.steps[0] if self.steps else {}


def bring_in(context: bpy.types.Context, path: Path) -> tuple[str, bool]:
    """Write what the job in the folder `path` made into the scene of its actor. Returns what to tell the user, and
    whether there is something in it that should be looked at.

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
    steps = [{name: value for name, value in each.items() if name != "out"} for each in result.get("figures", [])]
    text = BRINGING[delivery["kind"]](Arrived(context, scene, actor, path, delivery, steps))
    actor.job_folder = ""
    return text, any(figures.get("notes") for figures in steps)


def _bring_in_actor(arrived: Arrived) -> str:
    actor, file = arrived.actor, arrived.path / arrived.delivery["actor_file"]
    if not file.is_file():
        raise InputError(f"the learned actor {file} is gone; learn {actor.name!r} again")
    actor.file_path = str(file)
    actor.figures = json.dumps(arrived.first)
    return f"{describe_learned(actor.name, arrived.first)}; its file is {file}"


def _bring_in_errors(arrived: Arrived) -> str:
    takes, file = arrived.scene.aim.takes, arrived.delivery["take_path"]
    take = next((each for each in takes if each.file_path == file), None)
    if take is None:
        raise InputError(
            f"the take of the job in {arrived.path} is not in this file; undo its removal, or fit it again"
        )
    return errors.show(arrived.context, take, arrived.delivery["show"])


def _bring_in_fit(arrived: Arrived) -> str:
    return _bring_in_take(arrived, arrived.actor)


def _bring_in_retarget(arrived: Arrived) -> str:
    target = actors.find_actor(arrived.delivery.get("target", ""))
    if target is None:
        raise InputError(
            f"the target of the job in {arrived.path} is not in this file; undo its removal, or start anew"
        )
    return _bring_in_take(arrived, target[1])


def _bring_in_take(arrived: Arrived, actor: ActorRecord) -> str:
    """The take that was fitted or carried, performed by an actor."""
    context, scene, path, delivery = arrived.context, arrived.scene, arrived.path, arrived.delivery
    figures = {}
    if len(arrived.steps) > 1:
        # The last two steps have figures of the same names: those of the first, fit or retarget, are told apart. A
        # correspondence that had to be made before has figures of its own.
        made = {f"{delivery['kind']}_{name}": value for name, value in arrived.steps[-2].items()}
        figures = {**made, **arrived.steps[-1]}
    take, _ = read_ahead.take_of(path, delivery)
    name = naming.unique_name(delivery["take"], [other.name for other in scene.aim.takes])
    frame = np.array(delivery["frame"])
    if delivery.get("beside"):
        frame = placing.beside(context, frame, take.neutral)
    collection = baked.write_take(context, actor, take, frame, name)
    take_file, bake_file = path / delivery["take_file"], path / delivery["bake_file"]
    baked.record_take(scene, actor, name, take_file, figures, take.frames, collection, bake_file)
    first, last = int(take.frames.min()), int(take.frames.max())
    text = f"{describe_take(name, first, last, figures)}; it is in collection {collection.name}"
    if first < scene.frame_start or last > scene.frame_end:
        text += f"; the scene plays only {scene.frame_start} to {scene.frame_end}"
    text += _of_rate(take.fps, scene.render.fps / scene.render.fps_base)
    if delivery.get("still"):
        text += "; the performance never moves"
    if delivery.get("remark"):
        text += f"; {delivery['remark']}"
    return text


def _of_rate(fps: float, of_scene: float) -> str:
    """What to tell of a take that does not play as long in the scene as it was performed; empty of any other."""
    if abs(fps / of_scene - 1.0) < RATE_NEARLY:
        return ""
    slower = fps > of_scene
    times = f"{fps / of_scene if slower else of_scene / fps:.2g} times as {'slow' if slower else 'fast'}"
    return (
        f"; it has {fps:.5g} frames a second and the scene {of_scene:.5g}, so that it plays {times} as it was "
        "performed: bake it anew with Scene Frame Rate, or change the scene's"
    )


BRINGING: dict[str, Callable[[Arrived], str]] = {
    "learn": _bring_in_actor,
    "transfer": _bring_in_actor,
    "fit": _bring_in_fit,
    "retarget": _bring_in_retarget,
    "bake": lambda made: baking_jobs.bring_in_bake(
        made.context, made.scene, made.actor, made.path, made.delivery, made.first
    ),
    "arkit": lambda made: engine_jobs.bring_in_shapes(made.context, made.actor, made.path, made.delivery, made.first),
    "csv": lambda made: engine_jobs.describe_csv(made.delivery, made.first),
    "anatomy": lambda made: anatomy_jobs.bring_in_bones(made.scene, made.actor, made.path, made.delivery, made.first),
    "inspect": lambda made: anatomy_jobs.show_inside(made.context, made.actor, made.delivery["show"]),
    "errors": _bring_in_errors,
    "pair": lambda made: pairing_jobs.bring_in_pairs(made.scene, made.actor, made.path, made.delivery, made.steps),
}


def describe_learned(name: str, figures: dict[str, Any]) -> str:
    """What was learned, in one sentence."""
    parts = [f"made {name}: {figures['transferred']}" if "transferred" in figures else f"learned {name}"]
    if _is_number(figures.get("implicit_mean_mm")):
        parts.append(f"the networks alone come within {figures['implicit_mean_mm']:.2f} mm")
    if _is_number(figures.get("exact_worst_mm")):
        parts.append(f"the whole model within {max(figures['exact_worst_mm'], 0.001):.3f} mm of its shapes")
    if _is_number(figures.get("jaw_open_degrees")):
        parts.append(f"the jaw opens {figures['jaw_open_degrees']:.0f} degrees")
    return "; ".join([", ".join(parts), *figures.get("notes", [])])


def learned_rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """What was learned, as names and values for the panel."""
    rows = []
    if _is_number(figures.get("implicit_mean_mm")):
        rows.append(("Networks alone", f"{figures['implicit_mean_mm']:.2f} mm"))
    if _is_number(figures.get("exact_worst_mm")):
        rows.append(("Whole model", f"{max(figures['exact_worst_mm'], 0.001):.3f} mm"))
    if _is_number(figures.get("jaw_open_degrees")):
        rows.append(("Jaw opens", f"{figures['jaw_open_degrees']:.0f}°"))
    return rows


def jaw_rows(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The shapes in which the jaw moves, the widest first: name, open_degrees, forward_mm, aside_mm, and incisors_mm
    where it is known where the lower incisors are."""
    numbers = ("open_degrees", "turned_degrees", "forward_mm", "aside_mm")
    rows = [
        row
        for row in figures.get("jaw") or []
        if isinstance(row, dict) and "name" in row and all(_is_number(row.get(name)) for name in numbers)
    ]
    moving = [row for row in rows if row["turned_degrees"] >= LEAST_DEGREES or _slide_mm(row) >= LEAST_MILLIMETRES]
    return sorted(moving, key=lambda row: (-abs(row["turned_degrees"]), -_slide_mm(row)))


def jaw_cells(row: dict[str, Any]) -> list[str]:
    """The numbers of such a row: how far the jaw opens, slides ahead and aside, and the lower incisors go, which are
    not always known."""
    cells = [row.get(name) for name in ("open_degrees", "forward_mm", "aside_mm", "incisors_mm")]
    # Adding 0 makes a zero of a rounded minus zero.
    return [f"{round(cell, 1) + 0.0:.1f}" if _is_number(cell) else "" for cell in cells]


def _slide_mm(row: dict[str, Any]) -> float:
    return max(abs(row["forward_mm"]), abs(row["aside_mm"]))


def learning_curve(actor: ActorRecord) -> Path | None:
    """The picture of how the actor was learned, beside the actor's file; None if there is none."""
    if not actor.file_path:
        return None
    file = folders.found_again(actor.file_path)
    picture = file.with_name(file.name.removesuffix(ACTOR_SUFFIX) + CURVE_SUFFIX)
    return picture if picture.is_file() else None


def describe_take(name: str, first: int, last: int, figures: dict[str, Any]) -> str:
    """What was fitted and baked, in one sentence."""
    retargeted = "retarget_paired" in figures
    parts = [f"{'retargeted' if retargeted else 'fitted'} {name}, frames {first} to {last}"]
    if _is_number(figures.get("fit_mean_mm")):
        parts.append(f"within {figures['fit_mean_mm']:.3f} mm of the performance on the mean")
    if _is_number(figures.get("worst_mm")):
        keys = figures.get("correctives")
        with_keys = f", with {keys} corrective keys" if isinstance(keys, int) else ""
        meant = "retarget" if retargeted else "fit"
        parts.append(f"the keys within {figures['worst_mm']:.3f} mm of the {meant} at worst{with_keys}")
    if without := left_out(figures):
        parts.append(without)
    return "; ".join([", ".join(parts), *notes_of(figures)])


def notes_of(figures: dict[str, Any]) -> list[str]:
    """What the user should know of a take: the sentences of the step that made it."""
    notes = [note for name in ("fit_notes", "retarget_notes") for note in figures.get(name) or []]
    return [note for note in notes if isinstance(note, str)]


def take_rows(first: int, last: int, figures: dict[str, Any]) -> list[tuple[str, str]]:
    """What was fitted or retargeted, and baked, as names and values for the panel."""
    rows = [("Frames", f"{first} to {last}")]
    if _is_number(figures.get("fit_mean_mm")):
        rows.append(("Fit, mean", f"{figures['fit_mean_mm']:.3f} mm"))
    if _is_number(figures.get("worst_mm")):
        rows.append(("Keys, worst", f"{figures['worst_mm']:.3f} mm"))
    if isinstance(figures.get("correctives"), int):
        rows.append(("Corrective keys", str(figures["correctives"])))
    return rows


def left_out(figures: dict[str, Any]) -> str:
    """How the performer's expressions are shown that have no partner on the target, as a sentence; empty where all
    have one."""
    names = figures.get("retarget_unpaired_source")
    if not isinstance(names, list) or not names:
        return ""
    mixed = {row["name"]: 100 * row["done"] for row in figures.get("retarget_imitated") or []}
    if len(mixed) == 1:
        name, share = next(iter(mixed.items()))
        return f"{name} has no partner and is shown by a mixture and the jaw, {share:.0f} % of it"
    if mixed:
        some = f"{min(mixed.values()):.0f} to {max(mixed.values()):.0f} %"
        return f"{len(mixed)} expressions without a partner are shown by mixtures and the jaw, {some} of each"
    return f"the target has no {listed(names)}; its other shapes show what they can of it"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))
