# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigify's faces on the demo head follow its performance: error, controls at work and seconds, beside scipy's solver.

python benchmarks/rigs.py [--frames 300] [--kinds faces.super_face,skin]

`face rms` is how far the points move, `scipy` what its bounded least squares reach with the same sampled controls, each
of some frames by itself, without smoothing and sparsity; `ours` what the solve reaches by the same equations; both of
these frames. `in Blender` is what the rig, evaluated, is off. All are the root mean square over the points of a frame,
and the mean over frames. `at work` is the mean share of controls that are not at rest, `at 10 %` what it
is if the error may grow by a tenth. Runs in the worker's environment
and starts Blender's.
"""

import subprocess
import sys

import numpy as np
from common import ROOT, parser, print_table
from scipy.optimize import lsq_linear

from aim_blender.core.shared.rigs.control_equations import control_equations
from aim_blender.core.shared.rigs.control_solving import solve_controls
from aim_blender.core.shared.settings.rig_settings import RigSettings

COMPARED = 10  # frames that scipy solves, at seconds each
NAMES = {"faces.super_face": "Rigify, super_face", "skin": "Rigify, modular"}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--frames", type=int, default=300)
    found.add_argument("--kinds", default=",".join(NAMES), help="which of " + ", ".join(NAMES))
    arguments = found.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind in arguments.kinds.split(","):
        out = arguments.work / f"rig_{kind}.npz"
        environment = f"blender-py{sys.version_info.major}.{sys.version_info.minor}"
        python = next((ROOT / ".env" / environment).glob("[bS]*/python*"))
        script = ROOT / "benchmarks" / "rigs_in_blender.py"
        command = [str(python), str(script), kind, str(arguments.frames), str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with np.load(out) as archive:
            rows.append(row_of(NAMES[kind], **archive))
    columns = [
        "rig",
        "controls",
        "face rms",
        "scipy mm",
        "ours mm",
        "ratio",
        "in Blender mm",
        "mean mm",
        "at work",
        "at 10 %",
    ]
    title = f"Rigify's faces on the demo head, {arguments.frames} frames (distances in mm)"
    print_table(title, [*columns, "seconds", "computed s"], rows)


def row_of(
    name: str, effects: np.ndarray, offsets: np.ndarray, least: np.ndarray, most: np.ndarray, figures: np.ndarray
) -> list[object]:
    """A rig's row: what both solvers reach with effects (C, P, 3) for offsets (F, P, 3)."""
    seconds, computed, shown, active, mean = figures.tolist()
    settings = RigSettings()
    ours = solve_controls(control_equations(effects[None], offsets), least, most, settings.smoothing, settings.loss)
    system = effects.reshape(len(effects), -1).T  # (3P, C)
    axes, _ = np.linalg.qr(system)
    small = axes.T @ system
    theirs: list[float] = []
    own: list[float] = []
    for frame in ((np.arange(COMPARED) + 0.5) * len(offsets) / COMPARED).astype(int):  # in the middle of equal parts
        wanted = offsets[frame].ravel()
        best = lsq_linear(small, axes.T @ wanted, bounds=(least, most), tol=1e-8).x
        for values, errors in ((best, theirs), (ours.values[frame], own)):
            gap = (system @ values - wanted).reshape(-1, 3)
            errors.append(float(np.sqrt((gap**2).sum(1).mean())))
    moved = float(np.sqrt((offsets**2).sum(2).mean(1)).mean())
    reached = [float(np.mean(theirs)), float(np.mean(own))]
    at_ten = solve_controls(control_equations(effects[None], offsets), least, most, settings.smoothing, 0.1).active
    ratio = reached[1] / reached[0]
    return [name, len(effects), moved, *reached, ratio, shown, mean, active, at_ten, seconds, computed]


if __name__ == "__main__":
    main()
