# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of tracing.py, run inside Blender: GIVEN.npz (neutral, triangles, bones in mm) OUT.npz."""

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


def main(given: Path, out: Path) -> None:
    headless.load_extension()
    constraints = headless.extension_module("aim_blender.core.shared.bones.constraints")
    captures = headless.extension_module("aim_blender.core.shared.captured.captures")
    meshes = headless.extension_module("aim_blender.scene.basics.meshes")
    tracing = headless.extension_module("aim_blender.scene.actors.tracing")
    with np.load(given) as archive:
        data = {name: archive[name] for name in archive.files}

    def add(name: str, vertices: np.ndarray, triangles: np.ndarray) -> bpy.types.Object:
        mesh = meshes.make_mesh(name, vertices, triangles.ravel(), np.full(len(triangles), 3))
        item = bpy.data.objects.new(name, mesh)
        bpy.context.scene.collection.objects.link(item)
        return item

    neutral = add("neutral", data["neutral"], data["triangles"])
    bones = {name: add(name, data[f"{name}_vertices"], data[f"{name}_triangles"]) for name in captures.BONE_NAMES}
    bpy.context.view_layer.update()
    actor = bpy.context.scene.aim.actors.add()
    actor.name, actor.identifier, actor.millimetres_per_unit = "actor", "actor", 1.0
    actor.neutral, actor.skull, actor.mandible = neutral, bones["skull"], bones["mandible"]
    start = time.perf_counter()
    tracing.trace_actor(actor)  # all that the operator does, reading the meshes included
    seconds = time.perf_counter() - start
    skin = {name: captures.Bone(data[f"{name}_vertices"], data[f"{name}_triangles"]) for name in captures.BONE_NAMES}
    found, _ = constraints.trace(data["neutral"], data["triangles"], skin, tracing.ray_caster)
    np.savez(out, points=found.points, bone=found.bone, seconds=seconds, version=bpy.app.version_string)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]))
