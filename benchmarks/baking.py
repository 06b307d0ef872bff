# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake on real faces: how many correctives a tolerance takes, and the baked object evaluated inside Blender.

python benchmarks/baking.py [--seed 3] [--tolerances 0.1 0.05]

Runs in the worker's environment and starts Blender's, which build.py makes beside it, for the last columns.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from common import ROOT, learned, make, parser, print_table

from aim_blender.core.baking.baking import bake_take
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.foundation.archives import save_arrays

SHOTS = {"100 scattered frames": ("--frames", "100"), "400-frame shot": ("--frames", "400", "--step", "1")}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--tolerances", type=float, nargs="+", default=[0.1])
    arguments = found.parse_args()
    _, actor = learned(arguments, arguments.seed)
    rows = []
    for shot, options in SHOTS.items():
        name = f"performance_{arguments.seed}_shot_" + "_".join(options).replace("-", "")
        path = make(arguments, "performance", name, "--seed", str(arguments.seed), *options)
        take = fit_performance(actor, read_performance(path))
        save_arrays(arguments.work / "frames.npz", evaluate_take(actor, take))
        for tolerance in arguments.tolerances:
            start = time.perf_counter()
            bake = bake_take(actor, take, tolerance)
            seconds = time.perf_counter() - start
            bake.save(arguments.work / "bake.npz")
            shown = in_blender(arguments.work)
            rows.append(
                [
                    shot,
                    tolerance,
                    bake.figures["named_only_mean_mm"],
                    bake.figures["named_only_worst_mm"],
                    bake.figures["correctives"],
                    bake.figures["worst_mm"],
                    seconds,
                    shown["mean_mm"],
                    shown["worst_mm"],
                    shown["write_s"],
                ]
            )
    print_table(
        f"Bake, actor {arguments.seed} (distances in mm)",
        [
            "shot",
            "tolerance",
            "named keys mean",
            "named keys worst",
            "correctives",
            "worst",
            "bake s",
            "in Blender mean",
            "in Blender worst",
            "write s",
        ],
        rows,
    )


def in_blender(work: Path, reduce_keys_mm: float = 0.0, shown: Path | None = None) -> dict[str, float]:
    """Make the objects of bake.npz inside Blender and compare the evaluated frames with those in frames.npz.

    shown: an .npz to write with the evaluated `vertices`."""
    environment = f"blender-py{sys.version_info.major}.{sys.version_info.minor}"
    python = next((ROOT / ".env" / environment).glob("[bS]*/python*"))
    script = ROOT / "benchmarks" / "baked_in_blender.py"
    output = work / "in_blender.json"
    subprocess.run(
        [
            *map(str, (python, script, work / "bake.npz", work / "frames.npz", output, reduce_keys_mm)),
            *([] if shown is None else [str(shown)]),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return json.loads(output.read_text())


if __name__ == "__main__":
    main()
