# SPDX-License-Identifier: GPL-3.0-or-later
"""The learning curve as a picture and as data, and a fit's error over its frames as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .takes import Take
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


def save_error_curve(take: Take, picture: Path) -> None:
    """Write the mean and the worst error of each frame of a take as a PNG, its worst frames marked. Raises OSError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    for column, name in ((1, "worst point"), (0, "mean of all points")):
        axis.plot(take.frames, take.error_mm[:, column], ".-" if len(take.frames) < 60 else "-", label=name)
    for number, frame in enumerate(take.figures.get("worst_frames", ())):
        place = (frame["frame"], frame["worst_mm"])
        where, number_of = (0, 4), str(frame["frame"])
        axis.annotate(number_of, place, where, textcoords="offset points", ha="center", fontsize="small")
        axis.plot(*place, "k.", label="worst frames" if number == 0 else None)
    for number, missing in enumerate(take.figures.get("missing_frames", ())):
        axis.axvline(missing, color="0.8", zorder=0, label="missing, filled in" if number == 0 else None)
    axis.set_yscale("log")
    axis.set_xlabel("frame")
    axis.set_ylabel("error in mm")
    axis.legend(fontsize="small")
    with written_whole(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
