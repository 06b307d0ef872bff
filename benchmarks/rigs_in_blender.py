# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of rigs.py, run inside Blender: KIND FRAMES OUT.npz. Rigify's face on the demo head follows its performance."""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp()

import bpy
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "tests" / "blender"))

import headless  # noqa: E402
from demo_bakes import demo_bake  # noqa: E402
from rigify_faces import add_rigify_face  # noqa: E402


def main(kind: str, frames: int, out: Path) -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    headless.load_extension()
    baked = demo_bake(frames)
    meshes = headless.extension_module("aim_blender.scene.basics.meshes")
    mesh = meshes.make_mesh("skin", baked.neutral, baked.topology.corners, baked.topology.sizes)
    skin = bpy.data.objects.new("skin", mesh)
    bpy.context.scene.collection.objects.link(skin)
    add_rigify_face(skin, kind, baked.skin_weight)
    solving = headless.extension_module("aim_blender.scene.rigs.rig_solving")
    settings = headless.extension_module("aim_blender.core.shared.settings.rig_settings").RigSettings()
    computing, start = time.process_time(), time.perf_counter()
    steps = solving.solve_rig(bpy.context, skin, baked, 1000.0, settings)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            solved = end.value
            break
    seconds, computed = time.perf_counter() - start, time.process_time() - computing
    rests = np.array([each.rest for each in solved.controls])
    writer = headless.extension_module("aim_blender.scene.basics.versions").RigWriter("take", True)
    headless.extension_module("aim_blender.scene.rigs.rig_keying").key_rig(solved, baked.frames, writer)
    bpy.ops.wm.save_as_mainfile(filepath=str(out.with_suffix(".blend")))
    millimetres = solved.wanted.millimetres
    np.savez(
        out,
        effects=solved.response.effects * millimetres,
        offsets=solved.wanted.offsets * millimetres,
        least=np.array([each.least for each in solved.controls]) - rests,
        most=np.array([each.most for each in solved.controls]) - rests,
        figures=np.array([seconds, computed, solved.error_mm, solved.active, solved.mean_mm]),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    headless.leave_at_once(0)  # with Rigify enabled Blender's module may wait for ever at its end
