# SPDX-License-Identifier: GPL-3.0-or-later
"""The 52 ARKit keys of an actor, against the true ones of its face, and a take baked to them.

    python benchmarks/arkit.py [--seed 3] [--actor A.actor.safetensors] [--take T.take.safetensors] [--figures]

The truth is make_capture.py's, which knows each shape of each actor. Shapes are compared on the front of the face, as
whole shapes; `as large` is what a shape moves there in truth, so that 100 % is a shape that is not there at all. The
bake is of the 100 frames of the other benchmarks, against the fitted frames.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from pathlib import Path

import numpy as np
from common import learned, make, parser, print_table

from aim_blender.core.arkit.arkit_baking import bake_arkit
from aim_blender.core.arkit.arkit_shapes import ArkitShapes, arkit_shapes
from aim_blender.core.arkit.arkit_weights import key_weights
from aim_blender.core.files.files import load_actor, load_take, save_take
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import stabilized_frames
from aim_blender.core.phone.fitting_phone import fit_phone, guide_correspondence, phone_actor
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from aim_blender.core.shared.faces.arkit_names import SHAPES, SIDED
from aim_blender.core.shared.phone.live_link_face import write_live_link_face
from aim_blender.core.shared.phone.phone_tables import read_phone_recording
from aim_blender.core.shared.results.bake_arrays import Bake

FRONT = 0.4  # of the head's depth, from its front


def true_shapes(shared: Path, seed: int) -> np.ndarray:
    """(52, V, 3) mm the whole shapes of an actor of make_capture.py, 0 for the tongue."""
    spec = importlib.util.spec_from_file_location("make_capture", shared / "tools" / "make_capture.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    actor = tool.Actor(seed)
    weights = np.zeros((len(SHAPES), len(actor.names)))
    for row, shape in zip(weights, SHAPES, strict=True):
        motion = next((each for each in SIDED if shape.startswith(each)), "")
        named = {f"{motion}_{shape.removeprefix(motion)[:1]}"} if motion else {shape, shape + "_L", shape + "_R"}
        for name in named & set(actor.names):
            row[actor.index[name]] = 1.0
    return np.asarray(actor.pose(weights) - actor.neutral)


def shape_rows(shapes: ArkitShapes, truth: np.ndarray, front: np.ndarray) -> list[list[object]]:
    """A row a motion: by what, how far from the truth, how large that is, and how alike the two are."""
    rows: list[list[object]] = []
    for row, made, true in zip(shapes.rows, shapes.whole()[:, front], truth[:, front], strict=True):
        size = float(np.linalg.norm(true, axis=1).mean())
        if size == 0.0:
            continue
        off = float(np.linalg.norm(made - true, axis=1).mean())
        both = np.linalg.norm(made) * np.linalg.norm(true)
        alike = float((made * true).sum() / both) if both > 0 else 0.0
        rows.append([row["name"], row["by"], off, size, f"{100 * off / size:.0f} %", alike])
    return sorted(rows, key=lambda row: -float(str(row[2])))


def bake_rows(shapes: ArkitShapes, bakes: dict[str, Bake], take: object) -> list[list[object]]:
    """Mean and worst of keys alone, how many are used, and how they change from frame to frame."""
    rows: list[list[object]] = []
    for name, bake in bakes.items():
        used = float((bake.key_weights > 0.02).sum(1).mean())
        rows.append([name, bake.figures["mean_mm"], bake.figures["worst_mm"], f"{used:.0f} of {len(bake.key_names)}"])
    return rows


def captured_alone(actor: Actor, take: object) -> float:
    """Mean mm of one weight in [0, 1] for each captured shape, as this bake has them without the split."""
    frames = stabilized_frames(actor, take, slice(None)) - actor.neutral  # type: ignore[arg-type]
    keys = (actor.shapes()[1:] - actor.neutral).reshape(len(actor.names), -1).astype(np.float32)
    flat = frames.reshape(len(frames), -1).astype(np.float32)
    left = (flat - key_weights(keys, flat).astype(np.float32) @ keys).reshape(*frames.shape)
    return float(np.linalg.norm(left, axis=-1).mean())


def main() -> None:
    found = parser(__doc__ or "")
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--actor", type=Path, help="learned, instead of learning it")
    found.add_argument("--take", type=Path, help="fitted, instead of fitting it; written if it is not there")
    arguments: argparse.Namespace = found.parse_args()
    actor = load_actor(arguments.actor) if arguments.actor else learned(arguments, arguments.seed)[1]
    if arguments.take and arguments.take.exists():
        take = load_take(arguments.take)
    else:
        path = make(arguments, "performance", f"performance_{arguments.seed}", "--seed", str(arguments.seed))
        take = fit_performance(actor, read_performance(path, actor.topology))
        if arguments.take:
            save_take(take, arguments.take)
    demo = make_demo_actor()
    performer = phone_actor(actor, demo, guide_correspondence(actor, demo))
    shapes = arkit_shapes(performer)
    depth = actor.neutral[:, 2]  # make_capture.py's faces look along Z
    front = depth > depth.max() - FRONT * np.ptp(depth)
    truth = true_shapes(arguments.shared, arguments.seed)
    bakes = {
        "52 keys, jaw a bone": bake_arkit(shapes, take),
        "52 keys, jaw in them": bake_arkit(shapes, take, jaw="keys"),
        "VRM 1, jaw in them": bake_arkit(shapes, take, "vrm1", "keys"),
    }
    rows = bake_rows(shapes, bakes, take)
    rows.append(
        ["the captured shapes, one weight each in [0, 1]", captured_alone(actor, take), "", f"{len(actor.names)}"]
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "take.csv"
        weights = bakes["52 keys, jaw a bone"].key_weights
        write_live_link_face(file, weights, take.frames, take.fps)
        read = read_phone_recording(file)
        rows.append(
            ["CSV read back, largest difference of a weight", "", float(np.abs(read.weights - weights).max()), ""]
        )
        again = bake_arkit(shapes, fit_phone(performer, read))
        rows.append(
            [
                "CSV fitted and baked again, mean and largest difference of a weight",
                float(np.abs(again.key_weights - weights).mean()),
                float(np.abs(again.key_weights - weights).max()),
                "",
            ]
        )
    print_table("A take on keys alone, mm", ["keys", "mean", "worst", "used"], rows)
    print_table(
        "Shapes against the true ones, front of the face, mm",
        ["shape", "by", "off", "as large", "off by", "cosine"],
        shape_rows(shapes, truth, front),
    )


if __name__ == "__main__":
    main()
