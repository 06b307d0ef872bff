# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning on real faces: implicit error (no residual) against time, the jaw and the skinning weight against the truth.

With --subdivided the same capture is learned on its mesh with every triangle cut into four so many times.

python benchmarks/learning.py [--seeds 3 11] [--iterations N] [--subdivided 0]
"""

import resource
import sys
import time

import numpy as np
from common import capture_of, parser, print_table
from remeshing import remeshed, subdivided

from aim_blender.core.files.files import save_actor
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.shared.settings.learning_settings import LearningSettings


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seeds", type=int, nargs="+", default=[3, 11])
    found.add_argument("--iterations", type=int, default=LearningSettings.iterations)
    found.add_argument("--subdivided", type=int, default=0, help="how often every triangle is cut into four")
    arguments = found.parse_args()
    rows = []
    for seed in arguments.seeds:
        capture, truth = capture_of(arguments, seed)
        weight = truth["skin_weight"]
        for _ in range(arguments.subdivided):
            triangles, carry = subdivided(capture.neutral, capture.topology.triangles())
            capture, weight = remeshed(capture, triangles, carry), carry @ weight
        start, processor = time.perf_counter(), time.process_time()
        actor = learn_actor(capture, LearningSettings(iterations=arguments.iterations))
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        if not arguments.subdivided:
            save_actor(actor, arguments.work / f"actor_{seed}.actor.safetensors")
        mine, true = angle_degrees(actor.jaw), angle_degrees(truth["jaw"])
        by_name = dict(zip(actor.names, np.stack([mine, true], 1), strict=True))
        # jaw_forward slides without turning: neither opened nor at rest
        rests = (true < 1e-3) & (np.array(actor.names) != "jaw_forward")
        rows.append(
            [
                seed,
                actor.figures["implicit_mean_mm"],
                actor.figures["implicit_worst_mm"],
                f"{actor.figures['exact_worst_mm']:.1e}",
                seconds,
                processor,
                *(f"{by_name[name][0]:.1f} of {by_name[name][1]:.1f}" for name in JAW_SHAPES),
                float(mine[rests].max()),
                float(np.abs(actor.skin_weight[:, 0] - weight).mean()),
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
            ]
        )
        print(rows[-1], file=sys.stderr)
    print_table(
        f"Learning, {arguments.iterations} iterations, {len(actor.neutral):,} points, 20 shapes",
        [
            "actor",
            "implicit mean mm",
            "worst mm",
            "exact worst mm",
            "seconds",
            "of processor",
            *(f"{name} °" for name in JAW_SHAPES),
            "most at rest °",
            "k mean error",
            "peak GiB",
        ],
        rows,
    )


JAW_SHAPES = ("jaw_open", "jaw_open_stretch", "jaw_left", "jaw_right")

if __name__ == "__main__":
    main()
