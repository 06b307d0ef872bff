# SPDX-License-Identifier: GPL-3.0-or-later
"""Export a take of a .blend as glTF, FBX, Alembic or USD with settings under which it comes back as it was.

    blender --background take.blend --python scripts/export.py -- --out take.glb
    python scripts/export.py --blend take.blend --out take.fbx --sliders    under a Python with the bpy wheel

What each format cannot carry is told in docs/exporting.md.
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
    parser = argparse.ArgumentParser(prog="export.py", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help=".glb, .gltf, .fbx, .abc, .usdc, .usda or .usd")
    parser.add_argument("--take", default="", help="the take's name (default: the one chosen in the .blend)")
    parser.add_argument(
        "--sliders",
        action="store_true",
        help="export the take anew with all weights from 0 to 1, for programs that cut others off",
    )
    headless.add_common_arguments(parser)
    chosen = parser.parse_args(arguments)

    headless.begin(chosen)
    exporting = headless.extension_module("aim_blender.scene.baking.exporting")
    actors = headless.extension_module("aim_blender.scene.actors.actors")
    rig_baking = headless.extension_module("aim_blender.scene.baking.rig_baking")
    take, actor = actors.take_and_actor(bpy.context.scene, chosen.take)
    collection = take.collection
    if collection is None:
        raise ValueError(f"the objects of the take {take.name!r} were deleted; bake it again")
    first, last = take.frame_start, take.frame_end
    if chosen.sliders:
        baked = headless.extension_module("aim_blender.scene.baking.baked")
        meshes = headless.extension_module("aim_blender.scene.basics.meshes")
        rig = next(item for item in collection.objects if item.type == "ARMATURE")
        split = exporting.within_sliders(rig_baking.load_bake(take, actor))
        place = meshes.rigid_part(meshes.matrix_array(rig.matrix_world))
        collection = baked.write_take(bpy.context, actor, split, place, f"{take.name} export")
    exporting.export_take(bpy.context, collection, first, last, chosen.out.resolve())
    print(f"exported frames {first} to {last} as {chosen.out}")


if __name__ == "__main__":
    headless.run(main)
