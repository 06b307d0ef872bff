# SPDX-License-Identifier: GPL-3.0-or-later
"""Give an actor bones, count its constraints, and draw what was learned of its inside, without a window.

    blender --background --python scripts/anatomy.py -- --capture CAPTURE --fit --save actor.blend
    blender --background learned.blend --python scripts/anatomy.py -- --sheet inside.png

CAPTURE is a folder of registered meshes, as for learn.py. With --fit a skull and a mandible are fitted to the neutral.
With --sheet the picture sheet of the learned actor is written there. Ends with an exit status other than 0 and one line
if something is wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import bpy

sys.path.append(str(Path(__file__).resolve().parent))
import headless


def main(arguments: list[str]) -> None:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="anatomy.py", description=__doc__.splitlines()[0])
    parser.add_argument("--capture", type=Path, help="folder of registered meshes to make an actor of")
    parser.add_argument("--actor", default="", help="the actor of the .blend (default: the active one)")
    parser.add_argument("--fit", action="store_true", help="fit bones to the neutral")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write the picture sheet of the learned actor here")
    headless.add_common_arguments(parser)
    chosen = parser.parse_args(arguments)

    headless.begin(chosen)
    if chosen.capture is not None:
        headless.select_capture(chosen.capture)
        bpy.ops.aim.actor_add(name=chosen.capture.resolve().name)
    elif chosen.actor:
        headless.choose_actor(chosen.actor)
    if chosen.fit:
        bpy.ops.aim.anatomy_fit()
    state = bpy.context.scene.aim
    if not len(state.actors):
        raise ValueError("there is no actor; give --capture, or a .blend that has one")
    actor = state.actors[state.active_actor]
    if actor.skull is not None:
        bpy.ops.aim.constraints_trace()
        traced = headless.extension_module("aim_blender.scene.actors.tracing").TRACED[actor.identifier]
        print(f"{actor.name}: {'; '.join([traced.sentence, *traced.notes])}")
    if chosen.sheet is not None:
        bpy.ops.aim.anatomy_show(what="sheet")
        drawn = (
            headless.extension_module("aim_blender.scene.jobs.anatomy_jobs").inspection_file(actor).with_suffix(".png")
        )
        shutil.copyfile(drawn, chosen.sheet)
        print(f"drew {chosen.sheet}")
    headless.save(chosen)


if __name__ == "__main__":
    headless.run(main)
