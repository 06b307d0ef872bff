# SPDX-License-Identifier: GPL-3.0-or-later
"""Manners: names and paths in any script, folders that may only be read, linked and overridden meshes, objects that are
renamed or deleted while a job runs, scaled and turned ones, modifiers, and a Blender that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bpy
import headless
import numpy as np
import pytest
from scenes import add_capture, face, prepared, problem, select, shown

FEW = {"iterations": 20, "hidden": 8}


def capture_of(actor) -> dict[str, np.ndarray]:
    """What a job for an actor is given."""
    making = headless.extension_module("aim_blender.scene.jobs.job_making")
    folder = prepared(making.prepare_learning(actor, FEW))
    with np.load(folder.path / "capture.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def test_names_and_paths_in_any_script(scene, worker, tmp_path):
    """From the file's folder to the shapes' names: learned and fitted by a real worker."""
    folder = tmp_path / "Zoë – 顔の動き ñ"
    folder.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "вид 1.blend"))
    items = add_capture()
    for item, name in zip(items, ("無表情", "Öffnen", "улыбка", "é", "口 開"), strict=True):
        item.name = item.data.name = name
    bpy.ops.aim.actor_add(name="Zoë 顔")
    bpy.ops.aim.actor_learn(**FEW)
    actor = bpy.context.scene.aim.actors[0]
    assert Path(actor.file_path).is_relative_to(folder / "aim")
    bpy.ops.aim.performance_fit(object_name="Öffnen", frame_start=1, frame_end=2)
    skin = next(item for item in bpy.context.scene.aim.takes[0].collection.objects if item.type == "MESH")
    names = [key.name for key in skin.data.shape_keys.key_blocks]
    assert set(names[1:5]) == {"Öffnen", "улыбка", "é", "口 開"}


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that even root may not write in")
def test_a_folder_that_may_only_be_read(scene, worker, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    (tmp_path / "aim").symlink_to("/proc/self")
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    assert "cannot be written" in problem(bpy.ops.aim.actor_learn, **FEW)


@pytest.fixture
def library(scene, tmp_path) -> Path:
    """A .blend with a capture in a collection."""
    items = add_capture()
    collection = bpy.data.collections.new("Capture")
    bpy.context.scene.collection.children.link(collection)
    for item in items:
        collection.objects.link(item)
        bpy.context.scene.collection.objects.unlink(item)
    path = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return path


@pytest.mark.parametrize("override", [False, True], ids=["linked", "overridden"])
def test_meshes_of_another_file(library, override):
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.collections = ["Capture"]
    collection = bpy.data.collections["Capture"]
    scene = bpy.context.scene
    scene.collection.children.link(collection)
    if override:
        collection.override_hierarchy_create(scene, scene.view_layers[0])
        scene.collection.children.unlink(collection)
    items = [item for item in scene.objects if item.type == "MESH"]
    assert len(items) == 5
    assert all((item.override_library is not None) == override for item in items)
    neutral = next(item for item in items if item.name.startswith("neutral"))
    neutral_name = neutral.name
    select([neutral, *(item for item in items if item is not neutral)])
    bpy.ops.aim.actor_add(name="Linked")
    found = capture_of(bpy.context.scene.aim.actors[0])
    assert np.abs(found["vertices"][0] - face()[0]).max() < 1e-3
    for paint in (bpy.ops.aim.trusted_propose, bpy.ops.aim.trusted_paint):
        assert "is linked from another file and cannot be painted here" in problem(paint)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    actor = bpy.context.scene.aim.actors[0]
    assert actor.neutral.name == neutral_name
    assert np.array_equal(capture_of(actor)["vertices"], found["vertices"])


def test_objects_renamed_and_deleted_while_a_job_runs(scene, worker, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    items = add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    run = started(bpy.context.scene.aim.actors[0], worker)
    items[0].name = "renamed"
    bpy.context.scene.aim.actors[0].name = "Somebody"
    for item in items[1:]:
        bpy.data.objects.remove(item)
    advance_to_end(run)
    actor = bpy.context.scene.aim.actors[0]
    assert Path(actor.file_path).is_file()
    assert actor.name == "Somebody"
    assert actor.neutral == items[0]
    assert "was deleted" in problem(bpy.ops.aim.actor_learn, **FEW)


def test_the_actor_removed_while_a_job_runs(scene, worker, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    run = started(bpy.context.scene.aim.actors[0], worker)
    bpy.context.scene.aim.actors.clear()
    advance_to_end(run)
    assert run.status.error == ""
    assert list((tmp_path / "aim").glob("**/*.actor.safetensors"))  # kept, as the file may be undone


def started(actor, worker):
    """A job as it runs in a window: a worker beside a Blender that goes on."""
    jobs = headless.extension_module("aim_blender.scene.jobs.jobs")
    making = headless.extension_module("aim_blender.scene.jobs.job_making")
    results = headless.extension_module("ops.basics.results")
    run = jobs.Run(actor.identifier, "learn", Path(worker), results.deliver)
    run.start(prepared(making.prepare_learning(actor, {**FEW, "device": "cpu"})))
    jobs.RUNS[run.actor] = run
    return run


def advance_to_end(run) -> None:
    limit = time.monotonic() + 120
    while run.active:
        run.advance()
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_scaled_and_turned_objects_are_the_same_face(scene):
    """The capture is read in the neutral's own space, whatever was done to the objects as a whole."""
    items = add_capture()
    bpy.ops.aim.actor_add(name="Plain")
    plain = capture_of(bpy.context.scene.aim.actors[0])["vertices"]
    for item in items:
        item.scale = (2.0, 2.0, 2.0)
        item.rotation_euler = (0.3, 0.5, -1.0)
        item.location = (1, 2, 3)
    select(items)
    bpy.ops.aim.actor_add(name="Moved")
    actor = bpy.context.scene.aim.actors[1]
    moved = capture_of(actor)["vertices"]
    factor = np.ptp(moved[0], axis=0).max() / np.ptp(plain[0], axis=0).max()
    assert np.abs(moved / factor - plain).max() < 1e-3


def test_a_neutral_that_is_being_edited(scene):
    """Its mesh cannot be read then: said by what a button starts, and borne by what is drawn."""
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    actor = scene.aim.actors[0]
    thumbnails = headless.extension_module("aim_blender.scene.actors.thumbnails")
    bpy.ops.object.mode_set(mode="EDIT")
    thumbnails.icon(actor)
    while thumbnails.work() is not None:
        pass
    assert headless.extension_module("addon_manifest.actors.shape_preview").preview(actor) is None
    assert "is being edited; return to Object Mode" in problem(bpy.ops.aim.actor_learn, **FEW)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert thumbnails.icon(actor) == 0
    while thumbnails.work() is not None:
        pass
    assert len(thumbnails._pictures) == 5


def test_modifiers_on_source_meshes_do_not_get_into_the_capture(scene):
    items = add_capture()
    for item in items:
        item.modifiers.new("Subdivision", "SUBSURF").levels = 1
        item.modifiers.new("Push", "DISPLACE").strength = 0.01
    bpy.context.view_layer.update()
    assert len(shown(items[0])) > len(items[0].data.vertices)
    bpy.ops.aim.actor_add(name="Actor")
    found = capture_of(bpy.context.scene.aim.actors[0])["vertices"]
    assert np.abs(found[0] - face()[0]).max() < 1e-3
    assert [modifier.name for modifier in items[0].modifiers] == ["Subdivision", "Push"]


KILLED = """
import sys, time
sys.path[:0] = [{scripts!r}, {here!r}]
import bpy, headless
headless.load_extension()
import scenes
from pathlib import Path
bpy.ops.wm.save_as_mainfile(filepath={blend!r})
scenes.add_capture()
bpy.ops.aim.actor_add(name="Actor")
jobs = headless.extension_module("aim_blender.scene.jobs.jobs")
making = headless.extension_module("aim_blender.scene.jobs.job_making")
actor = bpy.context.scene.aim.actors[0]
run = jobs.Run(actor.identifier, "learn", Path({worker!r}), print)
run.start(scenes.prepared(making.prepare_learning(actor, {{"iterations": 1000000, "hidden": 16, "device": "cpu"}})))
while not run.supervisor.poll().figures:
    time.sleep(0.05)
print("WORKER", run.supervisor.process_id, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_worker_ends_when_its_blender_is_killed(extension, worker, tmp_path):
    code = KILLED.format(
        scripts=str(headless.ROOT / "scripts"),
        here=str(Path(__file__).parent),
        blend=str(tmp_path / "shot.blend"),
        worker=worker,
    )
    variables = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "profile")}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=variables) as blender:
        try:
            assert blender.stdout is not None
            process = next(int(line.split()[1]) for line in blender.stdout if line.startswith("WORKER"))
            assert lives(process)
        finally:
            blender.send_signal(signal.SIGKILL)
    limit = time.monotonic() + 20
    while lives(process):
        assert time.monotonic() < limit, "the worker goes on without its Blender"
        time.sleep(0.05)
    folder = headless.extension_module("aim_blender.jobs.folders.folder").JobFolder(
        next((tmp_path / "aim").glob("*/*"))
    )
    assert folder.state() == "interrupted"
    assert list(folder.path.glob("checkpoint/0/*"))


def lives(process: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")
