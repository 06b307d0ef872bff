# SPDX-License-Identifier: GPL-3.0-or-later
"""Big meshes: a fit whose smooth functions follow from few places, beside the full one. The mesh of a learned actor is
subdivided, once and twice, and so is a performance of it, which gets noise of its own.

python benchmarks/big_meshes.py [--seed 3] [--frames 30] [--noise 0.1]
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

import numpy as np
from common import learned, make, parser, print_table
from remeshing import carried, subdivided
from scipy import sparse

from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.shared.captured.performances import Performance, read_performance
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.results.takes import Take

CARRIED = ("template", "bone", "normal", "thickness", "skin_weight", "implicit_expressions", "expression_residual")


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--frames", type=int, default=30)
    found.add_argument("--noise", type=float, default=0.1, help="mm, the standard deviation in each direction")
    arguments = found.parse_args()
    actor = learned(arguments, arguments.seed)[1]
    rows: list[list[object]] = []
    for times in (0, 1, 2):
        rows += measured(arguments, *refined(actor, times))
    print_table(
        f"Fits of a subdivided mesh, actor {arguments.seed}, {arguments.frames} frames (distances in mm)",
        [
            "points",
            "functions",
            "mean",
            f"mean from the truth, noise {arguments.noise:g} mm",
            "set-up s of processor",
            "ms of processor a frame",
            "frames/s",
        ],
        rows,
    )


def refined(actor: Actor, times: int) -> tuple[Actor, sparse.csr_matrix]:
    """The actor on its mesh with every triangle cut into four so many times, and what carries frames there."""
    triangles = actor.topology.triangles()
    carry = sparse.identity(len(actor.neutral), format="csr")
    for _ in range(times):
        triangles, more = subdivided(carry @ actor.neutral, triangles)
        carry = (more @ carry).tocsr()

    def field(name: str) -> np.ndarray:
        rows = getattr(actor, name)
        return (carry @ rows.reshape(len(rows), -1)).reshape(-1, *rows.shape[1:]).astype(np.float32)

    topology = Topology(triangles.ravel(), np.full(len(triangles), 3), carry.shape[0])
    fields: dict[str, Any] = {name: field(name) for name in CARRIED}
    found = dataclasses.replace(actor, topology=topology, **fields)
    residual = (carry @ actor.neutral - found.implicit_neutral).astype(np.float32)
    return dataclasses.replace(found, neutral_residual=residual), carry


def measured(arguments: argparse.Namespace, actor: Actor, carry: sparse.csr_matrix) -> list[list[object]]:
    """A row for each kind of functions."""
    shot = read_performance(
        make(arguments, "performance", f"performance_{arguments.seed}_plain", "--seed", str(arguments.seed))
    )
    chosen = np.linspace(0, len(shot.frames) - 1, arguments.frames).astype(int)
    truth = carried(carry, shot.vertices[chosen]).astype(np.float32)
    noise = np.random.default_rng(0).normal(0.0, arguments.noise, truth.shape)
    clean = dataclasses.replace(shot, vertices=truth, frames=shot.frames[chosen], topology=None)
    noisy = dataclasses.replace(clean, vertices=(truth + noise).astype(np.float32))
    assert actor.working.is_whole
    rows: list[list[object]] = []
    for label, coarse_from in (("at every point", 0), ("from few places", 1)):
        settings = FittingSettings(coarse_from=coarse_from)
        one = dataclasses.replace(clean, vertices=truth[:1], frames=clean.frames[:1])
        (_, first), (_, again), (take, whole) = (timed(actor, each, settings) for each in (one, one, clean))
        per_frame = (whole - again) / max(len(chosen) - 1, 1)  # the set-up stays with the actor
        off = evaluate_take(actor, fit_performance(actor, noisy, settings))["vertices"] - truth
        from_truth = float(np.linalg.norm(off, axis=-1).mean())
        mean, speed = float(take.figures["mean_mm"]), float(take.figures["frames_per_second"])
        rows.append([len(actor.neutral), label, mean, from_truth, first - again, 1000 * per_frame, speed])
    return rows


def timed(actor: Actor, shot: Performance, settings: FittingSettings) -> tuple[Take, float]:
    """A fit, and what it took in seconds of processor."""
    start = time.process_time()
    return fit_performance(actor, shot, settings), time.process_time() - start


if __name__ == "__main__":
    main()
