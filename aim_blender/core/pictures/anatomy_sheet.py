# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture sheet of what was learned of an actor's inside, drawn without Blender."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..shared.foundation.drawing import draw, filling, seen_from
from ..shared.foundation.topology import Topology
from ..shared.foundation.whole_files import written_whole

TURN_DEGREES = 28.0
HEAD_PIXELS = (320, 340)
BONE_COLOUR = (0.86, 0.81, 0.69)
SKIN_COLOUR = (0.80, 0.62, 0.53)
ON_BONE_COLOURS = ((0.62, 0.62, 0.62), (0.26, 0.52, 0.90), (0.95, 0.55, 0.15))  # no constraint, skull, mandible
SHOWN_QUANTILE = 0.995  # a few points off must not darken all others


@dataclass(frozen=True)
class Panel:
    """One head of the sheet: points (V, 3) mm with either values (V,) and their unit, or colours (V, 3)."""

    title: str
    points: np.ndarray
    values: np.ndarray | None = None
    colours: np.ndarray | None = None
    unit: str = "mm"
    largest: float | None = None


def save_anatomy_sheet(arrays: dict[str, np.ndarray], figures: dict[str, Any], picture: Path, name: str) -> None:
    """Write the sheet as a PNG. arrays, figures: of inspection.inspect_actor. Raises OSError."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    triangles = Topology(arrays["corners"], arrays["sizes"], len(arrays["neutral"])).triangles()
    figure = Figure(figsize=(14, 9.4), facecolor="0.13")
    for axis, panel in zip(figure.subplots(2, 4).ravel(), _panels(arrays, figures), strict=True):
        axis.set_axis_off()
        axis.set_title(panel.title, color="0.9", fontsize=10)
        colours = panel.colours
        if panel.values is not None:
            largest = panel.largest or max(float(np.quantile(panel.values, SHOWN_QUANTILE)), 1e-6)
            shade = ScalarMappable(Normalize(0.0, largest), "inferno" if panel.unit == "mm" else "viridis")
            colours = shade.to_rgba(panel.values)[:, :3]
            bar = figure.colorbar(shade, ax=axis, orientation="horizontal", fraction=0.045, pad=0.02, aspect=28)
            bar.ax.tick_params(colors="0.8", labelsize=8)
            bar.set_label(panel.unit, color="0.8", fontsize=8)
        assert colours is not None
        seen = seen_from(panel.points, arrays["up"], arrays["forward"], TURN_DEGREES)
        offset, factor = filling(seen, *HEAD_PIXELS)
        axis.imshow(draw((seen + offset) * factor, triangles, colours, *HEAD_PIXELS), origin="lower")
    figure.suptitle(name, color="0.95")
    figure.tight_layout()
    with written_whole(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=100, facecolor=figure.get_facecolor())


def _panels(arrays: dict[str, np.ndarray], figures: dict[str, Any]) -> list[Panel]:
    neutral, bone = arrays["neutral"], arrays["bone"]
    skin = np.tile(SKIN_COLOUR, (len(neutral), 1))
    return [
        Panel("neutral", neutral, colours=skin),
        Panel(
            f"constraints: {figures['constrained_points']} points\nblue skull, orange mandible",
            neutral,
            colours=np.array(ON_BONE_COLOURS)[arrays["on_bone"]],
        ),
        Panel(
            f"dense anatomy\n{figures['folded_faces']} of {figures['faces']} triangles folded",
            bone,
            colours=np.tile(BONE_COLOUR, (len(bone), 1)),
        ),
        Panel("bone normals", bone, colours=0.5 + 0.5 * arrays["normal"]),
        Panel(
            f"thickness of the soft tissue\n{figures['thickness_least_mm']:.1f} to "
            f"{figures['thickness_most_mm']:.1f} mm, mean {figures['thickness_mean_mm']:.1f}",
            neutral,
            values=arrays["thickness"],
        ),
        Panel("skinning weight\nshare of the jaw's motion", neutral, arrays["skin_weight"], unit="share", largest=1.0),
        Panel(
            f"reconstruction error of the networks\nmean {figures['error_mean_mm']:.3f}, "
            f"worst {figures['error_worst_mm']:.2f} mm",
            neutral,
            values=arrays["error"],
        ),
        Panel(
            f"asymmetry of the anatomy\nmean {figures['symmetry_mean_mm']:.2f}, "
            f"worst {figures['symmetry_worst_mm']:.1f} mm",
            bone,
            values=arrays["symmetry"],
        ),
    ]
