# SPDX-License-Identifier: GPL-3.0-or-later
"""What the package tests do inside a Blender of their own: python inside_blender.py FUNCTION ARGUMENTS_AS_JSON.

Each function installs the zip as a user would, does one thing, and returns what the test judges.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

MODULE = "bl_ext.user_default.aim_blender"
HEAVY = ("torch", "scipy", "trimesh", "roma", "safetensors", "robust_laplacian", "matplotlib")


def install(zip_file: str) -> None:
    """Install and enable the extension in this profile."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    done = bpy.ops.extensions.package_install_files(filepath=zip_file, repo="user_default", enable_on_install=True)
    assert done == {"FINISHED"}, done
    assert MODULE in [addon.module for addon in bpy.context.preferences.addons], "installed but not enabled"


def operators() -> list[str]:
    return sorted(name for name in dir(bpy.ops.aim) if not name.startswith("_"))


def traces() -> dict[str, Any]:
    """Everything in Blender that the extension could leave behind."""
    handlers = [
        function.__module__
        for name in dir(bpy.app.handlers)
        if isinstance(listed := getattr(bpy.app.handlers, name), list)
        for function in listed
    ]
    return {
        "operators": operators(),
        "classes": sorted(name for name in dir(bpy.types) if name.startswith(("AIM_", "Aim"))),
        "scene_property": hasattr(bpy.types.Scene, "aim"),
        "handlers": sorted(module for module in handlers if module.startswith(MODULE)),
    }


def look(zip_file: str) -> dict[str, Any]:
    """What there is after installing, without having used anything."""
    install(zip_file)
    return {
        **traces(),
        "heavy": [name for name in HEAVY if name in sys.modules],
        "file": sys.modules[MODULE].__file__,
        "interpreter": bpy.context.preferences.addons[MODULE].preferences.interpreter,
    }


def switch_off_and_on(zip_file: str, times: int) -> dict[str, Any]:
    """Disable and enable it several times: the traces after each."""
    install(zip_file)
    enabled, disabled = [traces()], []
    for _ in range(times):
        bpy.ops.preferences.addon_disable(module=MODULE)
        disabled.append(traces())
        bpy.ops.preferences.addon_enable(module=MODULE)
        enabled.append(traces())
    return {"enabled": enabled, "disabled": disabled}


def uninstall(zip_file: str) -> dict[str, Any]:
    """Remove it as the preferences' menu does."""
    install(zip_file)
    folder = Path(sys.modules[MODULE].__file__).parent
    repositories = bpy.context.preferences.extensions.repos
    index = next(number for number, each in enumerate(repositories) if each.module == "user_default")
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="aim_blender")
    return {**traces(), "folder_is_there": folder.exists()}


def from_repository(zip_file: str, address: str) -> dict[str, Any]:
    """Add a remote repository, install the extension from it, and look whether Blender finds a newer one there."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.system.use_online_access = True  # a file:// address needs no network, but is remote
    repositories = bpy.context.preferences.extensions.repos
    repositories.new(name="Studio", module="studio", remote_url=address)
    index = next(number for number, each in enumerate(repositories) if each.module == "studio")
    synced = bpy.ops.extensions.repo_sync(repo_index=index)
    installed = bpy.ops.extensions.package_install(repo_index=index, pkg_id="aim_blender", enable_on_install=True)
    return {
        **traces(),
        "done": [*synced, *installed],
        "addons": [addon.module for addon in bpy.context.preferences.addons if addon.module.endswith("aim_blender")],
    }


def pipeline(zip_file: str, worker: str, folder: str, iterations: int, hidden: int) -> dict[str, Any]:
    """The demo actor, learned for a moment, fitted and brought in; then every frame of the result is compared."""
    install(zip_file)
    bpy.context.preferences.addons[MODULE].preferences.interpreter = worker
    bpy.context.preferences.addons[MODULE].preferences.device = "cpu"
    scene = bpy.context.scene
    blend = Path(folder, "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    bpy.ops.aim.demo_actor_add()
    before = fingerprint(scene)
    bpy.ops.aim.environment_check()
    environment = importlib.import_module(f"{MODULE}.aim_blender.scene.jobs.environment").ENVIRONMENT
    bpy.ops.aim.actor_learn(iterations=iterations, hidden=hidden)
    first, last = scene.frame_start, min(scene.frame_end, scene.frame_start + 23)
    tolerance_mm = 0.5
    bpy.ops.aim.performance_fit(frame_start=first, frame_end=last, tolerance_mm=tolerance_mm)
    after = fingerprint(scene)
    actor, take = scene.aim.actors[scene.aim.active_actor], scene.aim.takes[scene.aim.active_take]
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))

    # The worker's own account of the take, written by the same extension's command line outside Blender.
    frames_file = Path(folder, "frames.npz")
    installed = Path(sys.modules[MODULE].__file__).parent
    evaluated_by_worker(worker, installed, actor.file_path, take.file_path, frames_file)
    with np.load(frames_file, allow_pickle=False) as stored:
        fitted = stored["vertices"]

    objects = list(take.collection.all_objects)
    result = next(each for each in objects if each.type == "MESH" and each.data.shape_keys)
    armature = next(each for each in objects if each.type == "ARMATURE")
    keys = result.data.shape_keys
    scale = actor.millimetres_per_unit
    largest_mm, moves_mm, first_shape = 0.0, 0.0, None
    to_actor = np.linalg.inv(np.array(armature.matrix_world)) if armature else np.eye(4)
    for number, frame in enumerate(range(first, last + 1)):
        scene.frame_set(frame)
        points = evaluated(result)
        points = (points @ to_actor[:3, :3].T + to_actor[:3, 3]) * scale
        largest_mm = max(largest_mm, float(np.linalg.norm(points - fitted[number], axis=1).max()))
        first_shape = points if first_shape is None else first_shape
        moves_mm = max(moves_mm, float(np.linalg.norm(points - first_shape, axis=1).max()))
    # Keyframes at the very frames, so that nothing hangs on how Blender interpolates between them.
    return {
        "largest_mm": largest_mm,
        "moves_mm": moves_mm,
        "tolerance_mm": tolerance_mm,
        "frames": last + 1 - first,
        "unchanged": before == {name: after[name] for name in before},
        "shape_keys": [key.name for key in keys.key_blocks],
        "shapes": [shape.name for shape in actor.shapes],
        "bones": sorted(bone.name for bone in armature.data.bones),
        "vertex_groups": sorted(group.name for group in result.vertex_groups),
        "actor_file": actor.file_path,
        "take_file": take.file_path,
        "environment": [environment.state, environment.text],
        "fit_figures": json.loads(take.figures),
        "heavy": [name for name in HEAVY if name in sys.modules],
    }


def evaluated_by_worker(worker: str, root: Path, actor: str, take: str, out: Path) -> None:
    """`python -m aim_blender evaluate` of the installed extension."""
    variables = {**os.environ, "PYTHONPATH": str(root)}
    paths = [str(Path(bpy.path.abspath(path))) for path in (actor, take)]
    command = [worker, "-m", "aim_blender", "evaluate", *paths, "--out", str(out)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def evaluated(item: bpy.types.Object) -> np.ndarray:
    """(V, 3) the object as it stands in the scene at the present frame, in Blender units."""
    shown = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    points = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", points.ravel())
    matrix = np.array(shown.matrix_world)
    shown.to_mesh_clear()
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def fingerprint(scene: bpy.types.Scene) -> dict[str, Any]:
    """Each mesh object's place, points and keys, to see that the user's meshes stay as they were."""
    prints = {}
    for item in scene.objects:
        if item.type == "MESH":
            points = np.empty((len(item.data.vertices), 3), np.float32)
            item.data.vertices.foreach_get("co", points.ravel())
            names = [key.name for key in item.data.shape_keys.key_blocks] if item.data.shape_keys else []
            modifiers = [modifier.name for modifier in item.modifiers]
            place = np.array(item.matrix_world).tobytes()
            prints[item.name] = (
                hash(points.tobytes()),
                hash(place),
                tuple(names),
                tuple(modifiers),
                item.hide_viewport,
            )
    return prints


def refuse_missing_worker(zip_file: str, folder: str) -> dict[str, Any]:
    """Learn without a usable interpreter: the sentences that a script gets, and what was left on disk."""
    install(zip_file)
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder, "shot.blend")))
    bpy.ops.aim.demo_actor_add()
    sentences = []
    for interpreter in ("", str(Path(folder, "no-such-python")), sys.executable):
        bpy.context.preferences.addons[MODULE].preferences.interpreter = interpreter
        try:
            bpy.ops.aim.environment_check()
            sentences.append("")
        except RuntimeError as error:
            sentences.append(str(error).strip())
    return {"sentences": sentences, "actor_file": bpy.context.scene.aim.actors[0].file_path}


if __name__ == "__main__":
    answer = globals()[sys.argv[1]](**json.loads(sys.argv[2]))
    print("\nINSIDE-BLENDER " + json.dumps(answer), flush=True)
    if bpy.app.version < (
        4,
        5,
        0,
    ):  # this wheel crashes at the end of Python, see ends_badly() in scene/basics/versions.py
        atexit._run_exitfuncs()
        os._exit(0)
