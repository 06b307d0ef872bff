# SPDX-License-Identifier: GPL-3.0-or-later
"""Live fitting with a real worker: it follows, says what is wrong, and leaves no process behind."""

import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bpy
import headless
import numpy as np
import pytest
from scenes import TAKE_FRAMES, add_mesh, face, shown


@pytest.fixture
def live(learned):
    module = headless.extension_module("aim_blender.scene.live.live")
    yield module
    module.end()


def wait_for_fit(live, before: int = 0) -> None:
    """Let the timer's work be done until another fit than the first `before` is shown."""
    until = time.monotonic() + 60
    while live.CURRENT is not None and live.CURRENT.fits <= before and time.monotonic() < until:
        live.advance()
        time.sleep(0.002)
    assert live.CURRENT is not None, live.LATEST_PROBLEM
    assert live.CURRENT.fits == before + 1, live.CURRENT.message


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def target(learned):
    """An object beside the actor, with the first shape as a shape key; picked as the performance."""
    actor = bpy.context.scene.aim.actors[0]
    rest, opened = (
        np.array([vertex.co for vertex in item.data.vertices]) for item in (actor.neutral, actor.shapes[0].object)
    )
    item = add_mesh("target", rest, *face()[1:])
    item.location, item.rotation_euler.z = (1.0, 0.2, 0), 0.4
    item.shape_key_add(name="Basis")
    key = item.shape_key_add(name="open")
    key.points.foreach_set("co", opened.astype(np.float32).ravel())
    key.value = 0.0
    bpy.context.scene.aim.performance_kind = "OBJECT"
    bpy.context.scene.aim.performance_object = item
    bpy.context.view_layer.update()
    return item


def test_the_result_follows_an_object_also_over_frames(live, target):
    assert bpy.ops.aim.live_fit() == {"FINISHED"}
    process = live.CURRENT.worker.process_id
    wait_for_fit(live)
    result = bpy.data.objects[live.CURRENT.shown]
    offset = shown(result).mean(0) - shown(target).mean(0)
    assert np.linalg.norm(offset) > 0.1  # it stands beside
    key = target.data.shape_keys.key_blocks["open"]
    for value in (0.5, 1.0):
        key.value = value
        bpy.context.view_layer.update()
        wait_for_fit(live, live.CURRENT.fits)
        moved = shown(target)
        assert np.abs(shown(result) - moved - (shown(result) - moved).mean(0)).max() < 1e-3
        assert live.CURRENT.mean_mm < 0.1
    for frame, value in ((1, 1.0), (2, 0.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    wait_for = live.CURRENT.fits
    bpy.context.scene.frame_set(2)
    wait_for_fit(live, wait_for)
    assert 0 < live.CURRENT.latency_ms < 5000
    live.advance()
    time.sleep(0.1)
    live.advance()
    assert live.CURRENT.fits == wait_for + 1  # its own writing is no change
    assert bpy.ops.aim.live_fit() == {"FINISHED"}
    assert live.CURRENT is None
    assert is_gone(process)
    assert "Actor Live" in bpy.data.objects


def test_handles_pull_the_face(live):
    scene = bpy.context.scene
    actor = scene.aim.actors[0]
    opened = np.array([vertex.co for vertex in actor.shapes[0].object.data.vertices])
    rest = np.array([vertex.co for vertex in actor.neutral.data.vertices])
    farthest = np.argsort(-np.linalg.norm(opened - rest, axis=1))[:8]
    for vertex in farthest:
        bpy.ops.aim.handle_add(vertex=int(vertex))
    bpy.ops.aim.live_fit()
    assert not actor.neutral.visible_get()
    wait_for_fit(live)
    result = bpy.data.objects[live.CURRENT.shown]
    assert np.abs(shown(result) - rest).max() < 2e-4
    for item in scene.aim.sources.points.objects:
        item.location = opened[item["aim_vertex"]].tolist()
    bpy.context.view_layer.update()
    wait_for_fit(live, live.CURRENT.fits)
    moved = np.linalg.norm(opened - rest, axis=1).max()
    assert np.linalg.norm(shown(result) - opened, axis=1)[farthest].max() < 0.1 * moved
    extra = bpy.data.objects.new("unbound", None)
    scene.aim.sources.points.objects.link(extra)
    live.CURRENT.changed = True
    live.advance()
    assert "'unbound' belongs to no vertex yet" in live.CURRENT.message
    bpy.ops.aim.point_bind(point="unbound", vertex=3)
    live.CURRENT.changed = True
    wait_for_fit(live, live.CURRENT.fits)
    assert not live.CURRENT.problem
    bpy.ops.aim.live_fit()
    assert actor.neutral.visible_get()


def test_no_process_outlives_a_new_file_or_a_worker_that_dies(live, target, learned):
    bpy.ops.aim.live_fit()
    process = live.CURRENT.worker.process_id
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert live.CURRENT is None
    assert is_gone(process)
    bpy.ops.wm.open_mainfile(filepath=str(learned / "learned.blend"))
    scene = bpy.context.scene
    scene.aim.performance_kind, scene.aim.performance_object = "OBJECT", scene.aim.actors[0].neutral
    bpy.ops.aim.live_fit()
    live.CURRENT.worker._process.kill()
    until = time.monotonic() + 20
    while live.CURRENT is not None and time.monotonic() < until:
        live.advance()
        time.sleep(0.01)
    assert live.CURRENT is None
    assert "ended with status" in live.LATEST_PROBLEM


def test_what_cannot_be_followed_is_said(live, target):
    scene = bpy.context.scene
    scene.aim.performance_kind = "FOLDER"
    with pytest.raises(RuntimeError, match="Live fitting follows an object or points"):
        bpy.ops.aim.live_fit()
    scene.aim.performance_kind = "POINTS"
    with pytest.raises(RuntimeError, match="No points are picked"):
        bpy.ops.aim.live_fit()
    scene.aim.performance_kind = "OBJECT"
    target.hide_viewport = True
    with pytest.raises(RuntimeError, match="'target' is hidden"):
        bpy.ops.aim.live_fit()
    target.hide_viewport = False
    bpy.ops.aim.live_fit()
    wait_for_fit(live)
    bpy.data.objects.remove(bpy.data.objects[live.CURRENT.shown])
    live.CURRENT._latest = b""
    live.CURRENT.changed = True
    until = time.monotonic() + 20
    while live.CURRENT is not None and time.monotonic() < until:
        live.advance()
        time.sleep(0.01)
    assert "was removed" in live.LATEST_PROBLEM


# -- the preview of a retarget ----------------------------------------------------------------------------------------


@pytest.fixture
def preview(take, worker):
    """The preview's module, in the file with a take of the first actor."""
    module = headless.extension_module("aim_blender.scene.live.live")
    bpy.context.scene.aim.retarget_target = "Other"
    yield module
    module.end()


def offsets_shown(live) -> np.ndarray:
    """(V, 3) what is shown, from where it stands."""
    item = bpy.data.objects[live.CURRENT.shown]
    return shown(item) - np.array(item.matrix_world.translation)


def test_a_preview_shows_what_retargeting_makes(preview, take, tmp_path):
    state, scene = bpy.context.scene.aim, bpy.context.scene
    state.retarget_strength, state.retarget_jaw_strength, state.retarget_head = 0.9, 0.7, False
    state.beside = False
    neutral = state.actors[1].neutral
    neutral.vertex_groups.new(name="left").add([v.index for v in neutral.data.vertices if v.co.x > 0], 1.0, "REPLACE")
    scene.frame_set(4)
    before = set(bpy.data.objects)
    assert bpy.ops.aim.retarget_preview() == {"FINISHED"}
    process = preview.CURRENT.worker.process_id
    wait_for_fit(preview)
    assert not neutral.visible_get()
    frames: dict[float, np.ndarray] = {4: offsets_shown(preview)}
    for number, change in (
        (2, lambda: scene.frame_set(2)),
        (4.5, lambda: (scene.frame_set(4), setattr(state, "retarget_strength", 0.5))),
    ):
        fits = preview.CURRENT.fits
        change()
        wait_for_fit(preview, fits)
        frames[number] = offsets_shown(preview)
    fits = preview.CURRENT.fits
    bpy.ops.aim.retarget_region_add()
    state.retarget.regions[0].strength = 0.0
    wait_for_fit(preview, fits)
    half = frames[4.5]
    moved = np.linalg.norm(offsets_shown(preview) - half, axis=1)
    left = np.array([v.co.x > 0 for v in neutral.data.vertices])
    assert moved[left].max() > 1e-4 > 10 * moved[~left].max()
    scene.frame_set(60)
    wait_for_fit(preview, preview.CURRENT.fits)
    assert "wide at frame 6, the nearest to 60" in preview.CURRENT.message
    bpy.ops.aim.retarget_region_remove()
    state.retarget_strength = 0.9

    # Nothing of it is saved, and nothing stays.
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "copy.blend"), copy=True)
    with bpy.data.libraries.load(str(tmp_path / "copy.blend")) as (saved, _):
        assert len(saved.objects) > 5
        assert not any("Preview" in name for name in [*saved.objects, *saved.meshes])
    assert not neutral.visible_get()
    bpy.ops.aim.performance_retarget(tolerance_mm=0.01)
    assert preview.CURRENT is None
    assert is_gone(process)
    assert neutral.visible_get()
    made = set(state.takes[state.active_take].collection.objects)
    assert set(bpy.data.objects) - before == made
    assert not any("Preview" in mesh.name for mesh in bpy.data.meshes)
    skin = next(item for item in made if item.type == "MESH" and item.data.shape_keys)
    for number in (2, 4):
        scene.frame_set(number)
        assert np.abs(shown(skin) - np.array(skin.parent.location) - frames[number]).max() < 3e-5


def test_a_preview_follows_the_target_and_survives_undo(preview, take, learned_once):
    state = bpy.context.scene.aim
    bpy.ops.aim.retarget_preview()
    wait_for_fit(preview)
    bpy.data.objects.remove(bpy.data.objects[preview.CURRENT.shown])  # as an undo to before it does
    headless.extension_module("aim_blender.scene.live.live")._after_undo()
    wait_for_fit(preview, preview.CURRENT.fits)
    assert np.abs(offsets_shown(preview)).max() > 0.1
    for shape in state.actors[0].shapes:
        bpy.ops.aim.retarget_pairs_find()
        state.retarget.pairs[shape.name].target = ""
    state.retarget.pairs[0].target = "nothing"
    until = time.monotonic() + 20
    while not preview.CURRENT.problem and time.monotonic() < until:
        preview.advance()
        time.sleep(0.002)
    assert "nothing" in preview.CURRENT.message
    bpy.ops.aim.retarget_pairs_clear()
    fits = preview.CURRENT.fits
    wait_for_fit(preview, fits)
    first, process = preview.CURRENT, preview.CURRENT.worker.process_id
    third = state.actors.add()
    third.identifier, third.name = "third", "Third"
    third.neutral, third.file_path = state.actors[1].neutral, state.actors[1].file_path
    state.retarget_target = "Third"
    preview.advance()
    assert preview.CURRENT is not first
    assert is_gone(process)
    wait_for_fit(preview)
    assert [item.name for item in bpy.data.objects if "Preview" in item.name] == ["Third Preview"]
    preview.CURRENT.worker._process.kill()
    until = time.monotonic() + 20
    while preview.CURRENT is not None and time.monotonic() < until:
        preview.advance()
        time.sleep(0.01)
    assert "ended with status" in preview.LATEST_PROBLEM
    assert not any("Preview" in item.name for item in bpy.data.objects)


# -- correcting frames of a take --------------------------------------------------------------------------------------


def skin_of(take) -> bpy.types.Object:
    return next(item for item in take.collection.objects if item.type == "MESH" and item.data.shape_keys)


def own_copy(take, folder) -> None:
    """Let the take's files be copies, so that other tests find no more than there was."""
    shutil.copytree(Path(take.file_path).parent, folder / "take")
    take.file_path = str(folder / "take" / Path(take.file_path).name)
    take.bake_path = str(folder / "take" / Path(take.bake_path).name)


def evaluated_take(worker, scene, take, out) -> np.ndarray:
    """(F, V, 3) mm the frames of a take's file."""
    command = [
        worker,
        "-m",
        "aim_blender",
        "evaluate",
        scene.aim.actors[0].file_path,
        take.file_path,
        "--out",
        str(out),
    ]
    subprocess.run(command, cwd=headless.ROOT, check=True, capture_output=True)
    with np.load(out, allow_pickle=False) as archive:
        return archive["vertices"].astype(np.float64)


def test_a_corrected_frame_is_kept(preview, take, worker, tmp_path):
    scene, skin = bpy.context.scene, skin_of(take)
    own_copy(take, tmp_path)
    first_file, first_bytes = take.file_path, Path(take.file_path).read_bytes()
    scene.frame_set(3)
    before = {}
    for frame in range(1, TAKE_FRAMES + 1):
        scene.frame_set(frame)
        before[frame] = shown(skin)
    scene.frame_set(3)
    objects = set(bpy.data.objects)
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.aim.frame_keep()
    bpy.ops.aim.frame_correct()
    wait_for_fit(preview)
    now = preview.CURRENT
    assert not skin.visible_get()
    assert np.abs(shown(bpy.data.objects[now.shown]) - before[3]).max() < 1.2e-4  # the bake's tolerance
    actor = scene.aim.actors[0]
    opening = np.array([v.co for v in actor.shapes[0].object.data.vertices]) - [
        v.co for v in actor.neutral.data.vertices
    ]
    chin = int(np.linalg.norm(opening, axis=1).argmax())
    pull = 0.3 * opening[chin]
    bpy.ops.aim.handle_add(vertex=chin)
    handle = bpy.context.object
    assert np.allclose(handle.location[:], shown(bpy.data.objects[now.shown])[chin], atol=1e-6)
    handle.location = np.array(handle.location) + pull
    bpy.context.view_layer.update()
    wait_for_fit(preview, now.fits)
    pulled = shown(bpy.data.objects[now.shown])
    change = pulled[chin] - before[3][chin]
    assert np.linalg.norm(change - pull) < 0.3 * np.linalg.norm(pull)
    scene.frame_set(5)  # another frame takes the handle along, and nothing is changed yet
    fits = now.fits
    now.settle()
    assert now.fits > fits
    now_shown = shown(bpy.data.objects[now.shown])
    assert np.abs(now_shown - before[5]).max() < 1.2e-4
    assert np.allclose(handle.location[:], now_shown[chin], atol=1e-5)
    scene.frame_set(3)
    now.settle()
    handle.location = np.array(handle.location) + pull
    bpy.context.view_layer.update()
    assert bpy.ops.aim.frame_keep(blend=1) == {"FINISHED"}
    assert Path(first_file).read_bytes() == first_bytes
    assert take.file_path != first_file
    assert "frame 3 was corrected, fading over 1 frames" in json.loads(take.figures)["fit_notes"]
    now.settle()
    assert np.abs(shown(bpy.data.objects[now.shown]) - pulled).max() < 1e-5  # of the new take
    bpy.ops.aim.frame_correct()
    assert preview.CURRENT is None
    assert skin.visible_get()
    assert set(bpy.data.objects) == objects

    # The result shows it in its frame, half of it in the two about it, and nothing elsewhere. So does the take's file.
    frames = evaluated_take(worker, scene, take, tmp_path / "frames.npz") / 1000
    rig = np.array(skin.parent.matrix_world)
    for frame in range(1, TAKE_FRAMES + 1):
        scene.frame_set(frame)
        share = {2: 0.5, 3: 1.0, 4: 0.5}.get(frame, 0.0)
        off = np.linalg.norm((shown(skin) - before[frame])[chin] - share * change)
        assert off <= (0.1 * np.linalg.norm(change) if share else 1e-7)
        placed = frames[frame - 1] @ rig[:3, :3].T + rig[:3, 3]
        assert np.abs(shown(skin) - placed).max() < 5e-4
    assert skin.data.shape_keys.key_blocks[-1].name == "frame_3"
    with np.load(take.bake_path) as archive:
        assert str(archive["key_names"][-1]) == "frame_3"
        assert archive["key_weights"][:, -1] == pytest.approx([0, 0.5, 1, 0.5, 0, 0])


def test_a_live_fit_is_kept_in_a_take(preview, take, tmp_path):
    scene, skin = bpy.context.scene, skin_of(take)
    own_copy(take, tmp_path)
    scene.aim.performance_kind, scene.aim.performance_object = "OBJECT", scene.aim.actors[0].shapes[1].object
    bpy.ops.aim.live_fit()
    wait_for_fit(preview)
    scene.frame_set(99)
    with pytest.raises(RuntimeError, match="The take has no frame 99"):
        bpy.ops.aim.frame_keep()
    scene.frame_set(2)
    scene_before = shown(skin)
    # As a window has it: a thread waits, and Blender goes on and hears the answer.
    correcting = headless.extension_module("aim_blender.scene.live.live_correcting")
    with ThreadPoolExecutor(1) as thread:
        keeping = thread.submit(correcting.ask_to_keep(bpy.context, preview.CURRENT, 0))
        while not keeping.done():
            preview.advance()
            time.sleep(0.002)
    correcting.keep_frame(bpy.context, keeping.result())
    # It is what the live fit shows, with the head as it was performed.
    kept, fitted = shown(skin), shown(bpy.data.objects[preview.CURRENT.shown])
    left, _, right = np.linalg.svd((kept - kept.mean(0)).T @ (fitted - fitted.mean(0)))
    turned = (fitted - fitted.mean(0)) @ (left @ right).T
    assert np.abs(kept - kept.mean(0) - turned).max() < 2e-4
    assert np.abs(scene_before - kept).max() > 2e-3
    assert Path(take.file_path).name.endswith(".2.take.safetensors")
    # Once more, over frames whose jaw was replaced already.
    assert bpy.ops.aim.frame_keep(blend=1) == {"FINISHED"}
    assert np.abs(shown(skin) - kept).max() < 2e-4
    assert Path(take.file_path).name.endswith(".3.take.safetensors")
    waiting = correcting.ask_to_keep(bpy.context, preview.CURRENT, 0)
    preview.end()
    with pytest.raises(
        headless.extension_module("aim_blender.core.shared.foundation.errors").InputError,
        match="switched off meanwhile",
    ):
        waiting()
