# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake a take of a .blend once more, as keys or as a mesh cache, or onto a character of one's own, without a window.

    blender --background take.blend --python scripts/bake.py -- --as KEYS --fps 30 --reduce-keys 0.1 --save 30.blend
    blender --background take.blend --python scripts/bake.py -- --as PC2 --save cache.blend
    blender --background shot.blend --python scripts/bake.py -- --onto Hero --armature "Hero rig" --jaw jaw --head head
                                                                --save hero.blend
    blender --background shot.blend --python scripts/bake.py -- --onto-controls Hero --armature "Hero rig" --head head
                                                                --save hero.blend
    blender --background shot.blend --python scripts/bake.py -- --onto-controls Hero --layer add --blend-in 5
                                                                --start 20 --end 90 --save hero.blend
    blender --background take.blend --python scripts/bake.py -- --pose-assets --push-down --save poses.blend
    python scripts/bake.py --blend take.blend ...                               under a Python with the bpy wheel

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
    parser = argparse.ArgumentParser(prog="bake.py", description=__doc__.splitlines()[0])
    parser.add_argument("--take", default="", help="the take's name (default: the one chosen in the .blend)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--as", dest="kind", choices=("KEYS", "PC2", "MDD"), help="shape keys and bones, or a mesh cache")
    what.add_argument("--onto", metavar="MESH", help="name of the character's mesh whose shape keys are keyed")
    parser.add_argument("--start", type=int, help="first frame of the take")
    parser.add_argument("--end", type=int, help="last frame of the take")
    parser.add_argument("--step", type=int, default=0, help="every how many frames")
    parser.add_argument("--first", type=int, help="where the result begins")
    parser.add_argument("--fps", type=float, default=0.0, help="frames a second to convert to")
    parser.add_argument("--tolerance", type=float, default=0.0, help="largest error in mm")
    parser.add_argument("--reduce-keys", type=float, metavar="MM", help="how far fewer keyframes may move a point")
    what.add_argument("--onto-controls", metavar="MESH", help="name of the rigged mesh whose rig's controls are keyed")
    what.add_argument("--pose-assets", action="store_true", help="expressions of the take's result as pose assets")
    parser.add_argument("--layer", choices=("replace", "add"), help="key a layer of the NLA, over what is there")
    parser.add_argument("--blend-in", type=int, default=0, metavar="FRAMES", help="over which a layer comes in")
    parser.add_argument("--blend-out", type=int, default=0, metavar="FRAMES", help="over which a layer goes out")
    parser.add_argument("--push-down", action="store_true", help="make the action of the take's result a strip")
    parser.add_argument("--armature", help="name of the character's armature")
    parser.add_argument("--jaw", default="", help="the bone that opens the mouth")
    parser.add_argument("--head", default="", help="the bone that turns the head")
    parser.add_argument("--present-action", action="store_true", help="change the present action instead of a copy")
    headless.add_common_arguments(parser)
    chosen = parser.parse_args(arguments)

    headless.begin(chosen)
    onto = chosen.onto or chosen.onto_controls
    if onto is not None:
        done = _onto(chosen, onto)
    elif chosen.pose_assets:
        bpy.ops.aim.pose_assets_add(take=chosen.take)
        done = f"made {sum(action.asset_data is not None for action in bpy.data.actions)} actions assets"
    else:
        given = {"start": chosen.start, "end": chosen.end, "first": chosen.first, "reduce_keys_mm": chosen.reduce_keys}
        bpy.ops.aim.take_bake(
            take=chosen.take,
            kind=chosen.kind,
            step=chosen.step,
            fps=chosen.fps,
            tolerance_mm=chosen.tolerance,
            **{name: value for name, value in given.items() if value is not None},
        )
        state = bpy.context.scene.aim
        take = state.takes[state.active_take]
        done = f"baked {take.name}, frames {take.frame_start} to {take.frame_end}: collection {take.collection.name}"
    if chosen.push_down:
        bpy.ops.aim.take_push_down(take=chosen.take)
    headless.save(chosen)
    print(done)


def _onto(chosen: argparse.Namespace, onto: str) -> str:
    """Key a character's mesh, or the controls of its rig. Returns what was done."""
    rig, objects = bpy.context.scene.aim.rig, bpy.context.scene.objects
    for name in (onto, chosen.armature):
        if name is not None and name not in objects:
            raise ValueError(f"there is no object {name!r} in the scene {bpy.context.scene.name!r}")
    rig.mesh = objects[onto]
    rig.armature = objects[chosen.armature] if chosen.armature is not None else None
    rig.jaw_bone, rig.head_bone, rig.new_action = chosen.jaw, chosen.head, not chosen.present_action
    bake = bpy.ops.aim.bake_to_rig if chosen.onto else bpy.ops.aim.take_bake_to_controls
    layer = {"onto": chosen.layer, "start": chosen.start, "end": chosen.end}
    layer |= {"blend_in": chosen.blend_in, "blend_out": chosen.blend_out} if chosen.layer else {}
    bake(take=chosen.take, **{name: value for name, value in layer.items() if value is not None})
    return f"keyed {onto}"


if __name__ == "__main__":
    headless.run(main)
