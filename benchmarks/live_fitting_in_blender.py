# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of live_fitting.py, run inside Blender: OUT.json FRAMES PARTS."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp()

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import headless

HANDLES = (8, 50)
SLEEP_S = 0.001


def main(out: Path, frames: int, parts: list[str]) -> None:
    headless.load_extension()
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(tempfile.mkdtemp(), "live.blend")))
    bpy.ops.aim.demo_actor_add()
    scene, actor = bpy.context.scene, bpy.context.scene.aim.actors[0]
    bpy.ops.aim.actor_learn(iterations=100, hidden=32)
    points = len(actor.neutral.data.vertices)
    rows = [measured("fit of a whole mesh", points, frames, scene.frame_set)] if "fit" in parts else []
    rest = np.array([vertex.co for vertex in actor.neutral.data.vertices])
    opened = actor.neutral.data.shape_keys.key_blocks["jaw_open"]
    moved = np.array([point.co for point in opened.data]) - rest
    for count in HANDLES if "fit" in parts else ():
        scene.aim.sources.points = None
        far = np.argsort(-np.linalg.norm(moved, axis=1))[: len(rest) // 2]
        for vertex in far[np.linspace(0, len(far) - 1, count).astype(int)]:
            bpy.ops.aim.handle_add(vertex=int(vertex))

        def drag(step: int) -> None:
            for item in scene.aim.sources.points.objects:
                vertex = item["aim_vertex"]
                item.location = (rest[vertex] + step / frames * moved[vertex]).tolist()
            bpy.context.view_layer.update()

        rows.append(measured(f"fit of {count} handles", count, frames, drag))
    performed, scene.aim.performance_kind = scene.aim.performance_object, "OBJECT"
    bpy.ops.aim.performance_fit(object_name=performed.name, frame_start=1, frame_end=frames + 1, tolerance_mm=1.0)
    others = []
    if "preview" in parts:
        bpy.ops.aim.demo_actor_add()
        bpy.ops.aim.actor_learn(iterations=100, hidden=32)
        others.append((scene.aim.actors[1].name, points))
    if "faces" in parts:
        first = scene.aim.actors[0]  # the list may have moved
        character = coarser(first.neutral)
        bpy.ops.aim.character_add(source=first.name, name="Coarse")
        others.append(("Coarse", len(character.data.vertices)))
    scene.aim.active_actor = 0

    def strengthen(step: int) -> None:
        scene.aim.retarget_strength = 1.0 - 0.5 * step / frames

    for name, count in others:
        scene.aim.retarget_target = name
        faces = "the same faces" if count == points else "other faces"
        rows.append(measured(f"preview, {faces}, another frame", count, frames, scene.frame_set, "retarget_preview"))
        rows.append(measured(f"preview, {faces}, strength", count, frames, strengthen, "retarget_preview"))

    def pull(_: int) -> None:
        handle = live_module().CURRENT.handles()[0]
        handle.location.z -= 0.0002
        bpy.context.view_layer.update()

    def add_handle() -> None:
        bpy.ops.aim.handle_add(vertex=int(np.argmax(np.linalg.norm(moved, axis=1))))

    scene.aim.active_take = 0
    if "correction" in parts:
        rows.append(measured("correction, 1 handle", 1, frames, pull, "frame_correct", add_handle))
    out.write_text(json.dumps({"rows": rows, "version": bpy.app.version_string}))


def coarser(neutral: Any) -> bpy.types.Object:
    """A copy of the neutral with fewer, other faces; selected."""
    item = neutral.copy()
    item.data = neutral.data.copy()
    item.shape_key_clear()
    bpy.context.scene.collection.objects.link(item)
    item.location.x += 3.0
    item.modifiers.new("Decimate", "DECIMATE").ratio = 0.5
    for other in bpy.context.view_layer.objects:
        other.select_set(other == item)
    bpy.context.view_layer.objects.active = item
    bpy.ops.object.modifier_apply(modifier="Decimate")
    return item


def live_module() -> Any:
    return headless.extension_module("aim_blender.scene.live.live")


def measured(
    name: str,
    points: int,
    frames: int,
    change: Callable[[int], object],
    operator: str = "live_fit",
    prepare: Callable[[], object] | None = None,
) -> list[object]:
    """A row of the table; change(step): change the scene. operator: switches it on and off."""
    live, switch = live_module(), getattr(bpy.ops.aim, operator)
    bpy.context.scene.frame_set(1)
    start = time.perf_counter()
    switch()
    wait_for(live, 0)
    ready = time.perf_counter() - start
    if prepare is not None:
        prepare()
    live.CURRENT.settle()
    taken, worker, reading = [], [], []
    now = live.CURRENT
    for step in range(2, frames + 2):  # the first frame is shown already
        fits = now.fits
        change(step)
        start = time.perf_counter()
        live.advance()
        reading.append(time.perf_counter() - start)
        wait_for(live, fits)
        taken.append(time.perf_counter() - start)
        worker.append(now.worker_s)
    switch()
    milliseconds = 1000 * np.array(taken)
    off = now.figures.get("mean_mm")
    return [
        name,
        points,
        ready,
        float(np.median(milliseconds)),
        float(np.quantile(milliseconds, 0.9)),
        float(milliseconds.max()),
        float(1000 * np.median(worker)),
        float(1000 * np.median(reading)),
        "" if off is None else float(off),
    ]


def wait_for(live: Any, fits: int) -> None:
    while live.CURRENT is not None and live.CURRENT.fits <= fits:
        live.advance()
        time.sleep(SLEEP_S)
    if live.CURRENT is None:
        raise SystemExit(live.LATEST_PROBLEM)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(","))
