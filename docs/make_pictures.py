# SPDX-License-Identifier: GPL-3.0-or-later
"""Photograph a real Blender's window for the README and the guide: while the demo actor is learned, fitted and so on.

    python docs/make_pictures.py TOOL --worker PYTHON [first_run] [learning] [fitted] [guide]

TOOL is a program that opens Blender's window on a screen of its own, runs a script in it and photographs it when the
script makes the file named by $SHOT_READY, or after so many seconds: `TOOL ui SCRIPT.py OUT.png SECONDS`. PYTHON is the
one that learns and fits. Needs Pillow, which .env/worker-py3.* has. Inside Blender the same file is the script.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("first_run", "learning", "fitted", "guide")
SECONDS = {"first_run": 120, "learning": 400, "fitted": 800, "guide": 800}
ITERATIONS = 300  # few: the pictures show the panel, not how close the method comes
LEARNED_SHARE = 0.45  # how far learning has come in its picture
SCALE = 1.1  # of the interface, so that the pictures can be read when they are shrunk
CLOSER = 0.62  # than Blender's own view of what is selected
WIDTH = 1280
DRAWN_S = 1.5  # how long the window takes to be drawn anew
MARGIN = 12  # in pixels, as those below
TABS = 30
MOST_COLOURS_OF_GROUND = 8
LARGEST_BYTES = 400_000


# -- outside Blender --------------------------------------------------------------------------------------------------


def main() -> None:
    import argparse
    import subprocess

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool", type=Path, help="opens Blender's window, runs a script and photographs it")
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--worker", type=Path, required=True, help="the Python that learns and fits")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="folder for the pictures")
    chosen = parser.parse_intermixed_args()
    for name in chosen.names or NAMES:
        if name not in NAMES:
            parser.error(f"there is no picture {name}; there are {', '.join(NAMES)}")
        # Inside the checkout, which the tool shows to Blender.
        with tempfile.TemporaryDirectory(prefix="pictures-", dir=ROOT / ".env") as folder:
            photograph = Path(folder, "window.png")
            variables = {
                **os.environ,
                "AIM_PICTURE": name,
                "AIM_FOLDER": folder,
                "AIM_WORKER": str(chosen.worker.absolute()),
                "BLENDER_USER_RESOURCES": str(Path(folder, "blender")),
            }
            if name == "first_run":
                subprocess.run([sys.executable, ROOT / "build.py"], check=True)
            command = [chosen.tool, "ui", Path(__file__).resolve(), photograph, str(SECONDS[name])]
            subprocess.run(command, cwd=ROOT, env=variables, check=True)
            if name == "guide":
                save_sections(Path(folder), chosen.out / name)
            else:
                save(photograph, chosen.out / f"{name}.png")


def save(photograph: Path, picture: Path) -> None:
    """The photograph, shrunk and with few colours. Raises SystemExit if it is still too large for the repository."""
    from PIL import Image

    with Image.open(photograph) as image:
        small = image.convert("RGB").resize(
            (WIDTH, round(WIDTH * image.height / image.width)), Image.Resampling.LANCZOS
        )
    palette = small.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    small = small.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    picture.parent.mkdir(parents=True, exist_ok=True)
    small.save(picture, optimize=True)
    if picture.stat().st_size > LARGEST_BYTES:
        raise SystemExit(f"{picture} has {picture.stat().st_size} bytes, more than {LARGEST_BYTES}; make it smaller")
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


def save_sections(folder: Path, out: Path) -> None:
    """Every photograph of the tour, cut to the side bar as far down as something is drawn there."""
    from PIL import Image

    for place in sorted(folder.glob("*.json")):
        left, low, width, height, whole = json.loads(place.read_text())
        with Image.open(place.with_suffix(".png")) as image:
            bar = image.convert("RGB").crop((left, whole - low - height, left + width, whole - low))
        colours = [len(bar.crop((0, row, bar.width - TABS, row + 1)).getcolors(4096)) for row in range(bar.height)]
        drawn = [row for row, number in enumerate(colours) if number > MOST_COLOURS_OF_GROUND]
        bar = bar.crop((0, 0, bar.width, min(bar.height, max(drawn, default=0) + MARGIN)))
        picture = out / f"{place.stem}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        bar.quantize(128).save(picture, optimize=True)
        print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


# -- inside Blender ---------------------------------------------------------------------------------------------------


def first_run() -> Generator[Any, None, None]:
    """The zip installed where no Python has PyTorch, and the mouse on the button that sets one up."""
    import bpy
    import driving

    bpy.context.preferences.view.ui_scale = SCALE
    zip_file = max((ROOT / "dist").glob("aim_blender-*.zip"), key=lambda file: file.stat().st_mtime)
    driving.install(str(zip_file), "")
    yield 1.0
    yield from driving.past_splash()
    yield from driving.open_side_bar()
    yield from driving.find("aim.environment_install")
    yield 2 * DRAWN_S


def inside_blender() -> None:
    """Prepare the window, and do what the picture shows."""
    import bpy

    sys.stdout.reconfigure(line_buffering=True)
    if os.environ["AIM_PICTURE"] == "first_run":
        sys.path.insert(0, str(ROOT / "tests" / "window"))
        import driving

        driving.play(first_run(), lambda found: print(found["error"] if found else "photographed"))
        return
    sys.path.insert(0, str(ROOT / "scripts"))
    import headless

    package = headless.load_extension()
    bpy.context.preferences.addons[package].preferences.interpreter = os.environ["AIM_WORKER"]
    bpy.context.preferences.addons[package].preferences.device = "cpu"
    bpy.context.preferences.view.show_splash = False
    bpy.context.preferences.view.ui_scale = SCALE
    bpy.context.preferences.system.use_region_overlap = False  # the side bar stands beside the faces, not on them
    first = begin
    if os.environ["AIM_PICTURE"] == "guide":
        sys.path.insert(0, str(Path(__file__).parent))
        import guide_tour

        first = guide_tour.begin
    soon(1.0, lambda: close_area("PROPERTIES", lambda: close_area("OUTLINER", first)))


def close_area(kind: str, then: Callable[[], None]) -> None:
    """Give the room of an area to the 3D view, and go on when Blender has laid the window out anew."""
    import bpy

    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == kind)
    with bpy.context.temp_override(window=window, area=area, region=area.regions[0]):
        bpy.ops.screen.area_close()
    soon(DRAWN_S, then)


def begin() -> None:
    import bpy

    bpy.ops.wm.save_as_mainfile(filepath=str(Path(os.environ["AIM_FOLDER"], "shot.blend")))
    for item in list(bpy.data.objects):  # the cube, the light and the camera of a new file
        bpy.data.objects.remove(item)
    bpy.ops.aim.demo_actor_add()
    bpy.context.scene.frame_end = bpy.context.scene.aim.frame_end
    bpy.context.scene.aim.iterations = ITERATIONS
    for item in (bpy.data.objects["Demo Skull"], bpy.data.objects["Demo Mandible"]):
        item.hide_set(True)
    dress_view()
    bpy.ops.aim.actor_learn()
    if os.environ["AIM_PICTURE"] == "learning":
        when(lambda: run().status.fraction >= LEARNED_SHARE and len(run().status.figures) > 0, ready)
    else:
        when(lambda: not run().active, fit)


def fit() -> None:
    import bpy

    if run().status.error:
        raise RuntimeError(run().status.error)
    bpy.ops.aim.performance_fit()
    when(lambda: not run().active, show_result)


def show_result() -> None:
    """The frame in which the result's mouth is open widest."""
    import bpy

    scene = bpy.context.scene
    if run().status.error or not len(scene.aim.takes):
        raise RuntimeError(run().status.error or "no take came")
    take = scene.aim.takes[0]
    rig = next(item for item in take.collection.objects if item.type == "ARMATURE")
    opening = {}
    for frame in range(take.frame_start, take.frame_end + 1):
        scene.frame_set(frame)
        opening[frame] = rig.pose.bones["jaw"].rotation_euler.x
    scene.frame_set(max(opening, key=lambda frame: opening[frame]))
    dress_view()
    soon(2.0, scroll_to_end)
    soon(3.0, ready)


def dress_view() -> None:
    """The tab AIM open, colours shown, and all faces seen from the front."""
    import bpy

    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    space = area.spaces.active
    space.show_region_ui = True
    space.shading.type = "SOLID"
    space.shading.color_type = "VERTEX"
    space.shading.show_backface_culling = True  # an open mouth is dark, and not the back of the head seen from inside
    space.overlay.show_relationship_lines = False
    space.overlay.show_cursor = False
    for item in bpy.context.view_layer.objects:
        item.select_set(item.type == "MESH" and item.visible_get())
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_selected()
        space.region_3d.view_distance *= CLOSER
    for item in bpy.context.view_layer.objects:
        item.select_set(False)
    soon(0.5, open_tab)


def open_tab() -> None:
    import bpy

    for area in bpy.context.window_manager.windows[0].screen.areas:
        for region in area.regions:
            if area.type == "VIEW_3D" and region.type == "UI":
                region.active_panel_category = "AIM"  # type: ignore[assignment]
        area.tag_redraw()


def scroll_to_end() -> None:
    """The lower end of the side bar."""
    import bpy

    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "UI")
    with bpy.context.temp_override(window=window, area=area, region=region):
        for _ in range(100):
            bpy.ops.view2d.scroll_down()
    area.tag_redraw()


def run() -> object:
    """The actor's job."""
    import bpy
    import headless

    return headless.extension_module("aim_blender.scene.jobs.jobs").of(bpy.context.scene.aim.actors[0])


def ready() -> None:
    """Photograph now, or rather when the window has been drawn."""
    soon(3.0, lambda: Path(os.environ["SHOT_READY"]).touch())


def when(happened: Callable[[], bool], action: Callable[[], None]) -> None:
    """Do something when something has happened."""
    soon(0.5, lambda: action() if happened() else when(happened, action))


def soon(seconds: float, action: Callable[[], None]) -> None:
    """Do something from Blender's event loop; what fails is printed and photographed."""
    import traceback

    import bpy

    def attempt() -> None:
        try:
            action()
        except Exception:
            traceback.print_exc()
            Path(os.environ["SHOT_READY"]).touch()

    bpy.app.timers.register(attempt, first_interval=seconds)


if __name__ == "__main__":
    if "AIM_PICTURE" in os.environ:
        inside_blender()
    else:
        main()
