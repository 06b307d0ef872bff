# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of first_result.py, run in Blender's window: what somebody does who opens it for the first time."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "window"))

import driving
from driving import Play, evaluated, job, key, scene, skin

PLAYED_S = 4.0


def look_for_tab(zip_file: str, folder: str, worker: str) -> Play:  # noqa: ARG001 - as launching.py gives them
    """Where the tab AIM is, which somebody sees and a script does not."""
    driving.install(zip_file, worker)
    yield 1.0
    yield from driving.past_splash()
    return {"tab": (yield from driving.open_side_bar())}


def first_result(zip_file: str, folder: str, worker: str, tab: list[float]) -> Play:  # noqa: ARG001
    driving.install(zip_file, worker)
    yield 3.0
    start = time.monotonic()
    searching = 0.0

    def press(operator: str) -> Play:
        nonlocal searching
        begun = time.monotonic()
        yield from driving.find(operator)
        searching += time.monotonic() - begun
        yield from driving.click(operator)

    yield from driving.past_splash()
    yield from driving.open_side_bar(tab)
    yield from press("aim.demo_actor_add")
    yield lambda: len(scene().aim.actors) == 1
    yield from press("aim.actor_learn")
    begun = time.monotonic()
    yield lambda: job() is not None and not job().active
    learned = time.monotonic()
    if job().status.error:
        raise RuntimeError(job().status.error)
    yield from press("aim.performance_fit")
    fitting = time.monotonic()
    yield lambda: job().kind == "fit" and not job().active
    end = time.monotonic()
    if not len(scene().aim.takes):
        raise RuntimeError(job().status.error or "no take came")
    first = evaluated(skin())
    yield from key("space")
    frames, moved = set(), 0.0
    until = time.monotonic() + PLAYED_S
    while time.monotonic() < until:
        yield 0.2
        frames.add(scene().frame_current)
        moved = max(moved, float(np.linalg.norm(evaluated(skin()) - first, axis=1).max()))
    bpy.ops.screen.animation_cancel()
    yield 1.0
    return {
        "blender": bpy.app.version_string,
        "presses": [[at - start, words] for at, words in driving.presses],
        "result_s": end - start,
        "learning_s": learned - begun,
        "fitting_s": end - fitting,
        "searching_s": searching,
        "frames_played": len(frames),
        "moved_mm": 1000 * moved,
    }


driving.answer({"look_for_tab": look_for_tab, "first_result": first_result})
