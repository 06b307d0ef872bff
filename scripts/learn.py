# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn an actor from a folder of registered meshes, without a window.

    blender --background --python scripts/learn.py -- CAPTURE --save actor.blend
    python scripts/learn.py CAPTURE --save actor.blend                           under a Python with the bpy wheel

CAPTURE holds one mesh a shape (the neutral's name contains `neutral`) and optionally bones/skull and bones/mandible.
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
    parser = argparse.ArgumentParser(prog="learn.py", description=__doc__.splitlines()[0])
    parser.add_argument("capture", type=Path, help="folder of registered meshes")
    parser.add_argument("--name", default="", help="the actor's name (default: the folder's)")
    parser.add_argument("--millimetres-per-unit", type=float, default=0.0, help="unit of the meshes (default: guessed)")
    parser.add_argument("--iterations", type=int, default=0, help="learning steps (default: the method's own)")
    headless.add_common_arguments(parser)
    chosen = parser.parse_args(arguments)

    headless.begin(chosen)
    headless.select_capture(chosen.capture)
    bpy.ops.aim.actor_add(
        name=chosen.name or chosen.capture.resolve().name, millimetres_per_unit=chosen.millimetres_per_unit
    )
    bpy.ops.aim.actor_learn(iterations=chosen.iterations)
    actor = bpy.context.scene.aim.actors[bpy.context.scene.aim.active_actor]
    headless.save(chosen)
    print(f"learned {actor.name}: {actor.file_path}")


if __name__ == "__main__":
    headless.run(main)
