# SPDX-License-Identifier: GPL-3.0-or-later
"""One actor's performance on another, through the operator and a real worker."""

import json
import subprocess
from pathlib import Path

import bpy
import headless
import numpy as np
import pytest
from scenes import OTHER_AT, TAKE_FRAMES, TEETH_DEGREES, WIDER, rigid, shown
from test_scripts import run_script

TOLERANCE_MM = 0.05


def evaluated(worker: str, out: Path) -> dict[str, np.ndarray]:
    """The latest take on the target as the command line evaluates it."""
    state = bpy.context.scene.aim
    files = [state.actors[1].file_path, state.takes[state.active_take].file_path]
    command = [worker, "-m", "aim_blender", "evaluate", *files, "--out", str(out)]
    subprocess.run(command, cwd=headless.ROOT, check=True, capture_output=True)
    with np.load(out, allow_pickle=False) as archive:
        return {name: archive[name].astype(np.float64) for name in archive.files}


def skin() -> bpy.types.Object:
    state = bpy.context.scene.aim
    items = state.takes[state.active_take].collection.objects
    return next(item for item in items if item.type == "MESH" and item.data.shape_keys)


def jaw_degrees(frame: int) -> float:
    bpy.context.scene.frame_set(frame)
    rig = skin().parent
    return float(np.degrees(rig.pose.bones["jaw"].rotation_euler.x))


def test_retarget(take, worker, tmp_path):
    scene = bpy.context.scene
    source_degrees = jaw_degrees(TAKE_FRAMES)
    assert source_degrees == pytest.approx(TEETH_DEGREES[0], abs=1.0)
    before = {item.name: shown(item) for item in scene.objects if item.type == "MESH"}
    bpy.ops.aim.performance_retarget(target="Other", tolerance_mm=TOLERANCE_MM)
    made = scene.aim.takes[1]
    assert (made.name, made.collection.name) == ("Other wide", "Other wide")
    assert (made.actor, made.frame_start, made.frame_end) == (scene.aim.actors[1].identifier, 1, TAKE_FRAMES)
    figures = json.loads(made.figures)
    assert figures["worst_mm"] <= TOLERANCE_MM
    assert figures["retarget_paired"] == 4
    assert all(np.array_equal(shown(bpy.data.objects[name]), points) for name, points in before.items())

    # What Blender shows is the retargeted take, beside the target's neutral: 1.2 times its width of 180 mm.
    frames = evaluated(worker, tmp_path / "frames.npz")
    at = np.array([OTHER_AT * 1000 + 216, 0, 0])
    for number in range(TAKE_FRAMES):
        scene.frame_set(number + 1)
        apart = np.linalg.norm(shown(skin()) * 1000 - at - frames["vertices"][number], axis=1).max()
        assert apart <= TOLERANCE_MM + 0.002
    # The jaw opens in the target's own range, and the head turns as it was performed.
    assert jaw_degrees(TAKE_FRAMES) == pytest.approx(source_degrees * WIDER, rel=0.1)
    turned = rigid(np.array([0, 0, 1.0]), np.degrees(0.2), np.zeros(3), np.zeros(3))
    assert np.abs(frames["head"][-1][:3, :3] - turned[:3, :3]).max() < 0.02


def test_settings_of_the_scene(take, worker):
    """The jaw at half its strength and a still head, in place, as the panel's settings say."""
    state = bpy.context.scene.aim
    state.retarget_target, state.retarget_head, state.beside = "Other", False, False
    state.retarget_jaw_strength = 0.5
    bpy.ops.aim.performance_retarget()
    assert jaw_degrees(TAKE_FRAMES) == pytest.approx(TEETH_DEGREES[0] * WIDER / 2, rel=0.1)
    rig = skin().parent
    assert np.allclose(np.array(rig.pose.bones["head"].matrix_basis), np.eye(4), atol=1e-6)
    assert rig.location.x == pytest.approx(OTHER_AT)
    # The list now shows a take of the target; the performer's own would be retargeted all the same.
    actors = headless.extension_module("aim_blender.scene.actors.actors")
    assert state.active_take == 1
    assert actors.take_of(bpy.context.scene, state.actors[0]).name == "wide"
    assert actors.take_of(bpy.context.scene, state.actors[1]).name == "Other wide"


def test_refusals(take, worker, tmp_path):
    state = bpy.context.scene.aim
    for arguments, sentence in (
        ({"target": "Actor"}, "'Actor' is the actor that performed"),
        ({"target": "Nobody"}, "There is no actor 'Nobody'"),
        ({"take": "nothing"}, "'Actor' has no take called 'nothing'"),
    ):
        with pytest.raises(RuntimeError, match=sentence):
            bpy.ops.aim.performance_retarget(**arguments)
    kept = take.file_path
    take.file_path = str(tmp_path / "gone.take.safetensors")
    with pytest.raises(RuntimeError, match=r"take .*gone\.take\.safetensors is gone"):
        bpy.ops.aim.performance_retarget(target="Other")
    take.file_path = kept
    state.actors[1].file_path = ""
    with pytest.raises(RuntimeError, match="Learn another actor, who is to perform it"):
        bpy.ops.aim.performance_retarget(target="Other")
    state.active_actor = 1
    with pytest.raises(RuntimeError, match="Fit a performance of this actor first"):
        bpy.ops.aim.performance_retarget(target="Actor")
    assert len(state.takes) == 1


def test_script(take, worker, tmp_path):
    blend = bpy.data.filepath
    wanted = ["--target", "Other", "--jaw-strength", "0.8", "--no-head", "--in-place"]
    wanted += ["--neutral-frame", str(TAKE_FRAMES)]  # where the jaw is widest
    done = run_script("retarget.py", "--blend", blend, "--save", tmp_path / "other.blend", *wanted)
    assert done.returncode == 0, done.stderr
    assert "retargeted Other wide, frames 1 to 6" in done.stdout
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"))
    assert skin().parent.location.x == pytest.approx(OTHER_AT)
    assert jaw_degrees(TAKE_FRAMES) == pytest.approx(0, abs=0.05)
    assert jaw_degrees(1) == pytest.approx(0.8 * TEETH_DEGREES[0] * WIDER, rel=0.1)  # shut as far as it was open
    failed = run_script("retarget.py", "--blend", blend, "--actor", "Nobody", "--target", "Other")
    assert failed.returncode == 1
    assert "there is no actor 'Nobody'; there are Actor, Other" in failed.stderr
