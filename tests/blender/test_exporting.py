# SPDX-License-Identifier: GPL-3.0-or-later
"""Through Blender's exporters and back: every frame's mesh and the jaw's motion, within 0.1 mm and in fact far less."""

from types import SimpleNamespace
from typing import Any

import bpy
import headless
import numpy as np
import pytest
from mathutils import Matrix
from scenes import shown
from test_baked import bake, bring_in, formula

LARGEST_MM = 0.001  # a hundredth of what would be good enough: what is lost is float32's
EXPORTERS = {
    "glb": (bpy.ops.export_scene.gltf, bpy.ops.import_scene.gltf),
    "fbx": (bpy.ops.export_scene.fbx, bpy.ops.import_scene.fbx),
    "abc": (bpy.ops.wm.alembic_export, bpy.ops.wm.alembic_import),
    "usdc": (bpy.ops.wm.usd_export, bpy.ops.wm.usd_import),
}
IMPORT: dict[str, Any] = {"abc": {"as_background_job": False}, "fbx": {"anim_offset": 0.0}}
FIRST = 5
AT = np.array([0.3, -0.2, 0.1])  # where the take stands, in metres


@pytest.fixture
def arrays():
    """A bake whose weights are like those of bake_take: named keys from 0 to 1.5, correctives from -1 to 1."""
    found = bake(first=FIRST)
    weights = found["key_weights"]
    weights[:, :4] = np.clip(weights[:, :4], 0, 1.5)
    weights[:, 4:] /= np.abs(weights[:, 4:]).max(0)
    return found


def write(arrays, tmp_path, split=False):
    baked = headless.extension_module("aim_blender.scene.baking.baked")
    np.savez(tmp_path / "bake.npz", **arrays)
    take = headless.extension_module("aim_blender.scene.baking.baked_take").BakedTake.load(
        tmp_path / "bake.npz", 1000.0
    )
    if split:
        take = headless.extension_module("aim_blender.scene.baking.exporting").within_sliders(take)
    actor = SimpleNamespace(name="actor", neutral=None)
    return baked.write_take(bpy.context, actor, take, np.array(Matrix.Translation(AT.tolist())), "take")


def export_and_import(suffix, collection, frames, tmp_path):
    for operator in EXPORTERS[suffix]:
        try:
            operator.get_rna_type()
        except KeyError:
            pytest.skip(f"this bpy has no {operator.idname_py()}")
    path = tmp_path / f"take.{suffix}"
    exporting = headless.extension_module("aim_blender.scene.baking.exporting")
    scene = bpy.context.scene
    before = (scene.frame_start, scene.frame_end, scene.frame_current)
    exporting.export_take(bpy.context, collection, int(frames[0]), int(frames[-1]), path)
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == before
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    EXPORTERS[suffix][1](filepath=str(path), **IMPORT.get(suffix, {}))
    items = bpy.context.scene.objects
    skin = next(item for item in items if item.type == "MESH" and len(item.data.vertices) > 42)
    rig = next((item for item in items if item.type == "ARMATURE"), None)
    return skin, rig


def compare(skin, rig, arrays):
    """The largest distances, in mm, of the mesh and of the jaw's motion of a point at the chin."""
    scene, mesh_mm, jaw_mm = bpy.context.scene, 0.0, 0.0
    chin = np.append(arrays["hinge_centre"] + [0, -80, -60], 1)
    rest = np.array(rig.data.bones["jaw"].matrix_local) if rig is not None else None
    for number, wanted, jaw, head in zip(arrays["frames"], formula(arrays), arrays["jaw"], arrays["head"], strict=True):
        scene.frame_set(int(number))
        found = (shown(skin) - AT) * 1000
        assert len(found) == len(wanted)
        mesh_mm = max(mesh_mm, float(np.linalg.norm(found - wanted, axis=1).max()))
        if rig is not None:
            motion = np.array(rig.matrix_world @ rig.pose.bones["jaw"].matrix) @ np.linalg.inv(
                np.array(rig.matrix_world) @ rest
            )
            place = np.append((chin[:3] / 1000 + AT), 1)
            jaw_mm = max(jaw_mm, float(np.linalg.norm(((motion @ place)[:3] - AT) * 1000 - (head @ jaw @ chin)[:3])))
    return mesh_mm, jaw_mm


@pytest.mark.parametrize("suffix", EXPORTERS)
def test_it_comes_back(scene, tmp_path, arrays, suffix):
    skin, rig = export_and_import(suffix, write(arrays, tmp_path), arrays["frames"], tmp_path)
    if suffix != "abc":
        keys = skin.data.shape_keys.key_blocks
        assert [key.name.replace("_", " ") for key in keys] == [
            "Basis",
            *(name.replace("_", " ") for name in arrays["key_names"].tolist()),
        ]
        assert {bone.name for bone in rig.data.bones} >= {"head", "jaw"}
        for key in keys[1:]:  # which only FBX carries
            key.slider_min, key.slider_max = -10, 10
    mesh_mm, jaw_mm = compare(skin, rig, arrays)
    assert mesh_mm < LARGEST_MM
    assert jaw_mm < LARGEST_MM


@pytest.mark.parametrize("suffix", ["glb", "fbx", "usdc"])
def test_within_sliders_nothing_needs_to_be_widened(scene, tmp_path, arrays, suffix):
    collection = write(arrays, tmp_path, split=True)
    skin = next(item for item in collection.objects if item.type == "MESH")
    assert {(key.slider_min, key.slider_max) for key in skin.data.shape_keys.key_blocks} == {(0.0, 1.0)}
    assert "corrective_001_minus" in skin.data.shape_keys.key_blocks
    skin, rig = export_and_import(suffix, collection, arrays["frames"], tmp_path)
    mesh_mm, jaw_mm = compare(skin, rig, arrays)
    assert mesh_mm < LARGEST_MM
    assert jaw_mm < LARGEST_MM


def test_selection_stays_and_wrong_names_are_refused(scene, tmp_path, arrays):
    collection = write(arrays, tmp_path)
    other = bpy.data.objects.new("other", None)
    scene.collection.objects.link(other)
    other.select_set(True)
    bpy.context.view_layer.objects.active = other
    exporting = headless.extension_module("aim_blender.scene.baking.exporting")
    exporting.export_take(bpy.context, collection, 5, 8, tmp_path / "take.abc")
    assert bpy.context.selected_objects == [other]
    assert bpy.context.view_layer.objects.active == other
    inputs = headless.extension_module("aim_blender.core.shared.foundation.errors").InputError
    with pytest.raises(inputs, match=r"its name must end with one of \.glb"):
        exporting.export_take(bpy.context, collection, 5, 8, tmp_path / "take.obj")
    collection.hide_viewport = True
    bpy.context.view_layer.update()
    with pytest.raises(inputs, match="can be selected"):
        exporting.export_take(bpy.context, collection, 5, 8, tmp_path / "take.abc")


def test_script(scene, tmp_path, arrays):
    from scenes import add_capture
    from test_scripts import run_script

    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    bring_in(tmp_path / "fit_001", arrays, 1000)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "take.blend"))
    done = run_script("export.py", "--blend", tmp_path / "take.blend", "--out", tmp_path / "x" / "a.glb", "--sliders")
    assert done.returncode == 0, done.stderr
    assert "exported frames 5 to 28" in done.stdout
    assert (tmp_path / "x" / "a.glb").stat().st_size > 1000
    failed = run_script("export.py", "--blend", tmp_path / "take.blend", "--out", tmp_path / "a.obj")
    assert failed.returncode == 1
    assert "its name must end with one of" in failed.stderr


def test_another_take_in_the_file_is_not_exported_instead(scene, tmp_path, arrays):
    """Both are actions of objects and slots with like names."""
    other = {**arrays, "key_weights": arrays["key_weights"][::-1].copy()}
    write(other, tmp_path)
    skin, rig = export_and_import("glb", write(arrays, tmp_path), arrays["frames"], tmp_path)
    assert len(bpy.data.actions) == (1 if bpy.app.version >= (4, 4) else 2)  # else one for the keys alone
    for key in skin.data.shape_keys.key_blocks[1:]:
        key.slider_min, key.slider_max = -10, 10
    mesh_mm, jaw_mm = compare(skin, rig, arrays)
    assert mesh_mm < LARGEST_MM
    assert jaw_mm < LARGEST_MM
