# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of live_fitting.py, run inside Blender: OUT.json FRAMES."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp()

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import headless

HANDLES = (8, 50)
SLEEP_S = 0.001


def main(out: Path, frames: int) -> None:
    headless.load_extension()
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(tempfile.mkdtemp(), "live.blend")))
    bpy.ops.aim.demo_actor_add()
    scene, actor = bpy.context.scene, bpy.context.scene.aim.actors[0]
    bpy.ops.aim.actor_learn(iterations=100, hidden=32)
    rows = [measured("a whole mesh", len(actor.neutral.data.vertices), frames, scene.frame_set)]
    rest = np.array([vertex.co for vertex in actor.neutral.data.vertices])
    opened = actor.neutral.data.shape_keys.key_blocks["jaw_open"]
    moved = np.array([point.co for point in opened.data]) - rest
    for count in HANDLES:
        scene.aim.sources.points = None
        far = np.argsort(-np.linalg.norm(moved, axis=1))[: len(rest) // 2]
        for vertex in far[np.linspace(0, len(far) - 1, count).astype(int)]:
            bpy.ops.aim.handle_add(vertex=int(vertex))

        def drag(step: int) -> None:
            for item in scene.aim.sources.points.objects:
                vertex = item["aim_vertex"]
                item.location = (rest[vertex] + step / frames * moved[vertex]).tolist()
            bpy.context.view_layer.update()

        rows.append(measured(f"{count} handles", count, frames, drag))
    out.write_text(json.dumps({"rows": rows, "version": bpy.app.version_string}))


def measured(name: str, points: int, frames: int, change) -> list[object]:
    """A row of the table; change(step): change the scene."""
    live = headless.extension_module("aim_blender.scene.live")
    start = time.perf_counter()
    bpy.ops.aim.live_fit()
    wait_for(live, 0)
    ready = time.perf_counter() - start
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
    bpy.ops.aim.live_fit()
    milliseconds = 1000 * np.array(taken)
    return [
        name,
        points,
        ready,
        float(np.median(milliseconds)),
        float(np.quantile(milliseconds, 0.9)),
        float(milliseconds.max()),
        float(1000 * np.median(worker)),
        float(1000 * np.median(reading)),
        now.mean_mm,
    ]


def wait_for(live, fits: int) -> None:
    while live.CURRENT is not None and live.CURRENT.fits <= fits:
        live.advance()
        time.sleep(SLEEP_S)
    if live.CURRENT is None:
        raise SystemExit(live.LATEST_PROBLEM)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
