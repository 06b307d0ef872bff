# SPDX-License-Identifier: GPL-3.0-or-later
"""From meshes to keyframes through the operators and a real worker; and what happens when that goes wrong."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import bpy
import headless
import numpy as np
import pytest
from scenes import add_capture, add_mesh, expression, face, prepared, problem, select, shown

FRAMES = 8
FEW = {"iterations": 40, "hidden": 16}


@pytest.fixture
def preferences(extension: str):
    chosen = bpy.context.preferences.addons[extension].preferences
    yield chosen
    chosen.property_unset("interpreter")
    chosen.property_unset("device")
    chosen.property_unset("stay_minutes")


def add_performance() -> bpy.types.Object:
    """An object whose shape key and place move over frames 1 to 8."""
    vertices, corners, sizes = face()
    item = add_mesh("take one", vertices / 1000, corners, sizes)
    item.location = (0.5, 0, 0)
    item.shape_key_add(name="Basis")
    for number in (1, 2):
        key = item.shape_key_add(name=f"mix {number}")
        key.points.foreach_set("co", ((vertices + expression(vertices, number)) / 1000).astype(np.float32).ravel())
        for frame, value in ((1, 0.0), (number * 3, 0.9), (FRAMES, 0.2)):
            key.value = value
            key.keyframe_insert("value", frame=frame)
    for frame, turn in ((1, 0.0), (FRAMES, 0.2)):
        item.rotation_euler.z = turn
        item.keyframe_insert("rotation_euler", frame=frame)
    return item


def test_pipeline(saved, scene, worker, preferences):
    preferences.device = "cpu"  # where a GPU works, no worker stays
    scene = bpy.context.scene
    items = add_capture()
    bpy.ops.aim.actor_add(name="Zoë: 1/2")
    actor = scene.aim.actors[0]
    bpy.ops.aim.actor_learn(**FEW)
    jobs = headless.extension_module("aim_blender.scene.jobs.jobs")
    kept = jobs.WORKERS.kept  # it stays for the next jobs
    assert kept is not None
    file = Path(actor.file_path)
    assert file.is_file()
    assert file.parent == saved / "aim" / "Zoë_ 1_2" / "learn_001"
    assert json.loads(actor.figures)["exact_worst_mm"] < 0.001
    assert actor.job_folder == ""

    performance = add_performance()
    scene.frame_set(5)
    meshes_before = [shown(item) for item in items]
    bpy.ops.aim.performance_fit(object_name="take one", frame_start=1, frame_end=FRAMES, tolerance_mm=0.05)
    assert scene.frame_current == 5
    assert all(np.array_equal(shown(item), before) for item, before in zip(items, meshes_before, strict=True))
    take = scene.aim.takes[0]
    assert take.collection.name == "Zoë: 1/2 take one"
    assert take.actor == actor.identifier
    figures = json.loads(take.figures)
    assert figures["worst_mm"] <= 0.05

    skin = next(item for item in take.collection.objects if item.type == "MESH")
    apart = []
    for number in range(FRAMES):
        scene.frame_set(number + 1)
        found, wanted = shown(skin) * 1000, shown(performance) * 1000
        # The baked object stands beside the performance: 1.2 times the neutral's width of 180 mm.
        apart.append(np.linalg.norm(found - [216, 0, 0] - wanted, axis=1).mean())
    assert np.mean(apart) < 0.5

    bpy.ops.aim.performance_fit(object_name="take one", frame_start=1, frame_end=2, beside=False)
    skin = next(item for item in scene.aim.takes[1].collection.objects if item.type == "MESH")
    scene.frame_set(2)
    assert np.linalg.norm(shown(skin) - shown(performance), axis=1).mean() * 1000 < 0.5
    assert [each.name for each in scene.aim.takes] == ["take one", "take one 2"]
    assert Path(scene.aim.takes[1].file_path).parent.name == "fit_002"

    assert jobs.WORKERS.kept is kept
    jobs.leave()  # as when Blender quits, or the extension is disabled
    assert jobs.WORKERS.kept is None and kept.status is not None


def test_worker_stays_as_long_as_the_preferences_say(scene, preferences):
    environment = headless.extension_module("aim_blender.scene.jobs.environment")
    assert environment._stay_s() == 300
    preferences.stay_minutes = 0
    assert environment._stay_s() == 0


def test_unsaved_file_uses_the_users_folder(scene):
    add_capture()
    bpy.ops.aim.actor_add(name="Unsaved")
    making = headless.extension_module("aim_blender.scene.jobs.job_making")
    path = prepared(making.prepare_learning(scene.aim.actors[0], FEW)).path
    assert path.is_relative_to(bpy.utils.user_resource("DATAFILES", path="aim_blender"))


def test_every_job_has_a_folder_of_its_own(saved, scene):
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    making = headless.extension_module("aim_blender.scene.jobs.job_making")
    for _ in range(2):
        prepared(making.prepare_learning(bpy.context.scene.aim.actors[0], FEW))
    assert sorted(path.name for path in (saved / "aim" / "Actor").iterdir()) == ["learn_001", "learn_002"]


def test_moved_project_finds_its_files(learned):
    making = headless.extension_module("aim_blender.scene.jobs.job_making")
    actor = bpy.context.scene.aim.actors[0]
    assert not Path(actor.file_path).exists()
    assert making.learned_file(actor).parent == learned / "aim" / "Actor" / "learn_001"


def test_interrupted_job_is_found_after_loading_and_resumed(saved, scene, worker):
    """A worker is killed, the file is saved and opened again: the job is offered and goes on."""
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    actor = bpy.context.scene.aim.actors[0]
    jobs = headless.extension_module("aim_blender.scene.jobs.jobs")
    making = headless.extension_module("aim_blender.scene.jobs.job_making")
    results = headless.extension_module("ops.basics.results")
    run = jobs.Run(actor.identifier, "learn", Path(worker), results.deliver)
    run.start(prepared(making.prepare_learning(actor, {"iterations": 100000, "hidden": 16, "device": "cpu"})))
    while not run.supervisor.poll().figures:  # until the first report of learning
        time.sleep(0.05)
    os.kill(run.supervisor.process_id, signal.SIGKILL)
    while not run.supervisor.poll().ended:
        time.sleep(0.05)
    folder = run.folder.path
    job = json.loads((folder / "job.json").read_text())
    job["steps"][0]["arguments"]["iterations"] = 60
    (folder / "job.json").write_text(json.dumps(job))
    bpy.ops.wm.save_mainfile()
    jobs.stop_all()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)

    actor = bpy.context.scene.aim.actors[0]
    found = jobs.of(actor)
    assert found.status.state == "interrupted"
    assert found.resumable
    assert not found.active
    bpy.ops.aim.job_resume()
    assert Path(bpy.context.scene.aim.actors[0].file_path).is_file()
    assert jobs.of(bpy.context.scene.aim.actors[0]).status.state == "finished"


def test_result_that_came_while_the_file_was_closed(saved, scene, worker):
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    actor = bpy.context.scene.aim.actors[0]
    jobs = headless.extension_module("aim_blender.scene.jobs.jobs")
    making = headless.extension_module("aim_blender.scene.jobs.job_making")
    results = headless.extension_module("ops.basics.results")
    run = jobs.Run(actor.identifier, "learn", Path(worker), results.deliver)
    run.start(prepared(making.prepare_learning(actor, {**FEW, "device": "cpu"})))
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile(use_empty=True)
    run.supervisor.wait()
    run.advance()  # what the timer does: the actor is in no open file
    jobs.RUNS.clear()
    bpy.ops.wm.open_mainfile(filepath=str(saved / "shot.blend"))
    actor = bpy.context.scene.aim.actors[0]
    assert jobs.offers_result(jobs.of(actor), actor)
    assert actor.file_path == ""
    bpy.ops.aim.job_resume()
    actor = bpy.context.scene.aim.actors[0]
    assert Path(actor.file_path).is_file()
    assert actor.job_folder == ""


# -- bad input --------------------------------------------------------------------------------------------------------


def test_missing_interpreter(saved, scene, preferences):
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    preferences.interpreter = str(saved / "no" / "python")
    assert "does not exist" in problem(bpy.ops.aim.actor_learn)
    assert "does not exist" in problem(bpy.ops.aim.environment_check)
    assert not (saved / "aim").exists()


def test_interpreter_without_torch(saved, scene, preferences):
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    preferences.interpreter = sys.executable
    assert "torch" in problem(bpy.ops.aim.environment_check)
    assert "lacks" in problem(bpy.ops.aim.actor_learn, **FEW)
    actor = bpy.context.scene.aim.actors[0]
    assert actor.file_path == ""
    assert not list(saved.glob("**/*.safetensors"))


def test_blenders_own_command_line(scene, worker, preferences, tmp_path, capfd):
    """`blender --command aim ...` runs the worker's commands and passes their output and exit status on."""
    command_line = headless.extension_module("addon_manifest.command_line")
    assert command_line.run(["info", str(tmp_path / "nothing.actor.safetensors")]) == 2
    assert "nothing.actor.safetensors" in capfd.readouterr().err
    preferences.interpreter = str(tmp_path / "python")
    assert command_line.run(["info", "x"]) == 2
    assert "does not exist" in capfd.readouterr().err


def test_damaged_actor_file(saved, scene, worker):
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    broken = saved / "broken.actor.safetensors"
    broken.write_bytes(b"this is no actor")
    bpy.context.scene.aim.actors[0].file_path = str(broken)
    add_performance()
    before = len(bpy.data.objects)
    text = problem(bpy.ops.aim.performance_fit, object_name="take one", frame_start=1, frame_end=2)
    assert "broken.actor.safetensors" in text
    assert len(bpy.data.objects) == before
    broken.unlink()
    text = problem(bpy.ops.aim.performance_fit, object_name="take one", frame_start=1, frame_end=2)
    assert "is gone" in text


def test_bad_performances_write_nothing(saved, scene):
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    (saved / "a.actor.safetensors").write_bytes(b"not read before the performance is")
    bpy.context.scene.aim.actors[0].file_path = str(saved / "a.actor.safetensors")
    add_mesh("coarse", *face(5, 5))
    assert "'coarse at frame 1' has 25 vertices" in problem(bpy.ops.aim.performance_fit, object_name="coarse")
    add_performance()
    empty = problem(bpy.ops.aim.performance_fit, object_name="take one", frame_start=9, frame_end=3)
    assert "frame range is empty" in empty
    assert "no object 'nobody'" in problem(bpy.ops.aim.performance_fit, object_name="nobody")
    assert "There is no file or folder" in problem(bpy.ops.aim.performance_fit, folder=str(saved / "nowhere"))
    assert not (saved / "aim").exists()


def test_folder_that_cannot_be_written(saved, scene, worker):
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    (saved / "aim").write_text("a file where the folder should be")
    assert "cannot be written" in problem(bpy.ops.aim.actor_learn, **FEW)


def test_lost_shape(saved, scene, worker):
    items = add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    bpy.data.objects.remove(items[2])
    assert "'shape 2' was deleted" in problem(bpy.ops.aim.actor_learn, **FEW)
    select([items[0]])


@pytest.mark.parametrize("name", ["CON", "a/b:c", "..", "  ", "Zoë", "顔" * 40, "x" * 300, "a\nb"])
def test_safe_names(extension, name, tmp_path):
    folders = headless.extension_module("aim_blender.scene.basics.folders")
    safe = folders.safe_name(name)
    (tmp_path / safe).mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [safe]
    assert safe.upper() != "CON"
