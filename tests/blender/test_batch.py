# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches in Blender: the script, the operator and the list, all on a real worker."""

import json
import time
from pathlib import Path

import bpy
import headless
import numpy as np
import pytest
from scenes import TAKE_FRAMES, shown
from test_baked import formula
from test_scripts import run_script


def actor_files():
    return [actor.file_path for actor in bpy.context.scene.aim.actors]


def table_of(folder, take, **more):
    """A table of one shot for both actors."""
    source, other = actor_files()
    row = {"shot": "sh010", "take": take.file_path, "actor": source, "targets": [other, source], **more}
    (folder / "shots.json").write_text(json.dumps([{"write": ["blend", "bake"], "tolerance_mm": 0.05, **row}]))
    return folder / "shots.json"


def names():
    return [Path(file).name.removesuffix(".actor.safetensors") for file in actor_files()]


def open_blend_and_compare(folder, name):
    """The largest distance between what the .blend shows and the formula of its bake, in mm."""
    with np.load(folder / f"sh010.{name}.bake.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    bpy.ops.wm.open_mainfile(filepath=str(folder / f"sh010.{name}.blend"))
    scene = bpy.context.scene
    assert (len(bpy.data.scenes), scene.name, scene.frame_start, scene.frame_end) == (1, "sh010", 1, TAKE_FRAMES)
    skin = next(item for item in scene.objects if item.type == "MESH" and item.data.shape_keys)
    largest = 0.0
    for frame, wanted in zip(arrays["frames"], formula(arrays), strict=True):
        scene.frame_set(int(frame))
        largest = max(largest, float(np.linalg.norm(shown(skin) * 1000 - wanted, axis=1).max()))
    return largest


def test_script(take, worker, tmp_path):
    """The script writes a .blend per target, does nothing the second time, and says which shot failed."""
    (actor, other), table, out = names(), table_of(tmp_path, take), tmp_path / "out"
    done = run_script("batch_retarget.py", table, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "1 shots in" in done.stdout
    before = {path: path.stat().st_mtime_ns for path in (out / "sh010").iterdir() if path.name != "worker.lock"}
    assert {f"sh010.{name}.blend" for name in (actor, other)} <= {path.name for path in before}
    again = run_script("batch_retarget.py", table, "--out", out)
    assert again.returncode == 0, again.stderr
    assert ": 0 done, 1 already done, 0 failed" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (out / "sh010" / f"sh010.{other}.blend").unlink()
    rows = json.loads(table.read_text())
    table.write_text(json.dumps([*rows, {**rows[0], "shot": "sh020", "take": "gone.take.safetensors"}]))
    mixed = run_script("batch_retarget.py", table, "--out", out)
    assert mixed.returncode == 1
    assert ": 1 done, 0 already done, 1 failed" in mixed.stdout
    assert "1 of 2 shots failed; the first: " in mixed.stderr
    assert "shot 2, column take" in mixed.stderr
    for name in (actor, other):
        assert open_blend_and_compare(out / "sh010", name) < 0.002


def test_operator_leaves_the_file_as_it_was(take, worker, tmp_path):
    scene, table = bpy.context.scene, table_of(tmp_path, take, reduce_keys_mm=0.2)
    kinds = ("scenes", "collections", "objects", "meshes", "armatures", "actions", "materials", "shape_keys")
    before = {kind: getattr(bpy.data, kind).keys() for kind in kinds}
    bpy.ops.aim.batch_retarget(table=str(table), folder=str(tmp_path / "out"))
    assert {kind: getattr(bpy.data, kind).keys() for kind in kinds} == before
    assert bpy.context.scene == scene
    # A target that is an actor of this file brings its UVs and materials along.
    name = names()[1]
    largest = open_blend_and_compare(tmp_path / "out" / "sh010", name)
    assert largest <= 0.2 + 0.002
    skin = next(item for item in bpy.context.scene.objects if item.type == "MESH" and item.data.shape_keys)
    assert skin.data.uv_layers.keys() == ["Texture"]
    assert skin.data.materials[0].name.startswith("Skin")


def test_list_import_export_and_run(take, worker, tmp_path):
    state = bpy.context.scene.aim.batch
    with pytest.raises(RuntimeError, match="No folder is picked"):
        bpy.ops.aim.batch_retarget()
    state.folder = str(tmp_path / "out")
    with pytest.raises(RuntimeError, match="The list has no shots"):
        bpy.ops.aim.batch_retarget()
    bpy.ops.aim.batch_shot_add()
    row = state.shots[0]
    assert (row.name, row.take, row.targets) == (take.name, take.file_path, actor_files()[1])
    state.write, state.fps = {"bake", "pc2"}, 48.0
    exported = tmp_path / "exported.json"
    bpy.ops.aim.batch_export(filepath=str(exported))
    written = json.loads(exported.read_text())
    assert written["defaults"]["fps"] == 48
    state.shots.clear()
    bpy.ops.aim.batch_import(filepath=str(exported))
    assert (state.shots[0].take, state.shots[0].targets) == (row.take, row.targets)
    bpy.ops.aim.batch_retarget()
    made = {path.name for path in (tmp_path / "out" / take.name).iterdir()}
    name = names()[1]
    assert {f"{take.name}.{name}.bake.npz", f"{take.name}.{name}.pc2"} <= made
    with np.load(tmp_path / "out" / take.name / f"{take.name}.{name}.bake.npz") as bake:
        assert (float(bake["fps"]), len(bake["frames"])) == (48, 2 * (TAKE_FRAMES - 1) + 1)
    bpy.ops.aim.batch_shot_remove()
    assert len(state.shots) == 0


def test_in_a_window_it_goes_on_by_itself_and_can_be_cancelled(take, worker, tmp_path):
    """As the timer does it: a step at a time, one .blend at each; cancelled and started again, it goes on."""
    batch = headless.extension_module("aim_blender.scene.jobs.batch")
    state, table, out = bpy.context.scene.aim, table_of(tmp_path, take), tmp_path / "out"

    def start():
        shots, folder = batch.prepare_batch(table, out, "", "")
        run = batch.BatchRun(batch.KEY, "batch", Path(worker), lambda _: None, shots=shots, out=out)
        run.start(folder)
        return run

    def go_on(run, until):
        written = []
        for _ in range(6000):
            run.advance()
            if run.status.message.startswith("wrote") and run.status.message not in written:
                written.append(run.status.message)
            if until(run):
                return written
            time.sleep(0.01)
        raise AssertionError(run.status)

    run = start()
    run.cancel()
    go_on(run, lambda run: run.status.ended)
    assert run.status.state == "cancelled"
    run = start()
    written = go_on(run, lambda run: not run.active)
    assert written == [f"wrote sh010 of {name}" for name in (names()[1], names()[0])]
    assert (run.figures["done"], run.figures["failed"], run.rows[0]["made"]) == (1, 0, 5)
    assert len(state.takes) == 1


def test_choices_of_targets_survive_the_list(take, tmp_path):
    source, other = actor_files()
    shots = [
        {
            "shot": "a",
            "actor": source,
            "take": take.file_path,
            "targets": [{"actor": other, "name": "third", "strength": 0.5}],
            "start": 2,
            "folder": "sequence/a",
        }
    ]
    (tmp_path / "shots.json").write_text(json.dumps(shots))
    bpy.ops.aim.batch_import(filepath=str(tmp_path / "shots.json"))
    bpy.ops.aim.batch_export(filepath=str(tmp_path / "again.json"))
    read = headless.extension_module("aim_blender.jobs.batch.batch_table").read_table
    one, other = read(tmp_path / "shots.json")[0].as_json(), read(tmp_path / "again.json")[0].as_json()
    assert {**one, "where": "", "tolerance_mm": 0.1} == {**other, "where": ""}
