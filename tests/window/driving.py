# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender's window: plays generators from the event loop, moves the mouse, clicks and types, and finds buttons.

What is played is a generator that yields what to wait for: seconds, or a function that tells whether it has come.
launching.py opens the window.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

MODULE = "bl_ext.user_default.aim_blender"
LOOKING_S = 0.03
LONGEST_WAIT_S = 240.0
HOVERING_S = 0.04  # until a button knows that the mouse is on it
STEP = 14  # pixels; buttons and tabs are higher
TIMELINE = "DOPESHEET_EDITOR"  # the area at the foot of a new window
TABS = 30  # pixels beside the panels
SCROLLING_S = 0.3
WHEEL_UP, WHEEL_DOWN = 4, 5  # as mouse buttons

Step = float | Callable[[], bool]
Play = Generator[Step, None, Any]

presses: list[tuple[float, str]] = []  # every click and key: the second of the monotonic clock, and in words


def answer(plays: dict[str, Callable[..., Play]]) -> None:
    """Play what launching.py asked for, and write what it returns, or why it failed, to where it waits for it."""
    asked = json.loads(os.environ["AIM_WINDOW"])
    play(plays[asked["play"]](**asked["arguments"]), lambda found: write(Path(asked["answer"]), found))


def play(playing: Play, tell: Callable[[Any], None]) -> None:
    """Play it from the event loop, tell what it returns or {"error": why it failed}, and let the window be closed."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    awaited: Step = 1.0
    since = time.monotonic()

    def end(found: Any) -> None:
        tell(found)
        Path(os.environ["SHOT_READY"]).touch()

    def advance() -> float | None:
        nonlocal awaited, since
        try:
            if callable(awaited) and not awaited():
                if time.monotonic() > since + LONGEST_WAIT_S:
                    playing.throw(TimeoutError("it did not come"))
                return LOOKING_S
            awaited = next(playing)
            since = time.monotonic()
            return LOOKING_S if callable(awaited) else awaited
        except StopIteration as stop:
            end(stop.value)
        except BaseException:
            end({"error": traceback.format_exc()})
        return None

    bpy.app.timers.register(advance, first_interval=1.0, persistent=True)


def write(path: Path, found: Any) -> None:
    """JSON, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found))
    partial.replace(path)


# -- the extension ----------------------------------------------------------------------------------------------------


def install(zip_file: str, worker: str) -> None:
    """Install the zip into this profile, as the preferences' menu does, and name the worker's Python."""
    done = bpy.ops.extensions.package_install_files(
        "EXEC_DEFAULT", filepath=zip_file, repo="user_default", enable_on_install=True
    )
    assert done == {"FINISHED"}, done
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.interpreter, preferences.device = worker, "cpu"


def module(name: str) -> Any:
    """A module of the installed extension."""
    return sys.modules[f"{MODULE}.{name}"]


def scene() -> bpy.types.Scene:
    """What the window shows."""
    return bpy.context.window_manager.windows[0].scene


def job() -> Any:
    """The latest job of the first actor, None if there was none."""
    return module("aim_blender.scene.jobs.jobs").of(scene().aim.actors[0])


def skin() -> bpy.types.Object:
    """The latest take's mesh."""
    objects = scene().aim.takes[-1].collection.objects
    return next(item for item in objects if item.type == "MESH" and item.data.shape_keys)


def evaluated(item: bpy.types.Object) -> np.ndarray:
    """(V, 3) its points as Blender shows them, in its own space."""
    shown = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    points = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", points.ravel())
    shown.to_mesh_clear()
    return points


# -- the window -------------------------------------------------------------------------------------------------------


def area(kind: str = "VIEW_3D") -> bpy.types.Area:
    return next(each for each in bpy.context.window_manager.windows[0].screen.areas if each.type == kind)


def region(part: str = "UI", kind: str = "VIEW_3D") -> bpy.types.Region:
    return next(each for each in area(kind).regions if each.type == part)


def xdotool(*words: object) -> None:
    subprocess.run(["xdotool", *map(str, words)], check=True)


def move(x: float, y: float) -> Play:
    """Move the mouse to window coordinates, which count from the lower left."""
    xdotool("mousemove", round(x), bpy.context.window_manager.windows[0].height - 1 - round(y))
    yield HOVERING_S


def click(what: str) -> Play:
    """Press and release the left mouse button where the mouse is."""
    presses.append((time.monotonic(), f"click {what}"))
    xdotool("click", 1)
    yield HOVERING_S


def key(keys: str, part: str = "WINDOW", kind: str = "VIEW_3D") -> Play:
    """Press keys such as `ctrl+z` while the mouse is in the middle of a region."""
    place = region(part, kind)
    yield from move(place.x + place.width / 2, place.y + place.height / 2)
    presses.append((time.monotonic(), f"key {keys}"))
    xdotool("key", keys)
    yield HOVERING_S


def button() -> str:
    """The call that the button of the side bar below the mouse makes; empty if there is none that may be pressed."""
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area(), region=region()):
        # Blender tells nothing about its buttons but this: the menu of each offers to copy what it does.
        if not bpy.ops.ui.copy_python_command_button.poll():  # type: ignore[call-arg] # of its description
            return ""
        bpy.ops.ui.copy_python_command_button()
    return bpy.context.window_manager.clipboard


def find(operator: str) -> Play:
    """Move the mouse down the side bar until it is on an operator's button, scrolling where it must."""
    for wheel, turns in ((WHEEL_DOWN, 0), (WHEEL_UP, 50), (WHEEL_DOWN, 8), (WHEEL_DOWN, 8), (WHEEL_DOWN, 8)):
        if turns:
            xdotool("click", "--repeat", turns, "--delay", 10, wheel)
            yield SCROLLING_S
        place = region()
        for down in range(STEP, place.height, STEP):
            yield from move(place.x + (place.width - TABS) / 2, place.y + place.height - down)
            if button().startswith(f"bpy.ops.{operator}("):
                return
    raise LookupError(f"the side bar has no button {operator}")


def press(operator: str) -> Play:
    """Find an operator's button in the side bar and click it."""
    yield from find(operator)
    yield from click(operator)


def past_splash() -> Play:
    """Click beside the splash screen."""
    place = region("WINDOW")
    yield from move(place.x + 100, place.y + 100)
    yield from click("beside the splash screen")


def open_side_bar(tab: list[float] | None = None) -> Play:
    """Press N over the 3D view, then the tab AIM. Returns where the tab is, or takes it from where it was before."""
    yield from key("n")
    yield lambda: region().width > 1 and region().active_panel_category != "UNSUPPORTED"
    place = region()
    left = place.x + place.width - TABS / 4
    for tried in [tab] if tab else [[left, place.y + place.height - down] for down in range(STEP, place.height, STEP)]:
        yield from move(*tried)
        yield from click("the tab AIM")
        if str(region().active_panel_category) == "AIM":
            return tried
    raise LookupError("the side bar has no tab AIM")
