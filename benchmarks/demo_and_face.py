# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting between the demo head and a real face: two heads that were not made from one another.

python benchmarks/demo_and_face.py [--seed 3] [--demo ACTOR] [--pictures FOLDER]

Both have the same 19 expressions by name. What one performs are its own shapes, one after the other; the truth is the
other's shape of that name, though two sculptors' smiles are not one smile. `build.py demo` makes the demo's actor.
"""

import time
from pathlib import Path

import numpy as np
from common import ROOT, learned, make, parser, print_table

from aim_blender.core.correspondence.correspondence import make_correspondence
from aim_blender.core.files.files import load_actor
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.pictures.take_sheet import retarget_sheet
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.performances import Performance, read_performance
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.retarget_settings import RetargetSettings

MOVED_MM = 1.0  # where a shape does something


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--demo", type=Path, default=ROOT / "demo/aim/Demo/learn_001/Demo.actor.safetensors")
    found.add_argument("--pictures", type=Path, help="a folder for sheets of what each performs and the other shows")
    arguments = found.parse_args()
    _, face = learned(arguments, arguments.seed)
    demo = load_actor(arguments.demo)
    path = make(arguments, "performance", f"performance_{arguments.seed}_plain", "--seed", str(arguments.seed))
    played = make_demo_actor().performance(frames=24).vertices
    actors = {"demo head": (demo, played), "real face": (face, read_performance(path).vertices[::4])}
    rows: list[list[object]] = []
    for one, other in (("demo head", "real face"), ("real face", "demo head")):
        (source, performed), (target, _) = actors[one], actors[other]
        start = time.perf_counter()
        correspondence = make_correspondence(source.neutral, source.topology, target.neutral, target.topology)
        seconds = time.perf_counter() - start
        carried = retarget_take(fitted(source, source.shapes()[1:]), source, target, correspondence=correspondence)
        truth = target.shapes()[1:]
        truth = truth[[target.names.index(name) for name in source.names]]
        off = np.linalg.norm(evaluate_take(target, carried)["vertices"] - truth, axis=-1)
        moved = np.linalg.norm(truth - target.neutral, axis=-1)
        there = moved > MOVED_MM
        by_shape = (off * there).sum(1) / there.sum(1).clip(min=1)
        opens = angle_degrees(target.jaw[[target.names.index(name) for name in source.names]])
        jaw = np.abs(angle_degrees(carried.jaw) - opens)
        worst = int(by_shape.argmax())
        confidence = f"{100 * correspondence.figures['doubtful_share']:.0f} %, {correspondence.figures['slits']}"
        row = [f"{one} to {other}", float(off.mean()), float(moved.mean()), float(off[there].mean())]
        row += [float(moved[there].mean()), f"{source.names[worst]} {by_shape[worst]:.2f}"]
        rows.append([*row, f"{jaw.mean():.2f} / {jaw.max():.2f}", confidence, seconds])
        if arguments.pictures:
            take = fitted(source, performed)
            rested = RetargetSettings(neutral_frame=0)  # neither begins in its neutral quite
            shown = retarget_take(take, source, target, rested, correspondence=correspondence)
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            for name, before, after in (
                ("performance", take, shown),
                ("shapes", fitted(source, source.shapes()[1:]), carried),
            ):
                picture = arguments.pictures / f"{one} to {other}, {name}.png".replace(" ", "_")
                retarget_sheet(source, before, target, after).save(picture)
    print_table(
        f"Each shape of one head on the other, actor {arguments.seed} (mm)",
        [
            "",
            "off",
            "shapes move",
            f"off where they move {MOVED_MM:g} mm",
            "they move there",
            "worst shape",
            "jaw off °, mean / most",
            "doubtful, slits",
            "correspondence s",
        ],
        rows,
    )


def fitted(actor: Actor, vertices: np.ndarray) -> Take:
    """Frames (F, V, 3) mm of an actor."""
    frames = np.arange(len(vertices), dtype=np.int32)
    performance = Performance(vertices.astype(np.float32), frames, 24.0, None, "frames")
    return fit_performance(actor, performance)


if __name__ == "__main__":
    main()
