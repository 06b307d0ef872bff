# SPDX-License-Identifier: GPL-3.0-or-later
"""A result stands beside what it was made from, on none of the other faces; what follows the head follows it there."""

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix
from scenes import add_capture, add_mesh, face, select, shown
from test_baked import LARGEST_ERROR_MM, bake, bring_in, formula, result

WIDTH = 0.18 * 1.2  # of the test's face, in Blender units


def place(folder, actor_at=0.0, performance_at=None, frame=None):
    """Bring results in beside a performance, four times, in a scene with an actor; the X of each in the frame."""
    frame = np.eye(4) if frame is None else frame
    items = add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    for item in items:
        item.matrix_world = Matrix(frame.tolist()) @ Matrix.Translation((actor_at, 0, 0))
    if performance_at is not None:
        performance = add_mesh("performance", face()[0] / 1000, *face()[1:])
        performance.matrix_world = Matrix(frame.tolist()) @ Matrix.Translation((performance_at, 0, 0))
        bpy.context.scene.aim.performance_object = performance
    found = []
    for number in range(4):
        bring_in(folder / f"fit_{number}", bake(), 1000, frame, beside=True)
        at = np.linalg.inv(frame) @ np.array(result()["rig"].matrix_world)
        assert np.abs(at[:3, :3] - np.eye(3)).max() < 1e-6
        assert np.abs(at[1:3, 3]).max() < 1e-6
        found.append(at[0, 3] / WIDTH)
    return found


def test_both_sides_in_turn(scene, tmp_path):
    assert place(tmp_path) == pytest.approx([1, -1, 2, -2], abs=1e-4)


def test_not_on_the_actor(scene, tmp_path):
    """The performance stands to the right of the actor: its results go on to the right."""
    assert place(tmp_path, actor_at=-WIDTH, performance_at=0.0) == pytest.approx([1, 2, -2, 3], abs=1e-4)


def test_along_the_frames_own_axis(scene, tmp_path):
    frame = np.eye(4)
    frame[:3, :3] = np.array(Euler((0.4, -0.7, 2.0)).to_matrix())
    frame[:3, 3] = (3, -2, 1)
    assert place(tmp_path, actor_at=WIDTH, frame=frame) == pytest.approx([-1, 2, -2, 3], abs=1e-4)


def test_not_on_another_performance(scene, tmp_path):
    """Also on one that is not picked at the moment."""
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    for at in (-WIDTH, WIDTH):
        add_mesh("another", face()[0] / 1000, *face()[1:]).location.x = at
    bring_in(tmp_path / "fit_001", bake(), 1000, beside=True)
    assert result()["rig"].location.x == pytest.approx(2 * WIDTH, abs=1e-4)


def test_hidden_faces_do_not_count(scene, tmp_path):
    items = add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    for item in items:
        item.location.x = WIDTH
    bpy.context.view_layer.update()
    for item in items:
        item.hide_set(True)
    bring_in(tmp_path / "fit_001", bake(), 1000, beside=True)
    assert result()["rig"].location.x == pytest.approx(WIDTH, abs=1e-4)


def test_older_jobs_stay_in_place(scene, tmp_path):
    """A job's folder from before results were placed says nothing of it."""
    add_capture()
    bpy.ops.aim.actor_add()
    arrays = bake()
    bring_in(tmp_path / "fit_001", arrays, 1000)
    scene.frame_set(9)
    assert np.abs(shown(result()["skin"]) * 1000 - formula(arrays)[4]).max() < LARGEST_ERROR_MM


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_is_parented_to_the_neutral_follows_the_head(scene, tmp_path, mirrored):
    items = add_capture()
    vertices, corners, sizes = face(5, 5)
    eye = add_mesh("eye", vertices * 0.0002, corners, sizes)
    eye.parent = items[0]
    eye.location = (0.03, -0.05, 0.04)
    eye.scale = (-1 if mirrored else 1, 1, 1)
    items[1].parent = items[0]  # a face like the neutral is none of its parts
    items[0].location = (1, 2, 3)
    select(items)
    bpy.ops.aim.actor_add()
    arrays = bake()
    bring_in(tmp_path / "fit_001", arrays, 1000)
    copies = [item for name, item in result().items() if name not in ("skin", "rig")]
    assert [item.name.split()[-1] for item in copies] == ["eye"]
    assert (copies[0].data.polygons[0].normal.y < 0) == (eye.data.polygons[0].normal.y < 0)
    rest = vertices * 0.2 * eye.scale[:] + np.array([30, -50, 40])
    for index in (0, 23):
        scene.frame_set(int(arrays["frames"][index]))
        motion = arrays["head"][index]
        wanted = rest @ motion[:3, :3].T + motion[:3, 3]
        assert np.abs(shown(copies[0]) * 1000 - wanted).max() < LARGEST_ERROR_MM
