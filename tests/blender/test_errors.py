# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a take was fitted: its pictures, its worst frames, and colours on its face that follow the frames."""

import json

import bpy
import headless
import numpy as np
import pytest
from scenes import shown


@pytest.fixture
def errors(take):
    return headless.extension_module("aim_blender.scene.jobs.errors")


def values(item, name="error_mm") -> np.ndarray:
    found = np.empty(len(item.data.vertices), dtype=np.float32)
    item.data.attributes[name].data.foreach_get("value", found)
    return found


def test_colours_are_how_far_the_fit_is_from_the_performance(take, errors):
    scene = bpy.context.scene
    skin = errors.skin_of(take, 168)
    before = set(bpy.data.objects.keys())
    scene.frame_set(2)
    assert bpy.ops.aim.error_show(view="FRAME") == {"FINISHED"}
    arrays = errors.load(errors.beside(take, errors.SUFFIX))
    assert np.allclose(values(skin), arrays["errors"][1].astype(np.float32))
    scene.frame_set(5)
    assert np.allclose(values(skin), arrays["errors"][4].astype(np.float32))
    # And that is what one sees: the result stands beside, moved along.
    bake_mm = json.loads(take.figures)["worst_mm"]
    truth, result = shown(bpy.data.objects["wide"]), shown(skin)
    offset = np.array(skin.parent.matrix_world.translation if skin.parent else skin.matrix_world.translation)
    offset = offset - np.array([1.0, 0, 0])
    seen = 1000 * np.linalg.norm(result - offset - truth, axis=1)
    assert np.abs(seen - arrays["errors"][4].astype(np.float32)).max() < bake_mm + 0.02
    assert skin.data.color_attributes.active_color.name == errors.COLOURS
    colours = np.empty(4 * 168, dtype=np.float32)
    skin.data.color_attributes[errors.COLOURS].data.foreach_get("color", colours)
    bright = colours.reshape(-1, 4)[:, :3].sum(1)
    order = values(skin).argsort()
    assert bright[order[-1]] > bright[order[0]]
    words = [item.data.body for item in bpy.data.objects if item.type == "FONT"]
    assert f"{take.error_largest:.3g} mm" in words
    bpy.ops.aim.error_show(view="WORST")
    assert np.allclose(values(skin), np.nanmax(arrays["errors"].astype(np.float32), axis=0))
    worst = values(skin)
    scene.frame_set(1)
    assert np.array_equal(values(skin), worst)  # whatever the frame
    bpy.ops.aim.error_show(view="NONE")
    assert set(bpy.data.objects.keys()) == before
    assert not {errors.COLOURS, errors.VALUES} & set(skin.data.attributes.keys())


def test_the_pictures_and_the_worst_frames(take, errors):
    for which, suffix in {which: suffix for which, (_, suffix) in errors.PICTURES.items() if which != "FACE"}.items():
        assert bpy.ops.aim.take_picture_show(picture=which) == {"FINISHED"}
        assert any(image.name.endswith(suffix) for image in bpy.data.images)
    found = errors.worst_frames(take)
    assert [millimetres for _, millimetres in found] == sorted((each[1] for each in found), reverse=True)
    bpy.ops.aim.frame_jump(frame=found[0][0])
    assert bpy.context.scene.frame_current == found[0][0]
    take.figures = "{damaged"
    assert errors.worst_frames(take) == []


def test_what_cannot_be_shown_is_said(take, errors):
    errors.beside(take, errors.SUFFIX).write_bytes(b"nonsense")
    with pytest.raises(RuntimeError, match=r"errors\.npz is missing or damaged"):
        bpy.ops.aim.error_show(view="FRAME")
    errors.beside(take, errors.SUFFIX).unlink()
    picture = errors.picture_of(take, "ERROR")
    moved = picture.rename(picture.with_name("elsewhere.png"))
    with pytest.raises(RuntimeError, match="The error curve of 'wide' is not beside its file"):
        bpy.ops.aim.take_picture_show()
    moved.rename(picture)
