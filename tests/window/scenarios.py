# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender's window: what the tests have played there, each a generator that returns what it saw."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import driving
from driving import Play, evaluated, job, key, module, move, press, region, scene, skin, xdotool

FRAMES = 12
FIRST_SCRUBBED, LAST_SCRUBBED = 3, 9
ITERATIONS, HIDDEN = 2000, 16  # few, but enough to be cancelled meanwhile; how close it comes is tested elsewhere
CANCELLED_SHARE = 0.05
BELOW_TOP = 8  # pixels, in the part of the timeline that is for scrubbing
AGES = 1_000_000  # of iterations
FACE = "Gesicht 顔"
WORDS = ("Object", "Camera", "Mesh")
LONG_TAKE = 600  # frames, to be cancelled meanwhile
SHORTEST, FEWEST_FRAMES = (40, 8), 3  # iterations and width; nothing but the way is looked at


def begin(zip_file: str, folder: str, worker: str) -> Play:
    """The extension installed, the file saved, the splash gone and the tab open."""
    driving.install(zip_file, worker)
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder, "shot.blend")))
    yield 0.5
    yield from driving.past_splash()
    yield from driving.open_side_bar()


def state() -> dict[str, Any]:
    """What stands in the file."""
    return {
        "actors": [actor.name for actor in scene().aim.actors],
        "takes": [take.name for take in scene().aim.takes],
        "objects": sorted(item.name for item in bpy.data.objects),
        "collections": sorted(each.name for each in bpy.data.collections),
    }


def print_of(points: np.ndarray) -> str:
    return hashlib.sha256(points.round(6).tobytes()).hexdigest()


def result() -> dict[str, Any]:
    """The latest take as it stands at the present frame."""
    points, target = evaluated(skin()), evaluated(scene().aim.performance_object)
    neutral = np.empty_like(points)
    skin().data.vertices.foreach_get("co", neutral.ravel())
    apart = np.linalg.norm(points - target, axis=1)
    return {
        "frame": scene().frame_current,
        "print": print_of(points),
        "mean_mm": 1000 * float(apart.mean()),
        "moved_mm": 1000 * float(np.linalg.norm(points - neutral, axis=1).max()),
        "keyframes": keyframes(),
        "shape_keys": len(skin().data.shape_keys.key_blocks),
        "bones": sorted(
            bone.name
            for item in scene().aim.takes[-1].collection.objects
            if item.type == "ARMATURE"
            for bone in item.data.bones
        ),
    }


def keyframes() -> dict[str, int]:
    """How many keyframes each curve of the latest take has."""
    found = {}
    for item in scene().aim.takes[-1].collection.objects:
        for data in (item, item.data.shape_keys if item.type == "MESH" else None):
            if data is not None and data.animation_data is not None and data.animation_data.action is not None:
                for layer in data.animation_data.action.layers:
                    for strip in layer.strips:
                        bag = strip.channelbag(data.animation_data.action_slot)
                        for curve in bag.fcurves if bag is not None else []:
                            found[f"{curve.data_path}[{curve.array_index}]"] = len(curve.keyframe_points)
    return found


def scrub() -> Play:
    """Drag along the timeline from one frame to another. Returns the frames that were shown on the way."""
    place = region("WINDOW", driving.TIMELINE)
    xs = [place.x + place.view2d.view_to_region(frame, 0, clip=False)[0] for frame in (FIRST_SCRUBBED, LAST_SCRUBBED)]
    height = place.y + place.height - BELOW_TOP
    seen = []
    yield from move(xs[0], height)
    xdotool("mousedown", 1)
    for x in np.linspace(xs[0], xs[1], 5):
        yield from move(x, height)
        yield 0.3
        seen.append(scene().frame_current)
    xdotool("mouseup", 1)
    yield lambda: seen[-1] == scene().frame_current
    return seen


def session(zip_file: str, folder: str, worker: str) -> Play:
    """The whole way: demo actor, learn, cancel, resume, fit, scrub, undo, redo, save, reopen."""
    seen: dict[str, Any] = {}
    workers: list[int] = []
    yield from begin(zip_file, folder, worker)
    seen["file"] = sys.modules[driving.MODULE].__file__
    seen["empty"] = state()
    yield from press("aim.demo_actor_add")
    yield lambda: len(scene().aim.actors) == 1
    seen["added"] = state()
    yield from key("ctrl+z")
    yield lambda: not len(scene().aim.actors)
    seen["undone_actor"] = state()
    yield from key("ctrl+shift+z")
    yield lambda: len(scene().aim.actors) == 1
    seen["redone_actor"] = state()

    scene().aim.iterations, scene().aim.hidden = ITERATIONS, HIDDEN
    scene().aim.frame_end = FRAMES
    yield from press("aim.actor_learn")
    looks: list[float] = []
    yield lambda: bool(looks.append(time.monotonic()) or (job().at_work and job().status.fraction > CANCELLED_SHARE))
    workers.append(job().supervisor.process_id)
    seen["learning"] = {"state": job().status.state, "longest_pause_s": float(np.diff(looks).max())}
    yield from press("aim.job_cancel")
    yield lambda: job().status.ended
    seen["cancelled"] = {"state": job().status.state, "share": job().status.fraction, "resumable": job().resumable}
    yield from press("aim.job_resume")
    yield lambda: bool(job().status.figures)
    workers.append(job().supervisor.process_id)
    seen["resumed_share"] = job().status.fraction
    yield lambda: not job().active
    seen["learned"] = {"state": job().status.state, "file": scene().aim.actors[0].file_path}

    yield from press("aim.performance_fit")
    yield lambda: job().at_work
    workers.append(job().supervisor.process_id)
    yield lambda: not job().active
    seen["fitted"] = {**state(), "state": job().status.state, "problem": job().status.error}
    seen["workers_left"] = [process for process in workers if lives(process)]
    seen["scrubbed"] = yield from scrub()
    seen["result"] = result()
    yield from key("ctrl+z")
    yield lambda: scene().frame_current != seen["result"]["frame"]
    yield from key("ctrl+z")
    yield lambda: not len(scene().aim.takes)
    seen["undone_take"] = state()
    yield from key("ctrl+shift+z")
    yield lambda: len(scene().aim.takes) == 1
    yield from key("ctrl+shift+z")
    yield lambda: scene().frame_current == seen["result"]["frame"]
    seen["redone_take"], seen["redone_result"] = state(), result()

    yield from key("ctrl+s")
    yield lambda: not bpy.data.is_dirty
    bpy.ops.wm.open_mainfile("EXEC_DEFAULT", filepath=bpy.data.filepath)
    yield 1.0
    seen["reopened"], seen["reopened_result"], seen["reopened_active"] = state(), result(), job().active
    seen["presses"] = [words for _, words in driving.presses]
    return seen


def other_language(zip_file: str, folder: str, worker: str, language: str) -> Play:
    """From install to fit in a Blender of another language, with a folder and an actor named beyond ASCII."""
    view = bpy.context.preferences.view
    view.language = language
    view.use_translate_interface = view.use_translate_tooltips = view.use_translate_new_dataname = True
    seen: dict[str, Any] = {"words": {word: bpy.app.translations.pgettext_iface(word) for word in WORDS}}
    place = Path(folder, FACE)
    place.mkdir()
    yield from begin(zip_file, str(place), worker)
    yield from press("aim.demo_actor_add")
    yield lambda: len(scene().aim.actors) == 1
    actor = scene().aim.actors[0]
    actor.name = FACE
    scene().aim.iterations, scene().aim.hidden = SHORTEST
    scene().aim.frame_end = FEWEST_FRAMES
    for operator in ("aim.actor_learn", "aim.performance_fit"):
        yield from press(operator)
        yield lambda: not job().active
        seen[operator] = {"state": job().status.state, "problem": job().status.error}
    seen["actor"], seen["file"] = scene().aim.actors[0].name, scene().aim.actors[0].file_path
    seen["names"] = [each.name for each in skin().data.shape_keys.key_blocks]
    seen["result"] = result()
    return seen


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def at_work(zip_file: str, folder: str, worker: str, kind: str, quits: bool) -> Play:
    """A worker that learns, fits or fits live, and goes on; then Blender quits, or waits to be killed.

    at_work.json tells the processes.
    """
    driving.install(zip_file, worker)
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder, "shot.blend")))
    yield 0.5
    bpy.ops.aim.demo_actor_add()
    if kind != "learn":
        bpy.ops.aim.actor_learn(iterations=20, hidden=8)
        yield lambda: not job().active
    live = module("aim_blender.scene.live.live")
    if kind == "live":
        bpy.ops.aim.live_fit()
        yield lambda: live.CURRENT.fits > 0
        process = live.CURRENT.worker.process_id
    else:
        bpy.ops.aim.actor_learn(iterations=AGES) if kind == "learn" else bpy.ops.aim.performance_fit(solver="neural")
        yield lambda: bool(job().status.figures) and job().at_work
        process = job().supervisor.process_id
    driving.write(Path(folder, "at_work.json"), {"blender": os.getpid(), "worker": process})
    yield 1.0
    if quits:
        bpy.ops.wm.quit_blender("EXEC_DEFAULT")
    yield lambda: False


def controls(zip_file: str, folder: str, worker: str) -> Play:
    """A long take onto a rig's bones, as its button does it: cancelled by Esc, then done while the window goes on."""
    yield from begin(zip_file, folder, worker)
    blender_tests = Path(__file__).parents[1] / "blender"
    sys.path[:0] = [str(blender_tests), str(blender_tests.parents[1] / "scripts")]
    import headless
    import rigs
    import scenes

    headless.extension_module = module
    scenes.add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    values = rigs.take_arrays(LONG_TAKE)
    np.savez(Path(folder, "bake.npz"), **values)
    take = scene().aim.takes.add()
    take.name, take.actor, take.bake_path = "long", scene().aim.actors[0].identifier, str(Path(folder, "bake.npz"))
    item, _ = rigs.bones_alone()
    scene().aim.rig.mesh = item
    bpy.ops.ed.undo_push(message="rigged")
    before = evaluated(item)
    seen: dict[str, Any] = {}

    def start() -> None:
        """As the button does, which stands in a closed section."""
        window = bpy.context.window_manager.windows[0]
        with bpy.context.temp_override(window=window, area=driving.area(), region=region("WINDOW")):
            bpy.ops.aim.take_bake_to_controls("INVOKE_DEFAULT")

    def running() -> list[str]:
        return [each.bl_idname for each in bpy.context.window_manager.windows[0].modal_operators]

    start()
    yield lambda: bool(running())
    seen["running"] = running()
    yield 0.3
    yield from key("Escape")
    yield lambda: not running()
    seen["after_esc"] = {
        "actions": len(bpy.data.actions),
        "off": float(np.abs(evaluated(item) - before).max()),
        "problem": module("ops.basics.base").latest_problem,
    }
    start()
    yield lambda: bool(running())
    looks: list[float] = []
    yield lambda: bool(looks.append(time.monotonic()) or not running())
    seen["done"] = {
        "seconds": looks[-1] - looks[0],
        "longest_pause_s": float(np.diff(looks).max()),
        "actions": len(bpy.data.actions),
        "problem": module("ops.basics.base").latest_problem,
    }
    yield from key("ctrl+z")
    yield lambda: not len(bpy.data.actions)
    seen["undone"] = len(bpy.data.actions)
    return seen


driving.answer({"session": session, "other_language": other_language, "at_work": at_work, "controls": controls})
