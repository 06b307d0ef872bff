# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting on a CUDA device; asked: closed form 2,000 frames a second, neural 20 ms a frame at 40,000 points.

The actor and the performance are the demo's, which need no captures; its frames are repeated as often as it takes.
`off at most` is how far the fit lies from the CPU's of the same frames. Without a CUDA device it says so and ends.

python benchmarks/fitting_on_gpu.py [--frames 2000] [--neural-frames 144] [--iterations 0] [--modes 120] [--device cpu]
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time

import numpy as np
import torch
from anatomy_learned import demo_capture
from common import parser, print_table
from remeshing import carried, remeshed, subdivided

from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.model.head import without_head
from aim_blender.core.shared.captured.captures import Capture
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from aim_blender.core.shared.settings.learning_settings import LearningSettings

COMPARED = 12  # frames, against the CPU
# Hardly learned: what the networks miss is kept beside them, so the actor is exact on its shapes all the same.
LEARNING = LearningSettings(iterations=60, hidden=16, depth=2, batch_points=256)


def main() -> None:
    arguments = parse()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("there is no CUDA device here; nothing was measured")
        return
    coarse = demo_capture()[0]
    shot = make_demo_actor().performance()
    fine_triangles, carry = subdivided(coarse.neutral, coarse.topology.triangles())
    still = without_head(shot.vertices, shot.head).astype(np.float32)
    frames = np.resize(np.arange(len(still)), arguments.frames)
    few = np.resize(np.arange(len(still)), arguments.neural_frames)
    settings = FittingSettings(modes=arguments.modes, device=arguments.device)
    neural = dataclasses.replace(settings, solver="neural", iterations=arguments.iterations)
    actor, fine = learned(coarse), learned(remeshed(coarse, fine_triangles, carry))
    fine_still = carried(carry, still[np.unique(few)]).astype(np.float32)
    cases = [
        ("closed form, head still", actor, still[frames], settings),
        ("closed form, head moving", actor, shot.vertices[frames].astype(np.float32), settings),
        ("closed form, head still", fine, fine_still[few], settings),
        (
            "closed form, weights within -0.5 and 1.5",
            actor,
            still[few],
            dataclasses.replace(settings, largest_weight=1.5),
        ),
        ("neural, from the closed form", fine, fine_still[few], neural),
        ("neural, from rest", fine, fine_still[few], dataclasses.replace(neural, warm_start=False)),
    ]
    rows: list[list[object]] = []
    for case, who, vertices, chosen in cases:
        off: object = ""
        if chosen.solver == "closed-form":  # which is also the first use of what the case calls
            some = performance_of(who, vertices[:COMPARED])
            fits = [
                fit_performance(who, some, dataclasses.replace(chosen, device=device))
                for device in {arguments.device, "cpu"}
            ]
            shown = [evaluate_take(who, take)["vertices"] for take in fits]
            off = float(np.linalg.norm(shown[0] - shown[-1], axis=-1).max())
        start = time.perf_counter()
        take = fit_performance(who, performance_of(who, vertices), chosen)
        seconds = time.perf_counter() - start
        speed, setup = (float(take.figures[name]) for name in ("frames_per_second", "setup_s"))
        count = len(vertices)
        rows.append([case, len(who.bone), count, take.figures["mean_mm"], off, 1000 / speed, speed, setup, seconds])
        print(rows[-1], file=sys.stderr)
    print_table(
        f"Fitting on {arguments.device}, {arguments.modes} modes, {len(actor.names)} expressions (distances in mm)",
        ["case", "points", "frames", "mean", "off at most", "ms a frame", "frames/s", "set-up s", "all s"],
        rows,
    )
    if arguments.device == "cuda":
        print(f"At most {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB of the device's memory were used.")


def parse() -> argparse.Namespace:
    found = parser(__doc__)
    found.add_argument("--frames", type=int, default=2000)
    found.add_argument("--neural-frames", type=int, default=144)
    found.add_argument("--iterations", type=int, default=0, help="of the neural fit; 0 takes its own")
    found.add_argument("--modes", type=int, default=FittingSettings.modes)
    found.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return found.parse_args()


def learned(capture: Capture) -> Actor:
    return learn_actor(capture, LEARNING)


def performance_of(actor: Actor, vertices: np.ndarray) -> Performance:
    numbers = np.arange(1, len(vertices) + 1, dtype=np.int32)
    return Performance(vertices, numbers, 24.0, actor.topology, "the demo's performance")


if __name__ == "__main__":
    main()
