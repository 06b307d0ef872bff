# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning at the paper's size: 10,000 iterations at 40,000 points a step, 20 shapes, width 256; asked: below 60 s.

The ratio is to the plain twin in the same run: the same steps without a graph and in full float32, timed over fewer of
them. Without a CUDA device it says so and ends.

python benchmarks/learning_on_gpu.py [--iterations N] [--device cpu]
"""

import argparse
import dataclasses
import time

import torch
from common import capture_of, parser, print_table
from remeshing import remeshed, subdivided

from aim_blender.core.captures import Capture
from aim_blender.core.learning import Learner, LearningSettings
from aim_blender.core.preparation import Preparation, prepare
from aim_blender.core.schedule import PHASES


def main() -> None:
    arguments = parse()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("there is no CUDA device here; nothing was measured")
        return
    coarse = capture_of(arguments, 3)[0]
    capture = remeshed(coarse, *subdivided(coarse.neutral, coarse.topology.triangles()))
    preparation = prepare(capture)
    settings = LearningSettings(
        iterations=arguments.iterations,
        batch_points=arguments.points,
        device=arguments.device,
        threads=arguments.threads,
    )
    plain = dataclasses.replace(settings, iterations=arguments.iterations // 20, graphed=False, mixed_precision=False)
    rows = []
    for name, each in (("fast", settings), ("plain twin", plain)):
        seconds = seconds_a_step(capture, each, preparation)
        whole = sum(seconds[phase] * share * arguments.iterations for phase, share in PHASES.items())
        rows.append([name, each.iterations, *(1000 * seconds[phase] for phase in PHASES), whole])
    rows[0].append(rows[1][-1] / rows[0][-1])
    rows[1].append(1.0)
    print_table(
        f"Learning, {arguments.iterations} iterations of {arguments.points} points of {len(capture.neutral)}, "
        f"{len(capture.vertices)} shapes, width {settings.hidden}",
        ["step", "steps timed", *(f"{phase} ms" for phase in PHASES), "seconds in all", "times as fast"],
        rows,
    )


def parse() -> argparse.Namespace:
    found = parser(__doc__)
    found.add_argument("--iterations", type=int, default=10000)
    found.add_argument("--points", type=int, default=40000)
    found.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    found.add_argument("--threads", type=int, default=2)
    return found.parse_args()


def seconds_a_step(capture: Capture, settings: LearningSettings, preparation: Preparation) -> dict[str, float]:
    """Seconds a step by phase, the capture of the graphs included."""
    learner = Learner(capture, settings, preparation)
    if learner.device.type == "cpu":
        learner.set_threads()
    spent, steps = dict.fromkeys(PHASES, 0.0), dict.fromkeys(PHASES, 0)
    while not learner.schedule.finished:
        phase, start = learner.phase, time.perf_counter()
        while learner.phase == phase and not learner.schedule.finished:
            learner.step()
            steps[phase] += 1
        if learner.device.type == "cuda":
            torch.cuda.synchronize()
        spent[phase] += time.perf_counter() - start
    return {phase: spent[phase] / max(steps[phase], 1) for phase in PHASES}


if __name__ == "__main__":
    main()
