# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of window_blocking.py, run in Blender's window: goes through all of the work, and has it clocked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "tests" / "window")]

import driving  # noqa: E402
import window_clocks as clocks  # noqa: E402
from driving import Play, module, scene  # noqa: E402

UNDISTURBED_S = 3.0
LEARNING_S = 5.0  # of learning that are watched
REDRAW_S = 0.25  # as often as a job has the side bar drawn
CHANGES = 20  # of what is followed live
FEW = {"iterations": 40, "hidden": 16}  # the result of few steps comes in like that of many
VIEWS = ("anatomy", "thickness", "normals", "skin_weight", "error", "symmetry", "sheet")

ops = bpy.ops.aim


# -- steps ------------------------------------------------------------------------------------------------------------


def during(name: str, *steps: driving.Step) -> Play:
    """Do or await the steps; what happens meanwhile is noted under this name."""
    yield 1.0
    clocks.enter(name)
    yield from steps
    clocks.enter("")


def doing(operator: Any, **arguments: Any) -> Callable[[], bool]:
    """Calls an operator as a button of the side bar does, with an undo step of its own, and awaits its end."""
    called = False

    def ended() -> bool:
        nonlocal called
        window = bpy.context.window_manager.windows[0]
        if not called:
            called = True
            with bpy.context.temp_override(window=window, area=driving.area(), region=driving.region()):
                clocks.clocked(operator, clocks.UNDO, "INVOKE_DEFAULT", True, **arguments)
        return not len(window.modal_operators)

    return ended


def redrawing(seconds: float) -> Callable[[], bool]:
    """Draws the side bar as often as a job does, until the time is over."""
    until, drawn = 0.0, 0.0

    def over() -> bool:
        nonlocal until, drawn
        until = until or time.monotonic() + seconds
        if time.monotonic() > drawn + REDRAW_S:
            drawn = time.monotonic()
            module("aim_blender.scene.jobs.jobs").redraw()
            module("aim_blender.scene.jobs.jobs").redraw_status_bars()
        return time.monotonic() > until

    return over


def changing(change: Callable[[Any], Any], values: Iterable[Any], live: bool = False) -> Callable[[], bool]:
    """Makes one change after the other; live: each when what follows has shown the one before."""
    left = iter(list(values))

    def over() -> bool:
        if live and is_behind():
            return False
        value = next(left, None)
        if value is not None:
            change(value)
            module("aim_blender.scene.jobs.jobs").redraw("WINDOW")
        return value is None

    return over


def is_behind() -> bool:
    """Whether what follows the scene has not shown its latest change."""
    live = module("aim_blender.scene.live.live")
    if live.CURRENT is None or live.CURRENT.problem:
        raise RuntimeError(live.LATEST_PROBLEM if live.CURRENT is None else live.CURRENT.problem)
    return live.CURRENT.fits == 0 or live.CURRENT.waiting or live.CURRENT.changed


def is_shown() -> bool:
    return not is_behind()


def undoing() -> Play:
    """Undo and redo by their keys, as the handlers of undo are called otherwise than by an operator."""
    for keys in ("ctrl+z", "ctrl+shift+z"):
        yield 1.0
        clocks.enter("undo and redo")
        yield from driving.key(keys)
        yield 1.0
        clocks.enter("")


def run() -> Any:
    """The latest job."""
    return list(module("aim_blender.scene.jobs.jobs").RUNS.values())[-1]


def finishing(name: str, operator: Any, **arguments: Any) -> Play:
    """A job from its button to its result, which is noted by itself: see name_results."""
    yield from during(f"{name}: started", doing(operator, **arguments), lambda: run().at_work or not run().active)
    yield from during(f"{name}: at work", lambda: not run().active, 1.0)
    if run().status.error:
        raise RuntimeError(run().status.error)


def name_results() -> None:
    """Let what comes in be noted under a name of its own."""
    results = module("aim_blender.scene.jobs.results")
    bring_in = results.bring_in
    results.bring_in = lambda context, path: (
        clocks.enter(f"{path.name.split('_')[0]}: the result comes in") or bring_in(context, path)
    )


def hide(items: Iterable[bpy.types.Object]) -> None:
    """What has been looked at: software draws every face in seconds."""
    for item in items:
        item.hide_set(True)


# -- the work ---------------------------------------------------------------------------------------------------------


def subdivide(items: list[bpy.types.Object]) -> None:
    """Give faces four times as many points; their shape keys go along."""
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        objects = bpy.context.view_layer.objects
        before = objects.active
        before.select_set(False)  # else Edit Mode takes it along with the other
        for item in items:
            objects.active = item
            bpy.ops.object.mode_set(mode="EDIT")
            bpy.ops.mesh.select_all(action="SELECT")
            bpy.ops.mesh.subdivide(number_cuts=1)
            bpy.ops.object.mode_set(mode="OBJECT")
        objects.active = before
        before.select_set(True)


def select_meshes() -> None:
    """A mesh for every shape of the demo actor, selected with its bones, the neutral last."""
    actor = scene().aim.actors[0]
    blocks = actor.neutral.data.shape_keys.key_blocks
    plain = bpy.data.objects.new("plain", actor.neutral.data.copy())
    plain.shape_key_clear()
    items = [actor.skull, actor.mandible]
    for key in [*blocks[1:], blocks[0]]:
        item = bpy.data.objects.new(key.name, plain.data.copy())
        points = np.empty(3 * len(key.points), np.float32)
        key.points.foreach_get("co", points)
        item.data.attributes["position"].data.foreach_set("vector", points)
        item.location = actor.neutral.location
        scene().collection.objects.link(item)
        items.append(item)
    layer = scene().view_layers[0]
    for item in layer.objects:
        item.select_set(item in items, view_layer=layer)
    layer.objects.active = items[-1]


def making_actors(subdivided: bool) -> Play:
    """The demo actor, and one of selected meshes; the panel's pictures, the preview of a shape, the trusted region."""
    state = scene().aim
    yield from during("the demo actor is added", doing(ops.demo_actor_add))
    if subdivided:
        subdivide([state.actors[0].neutral, state.performance_object])
    thumbnails = module("aim_blender.scene.actors.thumbnails")
    thumbnails._forget()
    drawn = lambda: len(thumbnails._tried) == 1 + len(state.actors[0].shapes)  # noqa: E731
    yield from during("pictures of the shapes", redrawing(0.5), drawn)
    yield from during("no job, nothing drawn", UNDISTURBED_S)
    yield from during("no job, the side bar drawn", redrawing(UNDISTURBED_S))
    yield from during("no job, frames shown", changing(scene().frame_set, range(1, CHANGES)))
    state.show_shape = True
    yield from during("shapes are clicked", changing(lambda k: setattr(state.actors[0], "active_shape", k), range(6)))
    state.show_shape = False
    select_meshes()
    yield from during("an actor is added", doing(ops.actor_add, name="Other"))
    for active in (1, 0):
        state.active_actor = active
        yield from during("landmarks are suggested", doing(ops.landmarks_suggest))
        yield from during("a trusted region is proposed", doing(ops.trusted_propose))
    yield from during("constraints are traced", doing(ops.constraints_trace), 1.0)
    state.show_constraints = False
    hide(shape.object for shape in state.actors[1].shapes)
    yield from undoing()
    yield from during("bones: started", doing(ops.anatomy_fit), lambda: run().at_work)
    ops.job_cancel()
    yield lambda: run().status.ended


def learning() -> Play:
    """Both actors; the first one's learning is watched, cancelled and resumed before."""
    yield from during("learning is started", doing(ops.actor_learn), lambda: bool(run().status.figures))
    yield from during("learning", LEARNING_S)
    yield from during("learning is cancelled", doing(ops.job_cancel), lambda: run().status.ended)
    yield from during("learning is resumed", doing(ops.job_resume), lambda: run().at_work, 3.0)
    ops.job_cancel()
    yield lambda: run().status.ended
    for active in (1, 0):
        scene().aim.active_actor = active
        yield from finishing("learn", ops.actor_learn, **FEW)
    for what in VIEWS:
        yield from finishing(f"inspect, {what}", ops.anatomy_show, what=what)
        hide(bpy.data.collections["Demo Anatomy"].objects)


def fitting() -> Play:
    """The performance, live and as a take; its error, its pictures, and a frame of it that is corrected."""
    state = scene().aim
    frames = range(1, CHANGES)
    yield from during("live fit of a mesh: started", doing(ops.live_fit), is_shown)
    yield from during("live fit of a mesh: frames shown", changing(scene().frame_set, frames, live=True))
    yield from during("live fit of a mesh: ended", doing(ops.live_fit))
    rest = state.actors[0].neutral.data
    for vertex in np.linspace(0, len(rest.vertices) - 1, 4).astype(int).tolist():
        yield from during("a handle is added", doing(ops.handle_add, vertex=vertex))
    yield from during("live fit of handles: started", doing(ops.live_fit), is_shown)
    handle = state.sources.points.objects[0]
    drag = lambda item: setattr(item.location, "z", item.location.z - 0.0002)  # noqa: E731
    yield from during("live fit of handles: dragged", changing(drag, [handle] * CHANGES, live=True))
    yield from during("live fit of handles: ended", doing(ops.live_fit))
    state.performance_kind = "OBJECT"
    yield from during("the performance is read", doing(ops.performance_fit), lambda: run().preparation is None)
    yield from during("fit: at work", lambda: not run().active, 1.0)
    if run().status.error:
        raise RuntimeError(run().status.error)
    yield from finishing("errors", ops.error_show, view="FRAME")
    yield from during("errors: frames shown", changing(scene().frame_set, frames))
    yield from during("errors: the worst are shown", doing(ops.error_show, view="WORST"))
    yield from during("errors: hidden", doing(ops.error_show, view="NONE"))
    yield from undoing()
    for picture in ("ERROR", "JAW", "SHEET"):
        yield from during("pictures of a take", doing(ops.take_picture_show, picture=picture), 1.0)
    yield from during("picture of the learning", doing(ops.learning_curve_show), 1.0)
    yield from during("correcting: started", doing(ops.frame_correct), is_shown)
    yield from during("correcting: a handle is added", doing(ops.handle_add, vertex=0), is_shown)
    drag_it = lambda _: drag(module("aim_blender.scene.live.live").CURRENT.handles()[0])  # noqa: E731
    yield from during("correcting: dragged", changing(drag_it, range(CHANGES), live=True))
    yield from during("correcting: frames shown", changing(scene().frame_set, frames, live=True))
    yield from during("correcting: a frame is kept", doing(ops.frame_keep, blend=2), is_shown)
    yield from during("correcting: ended", doing(ops.frame_correct))


def going_on() -> Play:
    """Retargeting, baking, and the file opened again with an interrupted job."""
    state = scene().aim
    state.retarget_target = "Other"
    ops.retarget_region_add()
    yield from during("preview: started", doing(ops.retarget_preview), is_shown)
    yield from during("preview: frames shown", changing(scene().frame_set, range(1, CHANGES), live=True))
    strengths = np.linspace(0.5, 1.0, CHANGES).tolist()
    strengthen = lambda strength: setattr(state, "retarget_strength", strength)  # noqa: E731
    yield from during("preview: strength changed", changing(strengthen, strengths, live=True))
    yield from during("preview: ended", doing(ops.retarget_preview))
    yield from finishing("pairs", ops.retarget_pairs_propose)
    yield from finishing("retarget", ops.performance_retarget)
    state.active_take = 0
    rig = state.rig
    rig.mesh, rig.jaw_bone, rig.head_bone = state.actors[0].neutral, "jaw", "head"
    rig.armature = next(item for item in state.takes[0].collection.objects if item.type == "ARMATURE")
    yield from during("bake to a rig: pairs", doing(ops.rig_pairs_find))
    yield from during("bake to a rig", doing(ops.bake_to_rig))
    yield from finishing("bake", ops.take_bake, kind="KEYS", reduce_keys_mm=0.05)
    yield from finishing("bake to a cache", ops.take_bake, kind="PC2")
    yield from undoing()
    ops.actor_learn()
    yield lambda: bool(run().status.figures)
    bpy.ops.wm.save_mainfile()
    module("aim_blender.scene.jobs.jobs").stop_all()  # as when Blender ends
    clocks.enter("a file with an interrupted job is opened")
    bpy.ops.wm.open_mainfile("EXEC_DEFAULT", filepath=bpy.data.filepath)
    yield 2.0
    clocks.enter("")
    if not run().resumable:
        raise RuntimeError("the job was not found again")


def blocking(zip_file: str, folder: str, worker: str, subdivided: bool) -> Play:
    """All of it. Returns what was measured."""
    driving.install(zip_file, worker)
    clocks.clock_everything()
    name_results()
    yield 0.5
    yield from driving.past_splash()
    yield from driving.open_side_bar()
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder, "shot.blend")))
    yield 1.0
    clocks.probe()
    for part in (making_actors(subdivided), learning(), fitting(), going_on()):
        yield from part
    take = scene().aim.takes[0]
    return {
        "blender": bpy.app.version_string,
        "points": len(scene().aim.actors[0].neutral.data.vertices),
        "frames": take.frame_end,
        "keys": len(next(each for each in take.collection.objects if each.type == "MESH").data.shape_keys.key_blocks),
        "spent": clocks.longest(),
    }


driving.answer({"blocking": blocking})
