# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of window_blocking.py, run in Blender's window: clocks what the extension does there while a job runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "window"))

import driving
from driving import Play, job, module, scene

PROBE_S = 0.005
UNDISTURBED_S = 5.0
LEARNING_S = 30.0  # of learning that are watched
REDRAW_S = 0.25  # as often as a job has the side bar drawn
FEW = {"iterations": 200, "hidden": 16}  # the result of few steps comes in like that of many

phase = ""
# By phase and by what was called: milliseconds of each call, and how many of them this thread computed.
spent: dict[str, dict[str, list[tuple[float, float]]]] = {}


def note(what: str, start: float, start_cpu: float) -> None:
    if phase:
        passed = 1000 * (time.perf_counter() - start), 1000 * (time.thread_time() - start_cpu)
        spent.setdefault(phase, {}).setdefault(what, []).append(passed)


def clocked(call: Callable[..., Any], what: Callable[[Any], str], *arguments: Any) -> Any:
    start, start_cpu = time.perf_counter(), time.thread_time()
    try:
        return call(*arguments)
    finally:
        note(what(arguments), start, start_cpu)


def clock_method(owner: type, name: str, what: Callable[[Any], str]) -> None:
    """Note how long each call of a method of one argument, such as execute and draw, takes."""
    original = getattr(owner, name)
    # Blender counts a method's arguments.
    setattr(owner, name, lambda self, context: clocked(original, what, self, context))


def clock_everything() -> None:
    """The extension's timers, its operators, and the drawing of its panels."""
    for name, kind in (("jobs", "timer of the jobs"), ("live", "timer of live fitting")):
        timer = module(f"aim_blender.scene.{name}")
        original = timer._tick
        timer._tick = lambda original=original, kind=kind: clocked(original, lambda _: kind)
    clock_method(module("ops.base").AimOperator, "execute", lambda found: f"operator {found[0].bl_label}")
    for each in module("addon_manifest.registry").CLASSES:
        if issubclass(each, bpy.types.Panel):
            for name in ("draw", "draw_header"):
                if name in vars(each):
                    clock_method(each, name, lambda _: "drawing of a panel")


def probe() -> None:
    """Note from now on how late the window takes its next turn."""
    last, last_cpu = time.perf_counter(), time.thread_time()

    def turn() -> float:
        nonlocal last, last_cpu
        note("window", last + PROBE_S, last_cpu)
        last, last_cpu = time.perf_counter(), time.thread_time()
        return PROBE_S

    bpy.app.timers.register(turn, persistent=True)


def enter(name: str) -> None:
    """What happens from now on is noted under this name."""
    global phase
    phase = name


def during(name: str, *steps: driving.Step) -> Play:
    """Do or await the steps; what happens meanwhile is noted under this name."""
    yield 1.0
    enter(name)
    yield from steps
    enter("")


def redrawing(seconds: float) -> Callable[[], bool]:
    """Draws the side bar as often as a job does, until the time is over."""
    until, drawn = 0.0, 0.0

    def over() -> bool:
        nonlocal until, drawn
        until = until or time.monotonic() + seconds
        if time.monotonic() > drawn + REDRAW_S:
            drawn = time.monotonic()
            module("aim_blender.scene.jobs").redraw()
            module("aim_blender.scene.jobs").redraw_status_bars()
        return time.monotonic() > until

    return over


def showing(frames: Iterator[int]) -> Callable[[], bool]:
    """Shows one frame after the other, as reading a performance does."""

    def over() -> bool:
        frame = next(frames, None)
        if frame is not None:
            scene().frame_set(frame)
        return frame is None

    return over


def doing(operator: Any, **arguments: Any) -> Callable[[], bool]:
    return lambda: bool(operator(**arguments))


def blocking(zip_file: str, folder: str, worker: str) -> Play:
    """Nothing, then the demo actor learned, cancelled, resumed and fitted."""
    driving.install(zip_file, worker)
    clock_everything()
    yield 0.5
    yield from driving.past_splash()
    yield from driving.open_side_bar()
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder, "shot.blend")))
    yield from driving.press("aim.demo_actor_add")
    yield lambda: len(scene().aim.actors) == 1
    yield 2.0
    probe()
    yield from during("no job, nothing drawn", UNDISTURBED_S)
    yield from during("no job, the side bar drawn", redrawing(UNDISTURBED_S))
    shown = iter(range(1, 1 + min(36, scene().aim.frame_end)))
    yield from during("no job, frames shown", showing(shown))
    ops = bpy.ops.aim
    yield from during("learning is started", doing(ops.actor_learn), lambda: bool(job().status.figures))
    yield from during("learning", LEARNING_S)
    yield from during("learning is cancelled", doing(ops.job_cancel), lambda: job().status.ended)
    yield from during("learning is resumed", doing(ops.job_resume), lambda: job().at_work, 5.0)
    ops.job_cancel()
    yield lambda: job().status.ended
    yield from during("learning, to its end", doing(ops.actor_learn, **FEW), lambda: not job().active)
    yield from during("fit: the performance is read", doing(ops.performance_fit), lambda: job().preparation is None)
    results = module("aim_blender.scene.results")
    bring_in = results.bring_in
    results.bring_in = lambda *arguments: enter("fit: the result comes in") or bring_in(*arguments)
    yield from during("fit: the worker fits", lambda: not job().active, 1.0)
    if job().status.error or not len(scene().aim.takes):
        raise RuntimeError(job().status.error or "no take came")
    return {
        "blender": bpy.app.version_string,
        "points": len(scene().aim.actors[0].neutral.data.vertices),
        "frames": scene().aim.frame_end,
        "keys": len(driving.skin().data.shape_keys.key_blocks),
        "spent": {name: {what: max(each) for what, each in found.items()} for name, found in spent.items()},
    }


driving.answer({"blocking": blocking})
