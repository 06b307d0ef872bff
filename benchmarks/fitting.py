# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed-form fit on real faces: accuracy, jaw, head and speed, beside one weight per shape for the whole face.

python benchmarks/fitting.py [--seed 3] [--modes 120]
"""

import argparse

import numpy as np
from common import learned, make, parser, print_table

from aim_blender.core.actor import Actor
from aim_blender.core.baking import bounded_weights
from aim_blender.core.evaluation import evaluate_take
from aim_blender.core.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting_points import PointFittingSettings, fit_points
from aim_blender.core.performances import read_performance
from aim_blender.core.points import PointPerformance
from aim_blender.core.rigid import angle_degrees

SPARSE_POINTS = 150
CASES = {
    "whole meshes": (),
    "noise 0.1 mm": ("--noise", "0.1"),
    "bulge 0.5 mm": ("--bulge", "0.5"),
    "head motion": ("--head-motion",),
    "400 frames": ("--frames", "400", "--step", "9"),
}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--modes", type=int, default=FittingSettings.modes)
    arguments = found.parse_args()
    _, actor = learned(arguments, arguments.seed)
    rows = []
    for case, options in CASES.items():
        name = f"performance_{arguments.seed}_" + "_".join(["plain", *options]).replace("-", "")
        path = make(arguments, "performance", name, "--seed", str(arguments.seed), *options)
        with np.load(path) as archive:
            truth = {key: archive[key] for key in ("vertices", "stabilized", "jaw", "head")}
        take = fit_performance(actor, read_performance(path), FittingSettings(modes=arguments.modes))
        frames = evaluate_take(actor, take)
        # Noise is not to be fitted: the truth is what was there before it.
        wanted = truth["stabilized"] if "--noise" in options else truth["vertices"]
        distance = np.linalg.norm(frames["vertices"] - wanted, axis=-1)
        mine, true = angle_degrees(frames["jaw"]), angle_degrees(truth["jaw"])
        head = np.linalg.inv(frames["head"]) @ truth["head"]
        rows.append(
            [
                case,
                float(distance.mean()),
                float(np.quantile(distance, 0.99)),
                float(distance.max()),
                float(np.polyfit(true, mine, 1)[0]),
                float(np.corrcoef(true, mine)[0, 1]),
                float(np.abs(mine - true).mean()),
                f"{angle_degrees(head).max():.3f} / {np.linalg.norm(head[:, :3, 3], axis=1).max():.3f}",
                float(take.figures["frames_per_second"]),
                float(take.figures["setup_s"]),
            ]
        )
        if not options:
            keys = (actor.shapes()[1:] - actor.neutral).reshape(len(actor.names), -1).astype(np.float32)
            moved = (truth["vertices"] - actor.neutral).reshape(len(distance), -1).astype(np.float32)
            left = (moved - bounded_weights(keys, moved) @ keys).reshape(*distance.shape, 3)
            off = np.linalg.norm(left, axis=-1)
            one = ["(one weight per shape)", float(off.mean()), float(np.quantile(off, 0.99)), float(off.max())]
            rows.append([*one, "", "", "", "", "", ""])
    rows.append(sparse(arguments, actor))
    print_table(
        f"Closed-form fit, actor {arguments.seed}, {arguments.modes} modes (distances in mm)",
        [
            "case",
            "mean",
            "99 %",
            "worst",
            "jaw slope",
            "jaw correlation",
            "jaw error °",
            "head ° / mm",
            "frames/s",
            "set-up s",
        ],
        rows,
    )


def sparse(arguments: argparse.Namespace, actor: Actor) -> list[object]:
    """150 points spread over the face, each known by its vertex; the error is that of the whole skin."""
    name = f"performance_{arguments.seed}_plain"
    with np.load(make(arguments, "performance", name, "--seed", str(arguments.seed))) as archive:
        truth = {key: archive[key] for key in ("vertices", "jaw")}
    neutral = actor.neutral
    moved = np.sqrt((actor.expressions**2).sum(-1).mean(1))
    wanted = np.minimum(moved / moved.mean(), 3.0) ** 0.5  # markers are put where a face moves
    chosen, distance = [int(wanted.argmax())], np.full(len(neutral), np.inf)
    for _ in range(SPARSE_POINTS - 1):
        distance = np.minimum(distance, np.linalg.norm(neutral - neutral[chosen[-1]], axis=1))
        chosen.append(int((distance * wanted).argmax()))
    vertices = np.array(chosen)
    positions = truth["vertices"][:, vertices].astype(float)
    names = tuple(str(vertex) for vertex in vertices)
    frames = np.arange(len(positions), dtype=np.int32)
    points = PointPerformance(names, positions, np.ones(positions.shape[:2]), vertices, frames, 24.0, "points")
    take = fit_points(actor, points, PointFittingSettings(head="still"))
    found = evaluate_take(actor, take)
    off = np.linalg.norm(found["vertices"] - truth["vertices"], axis=-1)
    mine, true = angle_degrees(found["jaw"]), angle_degrees(truth["jaw"])
    return [
        f"{SPARSE_POINTS} points",
        float(off.mean()),
        float(np.quantile(off, 0.99)),
        float(off.max()),
        float(np.polyfit(true, mine, 1)[0]),
        float(np.corrcoef(true, mine)[0, 1]),
        float(np.abs(mine - true).mean()),
        "",
        float(take.figures["frames_per_second"]),
        float(take.figures["setup_s"]),
    ]


if __name__ == "__main__":
    main()
