# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's and VRM's keys in Blender: the shapes as a mesh, a take on them, its recording, and glTF there and back."""

import bpy
import headless
import numpy as np
import pytest
from scenes import problem, shown
from test_phone import recording


@pytest.fixture
def actor(learned):
    """The first of the learned actors; its mesh is no face, so its names say what its shapes are."""
    return bpy.context.scene.aim.actors[0]


@pytest.fixture
def names(extension):
    return headless.extension_module("aim_blender.core.shared.faces.arkit_names").SHAPES


def test_shapes_become_keys_of_a_new_mesh(actor, names):
    before = {item.name for item in bpy.data.objects}
    kept = shown(actor.neutral)
    bpy.ops.aim.engine_shapes_add(keys="arkit")
    (item,) = (each for each in bpy.data.objects if each.name not in before)
    keys = item.data.shape_keys.key_blocks
    assert [key.name for key in keys] == ["Basis", *names]
    assert {(key.slider_min, key.slider_max, key.value) for key in keys} == {(0.0, 1.0, 0.0)}
    assert np.array_equal(shown(actor.neutral), kept)
    rest = shown(item)
    keys["jawOpen"].value = 1.0
    assert np.linalg.norm(shown(item) - rest, axis=1).max() > 0.001  # metres
    bpy.ops.aim.engine_shapes_add(keys="vrm1")
    assert "blinkLeft" in bpy.data.objects["Actor VRM 1"].data.shape_keys.key_blocks


def test_a_take_on_keys_goes_through_gltf_and_live_link_face(actor, names, tmp_path):
    scene = bpy.context.scene
    scene.render.fps = 24
    bpy.ops.aim.performance_fit(folder=str(recording(tmp_path / "said.csv")))
    bpy.ops.aim.take_bake(keys="arkit", jaw_as="keys")
    take = scene.aim.takes[scene.aim.active_take]
    skin = next(item for item in take.collection.objects if item.type == "MESH" and item.data.shape_keys)
    keys = skin.data.shape_keys.key_blocks
    assert [key.name for key in keys] == ["Basis", *names]
    wanted = values_of(keys, take)
    assert wanted.min() >= 0.0
    assert wanted.max() <= 1.0
    assert wanted[:, names.index("jawOpen") + 1].max() > 0.9
    assert "must end with .csv" in problem(bpy.ops.aim.live_link_export, filepath=str(tmp_path / "a.txt"))
    assert "have a jaw bone" in problem(bpy.ops.aim.take_bake, keys="own", jaw_as="keys")
    file = tmp_path / "again.csv"
    bpy.ops.aim.live_link_export(filepath=str(file), fps=0.0)
    read = headless.extension_module("aim_blender.core.shared.phone.phone_tables").read_phone_recording(file)
    assert read.fps == 24.0
    assert np.abs(read.weights[:, names.index("jawOpen")] - wanted[:, names.index("jawOpen") + 1]).max() < 0.01
    exporting = headless.extension_module("aim_blender.scene.baking.exporting")
    first, last, path = take.frame_start, take.frame_end, tmp_path / "take.glb"
    exporting.export_take(bpy.context, take.collection, first, last, path)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = 24
    bpy.ops.import_scene.gltf(filepath=str(path))
    back = next(
        each.data.shape_keys.key_blocks
        for each in bpy.context.scene.objects
        if each.type == "MESH" and each.data.shape_keys
    )
    assert [key.name for key in back] == ["Basis", *names]
    for frame, row in zip(range(first, last + 1), wanted, strict=True):
        bpy.context.scene.frame_set(frame)
        # Of the Basis, which moves nothing, Blender 5.2 tells another value.
        assert [key.value for key in back[1:]] == pytest.approx(row[1:].tolist(), abs=1e-4)


def values_of(keys, take):
    """(F, 53) the keys' values in each frame of a take, the Basis first."""
    rows = []
    for frame in range(take.frame_start, take.frame_end + 1):
        bpy.context.scene.frame_set(frame)
        rows.append([key.value for key in keys])
    return np.array(rows)
