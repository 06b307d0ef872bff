# SPDX-License-Identifier: GPL-3.0-or-later
"""The learning curve as a picture and as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .whole_files import written_whole

LEAST_SHOWN = 1e-5  # smaller losses say nothing, and would flatten the others


def save_learning_curve(history: list[dict[str, Any]], data: Path, picture: Path) -> None:
    """Write the curve as JSON and as a PNG: error in mm and every loss over the iterations, and how far the jaw opens.

    history: dicts with iteration, phase, error_mm, jaw_open_degrees, and the losses by name. Raises OSError.
    """
    with written_whole(data) as temporary:
        temporary.write_text(json.dumps(history, indent=1), encoding="utf-8")

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 6), height_ratios=(3, 1))
    names = sorted({name for line in history for name in line} - {"iteration", "phase", "error_mm", "jaw_open_degrees"})
    for name in ["error_mm", *names]:
        points = [(line["iteration"], line[name]) for line in history if line.get(name, 0.0) > 0.0]
        if points:
            wide = 2.0 if name == "error_mm" else 0.8
            upper.plot(*zip(*points, strict=True), label=name.replace("_", " "), linewidth=wide)
    upper.set_yscale("log")
    upper.set_ylim(bottom=max(upper.get_ylim()[0], LEAST_SHOWN))
    upper.set_ylabel("mm, weighted losses")
    upper.legend(fontsize="small", loc="lower left")
    lower.plot([line["iteration"] for line in history], [line["jaw_open_degrees"] for line in history])
    lowest, highest = lower.get_ylim()
    lower.set_ylim(min(0.0, lowest), max(1.0, 1.1 * highest))  # from rest, so that a jaw that is held looks held
    lower.set_ylabel("jaw opens, degrees")
    lower.set_xlabel("iteration")
    for axis in (upper, lower):
        before = None
        for line in history:
            if before is not None and line["phase"] != before["phase"]:
                axis.axvline(before["iteration"], color="0.7", linestyle=":")
            before = line
    figure.tight_layout()
    with written_whole(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    pyplot.close(figure)
