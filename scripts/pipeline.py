# SPDX-License-Identifier: GPL-3.0-or-later
"""From meshes to keyframes without a window: make the actor, learn it, fit a performance, save the .blend.

    blender --background --python scripts/pipeline.py -- --capture CAPTURE --performance FRAMES --save take.blend
    blender --background --python scripts/pipeline.py -- --demo --save demo.blend
    python scripts/pipeline.py --demo --save demo.blend                          under a Python with the bpy wheel

CAPTURE is a folder of registered meshes, FRAMES a folder with one mesh a frame (or an .npz, .pc2 or .mdd).
Ends with an exit status other than 0 and one line if something is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import bpy

sys.path.append(str(Path(__file__).resolve().parent))
import headless


def main(arguments: list[str]) -> None:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="pipeline.py", description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--capture", type=Path, help="folder of registered meshes")
    source.add_argument("--demo", action="store_true", help="take the demo actor and its performance")
    parser.add_argument("--performance", type=Path, help="folder with one mesh a frame")
    parser.add_argument("--iterations", type=int, default=0, help="learning steps (default: the method's own)")
    parser.add_argument("--end", type=int, help="last frame of the demo's performance")
    parser.add_argument("--tolerance", type=float, default=0.0, help="largest error in mm (default: 0.1)")
    parser.add_argument("--in-place", action="store_true", help="put the result on the performance, not beside it")
    headless.add_common_arguments(parser)
    chosen = parser.parse_args(arguments)
    if chosen.capture is not None and chosen.performance is None:
        parser.error("--capture needs --performance")

    headless.begin(chosen)
    if chosen.demo:
        bpy.ops.aim.demo_actor_add()
    else:
        headless.select_capture(chosen.capture)
        bpy.ops.aim.actor_add(name=chosen.capture.resolve().name)
    bpy.ops.aim.actor_learn(iterations=chosen.iterations)
    folder = str(chosen.performance.resolve()) if chosen.performance is not None else ""
    frames = {"frame_end": chosen.end} if chosen.end is not None else {}
    bpy.ops.aim.performance_fit(folder=folder, tolerance_mm=chosen.tolerance, beside=not chosen.in_place, **frames)

    state = bpy.context.scene.aim
    take = state.takes[state.active_take]
    headless.save(chosen)
    print(json.dumps({"take": take.name, "collection": take.collection.name, **json.loads(take.figures)}, indent=1))


if __name__ == "__main__":
    headless.run(main)
