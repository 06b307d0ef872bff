# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting between learned actors of real faces: error on the target and its jaw, beside what others do.

python benchmarks/retargeting.py [--source 3] [--target 11] [--modes 120] [--frames 100]
"""

import time

import numpy as np
from common import learned, make, parser, print_table

from aim_blender.core.baking import bounded_weights
from aim_blender.core.deformation_transfer import DeformationTransfer
from aim_blender.core.evaluation import evaluate_take
from aim_blender.core.fitting import FittingSettings, fit_performance
from aim_blender.core.performances import read_performance
from aim_blender.core.retargeting import RetargetSettings, retarget_take
from aim_blender.core.rigid import angle_degrees

OPEN_DEGREES = 3.0  # from where a jaw's relative error means something
LENGTHS = (100, 400)  # frames of the whole take
CASES = {
    "raw jaw, weights as fitted": RetargetSettings(jaw="raw", settling=0.0),
    "ratio of openings, weights as fitted": RetargetSettings(jaw="ratio", settling=0.0),
    "span of the jaw's shapes, weights as fitted": RetargetSettings(settling=0.0),
    "raw jaw, settled": RetargetSettings(jaw="raw"),
    "ratio of openings, settled": RetargetSettings(jaw="ratio"),
    "span, settled (the default)": RetargetSettings(),
}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--source", type=int, default=3)
    found.add_argument("--target", type=int, default=11)
    found.add_argument("--modes", type=int, default=FittingSettings.modes)
    found.add_argument("--frames", type=int, default=100, choices=LENGTHS)
    arguments = found.parse_args()
    options = () if arguments.frames == 100 else ("--frames", str(arguments.frames), "--step", "9")
    actors, paths = {}, {}
    for seed in (arguments.source, arguments.target):
        _, actors[seed] = learned(arguments, seed)
        name = f"performance_{seed}_" + "_".join(["plain", *options]).replace("-", "")
        paths[seed] = make(arguments, "performance", name, "--seed", str(seed), *options)
    source, target = actors[arguments.source], actors[arguments.target]
    performed = read_performance(paths[arguments.source])
    with np.load(paths[arguments.target]) as archive:
        truth, true_jaw = archive["vertices"].astype(np.float64), angle_degrees(archive["jaw"])
    moved = performed.vertices.astype(np.float64) - source.neutral
    rows = []

    def add(case: str, vertices: np.ndarray, jaw: np.ndarray | None, seconds: float | None) -> None:
        distance = np.linalg.norm(vertices - truth, axis=-1)
        row: list[object] = [case, float(distance.mean()), float(np.quantile(distance, 0.99)), float(distance.max())]
        if jaw is None:
            row += ["", "", ""]
        else:
            mine, wide = angle_degrees(jaw), true_jaw > OPEN_DEGREES
            relative = np.abs(mine - true_jaw)[wide] / true_jaw[wide]
            row += [float(np.polyfit(true_jaw, mine, 1)[0]), float(np.abs(mine - true_jaw).mean())]
            row += [f"{100 * np.median(relative):.0f} / {100 * np.abs(mine - true_jaw).sum() / true_jaw.sum():.0f}"]
        rows.append([*row, "" if seconds is None else float(seconds)])

    add("not moving", np.broadcast_to(target.neutral, truth.shape), None, None)
    add("offsets copied", target.neutral + moved, None, None)
    keys = (source.shapes()[1:] - source.neutral).reshape(len(source.names), -1).astype(np.float32)
    weights = bounded_weights(keys, moved.reshape(len(moved), -1).astype(np.float32))
    other = target.shapes()[1:] - target.neutral
    add("one weight per shape", target.neutral + np.tensordot(weights, other, 1), None, None)
    start = time.perf_counter()
    movement = np.linalg.norm(source.shapes()[1:] - source.neutral, axis=-1).max(0)
    transfer = DeformationTransfer(source.neutral, target.neutral, source.topology.triangles(), movement)
    transferred = transfer.transfer(performed.vertices)
    add("deformation transfer", transferred, None, time.perf_counter() - start)

    take = fit_performance(source, performed, FittingSettings(modes=arguments.modes))
    for case, settings in CASES.items():
        start = time.perf_counter()
        carried = retarget_take(take, source, target, settings)
        seconds = time.perf_counter() - start
        add(case, evaluate_take(target, carried)["vertices"], carried.jaw, seconds)
    print_table(
        f"Retarget of actor {arguments.source} to {arguments.target}, {len(truth)} frames, {arguments.modes} modes, "
        f"fit {take.figures['mean_mm']:.4f} mm (distances in mm)",
        ["case", "mean", "99 %", "worst", "jaw slope", "jaw error °", "jaw error %: median open / total", "s"],
        rows,
    )


if __name__ == "__main__":
    main()
