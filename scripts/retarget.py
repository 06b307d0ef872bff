# SPDX-License-Identifier: GPL-3.0-or-later
"""Let another learned actor of a .blend perform what was fitted to one, without a window.

    blender --background take.blend --python scripts/retarget.py -- --target Bob --save bob.blend
    python scripts/retarget.py --blend take.blend --target Bob --save bob.blend   under a Python with the bpy wheel

Both actors are learned and of one topology, and the performing one has a fitted take.
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
    parser = argparse.ArgumentParser(prog="retarget.py", description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, help="name of the actor that the performance goes to")
    parser.add_argument("--actor", help="name of the actor that performed (default: the one chosen in the .blend)")
    parser.add_argument(
        "--take", default="", help="name of the take (default: the one chosen, else the actor's latest)"
    )
    parser.add_argument("--strength", type=float, default=1.0, help="of the expressions (default: 1, as performed)")
    parser.add_argument("--jaw-strength", type=float, default=1.0, help="of the jaw, beside that (default: 1)")
    parser.add_argument(
        "--neutral-frame", type=int, help="a frame in which the performer rests (default: take none off)"
    )
    parser.add_argument("--no-head", action="store_true", help="keep the target's head still")
    parser.add_argument(
        "--tolerance", type=float, default=0.0, help="largest error in mm (default: the .blend's setting)"
    )
    parser.add_argument("--in-place", action="store_true", help="put the result on the target's neutral, not beside it")
    headless.add_common_arguments(parser)
    chosen = parser.parse_args(arguments)

    headless.begin(chosen)
    if chosen.actor is not None:
        headless.choose_actor(chosen.actor)
    bpy.ops.aim.performance_retarget(
        take=chosen.take,
        target=chosen.target,
        strength=chosen.strength,
        jaw_strength=chosen.jaw_strength,
        head=not chosen.no_head,
        tolerance_mm=chosen.tolerance,
        beside=not chosen.in_place,
        **({} if chosen.neutral_frame is None else {"neutral_frame": chosen.neutral_frame}),
    )
    state = bpy.context.scene.aim
    take = state.takes[state.active_take]
    headless.save(chosen)
    print(f"retargeted {take.name}, frames {take.frame_start} to {take.frame_end}: collection {take.collection.name}")


if __name__ == "__main__":
    headless.run(main)
