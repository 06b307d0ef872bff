# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of shapes: the preview in the corner and the icons of the list; nothing of the scene is touched."""

import bpy
import headless
import numpy as np
import pytest
from scenes import add_capture, shown


@pytest.fixture
def shape_preview(extension):
    return headless.extension_module("addon_manifest.actors.shape_preview")


def small(points: np.ndarray) -> np.ndarray:
    """1 high, about their middle."""
    middle = (points.min(0) + points.max(0)) / 2
    return (points - middle) / np.ptp(points, axis=0).max()


def test_meshes_wherever_they_stand(scene, shape_preview):
    items = add_capture()
    for number, item in enumerate(items):
        item.location.x = 0.4 * number
    bpy.ops.aim.actor_add(name="Ada")
    actor = scene.aim.actors[0]
    actor.active_shape = 2
    before = [shown(item) for item in items]
    points, triangles, colours = shape_preview.preview(actor)
    assert np.abs(points - small(before[3])).max() < 1e-6
    assert triangles.max() == len(points) - 1
    assert colours.shape == (len(points), 4)
    assert 0.0 < colours[:, :3].min() < colours[:, :3].max() <= 1.0
    assert all(np.array_equal(shown(item), old) for item, old in zip(items, before, strict=True))


def test_shape_keys_and_what_is_lost(scene, shape_preview):
    for item in add_capture(1):
        bpy.data.objects.remove(item)  # as artists empty a new file
    bpy.ops.aim.demo_actor_add()
    actor = scene.aim.actors[0]
    assert bpy.context.selected_objects == [bpy.context.active_object] == [actor.neutral]  # what Blender then looks at
    keys = actor.neutral.data.shape_keys.key_blocks
    actor.active_shape = 0
    points, *_ = shape_preview.preview(actor)
    keys["jaw_open"].value = 1.0
    assert np.abs(points - small(shown(actor.neutral))).max() < 1e-5
    actor.neutral.shape_key_remove(keys["jaw_open"])
    assert shape_preview.preview(actor) is None
    bpy.data.objects.remove(actor.neutral)
    assert shape_preview.preview(actor) is None


def test_icons_show_where_a_shape_moves(scene):
    thumbnails = headless.extension_module("aim_blender.scene.actors.thumbnails")
    items = add_capture()
    for number, item in enumerate(items):
        item.location.x = 0.4 * number  # as artists lay them out
    bpy.ops.aim.actor_add(name="Ada")
    actor = scene.aim.actors[0]
    before = {item.name: shown(item) for item in items}
    assert thumbnails.icon(actor) == 0
    del items[4]
    bpy.data.objects.remove(bpy.data.objects["shape 4"])
    while thumbnails.work() is not None:
        pass
    assert {item.name: shown(item).tolist() for item in items} == {
        item.name: before[item.name].tolist() for item in items
    }
    keys = [thumbnails._key(actor), *(thumbnails._key(actor, shape) for shape in actor.shapes)]
    assert list(thumbnails._pictures) == keys[:4]
    pictures = [np.array(thumbnails._pictures[key].image_pixels_float).reshape(96, 96, 4) for key in keys[:4]]
    filled = (pictures[0][..., 3] > 0).mean()
    assert filled > 0.3
    tints = [picture[..., 0] - picture[..., 2] for picture in pictures]
    for number, tint in enumerate(tints[1:], start=1):
        assert tint.max() > tints[0].max() + 0.2
        # The tint is strongest where the mesh moves most.
        motion = np.linalg.norm(before[f"shape {number}"] - [0.4 * number, 0, 0] - before["neutral"], axis=1)
        low = before["neutral"][motion.argmax()] @ [0, 0, 1] < 0
        row = np.unravel_index(tint.argmax(), tint.shape)[0]
        assert (row < 60) == low
    icon = np.array(thumbnails._pictures[keys[0]].icon_pixels_float).reshape(32, 32, 4)
    assert abs((icon[..., 3] > 0.5).mean() - filled) < 0.05
    thumbnails._want("nobody")
    while thumbnails.work() is not None:
        pass
    bpy.ops.wm.read_homefile(use_empty=True)
    assert thumbnails._pictures is None
