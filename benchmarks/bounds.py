# SPDX-License-Identifier: GPL-3.0-or-later
"""By how much bounded weights leave their bounds, at how many points, and what it would cost if none did.

python benchmarks/bounds.py [--seed 3] [--largest 1.5]
"""

import time
from unittest import mock

import numpy as np
import torch
from common import learned, make, parser, print_table

from aim_blender.core.fitting.fitting_cache import cache_beside
from aim_blender.core.fitting.fitting_session import FittingSession
from aim_blender.core.model import closed_form
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.settings.fitting_settings import FittingSettings

POINTS, ROUNDS, TOLERANCE = closed_form.BOUNDED_POINTS, closed_form.BOUND_ROUNDS, closed_form.BOUND_TOLERANCE
CASES = {
    "as it is": (POINTS, ROUNDS, TOLERANCE),
    "bounds at every point": (10**9, ROUNDS, TOLERANCE),
    "the same, 200 rounds": (10**9, 200, 0.0),
}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--largest", type=float, default=1.5)
    arguments = found.parse_args()
    path, actor = learned(arguments, arguments.seed)
    name, least, most = f"performance_{arguments.seed}_plain", 1 - arguments.largest, arguments.largest
    frames = read_performance(make(arguments, "performance", name, "--seed", str(arguments.seed))).vertices[::5]
    still = frames.astype(np.float64)
    rows: list[list[object]] = []

    def add(case: str, coefficients: torch.Tensor, milliseconds: float) -> None:
        weights = torch.as_tensor(session.modes) @ coefficients  # (F, V, N)
        beyond = (weights - weights.clamp(least, most)).abs()
        off = (session.solver.offsets(coefficients) - session.residual(still, jaw)).norm(dim=-1)
        many = f"{1e6 * float((beyond > TOLERANCE).float().mean()):.1f}"
        rows.append([case, float(beyond.max()), many, float(off.mean()), float(off.max()), milliseconds])

    for case, (points, rounds, tolerance) in CASES.items():
        with mock.patch.multiple(closed_form, BOUNDED_POINTS=points, BOUND_ROUNDS=rounds, BOUND_TOLERANCE=tolerance):
            session = FittingSession(actor, FittingSettings(largest_weight=most), cache_beside(path))
            jaw = session.jaw(still)
            start = time.perf_counter()
            solved = session.solve(still, jaw).coefficients
            milliseconds = 1000 * (time.perf_counter() - start) / len(frames)
        add(case, solved, milliseconds)
        if case == "as it is":
            weights = torch.as_tensor(session.modes) @ solved
            share = (most / weights.amax(1).clamp(min=1e-9)).minimum(least / weights.amin(1).clamp(max=-1e-9))
            add("the same, shapes that go beyond made smaller", solved * share.clamp(max=1.0)[:, None], milliseconds)
    print_table(
        f"Weights bounded by {least:g} and {most:g}, actor {arguments.seed}, {len(frames)} frames (mm)",
        ["", "beyond, at most", f"in a million beyond by {TOLERANCE:g}", "fit", "worst", "ms a frame"],
        rows,
    )


if __name__ == "__main__":
    main()
