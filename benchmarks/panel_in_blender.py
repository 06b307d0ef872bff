# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of panel.py, run inside Blender: OUT.json enable | redraw, from the command line or in PANEL_BENCHMARK."""

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp())

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import headless

FOREIGN = ("torch", "scipy", "trimesh", "roma", "safetensors")
SHAPES, TAKES = 50, 10
TIMES = 100
REDRAWS = 50


def enable(out: Path) -> None:
    """Enable it once, then switch it off and on again and again."""
    known = set(sys.modules)
    start, start_cpu = time.perf_counter(), time.process_time()
    package = sys.modules[headless.load_extension()]
    milliseconds, cpu = 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - start_cpu)
    imported = [name for name in set(sys.modules) - known if not name.startswith(headless.CHECKOUT)]
    seconds, memory = [], []
    for _ in range(TIMES):
        start = time.perf_counter()
        package.unregister()
        package.register()
        seconds.append(time.perf_counter() - start)
        memory.append(resident_kib())
    figures = {
        "enable_ms": milliseconds,
        "enable_cpu_ms": cpu,
        "again_ms": 1000 * sorted(seconds)[TIMES // 2],
        "grown_kib": memory[-1] - memory[TIMES // 5],  # the first ones fill Blender's own pools
        "foreign": [name for name in FOREIGN if name in sys.modules],
        "numpy_was_there": "numpy" in known,
        "imported": len(imported),
    }
    out.write_text(json.dumps(figures))


def resident_kib() -> int:
    """This process's memory; where the system does not tell, the most it ever was."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def redraw(out: Path) -> None:
    """In a window: an actor of 50 shapes and 10 takes, and how long the panels' draw functions take together."""
    bpy.context.preferences.view.show_splash = False
    headless.load_extension()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "blender"))
    import scenes

    scenes.add_capture(SHAPES)
    bpy.ops.aim.actor_add(name="Actor")
    state = bpy.context.scene.aim
    for number in range(TAKES):
        take = state.takes.add()
        take.name, take.actor = f"take {number}", state.actors[0].identifier
        take.frame_end = 100 * number
    panels = [
        each
        for each in headless.extension_module("addon_manifest.registry").CLASSES
        if issubclass(each, bpy.types.Panel)
    ]
    headless.extension_module("addon_manifest").unregister()
    for each in panels:
        each.bl_options = getattr(each, "bl_options", set()) - {"DEFAULT_CLOSED"}  # every panel open
    headless.extension_module("addon_manifest").register()
    spent: dict[str, list[float]] = {}
    for each in panels:
        for name in ("draw", "draw_header"):
            if name in vars(each):
                watch(each, name, spent)
    bpy.app.timers.register(show_side_bar, first_interval=2.0)
    bpy.app.timers.register(open_tab, first_interval=4.0)
    bpy.app.timers.register(lambda: measure(out, spent), first_interval=6.0)


def watch(owner: type, name: str, spent: dict[str, list[float]]) -> None:
    """Add the times that a method takes to spent[class]."""
    original = vars(owner)[name]

    def clocked(*arguments: Any) -> None:
        start = time.perf_counter()
        original(*arguments)
        spent.setdefault(owner.__name__, []).append(time.perf_counter() - start)

    def draw(self: Any, context: Any) -> None:
        clocked(self, context)

    setattr(owner, name, draw)  # of two arguments, because Blender counts them


def side_bar() -> tuple[bpy.types.Area, bpy.types.Region]:
    area = next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")
    return area, next(region for region in area.regions if region.type == "UI")


def show_side_bar() -> None:
    """Its tabs are there once it was drawn."""
    side_bar()[0].spaces.active.show_region_ui = True


def open_tab() -> None:
    area, region = side_bar()
    region.active_panel_category = "AIM"  # type: ignore[assignment]
    area.tag_redraw()


def measure(out: Path, spent: dict[str, list[float]]) -> float | None:
    """Ask for redraws until there were enough, and write down the time of one."""
    if len(spent.get("AIM_PT_main", ())) < REDRAWS:
        side_bar()[1].tag_redraw()
        return 0.05
    redraws = len(spent["AIM_PT_main"])
    # A header is drawn beside its panel. Medians, because the machine does other things too.
    panels = {
        name: 1000 * statistics.median(seconds) * round(len(seconds) / redraws) for name, seconds in spent.items()
    }
    out.write_text(json.dumps({"panels_ms": panels, "redraws": redraws, "blender": bpy.app.version_string}))
    Path(os.environ["SHOT_READY"]).touch()
    return None


if __name__ == "__main__":
    chosen = os.environ.get("PANEL_BENCHMARK", "").split("|") if "PANEL_BENCHMARK" in os.environ else sys.argv[1:]
    globals()[chosen[1]](Path(chosen[0]))
