# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of window_blocking.py, in Blender's window: clocks what the extension and Blender do there, phase by phase."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import bpy
import numpy as np
from driving import module

PROBE_S = 0.005
WINDOW = "window"
UNDO = "Blender's undo step"  # and all else that it does by itself when an operator has run

phase = ""
# By phase and by what was called: milliseconds of each call, and how many of them this thread computed.
spent: dict[str, dict[str, list[np.ndarray]]] = {}
_under_way: list[Call] = []


class Call:
    """One that is under way. elsewhere: what passed in it that is Blender's in ours, or ours in Blender's."""

    def __init__(self, what: str) -> None:
        self.what, self.start, self.elsewhere = what, now(), np.zeros(2)


def now() -> np.ndarray:
    """(2,) seconds: of the clock, and those that this thread computed."""
    return np.array([time.perf_counter(), time.thread_time()])


def enter(name: str) -> None:
    """What happens from now on is noted under this name; under none if it is empty."""
    global phase
    phase = name


def note(what: str, passed: np.ndarray) -> None:
    """passed: (2,) seconds, as now() has them."""
    if phase:
        spent.setdefault(phase, {}).setdefault(what, []).append(1000 * passed)


def clocked(call: Callable[..., Any], clock: str, /, *arguments: Any, **named: Any) -> Any:
    """Call it and note how long that took: ours without what Blender did in it by itself, and the other way round."""
    _under_way.append(Call(clock))
    try:
        return call(*arguments, **named)
    finally:
        ended = _under_way.pop()
        passed = now() - ended.start
        note(clock, passed - ended.elsewhere)
        if _under_way:
            outer = _under_way[-1]
            outer.elsewhere += ended.elsewhere if (clock == UNDO) == (outer.what == UNDO) else passed - ended.elsewhere


def clock_function(owner: Any, name: str, what: str) -> Callable[..., Any]:
    """Note how long each call of a module's function takes. Returns what stands in its place."""
    original = getattr(owner, name)
    replaced = functools.wraps(original)(lambda *arguments: clocked(original, what, *arguments))
    setattr(owner, name, replaced)
    return replaced


def clock_everything() -> None:
    """The extension's timers, handlers and operators, and all that it draws."""
    for name, timer in (("jobs.jobs", "_tick"), ("live.live", "_tick"), ("actors.thumbnails", "work")):
        clock_function(module(f"aim_blender.scene.{name}"), timer, f"timer of {name}")
    operator = module("ops.basics.base").AimOperator
    attempt = operator.attempt
    operator.attempt = lambda self, work: clocked(attempt, f"operator {self.bl_label}", self, work)
    deliver = module("aim_blender.scene.jobs.jobs").Run._try_to_deliver
    module("aim_blender.scene.jobs.jobs").Run._try_to_deliver = lambda self: clocked(deliver, UNDO, self)
    for each in module("addon_manifest.registry").CLASSES:
        if issubclass(each, bpy.types.Panel):
            for name in ("draw", "draw_header"):
                if name in vars(each):
                    _clock_drawing(each, name)
    for name in ("overlays", "actors.shape_preview"):
        over = module(f"addon_manifest.{name}").OVER
        over.unregister()
        clock_function(over, "draw", f"drawing of {name}")
        over.register()
    for each in ("jobs.errors._before_frame", "live.live._note", "live.live._after_undo", "jobs.jobs._after_load"):
        _clock_handler(*each.rsplit(".", 1))


def _clock_drawing(panel: type, name: str) -> None:
    original = getattr(panel, name)
    # Blender counts a method's arguments.
    setattr(panel, name, lambda self, context: clocked(original, "drawing of a panel", self, context))


def _clock_handler(name: str, handler: str) -> None:
    owner = module(f"aim_blender.scene.{name}")
    original = getattr(owner, handler)
    replaced = clock_function(owner, handler, f"handler of {name}")
    for kind in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, kind)
        if isinstance(handlers, list) and original in handlers:
            handlers[handlers.index(original)] = replaced


def probe() -> None:
    """Note from now on how late the window takes its next turn."""
    last = now()

    def turn() -> float:
        nonlocal last
        note(WINDOW, now() - last - [PROBE_S, 0.0])
        last = now()
        return PROBE_S

    bpy.app.timers.register(turn, persistent=True)


def longest() -> dict[str, dict[str, tuple[list[float], list[float]]]]:
    """By phase and by what was called: of the call that computed longest, and of the one that took longest, the
    milliseconds and how many of them this thread computed."""
    return {
        name: {what: tuple(max(each, key=lambda ms: ms[k]).tolist() for k in (1, 0)) for what, each in found.items()}
        for name, found in spent.items()
    }
