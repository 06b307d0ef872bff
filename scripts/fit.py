# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit a learned actor of a .blend to a performance, without a window.

    blender --background actor.blend --python scripts/fit.py -- --object Performance --save take.blend
    python scripts/fit.py --blend actor.blend --folder FRAMES --save take.blend   under a Python with the bpy wheel

The performance is an object of the .blend whose mesh changes over the frames, or a folder with one mesh a frame.
Ends with an exit status other than 0 and one line if something is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bpy

sys.path.append(str(Path(__file__).resolve().parent))
import headless


def main(arguments: list[str]) -> None:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="fit.py", description=__doc__.splitlines()[0])
    parser.add_argument("--actor", help="the actor's name (default: the one chosen in the .blend)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--object", default="", help="the object to fit (default: the one chosen in the .blend)")
    source.add_argument("--folder", type=Path, help="a folder with one mesh a frame")
    parser.add_argument("--start", type=int, help="first frame (default: the .blend's setting)")
    parser.add_argument("--end", type=int, help="last frame (default: the .blend's setting)")
    parser.add_argument(
        "--tolerance", type=float, default=0.0, help="largest error in mm (default: the .blend's setting)"
    )
    parser.add_argument("--in-place", action="store_true", help="put the result on the performance, not beside it")
    headless.add_common_arguments(parser)
    chosen = parser.parse_args(arguments)

    headless.begin(chosen)
    state = bpy.context.scene.aim
    if chosen.actor is not None:
        headless.choose_actor(chosen.actor)
    frames = {
        name: value for name, value in (("frame_start", chosen.start), ("frame_end", chosen.end)) if value is not None
    }
    folder = str(chosen.folder.resolve()) if chosen.folder is not None else ""
    bpy.ops.aim.performance_fit(
        object_name=chosen.object,
        folder=folder,
        tolerance_mm=chosen.tolerance,
        beside=not chosen.in_place,
        **frames,
    )
    take = state.takes[state.active_take]
    headless.save(chosen)
    print(f"fitted {take.name}, frames {take.frame_start} to {take.frame_end}: collection {take.collection.name}")


if __name__ == "__main__":
    headless.run(main)
