# SPDX-License-Identifier: GPL-3.0-or-later
"""A long take written into Blender: seconds for all keys of 1,000 frames, and how many keyframes a tolerance needs.

python benchmarks/writing_in_blender.py [--frames 1000] [--reduce 0 0.05 0.2]

The take, which is kept, is that of the 400-frame shot, at a frame rate that makes it as long as is asked for. Every
tenth frame is evaluated in Blender and compared with the take.
"""

import numpy as np
from baking import in_blender
from common import learned, make, parser, print_table

from aim_blender.core.baking.baking import bake_take
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.foundation.archives import save_arrays
from aim_blender.core.shared.settings.timing_settings import Timing
from aim_blender.core.timing.retiming import retimed

TOLERANCE_MM = 0.1


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--frames", type=int, default=1000)
    found.add_argument("--reduce", type=float, nargs="+", default=[0.0, 0.05, 0.2], metavar="MM")
    arguments = found.parse_args()
    _, actor = learned(arguments, 3)
    name = "performance_3_shot_frames_400_step_1"
    path = make(arguments, "performance", name, "--seed", "3", "--frames", "400", "--step", "1")
    work = arguments.work / f"writing_{arguments.frames}"
    if not (work / "frames.npz").exists():
        work.mkdir(parents=True, exist_ok=True)
        shot = fit_performance(actor, read_performance(path))
        fps = shot.fps * (arguments.frames - 1) / (len(shot.frames) - 1)
        take = retimed(shot, actor, Timing(fps=fps))
        bake_take(actor, take, TOLERANCE_MM).save(work / "bake.npz")
        save_arrays(work / "frames.npz", evaluate_take(actor, retimed(take, actor, Timing(step=10))))
    with np.load(work / "bake.npz") as bake:
        count, correctives = len(bake["key_names"]), len(bake["key_names"]) - int(bake["named_count"])
    rows = []
    for reduce_keys_mm in arguments.reduce:
        shown = in_blender(work, reduce_keys_mm)
        rows.append(
            [
                reduce_keys_mm or "every frame",
                shown["keyframes"],
                shown["write_s"],
                shown["mean_mm"],
                shown["worst_mm"],
            ]
        )
    keys = f"{count} shape keys ({correctives} of them correctives), head and jaw"
    print_table(
        f"Written into Blender: {arguments.frames} frames, {keys}, baked to {TOLERANCE_MM:g} mm",
        ["keys reduced to mm", "keyframes", "write s", "in Blender mean mm", "in Blender worst mm"],
        rows,
    )


if __name__ == "__main__":
    main()
