# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw of 400 fitted frames against the truth: its angle, and how far off the lower incisors are in mm.

python benchmarks/jaw_of_frames.py [--seeds 3 11 117] [--iterations 60]

What the jaw of a frame is does not depend on how long its actor was learned, for an actor is exact on its meshes by its
residual; so a few iterations do.
"""

import argparse
from pathlib import Path

import numpy as np
from common import capture_of, jaw_figures, make, parser, print_table

from aim_blender.core.anatomy.incisors import lower_incisors
from aim_blender.core.anatomy.jaw import decompose_jaw
from aim_blender.core.files.files import load_actor, save_actor
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.geometry.rigid import angle_degrees, apply_motion
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.settings.learning_settings import LearningSettings


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seeds", type=int, nargs="+", default=[3, 11, 117])
    found.add_argument("--iterations", type=int, default=60)
    arguments = found.parse_args()
    rows = [measured(arguments, seed) for seed in arguments.seeds]
    columns = ["actor", "slope", "correlation", "angle off °", "worst °", "incisors off mm", "99 %", "worst mm"]
    columns += ["of travel mm", "most closed °", "so, but open", "fit mm"]
    print_table(f"The jaw of 400 frames, actors learned in {arguments.iterations} iterations", columns, rows)


def measured(arguments: argparse.Namespace, seed: int) -> list[object]:
    capture = capture_of(arguments, seed)[0]
    actor = quickly_learned(arguments, seed)
    options = ("--seed", str(seed), "--frames", "400", "--step", "9")
    path = make(arguments, "performance", f"performance_{seed}_plain_frames_400_step_9", *options)
    take = fit_performance(actor, read_performance(path), FittingSettings())
    with np.load(path) as archive:
        true = archive["jaw"]
    assert actor.hinge is not None
    incisors = lower_incisors(capture.bones["mandible"].vertices, actor.hinge)
    mine, wanted = (apply_motion(incisors[None], motion)[:, 0] for motion in (take.jaw, true))
    off, angle, true_angle = np.linalg.norm(mine - wanted, axis=1), angle_degrees(take.jaw), angle_degrees(true)
    opened = np.rad2deg(decompose_jaw(take.jaw, actor.hinge)[:, :3] @ actor.hinge.axis)
    return [
        seed,
        *jaw_figures(angle, true_angle),
        float(np.abs(angle - true_angle).max()),
        float(off.mean()),
        float(np.quantile(off, 0.99)),
        float(off.max()),
        float(np.linalg.norm(wanted - incisors, axis=1).max()),
        float(opened.min()),
        int(((opened < opened.min() + 0.01) & (true_angle > 0.5)).sum()),
        float(take.figures["mean_mm"]),
    ]


def quickly_learned(arguments: argparse.Namespace, seed: int) -> Actor:
    path: Path = arguments.work / f"actor_{seed}_{arguments.iterations}.actor.safetensors"
    if not path.exists():
        settings = LearningSettings(iterations=arguments.iterations, hidden=32)
        save_actor(learn_actor(capture_of(arguments, seed)[0], settings), path)
    return load_actor(path)


if __name__ == "__main__":
    main()
