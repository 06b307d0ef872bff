# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves as pictures: how learning went, also as data, and a take's error and its jaw over the frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..anatomy.anatomy import Hinge
from ..anatomy.jaw import decompose_jaw
from ..geometry.rigid import apply_motion
from ..model.actor import Actor
from ..shared.foundation.whole_files import written_whole
from ..shared.results.takes import Take
from .inspection import upright

LEAST_SHOWN = 1e-5  # smaller losses say nothing, and would flatten the others
TEETH_MM = 8.0  # how far the lower front teeth lie behind the lower lip
FRONT_MM, MIDDLE_MM = 25.0, 10.0  # how far from the foremost point, and from the middle, the lower lip is looked for
LEAST_RANGE_MM, LEAST_RANGE_DEGREES = 4.0, 2.0  # what a picture of a jaw at rest shows


def save_learning_curve(history: list[dict[str, Any]], data: Path, picture: Path) -> None:
    """Write the curve as JSON and as a PNG: error in mm and every loss over the iterations, and how far the jaw opens.

    history: dicts with iteration, phase, error_mm, jaw_open_degrees, and the losses by name. Raises OSError.
    """
    with written_whole(data) as temporary:
        temporary.write_text(json.dumps(history, indent=1), encoding="utf-8")

    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
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


def save_error_curve(take: Take, picture: Path) -> None:
    """Write the mean and the worst error of each frame of a take as a PNG, its worst frames marked. Raises OSError."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5))
    axis = figure.add_axes((0.1, 0.14, 0.88, 0.83))  # left, bottom, width, height; to find them takes as long again
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


def save_jaw_path(actor: Actor, take: Take, picture: Path) -> bool:
    """Write the path of the lower front teeth, from the front and from the side, and the jaw's turns over the frames of
    a take as a PNG. False, and nothing is written, where the actor's jaw is not known. Raises OSError."""
    hinge = actor.hinge
    if hinge is None or not actor.skin_weight.any():
        return False
    from matplotlib.figure import Figure

    up, forward = upright(actor)
    teeth = _lower_teeth(actor.neutral, actor.skin_weight[:, 0], hinge, up, forward)
    path = apply_motion(teeth[None], take.jaw)[:, 0] - teeth  # (F, 3) mm from rest
    right, ahead, height = (path @ axis for axis in (np.cross(up, forward), forward, up))
    turns = np.rad2deg(decompose_jaw(take.jaw, hinge)[:, :3] @ np.stack([hinge.axis, hinge.up, hinge.forward]).T)
    figure = Figure(figsize=(12, 4.3))
    grid = figure.add_gridspec(1, 4, left=0.06, right=0.99, bottom=0.13, top=0.85, wspace=0.3)
    reach = 0.55 * max(LEAST_RANGE_MM, *(float(np.ptp(np.append(each, 0.0))) for each in (right, ahead, height)))
    for column, (across, label) in enumerate(((right, "to the picture's right, mm"), (ahead, "forward, mm"))):
        axis = figure.add_subplot(grid[column])
        axis.plot(across, height, linewidth=0.5, color="0.6")
        axis.scatter(across, height, c=take.frames, s=7, cmap="viridis", zorder=3)
        axis.plot(0.0, 0.0, "k+", markersize=10, zorder=4)
        for limits, values in ((axis.set_xlim, across), (axis.set_ylim, height)):
            middle = (min(values.min(), 0.0) + max(values.max(), 0.0)) / 2
            limits(middle - reach, middle + reach)
        axis.set_aspect("equal")
        axis.set_xlabel(label)
        axis.set_ylabel("up, mm" if column == 0 else "")
        axis.set_title(("from the front", "from the side")[column], fontsize="medium")
    axis = figure.add_subplot(grid[2:])
    for column, label in enumerate(("opens", "turns aside", "tilts")):
        axis.plot(take.frames, turns[:, column], linewidth=2.0 if column == 0 else 0.9, label=label)
    low, high = axis.get_ylim()
    axis.set_ylim(low, max(high, low + LEAST_RANGE_DEGREES))
    axis.set_xlabel("frame")
    axis.set_ylabel("degrees")
    axis.legend(fontsize="small")
    figure.suptitle("path of the lower front teeth: + at rest, dark early, bright late", fontsize="medium")
    with written_whole(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
    return True


def _lower_teeth(
    neutral: np.ndarray, follows: np.ndarray, hinge: Hinge, up: np.ndarray, forward: np.ndarray
) -> np.ndarray:
    """About where the lower front teeth are at rest (3,): behind the lower lip, the highest skin in front that follows
    the jaw. neutral: (V, 3) mm. follows: (V,) k. up, forward: (3,) unit."""
    skin = neutral[follows > 0.5 * follows.max()]
    middle = np.abs((skin - hinge.centre) @ hinge.axis)
    skin = skin[middle < max(MIDDLE_MM, middle.min() + 1.0)]
    skin = skin[skin @ forward > (skin @ forward).max() - FRONT_MM]
    return skin[(skin @ up).argmax()] - TEETH_MM * forward
