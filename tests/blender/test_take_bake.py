# SPDX-License-Identifier: GPL-3.0-or-later
"""A take baked once more, by a real worker: other frames, another rate, fewer keys, and as a mesh cache."""

import subprocess

import bpy
import headless
import numpy as np
import pytest
from scenes import TAKE_FRAMES, shown
from test_scripts import run_script


def objects():
    state = bpy.context.scene.aim
    return state.takes[state.active_take].collection.objects


def skin():
    return next(item for item in objects() if item.type == "MESH" and item.data.shape_keys)


def positions(item, frames, subframe=0.0):
    found = []
    for number in frames:
        bpy.context.scene.frame_set(number, subframe=subframe)
        found.append(shown(item))
    return np.array(found) * 1000


def test_other_frames_and_frame_rate(take, worker):
    state = bpy.context.scene.aim
    state.beside = False
    first = positions(skin(), range(1, TAKE_FRAMES + 1))
    bpy.ops.aim.take_bake(take="wide", kind="KEYS", start=2, end=5, first=101, fps=48, tolerance_mm=0.02)
    made = state.takes[state.active_take]
    assert (made.name, made.frame_start, made.frame_end) == ("wide 2", 101, 107)
    again = positions(skin(), range(101, 108, 2))
    # The first result stands beside the performance, the second on the neutral: all frames are as far apart.
    offset = (first[1] - again[0]).mean(0)
    assert np.abs(again + offset - first[1:5]).max() < 0.15


def test_fewer_keys(take, worker):
    versions = headless.extension_module("aim_blender.scene.basics.versions")
    bpy.ops.aim.take_bake(kind="KEYS", reduce_keys_mm=0.5)
    count = [len(curve.keyframe_points) for curve in versions.curves_of(skin().data.shape_keys)]
    assert min(count) < TAKE_FRAMES
    bpy.context.scene.aim.baking.reduce_keys_mm = 0.0
    bpy.ops.aim.take_bake(take="wide", kind="KEYS")
    count = [len(curve.keyframe_points) for curve in versions.curves_of(skin().data.shape_keys)]
    assert min(count) == TAKE_FRAMES


@pytest.mark.parametrize("kind", ["PC2", "MDD"])
def test_cache(take, worker, tmp_path, kind):
    """The cache shows the very take that the command line evaluates, at the frames that were asked for."""
    state = bpy.context.scene.aim
    state.beside, take_file = False, take.file_path
    state.baking.kind, state.baking.use_first, state.baking.first = kind, True, 11
    bpy.ops.aim.take_bake()
    made = state.takes[state.active_take]
    assert (made.frame_start, made.frame_end) == (11, 10 + TAKE_FRAMES)
    (item,) = objects()
    found = positions(item, range(11, 11 + TAKE_FRAMES))
    evaluated = evaluate(worker, take_file, tmp_path / "frames.npz")
    assert np.abs(found - evaluated).max() < 0.002
    half = positions(item, range(11, 10 + TAKE_FRAMES), subframe=0.5)
    assert np.abs(half - (evaluated[1:] + evaluated[:-1]) / 2).max() < 0.002
    with pytest.raises(RuntimeError, match="bake it as shape keys first"):
        bpy.ops.aim.rig_pairs_find(take=state.takes[state.active_take].name)


def evaluate(worker, take, out):
    actor = bpy.context.scene.aim.actors[0].file_path
    command = [worker, "-m", "aim_blender", "evaluate", actor, take, "--out", str(out)]
    subprocess.run(command, cwd=headless.ROOT, check=True, capture_output=True)
    with np.load(out) as archive:
        return archive["vertices"].astype(np.float64)


def test_script(take, worker, tmp_path):
    blend = bpy.data.filepath
    wanted = ["--as", "KEYS", "--fps", "48", "--first", "11", "--reduce-keys", "0.2"]
    done = run_script("bake.py", "--blend", blend, "--save", tmp_path / "a.blend", *wanted)
    assert done.returncode == 0, done.stderr
    assert f"baked wide 2, frames 11 to {11 + 2 * (TAKE_FRAMES - 1)}" in done.stdout
    # The result's own mesh is a character with the take's expressions, too.
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    mesh, rig = skin().name, skin().parent.name
    wanted = ["--take", "wide", "--onto", mesh, "--armature", rig, "--jaw", "jaw", "--head", "head"]
    done = run_script("bake.py", "--blend", tmp_path / "a.blend", "--save", tmp_path / "b.blend", *wanted)
    assert done.returncode == 0, done.stderr
    assert f"keyed {mesh}" in done.stdout
    failed = run_script("bake.py", "--blend", blend, "--onto", "nobody")
    assert failed.returncode == 1
    assert "there is no object 'nobody'" in failed.stderr


def test_refusals(take, worker):
    with pytest.raises(RuntimeError, match="There is no take called 'nothing'"):
        bpy.ops.aim.take_bake(take="nothing")
    with pytest.raises(RuntimeError, match="none of which lies in the range"):
        bpy.ops.aim.take_bake(start=90, end=95)
