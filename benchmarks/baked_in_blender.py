# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of baking.py, contact.py and writing_in_blender.py, run inside Blender: BAKE.npz FRAMES.npz OUT.json
[REDUCE_KEYS_MM [SHOWN.npz]]; the last is written, with the evaluated `vertices`."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp()

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import headless


def main(bake: Path, frames: Path, out: Path, reduce_keys_mm: float = 0.0, shown: Path | None = None) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    headless.load_extension()
    baked = headless.extension_module("aim_blender.scene.baking.baked")
    take = headless.extension_module("aim_blender.scene.baking.baked_take").BakedTake.load(bake, 1.0)
    actor = SimpleNamespace(name="actor", neutral=None)
    start = time.perf_counter()
    kept = headless.extension_module("aim_blender.scene.baking.key_choice").needed_keys(take, reduce_keys_mm)
    collection = baked.write_take(bpy.context, actor, take, np.eye(4), "take", kept)
    seconds = time.perf_counter() - start
    curves_of = headless.extension_module("aim_blender.scene.basics.versions").curves_of
    skin = next(item for item in collection.objects if item.type == "MESH")
    with np.load(frames) as archive:
        wanted, numbers = archive["vertices"], archive["frames"]
    keyframes = sum(
        len(each.keyframe_points) for data in (skin.data.shape_keys, skin.parent) for each in curves_of(data)
    )
    worst, total = 0.0, 0.0
    evaluated_frames = np.empty(wanted.shape, dtype=np.float32)
    for number, frame, kept_frame in zip(numbers, wanted, evaluated_frames, strict=True):
        positions = kept_frame.reshape(-1)
        bpy.context.scene.frame_set(int(number))
        evaluated = skin.evaluated_get(bpy.context.evaluated_depsgraph_get())
        evaluated.to_mesh().attributes["position"].data.foreach_get("vector", positions)
        evaluated.to_mesh_clear()
        distance = np.linalg.norm(positions.reshape(-1, 3) - frame, axis=1)
        worst, total = max(worst, float(distance.max())), total + float(distance.mean())
    figures = {"worst_mm": worst, "mean_mm": total / len(wanted), "write_s": seconds, "keyframes": keyframes}
    out.write_text(json.dumps(figures))
    if shown is not None:
        np.savez(shown, vertices=evaluated_frames)


if __name__ == "__main__":
    bake_file, frames_file, out_file, *more = sys.argv[1:]
    main(
        Path(bake_file),
        Path(frames_file),
        Path(out_file),
        float(more[0]) if more else 0.0,
        Path(more[1]) if len(more) > 1 else None,
    )
