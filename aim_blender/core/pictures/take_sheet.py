# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture sheet of a take: some of its frames as they were performed, and below as the take has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..fitting.performance_space import in_actor_axes
from ..model.actor import Actor
from ..model.evaluation import placed_frames
from ..shared.captured.performances import Performance, to_millimetres
from ..shared.foundation.drawing import draw_in_each, filling, seen_from
from ..shared.foundation.whole_files import written_whole
from ..shared.results.takes import Take
from .inspection import upright

FRAMES = 5  # columns, unless told otherwise
HEAD_PIXELS = (220, 280)
TURN_DEGREES = 18.0
LEFT_PIXELS, TOP_PIXELS, BOTTOM_PIXELS = 96, 34, 46
SKIN = np.array([0.80, 0.62, 0.53])
MOVED_SHARE = 0.02  # of the largest motion: what moves more is the face
SHOWN_QUANTILE = 0.999  # a few points off must not darken all others
COLOURS = "inferno"

Row = tuple[str, list[np.ndarray]]  # what it shows, and a picture a frame


@dataclass(frozen=True)
class Sheet:
    """A sheet that is drawn. titles: of its columns. largest: what the brightest colour means in mm, None without
    colours."""

    rows: list[Row]
    titles: list[str]
    largest: float | None

    def save(self, picture: Path) -> None:
        """Write it as a PNG. Raises OSError."""
        from matplotlib.figure import Figure

        wide, high = HEAD_PIXELS
        width, height = LEFT_PIXELS + wide * len(self.titles), TOP_PIXELS + high * len(self.rows) + BOTTOM_PIXELS
        figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="0.13")

        def write(text: str, left: float, bottom: float, **settings: Any) -> None:
            figure.text(left / width, bottom / height, text, color="0.9", fontsize=9, va="center", **settings)

        for number, (name, pictures) in enumerate(self.rows):
            bottom = BOTTOM_PIXELS + high * (len(self.rows) - 1 - number)
            write(name, LEFT_PIXELS - 10, bottom + high / 2, ha="right")
            for column, drawn in enumerate(pictures):
                figure.figimage(drawn, LEFT_PIXELS + wide * column, bottom, origin="lower")
        for column, title in enumerate(self.titles):
            write(title, LEFT_PIXELS + wide * (column + 0.5), height - TOP_PIXELS / 2, ha="center")
        if self.largest is not None:
            bar = _heat(np.linspace(0.0, 1.0, wide * len(self.titles) - 20))
            figure.figimage(np.tile(bar, (12, 1, 1)), LEFT_PIXELS + 10, BOTTOM_PIXELS - 18, origin="lower")
            for share in (0.0, 0.5, 1.0):
                place = LEFT_PIXELS + 10 + share * len(bar)
                write(f"{share * self.largest:.2g} mm", place, 14, ha=("left", "center", "right")[round(2 * share)])
        with written_whole(picture) as temporary:
            figure.savefig(temporary, format="png", facecolor=figure.get_facecolor())


def fit_sheet(actor: Actor, take: Take, performance: Performance | None) -> Sheet:
    """Some frames of the performance, what was fitted to them, and how far each point is off.

    performance: meshes, that the take was fitted to; without it the sheet shows what was fitted only.
    """
    known = ~np.isin(take.frames, take.figures.get("missing_frames", ()))
    compared = "worst_frames" in take.figures  # a phone's weights cannot be
    measure = take.error_mm[:, 1] if compared else _strength(take)
    index = np.flatnonzero(known)[_chosen(measure[known])]
    results = [_frame(actor, take, i) for i in index]
    titles = [f"frame {take.frames[i]}" + (f"\nworst {take.error_mm[i, 1]:.2f} mm" if compared else "") for i in index]
    if performance is None:
        return Sheet([("fitted", [each for (each,) in _drawn(actor, results, [[SKIN]] * len(results))])], titles, None)
    targets = _performed(actor, performance, take.frames[index])
    errors = [np.linalg.norm(result - target, axis=1) for result, target in zip(results, targets, strict=True)]
    largest = max(float(np.nanquantile(errors, SHOWN_QUANTILE)), 1e-3)
    colours = [[SKIN, _heat(each / largest)] for each in errors]
    drawn = _drawn(actor, [*targets, *results], [*([[SKIN]] * len(index)), *colours])
    performed, fitted = drawn[: len(index)], drawn[len(index) :]
    rows = [
        ("performed", [each for (each,) in performed]),
        ("fitted", [skin for skin, _ in fitted]),
        ("error", [heat for _, heat in fitted]),
    ]
    return Sheet(rows, titles, largest)


def retarget_sheet(source: Actor, performed: Take, target: Actor, take: Take, columns: int = FRAMES) -> Sheet:
    """Some frames of a take, and what the target makes of them."""
    chosen = _chosen(_strength(take), columns)
    rows = []
    for name, actor, shown in (("performed", source, performed), ("retargeted", target, take)):
        drawn = _drawn(actor, [_frame(actor, shown, i) for i in chosen], [[SKIN]] * len(chosen), face_alone=True)
        rows.append((name, [each for (each,) in drawn]))
    return Sheet(rows, [f"frame {take.frames[i]}" for i in chosen], None)


def _strength(take: Take) -> np.ndarray:
    """(F,) how much of anything is shown, without a copy of a long take."""
    return np.sqrt(np.einsum("fmn,fmn->f", take.coefficients, take.coefficients))


def _chosen(measure: np.ndarray, columns: int = FRAMES) -> np.ndarray:
    """Which frames to show, of those with a measure (F,): the largest, and others spread over all."""
    spread = np.linspace(0, len(measure) - 1, min(columns, len(measure))).round().astype(int)
    largest = int(measure.argmax())
    spread[np.abs(spread - largest).argmin()] = largest
    return np.unique(spread)


def _performed(actor: Actor, performance: Performance, frames: np.ndarray) -> np.ndarray:
    """(f, V, 3) mm some frames (f,) of a performance, which may be too large to be read whole."""
    index = np.searchsorted(performance.frames, frames)
    part = replace(performance, vertices=performance.vertices[index], frames=frames, confidence=None)
    part, _ = in_actor_axes(part, actor.neutral)
    return to_millimetres(part, actor.neutral, actor.topology)[0].vertices.astype(np.float64)


def _frame(actor: Actor, take: Take, index: int) -> np.ndarray:
    """(V, 3) mm a frame of the take."""
    return placed_frames(actor, take, slice(index, index + 1))[0]


def _heat(shares: np.ndarray) -> np.ndarray:
    """(V, 3) colours of shares (V,) of the largest error; grey where it is not known."""
    from matplotlib import colormaps

    colours = colormaps[COLOURS](np.nan_to_num(shares).clip(0.0, 1.0))[:, :3]
    return np.where(np.isnan(shares)[:, None], 0.4, colours)


def _drawn(
    actor: Actor, frames: list[np.ndarray], colours: list[list[np.ndarray]], face_alone: bool = False
) -> list[list[np.ndarray]]:
    """Pictures of frames (V, 3) in each of their colours, all from one place. face_alone: what the shapes move fills
    them, not all of it."""
    up, forward = upright(actor)
    seen = seen_from(np.stack(frames), up, forward, TURN_DEGREES)
    filled = seen
    if face_alone:
        moved = np.linalg.norm(actor.shapes()[1:] - actor.neutral, axis=2).max(0)
        filled = seen[:, moved > MOVED_SHARE * moved.max()]
    offset, factor = filling(filled, *HEAD_PIXELS)
    triangles = actor.topology.triangles()
    return [
        draw_in_each((each + offset) * factor, triangles, some, *HEAD_PIXELS, finer=1)
        for each, some in zip(seen, colours, strict=True)
    ]
