# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning at the paper's size: 10,000 iterations at 40,000 points a step, 20 shapes, width 256; asked: below 60 s.

The plain twin, in the same run, takes the same steps without a graph and in full float32, fewer of them. `off` is how
far the shapes lie from those of the plain twin after the same few steps, which go through every phase and its graph.
Without ../shared the demo actor is learned. Without a CUDA device it says so and ends.

python benchmarks/learning_on_gpu.py [--iterations N] [--points N] [--device cpu]
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from typing import Any

import torch
from anatomy_learned import demo_capture
from common import capture_of, parser, print_table
from remeshing import remeshed, subdivided

from aim_blender.core.learning.learning import Learner
from aim_blender.core.learning.preparation import Preparation, prepare
from aim_blender.core.learning.schedule import PHASES
from aim_blender.core.model.model import UNIT_MM
from aim_blender.core.shared.captured.captures import Capture
from aim_blender.core.shared.settings.learning_settings import LearningSettings

FEW_STEPS = 60  # of which the last phase, a tenth, has more than a graph takes to be captured
VARIANTS: dict[str, dict[str, Any]] = {
    "graph, TF32 for e_i": {},
    "graph": {"mixed_precision": False},
    "plain, TF32 for e_i": {"graphed": False},
    "plain twin": {"graphed": False, "mixed_precision": False},
}


def main() -> None:
    arguments = parse()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("there is no CUDA device here; nothing was measured")
        return
    coarse = capture_of(arguments, 3)[0] if arguments.shared.is_dir() else demo_capture()[0]
    capture = remeshed(coarse, *subdivided(coarse.neutral, coarse.topology.triangles()))
    preparation = prepare(capture)
    settings = LearningSettings(
        iterations=arguments.iterations,
        batch_points=arguments.points,
        device=arguments.device,
        threads=arguments.threads,
    )
    fewer = max(arguments.iterations // 20, FEW_STEPS)
    twin = shapes_of(learned_with(capture, few_steps(settings, VARIANTS["plain twin"]), preparation)[0])
    rows: list[list[object]] = []
    for name, changes in VARIANTS.items():
        wanted = dataclasses.replace(settings, **changes)
        few = learned_with(capture, few_steps(settings, changes), preparation)[0]
        off = float((shapes_of(few) - twin).norm(dim=-1).max()) * UNIT_MM
        each = wanted if not rows else dataclasses.replace(wanted, iterations=fewer)
        learner, spent, steps = learned_with(capture, each, preparation)
        a_step = {phase: spent[phase] / max(steps[phase], 1) for phase in PHASES}
        whole = sum(a_step[phase] * share * arguments.iterations for phase, share in PHASES.items())
        error = float((shapes_of(learner) - learner.shapes).norm(dim=-1).mean()) * UNIT_MM
        measured = [name, sum(steps.values()), sum(spent.values()), *(1000 * a_step[phase] for phase in PHASES), whole]
        graph = "captured" if each.graphed and learner.device.type == "cuda" else "none"
        rows.append([*measured, error, off, learner.ungraphed or few.ungraphed or graph])
        print(rows[-1], file=sys.stderr)
        del learner, few
    for row in rows:
        row.insert(7, float(rows[-1][6]) / float(row[6]))  # type: ignore[arg-type]
    columns = ["step", "steps", "s", *(f"{phase} ms" for phase in PHASES), f"s for {arguments.iterations}"]
    print_table(
        f"Learning, {arguments.points} points a step of {len(capture.neutral)}, {len(capture.vertices)} shapes, "
        f"width {settings.hidden}",
        [*columns, "times as fast", "error mm", f"off after {FEW_STEPS} steps mm", "graph"],
        rows,
    )


def parse() -> argparse.Namespace:
    found = parser(__doc__)
    found.add_argument("--iterations", type=int, default=10000)
    found.add_argument("--points", type=int, default=40000)
    found.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    found.add_argument("--threads", type=int, default=2)
    return found.parse_args()


def few_steps(settings: LearningSettings, changes: dict[str, Any]) -> LearningSettings:
    return dataclasses.replace(settings, iterations=FEW_STEPS, **changes)


def learned_with(
    capture: Capture, settings: LearningSettings, preparation: Preparation
) -> tuple[Learner, dict[str, float], dict[str, int]]:
    """Learn; the learner, and the seconds and the steps by phase, the capture of the graphs included."""
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
    return learner, spent, steps


@torch.no_grad()
def shapes_of(learner: Learner) -> torch.Tensor:
    """What the networks say all shapes are (N+1, V, 3), in units of UNIT_MM."""
    return learner.model.shapes(learner.template)


if __name__ == "__main__":
    main()
