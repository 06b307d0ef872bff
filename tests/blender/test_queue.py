# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of several actors are done one after the other, and the status bar tells how they stand."""

import time

import bpy
import headless
import pytest
from scenes import add_capture, prepared

MODULES = ("scene.jobs.jobs", "scene.jobs.job_making")
FEW = {"iterations": 5, "hidden": 16, "device": "cpu"}
PATIENCE_S = 120


@pytest.fixture
def two(saved, scene, worker):
    """The jobs of two actors, begun as a window does: the modules, and the runs of Ada and Bo."""
    jobs, making = (headless.extension_module(f"aim_blender.{name}") for name in MODULES)
    delivered = []
    runs = []
    for name in ("Ada", "Bo"):
        add_capture()
        bpy.ops.aim.actor_add(name=name)
        actor = scene_of().actors[-1]
        run = jobs.Run(actor.identifier, "learn", worker, lambda run: delivered.append(run.owner))
        run.start(prepared(making.prepare_learning(actor, FEW)))
        jobs.RUNS[run.actor] = run
        runs.append(run)
    yield jobs, runs, delivered
    jobs.stop_all()


def scene_of():
    return bpy.context.scene.aim


def advance_until(jobs, happened) -> None:
    """What the timer of a window does."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end
        jobs._tick()
        time.sleep(0.05)


def test_second_begins_when_the_first_has_ended(two):
    jobs, (ada, bo), delivered = two
    assert ada.at_work
    assert bo.waiting and not bo.at_work
    assert bo.status.message == "waits for Ada"
    together = []

    def done() -> bool:
        together.append(ada.at_work and bo.at_work)
        return not ada.active and not bo.active

    advance_until(jobs, done)
    assert not any(together)
    assert delivered == ["Ada", "Bo"]
    assert (ada.status.state, bo.status.state) == ("finished", "finished")


def test_waiting_job_is_cancelled_and_resumed(two):
    jobs, (ada, bo), _ = two
    scene_of().active_actor = 1
    bpy.ops.aim.job_cancel()
    assert bo.status.state == "cancelled" and bo.resumable
    jobs._tick()
    assert not bo.at_work
    ada.stop()
    bpy.ops.aim.job_resume()
    assert scene_of().actors[1].file_path


def test_waiting_job_is_started_beside_the_other(two):
    _, (ada, bo), _ = two
    scene_of().active_actor = 1
    bpy.ops.aim.job_start_now()
    assert ada.at_work and bo.at_work
    with pytest.raises(RuntimeError, match="No job of this actor waits"):
        bpy.ops.aim.job_start_now()


def test_job_that_never_began_is_offered_when_its_file_is_opened(two):
    jobs, _, _ = two
    bpy.ops.wm.save_mainfile()
    jobs.stop_all()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    run = jobs.of(scene_of().actors[1])
    assert run.resumable and not run.active
    assert run.status.message == "the job has not begun; it can be resumed"


def test_status_bar(two):
    jobs, (ada, bo), _ = two
    bar = headless.extension_module("addon_manifest.jobs.status_bar")
    assert jobs.told() == [ada, bo]
    assert bar.progress(ada, 1) == "AIM: learning Ada, 1 waiting"
    bo.cancel()
    bo.ended_at = time.monotonic()
    assert bar.how_it_ended(bo) == ("cancelled learning Bo", "PAUSE")
    bo.ended_at -= jobs.ENDED_IS_TOLD_S
    assert jobs.told() == [ada]
    ada._fail("the disk is full; free some space on it, then resume")
    assert bar.how_it_ended(ada) == ("the disk is full; free some space on it, then resume", "ERROR")
