# SPDX-License-Identifier: GPL-3.0-or-later
"""What the examples share: finding the extension, bringing meshes in, and ending with the right exit status."""

from __future__ import annotations

import argparse
import atexit
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import addon_utils
import bpy

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = "aim_blender"
CHECKOUT = "aim_blender_checkout"  # the name under which a checkout is loaded

_package = ""


def load_extension() -> str:
    """Make the operators `aim.*` available and return the name of the extension's package.

    The installed extension is taken if there is one; else the checkout that this script lies in.
    """
    global _package
    if not _package:
        installed = [module.__name__ for module in addon_utils.modules() if module.__name__.endswith(f".{EXTENSION}")]
        _package = _enable(installed[0]) if installed else _load_checkout()
    return _package


def extension_module(name: str) -> ModuleType:
    """A module of the loaded extension, for example extension_module("aim_blender.core.shared.demo.demo_actor")."""
    return importlib.import_module(f"{load_extension()}.{name}")


def unload_checkout() -> None:
    """Unregister a checkout that load_extension() registered."""
    global _package
    if _package == CHECKOUT:
        sys.modules[CHECKOUT].unregister()
        sys.modules[CHECKOUT].__addon_enabled__ = False
        addons = bpy.context.preferences.addons
        addons.remove(addons[CHECKOUT])
        _package = ""


def script_arguments() -> list[str]:
    """What stands behind `--`, or everything when the script runs under Python with the bpy wheel."""
    if "--" in sys.argv:
        return sys.argv[sys.argv.index("--") + 1 :]
    return [] if bpy.app.binary_path else sys.argv[1:]


def run(main: Callable[[list[str]], None]) -> None:
    """Run a script's main function; Blender then ends, with an exit status other than 0 if it failed."""
    try:
        main(script_arguments())
    except (RuntimeError, ValueError, OSError) as error:
        print(f"failed: {str(error).removeprefix('Error: ').strip()}", file=sys.stderr)
        leave(1)
    leave(0)


def leave(status: int) -> None:
    """End Python with an exit status where the script failed, and where Python would crash if it ended by itself."""
    if _package and extension_module("aim_blender.scene.basics.versions").ends_badly():
        leave_at_once(status)
    if status:
        sys.exit(status)


def leave_at_once(status: int) -> None:
    """End Python after what was to be done at its end, but before it tears itself down."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of all examples."""
    parser.add_argument("--blend", type=Path, help="open this .blend first (not needed where Blender has opened one)")
    parser.add_argument("--save", type=Path, help="save the .blend here at the end; the job's files then lie beside it")
    parser.add_argument("--interpreter", help="the Python with torch (default: the extension's own search)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where to compute")


def begin(chosen: argparse.Namespace) -> None:
    """Open the .blend, load the extension, and save once so that the job's files lie beside the saved file."""
    if chosen.blend is not None:
        bpy.ops.wm.open_mainfile(filepath=str(chosen.blend.resolve()))
    package = load_extension()
    preferences = bpy.context.preferences.addons[package].preferences
    if chosen.interpreter:
        preferences.interpreter = chosen.interpreter
    if chosen.device:
        preferences.device = chosen.device
    save(chosen)


def save(chosen: argparse.Namespace) -> None:
    """Save the .blend where that was asked."""
    if chosen.save is not None:
        chosen.save.parent.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(chosen.save.resolve()))


def choose_actor(name: str) -> None:
    """Make an actor of the scene the active one. Raises ValueError if there is none of this name."""
    state = bpy.context.scene.aim
    names = [actor.name for actor in state.actors]
    if name not in names:
        raise ValueError(f"there is no actor {name!r}; there are {', '.join(names) or 'none'}")
    state.active_actor = names.index(name)


def select_capture(folder: Path) -> None:
    """Import the meshes of a capture's folder, its bones included, and select them with the neutral active.

    Raises ValueError if there are no meshes.
    """
    files = mesh_files(folder)
    if not files:
        raise ValueError(f"{folder} holds no .obj or .ply files; one mesh a shape is needed")
    neutral = next((file for file in files if "neutral" in file.stem.lower()), files[0])
    imported = {file: import_mesh(file) for file in [*files, *mesh_files(folder / "bones")]}
    for item in bpy.context.view_layer.objects:
        item.select_set(item in imported.values())
    bpy.context.view_layer.objects.active = imported[neutral]


def mesh_files(folder: Path) -> list[Path]:
    """The mesh files of a folder by name; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in (".obj", ".ply"))


def import_mesh(file: Path) -> bpy.types.Object:
    """Import a mesh file as one object, with the file's vertex order and axes.

    Raises ValueError if it does not hold one mesh.
    """
    before = set(bpy.data.objects)
    axes: Any = {"forward_axis": "Y", "up_axis": "Z"}
    if file.suffix.lower() == ".obj":
        bpy.ops.wm.obj_import(filepath=str(file), use_split_objects=False, use_split_groups=False, **axes)
    else:
        bpy.ops.wm.ply_import(filepath=str(file), **axes)
    items = [item for item in bpy.data.objects if item not in before and item.type == "MESH"]
    if len(items) != 1:
        raise ValueError(f"{file} holds {len(items)} meshes; one is needed")
    items[0].name = file.stem
    return items[0]


def _enable(module: str) -> str:
    if not addon_utils.check(module)[1] and addon_utils.enable(module, default_set=False) is None:
        raise RuntimeError(f"the extension {module} cannot be enabled")
    return module


def _load_checkout() -> str:
    specification = importlib.util.spec_from_file_location(
        CHECKOUT, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[CHECKOUT] = module
    specification.loader.exec_module(module)
    # As Blender does on enabling: the preferences are found by this entry.
    addons = bpy.context.preferences.addons
    if CHECKOUT not in addons:
        addons.new().module = CHECKOUT
    module.register()
    module.__addon_enabled__ = True  # so that Blender unregisters it when it quits
    return CHECKOUT
