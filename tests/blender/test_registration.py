# SPDX-License-Identifier: GPL-3.0-or-later
"""Registering is quick and clean, can be repeated, and leaves nothing behind."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews as previews
import headless
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ("torch", "scipy", "trimesh", "roma", "safetensors")


def traces() -> dict[str, Any]:
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
    jobs = headless.extension_module("aim_blender.scene.jobs.jobs")
    on = traces()
    thumbnails = headless.extension_module("aim_blender.scene.actors.thumbnails")
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


def test_the_search_finds_every_operator():
    """Blender's search (F3) lists what stands in a menu of the 3D view."""
    menus = headless.extension_module("addon_manifest.menus")
    registry = headless.extension_module("addon_manifest.registry")
    found = [each for section in menus.SECTIONS for module in section.modules for each in module.CLASSES]
    operators_made = [each for each in registry.CLASSES if issubclass(each, bpy.types.Operator)]
    missing = [each.bl_idname for each in operators_made if each not in found]
    assert missing == ["aim.result_write"]
    assert "INTERNAL" in next(each for each in operators_made if each.bl_idname in missing).bl_options
    drawn = [draw for draw in bpy.types.VIEW3D_MT_object.draw._draw_funcs if draw.__module__ == menus.__name__]
    assert len(drawn) == 1


# What Blender never shows, because nothing is drawn of it.
NOT_SHOWN = ("rna_type", "filter_glob", "collection")


def test_every_button_and_setting_has_a_whole_sentence(scene):
    """Tooltips are sentences: they start with a capital and say more than the label does, and end without a dot."""
    registry = headless.extension_module("addon_manifest.registry")
    texts = {}
    for each in registry.CLASSES:
        operator = issubclass(each, bpy.types.Operator)
        if operator:
            texts[each.bl_idname] = each.bl_description
            assert each.bl_label
            known = operators()[each.bl_idname].get_rna_type()
        elif issubclass(each, (bpy.types.PropertyGroup, bpy.types.AddonPreferences)):
            known = each.bl_rna
        else:
            continue
        inherited = set() if operator else {item.identifier for item in each.bl_rna.base.properties}
        for item in known.properties:
            if item.identifier in inherited or item.identifier in NOT_SHOWN or item.is_hidden:
                continue
            if item.type == "COLLECTION" or (item.type == "POINTER" and item.fixed_type.identifier.startswith("Aim")):
                continue
            name = f"{each.__name__}.{item.identifier}"
            assert item.name != item.identifier, name
            texts[name] = item.description
            choices = item.enum_items if item.type == "ENUM" else ()
            texts.update({f"{name} {choice.identifier}": choice.description for choice in choices})
    assert len(texts) > 250
    poor = {
        name: text
        for name, text in texts.items()
        if len(text.split()) < 2 or not (text[0].isupper() or text.startswith("pip ")) or text.endswith(".")
    }
    assert not poor


def operators() -> dict[str, Any]:
    registry = headless.extension_module("addon_manifest.registry")
    names = [each.bl_idname for each in registry.CLASSES if issubclass(each, bpy.types.Operator)]
    return {name: getattr(bpy.ops.aim, name.split(".")[1]) for name in names}


def test_every_grey_button_says_why(scene):
    """In an empty file, and with an actor that is not learned yet."""
    grey = set()
    for _ in range(2):
        for name, operator in operators().items():
            if not operator.poll():
                with pytest.raises(RuntimeError) as caught:
                    operator()
                assert "context is incorrect" not in str(caught.value), name
                grey.add(name)
        bpy.ops.aim.demo_actor_add()
    assert len(grey) > 30


def test_manifest_is_valid():
    import tomllib

    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert manifest["id"] == "aim_blender"
    assert manifest["blender_version_min"] == "4.2.0"
    assert len(manifest["tagline"]) <= 64
    assert all(len(text) <= 64 for text in manifest["permissions"].values())
