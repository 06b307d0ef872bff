# SPDX-License-Identifier: GPL-3.0-or-later
"""Registering is quick and clean, can be repeated, and leaves nothing behind."""

import ast
import subprocess
import sys
from pathlib import Path

import bpy
import bpy.utils.previews as previews
import headless

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ("torch", "scipy", "trimesh", "safetensors")


def traces() -> dict[str, object]:
    """Everything in Blender that registering could add to and leave behind."""
    handlers = {
        name: len(listed)
        for name in dir(bpy.app.handlers)
        if isinstance(listed := getattr(bpy.app.handlers, name), list)
    }
    keymaps = bpy.context.window_manager.keyconfigs.addon
    owners = (bpy.types.Scene, bpy.types.Object, bpy.types.WindowManager, bpy.types.Mesh, bpy.types.Armature)
    return {
        "handlers": handlers,
        "pictures": len(previews._uuid_open),
        "classes": {name for name in dir(bpy.types) if name.lower().startswith("aim")},
        "operators": set(dir(bpy.ops.aim)) - set(dir(bpy.ops)),
        "properties": {owner.__name__: len(owner.bl_rna.properties) for owner in owners},
        "keymaps": sum(len(each.keymap_items) for each in keymaps.keymaps) if keymaps is not None else 0,
    }


def test_a_hundred_times(scene):
    package = sys.modules[headless.load_extension()]
    jobs = headless.extension_module("aim_blender.scene.jobs")
    on = traces()
    thumbnails = headless.extension_module("aim_blender.scene.thumbnails")
    bpy.ops.aim.demo_actor_add()
    thumbnails.icon(scene.aim.actors[0])
    while thumbnails._pictures is None:
        thumbnails.work()
    assert traces()["pictures"] == on["pictures"] + 1
    package.unregister()
    off = traces()
    assert not off["classes"]
    assert not {name for name in off["operators"] if not name.startswith("_")}
    assert not hasattr(bpy.types.Scene, "aim")
    for number in range(100):
        package.register()
        if number % 25 == 0:
            assert traces() == on
        package.unregister()
        if number % 25 == 0:
            assert traces() == off
            assert not bpy.app.timers.is_registered(jobs._tick)
    package.register()
    assert traces() == on
    assert len(bpy.context.scene.aim.actors[0].shapes) == 19  # what a file holds stays


def test_blender_imports_nothing_foreign():
    """In a process of its own: after everything is imported and the demo actor is made, torch and the like are not."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r})\n"
        "import bpy, headless; headless.load_extension(); bpy.ops.aim.demo_actor_add()\n"
        f"print('FOUND', [name for name in {FOREIGN!r} if name in sys.modules]); headless.leave(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "FOUND []" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_importing_the_root_imports_nothing():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]


def test_every_button_and_setting_has_a_whole_sentence(scene):
    """Tooltips are sentences: they start with a capital and say more than the label does."""
    registry = headless.extension_module("addon_manifest.registry")
    texts = {}
    for each in registry.CLASSES:
        if issubclass(each, bpy.types.Operator):
            texts[each.bl_idname] = each.bl_description
        if issubclass(each, (bpy.types.Panel, bpy.types.UIList)):
            continue
        own = {property.identifier for property in each.bl_rna.base.properties} if each.bl_rna.base else set()
        for item in each.bl_rna.properties:
            plain = item.type not in ("COLLECTION",) and not item.identifier.startswith(("active_", "bl_"))
            if item.identifier not in own and plain and not item.is_hidden and item.name != item.identifier:
                texts[f"{each.__name__}.{item.identifier}"] = item.description
    assert len(texts) > 30
    poor = {name: text for name, text in texts.items() if len(text.split()) < 3 or not text[0].isupper()}
    assert not poor


def test_manifest_is_valid():
    import tomllib

    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert manifest["id"] == "aim_blender"
    assert manifest["blender_version_min"] == "4.2.0"
    assert len(manifest["tagline"]) <= 64
    assert all(len(text) <= 64 for text in manifest["permissions"].values())
