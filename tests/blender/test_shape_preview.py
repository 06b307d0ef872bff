# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview of a shape: what is drawn in the corner, and that nothing of the scene is touched."""

import bpy
import headless
import numpy as np
import pytest
from scenes import add_capture, shown


@pytest.fixture
def shape_preview(extension):
    return headless.extension_module("addon_manifest.shape_preview")


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
    bpy.ops.aim.demo_actor_add()
    actor = scene.aim.actors[0]
    keys = actor.neutral.data.shape_keys.key_blocks
    actor.active_shape = 0
    points, *_ = shape_preview.preview(actor)
    keys["jaw_open"].value = 1.0
    assert np.abs(points - small(shown(actor.neutral))).max() < 1e-5
    actor.neutral.shape_key_remove(keys["jaw_open"])
    assert shape_preview.preview(actor) is None
    bpy.data.objects.remove(actor.neutral)
    assert shape_preview.preview(actor) is None
