# SPDX-License-Identifier: GPL-3.0-or-later
"""Live fitting with a real worker: it follows, says what is wrong, and leaves no process behind."""

import os
import time

import bpy
import headless
import numpy as np
import pytest
from scenes import add_mesh, face, shown


@pytest.fixture
def live(learned):
    module = headless.extension_module("aim_blender.scene.live")
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
