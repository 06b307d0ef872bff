# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: shipped and saved ones set what they say, and a file that is not right sets nothing."""

import json

import bpy
import headless
import pytest


@pytest.fixture
def presets(scene, tmp_path, monkeypatch):
    module = headless.extension_module("aim_blender.scene.jobs.presets")
    monkeypatch.setattr(module.folders, "user_folder", lambda: tmp_path)
    return module


def settings(scene, presets, kind):
    return {path: getattr(*presets._place(scene, path)) for path in presets.SETTINGS[kind]}


def test_shipped_ones_hold_what_the_scene_can_have(scene, presets):
    for kind, shipped in presets.SHIPPED.items():
        fresh = settings(scene, presets, kind)
        for name, values in shipped.items():
            assert bpy.ops.aim.preset_load(kind=kind, name=name) == {"FINISHED"}
            found = settings(scene, presets, kind)
            assert {path: found[path] for path in values} == pytest.approx(values)
            assert len(presets.described(scene, values)) == len(values)
        bpy.ops.aim.preset_load(kind=kind, name="Default")
        assert settings(scene, presets, kind) == fresh


def test_saved_loaded_and_removed(scene, presets):
    scene.aim.baking.kind, scene.aim.baking.step, scene.aim.tolerance_mm = "MDD", 3, 0.3
    bpy.ops.aim.preset_save(kind="bake", name="Zoë: 顔")
    assert presets.saved("bake") == ["Zoë_ 顔"]
    assert json.loads(next(presets.folder_of("bake").iterdir()).read_text("utf-8"))["settings"]["tolerance_mm"] == 0.3
    kept = settings(scene, presets, "bake")
    bpy.ops.aim.preset_load(kind="bake", name="Default")
    assert settings(scene, presets, "bake") != kept
    bpy.ops.aim.preset_load(kind="bake", name="Zoë_ 顔")
    assert settings(scene, presets, "bake") == kept
    bpy.ops.aim.preset_remove(kind="bake", name="Zoë_ 顔")
    assert presets.saved("bake") == []
    for name, told in (("Film", "comes with the extension"), (" ", "needs a name")):
        with pytest.raises(RuntimeError, match=told):
            bpy.ops.aim.preset_save(kind="bake", name=name)
    with pytest.raises(RuntimeError, match=r"no preset '\.\./x' for bake; there are Default"):
        bpy.ops.aim.preset_load(kind="bake", name="../x")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{", "damaged"),
        ("[" * 90_000, "damaged"),
        ('{"aim_preset": "bake", "settings": {}}', "no preset for learn"),
        ('{"aim_preset": "learn", "settings": {"iterations": 5, "tolerance_mm": 1}}', "'tolerance_mm', which learn"),
        ('{"aim_preset": "learn", "settings": {"iterations": 5, "hidden": -1}}', "Network Width to -1; it must be"),
        ('{"aim_preset": "learn", "settings": {"hidden": 5, "iterations": true}}', "must be a whole number from 0"),
        ('{"aim_preset": "learn", "settings": {"hidden": 5, "iterations": NaN}}', "must be a whole number"),
    ],
    ids=["cut", "deep", "another kind", "another setting", "too small", "another type", "no number"],
)
def test_files_that_are_not_right_set_nothing(scene, presets, written, told):
    folder = presets.folder_of("learn")
    folder.mkdir(parents=True)
    (folder / "strange.json").write_text(written)
    before = settings(scene, presets, "learn")
    with pytest.raises(RuntimeError, match=told):
        bpy.ops.aim.preset_load(kind="learn", name="strange")
    assert settings(scene, presets, "learn") == before
