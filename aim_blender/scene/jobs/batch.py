# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch in Blender: the worker fits, retargets and bakes; here each shot's .blend files are written, one a target."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...jobs.batch.batch import summary
from ...jobs.batch.batch_table import Shot, Target, part_of, read_table
from ...jobs.batch.shot_record import Record
from ...jobs.batch.shot_steps import Step, bake_file
from ...jobs.batch.shots import DONE, FAILED, alone_in
from ...jobs.folders.folder import JobFolder, write_atomically
from ...jobs.folders.sentences import sentence_for
from ..actors import actors
from ..baking import baked
from ..baking.baked_take import BakedTake
from ..baking.key_choice import needed_keys
from ..basics import folders, naming
from ..basics.records import ActorRecord, BatchRecord
from ..retargeting import retarget_lists
from . import jobs

KEY = "batch"  # of the batch among the session's jobs, which otherwise are an actor's
MILLIMETRES_PER_UNIT = 1000.0  # of a .blend whose target is no actor of the scene
TABLE = "shots.json"


# -- running ----------------------------------------------------------------------------------------------------------


@dataclass
class BatchRun(jobs.Run):
    """A batch of this session. What the worker has baked is written as .blend files, one at each turn."""

    trusted = "batch"

    shots: list[Shot] = field(default_factory=list)
    out: Path = field(default_factory=Path)
    rows: list[dict[str, Any]] = field(default_factory=list)
    blends: list[tuple[Shot, Target]] | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """What `summary` tells, with the .blend files in it."""
        count = {state: sum(row["state"] == state for row in self.rows) for state in (DONE, FAILED)}
        done, failed = count[DONE], count[FAILED]
        return {
            "shots": len(self.rows),
            "done": done,
            "already_done": len(self.rows) - done - failed,
            "failed": failed,
            "left_to_blender": 0,
            "seconds": sum(row["seconds"] for row in self.rows),
            "rows": self.rows,
        }

    def _try_to_deliver(self) -> None:
        if self.folder is None:
            raise InputError("the batch has not begun")
        if self.blends is None:
            self.rows = self.folder.read_result()["figures"][0]["rows"]
            failed = {row["shot"] for row in self.rows if row["state"] == FAILED}
            self.blends = [
                (shot, target)
                for shot in self.shots
                if "blend" in shot.write and shot.name not in failed
                for target in shot.targets
            ]
        if bpy.context.mode != "OBJECT":
            self.status = replace(self.status, message="the .blend files are written when you return to Object Mode")
        elif self.blends:
            shot, target = self.blends.pop(0)
            self.status = replace(self.status, message=f"wrote {shot.name} of {target.name}")
            self._write(shot, target)
        else:
            self.delivered = True

    def _write(self, shot: Shot, target: Target) -> None:
        """Write a .blend unless it is written, and tell in the shot's row."""
        row = next(row for row in self.rows if row["shot"] == shot.name)
        folder = self.out / shot.folder
        try:
            made = write_blend(bpy.context, shot, target, folder)
        except Exception as error:  # one shot does not stop the rest
            row |= {"state": FAILED, "message": f"{shot.where}: {sentence_for(error, folder)}"}
            return
        row["made" if made else "kept"] += 1
        if made and row["state"] != FAILED:
            row["state"] = DONE


def prepare_batch(table: Path, out: Path, part: str, scheduler: str) -> tuple[list[Shot], JobFolder]:
    """The shots of a table, and the folder of the job that does them. Raises InputError, OSError."""
    shots = read_table(table)
    if part:
        shots = part_of(shots, part)
    folder = out / ("job" if not part else f"job_{part.replace('/', '_of_')}")
    arguments = {"table": str(table.absolute()), "out": str(out.absolute()), "part": part, "scheduler": scheduler}
    return shots, JobFolder.create(folder, f"batch {table.name}", [{"task": "batch", "arguments": arguments}])


def finish_in_background(run: jobs.Run) -> None:
    """Write all .blend files at once and print the table. Raises InputError if a shot failed."""
    assert isinstance(run, BatchRun)
    while not run.delivered:
        run._try_to_deliver()
    print(summary(run.figures), file=sys.stdout, flush=True)
    if run.figures["failed"]:
        raise InputError(failures(run))


def failures(run: BatchRun) -> str:
    """What failed, in a sentence."""
    failed = [row for row in run.rows if row["state"] == FAILED]
    return f"{len(failed)} of {len(run.rows)} shots failed; the first: {failed[0]['message']}"


# -- .blend files -----------------------------------------------------------------------------------------------------


def write_blend(context: bpy.types.Context, shot: Shot, target: Target, folder: Path) -> bool:
    """Write a target's baked object as a .blend with one scene, unless that is done. Returns whether it had to be.

    Nothing of the present file is changed. Raises InputError, OSError.
    """
    out = folder / f"{shot.name}.{target.name}.blend"
    actor = _actor_of(target)
    scale = MILLIMETRES_PER_UNIT if actor is None else actor.millimetres_per_unit
    arguments: dict[str, Any] = {
        "bake": str(bake_file(shot, target, folder)),
        "out": str(out),
        "reduce_keys_mm": shot.reduce_keys_mm,
        "millimetres_per_unit": scale,
    }
    with alone_in(folder, lambda _: None):
        record = Record(folder)

        def perform() -> dict[str, Any]:
            take = BakedTake.load(Path(arguments["bake"]), scale)
            with _scene_of_its_own(context, shot.name) as scene:
                scene.frame_start, scene.frame_end = int(take.frames[0]), int(take.frames[-1])
                scene.render.fps = max(1, round(take.fps))
                scene.render.fps_base = scene.render.fps / take.fps
                shown = actor or SimpleNamespace(name=target.name, neutral=None)
                kept = needed_keys(take, shot.reduce_keys_mm / scale)
                baked.write_take(context, shown, take, np.eye(4), shot.name, kept)
                temporary = out.with_name(f".{out.stem}.part.blend")
                bpy.data.libraries.write(str(temporary), {scene}, path_remap="ABSOLUTE", compress=True)
                temporary.replace(out)
            return {"frames": len(take.frames)}

        made = record.do(Step(f"blend {target.name}", "blend", arguments, ("bake",)), perform)
        record.save()
    return made


def _actor_of(target: Target) -> ActorRecord | None:
    """The actor of the present file that is learned as the target's: its UVs, materials and bones come along."""
    for scene in bpy.data.scenes:
        for actor in scene.aim.actors:
            if actor.file_path and folders.found_again(actor.file_path) == Path(target.actor):
                return actor if actors.is_there(actor.neutral) else None
    return None


@contextlib.contextmanager
def _scene_of_its_own(context: bpy.types.Context, name: str) -> Iterator[bpy.types.Scene]:
    """A new scene, shown while it is filled; in the end it is gone with everything that was made in it."""
    kinds = ("scenes", "collections", "objects", "meshes", "armatures", "actions", "shape_keys")
    before = {kind: set(getattr(bpy.data, kind)) for kind in kinds}
    window = context.window or context.window_manager.windows[0]
    shown = window.scene
    scene = bpy.data.scenes.new(name)
    try:
        window.scene = scene
        yield scene
    finally:
        window.scene = shown
        made = [each for kind in kinds for each in getattr(bpy.data, kind) if each not in before[kind]]
        bpy.data.batch_remove(made)


# -- the list in the panel --------------------------------------------------------------------------------------------


def rows_of(state: BatchRecord) -> dict[str, Any]:
    """The table of the panel's list, as it stands in a .json file."""
    shots = []
    for row in state.shots:
        more = json.loads(row.more) if row.more else {}
        paths = [path.strip() for path in row.targets.split("|") if path.strip()]
        choices = {_absolute(path): each for path, each in more.pop("target_choices", {}).items()}
        choices = _with_pairs(state.id_data, _absolute(row.actor), list(map(_absolute, paths)), more, choices)
        values = {
            "shot": row.name,
            "actor": _absolute(row.actor),
            "performance": _absolute(row.performance),
            "take": _absolute(row.take),
            "targets": [
                {"actor": path, **choices[path]} if path in choices else path for path in map(_absolute, paths)
            ],
        }
        shots.append({name: value for name, value in values.items() if value} | more)
    defaults: dict[str, Any] = {"tolerance_mm": round(state.tolerance_mm, 6), "write": sorted(state.write)}
    if state.fps > 0:
        defaults["fps"] = round(state.fps, 6)
    if state.reduce_keys_mm > 0:
        defaults["reduce_keys_mm"] = round(state.reduce_keys_mm, 6)
    return {"defaults": defaults, "shots": shots}


def _with_pairs(
    scene: bpy.types.Scene, source: str, targets: list[str], row: dict[str, Any], choices: dict[str, Any]
) -> dict[str, Any]:
    """The choices of a row by target's file, with the pairs that the scene lists for these actors where the row has
    none of its own."""
    found = dict(choices)
    state = scene.aim
    known = {_absolute(actor.file_path): actor for actor in state.actors if actor.file_path}
    for path in targets:
        if source in known and path in known and "pairs" not in {**row, **found.get(path, {})}:
            pairs = retarget_lists.pairs_between(state.retarget, known[source], known[path], whoever=False)
            if pairs is not None:
                found[path] = {**found.get(path, {}), "pairs": pairs}
    return found


def write_table(state: BatchRecord, path: Path) -> None:
    """Write the list as a table. Raises InputError if a row is not complete, OSError."""
    if not len(state.shots):
        raise InputError("the list has no shots; add one, or import a table")
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(rows_of(state), indent=1) + "\n")
    try:
        read_table(path)
    except InputError:
        if before is None:
            path.unlink()
        else:
            write_atomically(path, before)
        raise


def read_into(state: BatchRecord, path: Path) -> int:
    """Add the shots of a table to the list. Returns how many. Raises InputError."""
    shots = read_table(path)
    for shot in shots:
        row = state.shots.add()
        row.name, row.actor, row.performance, row.take = shot.name, shot.actor, shot.performance, shot.take
        row.targets = "|".join(target.actor for target in shot.targets)
        more: dict[str, Any] = {
            **shot.fit,
            **shot.timing,
            **shot.bake,
            "write": list(shot.write),
            "folder": shot.folder,
        }
        if shot.tolerance_mm is not None:
            more["tolerance_mm"] = shot.tolerance_mm
        if shot.millimetres_per_unit is not None:
            more["millimetres_per_unit"] = shot.millimetres_per_unit
        if shot.reduce_keys_mm:
            more["reduce_keys_mm"] = shot.reduce_keys_mm
        more["target_choices"] = {
            target.actor: {"name": target.name, **target.choices}
            for target in shot.targets
            if target.choices or target.name != Path(target.actor).name.split(".actor.")[0]
        }
        row.more = json.dumps(more)
    state.active_shot = len(state.shots) - 1
    return len(shots)


def add_from_scene(scene: bpy.types.Scene) -> str:
    """Add the active actor's take as a shot for all other learned actors. Returns its name. Raises InputError."""
    actor = actors.active_actor(scene)
    if actor is None:
        raise InputError("there is no actor yet; make and learn one, or import a table")
    state, take = scene.aim.batch, actors.take_of(scene, actor)
    others = [each for each in scene.aim.actors if each != actor and each.file_path]
    row = state.shots.add()
    row.name = naming.unique_name(take.name if take is not None else "shot", [each.name for each in state.shots[:-1]])
    row.actor, row.take = actor.file_path, take.file_path if take is not None else ""
    row.targets = "|".join(each.file_path for each in others)
    state.active_shot = len(state.shots) - 1
    return row.name


def _absolute(path: str) -> str:
    return str(folders.found_again(path)) if path else ""
