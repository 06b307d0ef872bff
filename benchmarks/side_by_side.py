# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting and retargeting side by side with what others do, as in the paper's Fig. 17: a table, a page and a picture.

python benchmarks/side_by_side.py [--source 3] [--target 11] [--only METHOD ...]

Every method is given the same 100 frames, which the actor's 20 meshes do not contain; then the same frames with 0.1 mm
of scanner noise; and the other actor. What is measured of a method is kept, so that --only measures some of them again;
once all are known the page goes to docs/side_by_side.md, the picture to docs/pictures.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from common import ROOT, learned, make, parser, print_table

from aim_blender.core.baking.baking import HIGHEST_WEIGHT, LOWEST_WEIGHT, bounded_weights
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.jaw_of_frame import spread_points
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.model.model import UNIT_MM
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.performances import Performance, read_performance
from aim_blender.core.shared.foundation import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PATCHES = 40
PATCH_BLEND_MM = 6.0  # over about this width the weights of neighbouring patches change over
CONVERGED = 5000  # iterations of the bounded least squares: its weights are compared, not its speed
LARGEST_MM = 1.0  # of the picture's colours
HEAT = ("#dedede", "#f5d16b", "#e4572e", "#5e0b2c")
ROWS = 5  # frames in the picture
CELL = (200, 240)  # pixels of a head
TURN_DEGREES = 18.0
PAGE, PICTURE = ROOT / "docs" / "side_by_side.md", ROOT / "docs" / "pictures" / "side_by_side.png"


@dataclass(frozen=True)
class Fit:
    """vertices: (F, V, 3) the fitted frames. retarget: makes the same frames of the target, (F, V, 3).

    seconds: for all frames. setup_s: before the first of them.
    """

    vertices: np.ndarray
    retarget: Callable[[], np.ndarray]
    seconds: float
    setup_s: float


@dataclass(frozen=True)
class Stage:
    """The two actors, and the folder with the generic face model."""

    source: Actor
    target: Actor
    shared: Path


# -- the methods ------------------------------------------------------------------------------------------------------


def one_weight(stage: Stage, performance: Performance) -> Fit:
    """One bounded weight per shape and frame for the whole face."""
    start = time.perf_counter()
    keys = offsets(stage.source)  # (N, V, 3)
    moved = performance.vertices - stage.source.neutral.astype(np.float32)
    weights = solved(keys, moved)
    seconds = time.perf_counter() - start
    return Fit(
        stage.source.neutral + np.tensordot(weights, keys, 1),
        lambda: stage.target.neutral + np.tensordot(weights, offsets(stage.target), 1),
        seconds,
        0.0,
    )


def weight_per_patch(stage: Stage, performance: Performance) -> Fit:
    """One bounded weight per shape, frame and patch; neighbouring patches are blended."""
    start = time.perf_counter()
    member, blend = patches(stage.source)  # (V,), (V, P)
    keys = offsets(stage.source)
    setup_seconds = time.perf_counter() - start
    start = time.perf_counter()
    moved = performance.vertices - stage.source.neutral.astype(np.float32)
    weights = np.stack(
        [solved(keys[:, member == patch], moved[:, member == patch]) for patch in range(PATCHES)], axis=1
    )  # (F, P, N)
    vertices = posed_by_patches(stage.source, weights, blend)
    seconds = time.perf_counter() - start
    return Fit(vertices, lambda: posed_by_patches(stage.target, weights, blend), seconds, setup_seconds)


def generic_model(stage: Stage, performance: Performance) -> Fit:
    """ICT-FaceKit: 40 identities fitted once to the neutral, then 53 bounded expression weights a frame."""
    start = time.perf_counter()
    with np.load(stage.shared / "data" / "ict_facekit.npz") as archive:
        count = len(stage.source.neutral)
        mean = 10.0 * archive["neutral_cm"][:count].astype(np.float64)
        identities = 10.0 * archive["identity_deltas_cm"][:, :count].astype(np.float64)
        keys = 10.0 * archive["expression_deltas_cm"][:, :count]  # (53, V, 3)
    neutral = generic_neutral(mean, identities, stage.source.neutral)
    setup_seconds = time.perf_counter() - start
    start = time.perf_counter()
    weights = solved(keys, (performance.vertices - neutral).astype(np.float32))
    vertices = neutral + np.tensordot(weights, keys, 1)
    seconds = time.perf_counter() - start
    other = generic_neutral(mean, identities, stage.target.neutral)
    return Fit(vertices, lambda: other + np.tensordot(weights, keys, 1), seconds, setup_seconds)


def by_take(settings: FittingSettings) -> Callable[[Stage, Performance], Fit]:
    """This project's own fit, with the settings of one of its solvers."""

    def method(stage: Stage, performance: Performance) -> Fit:
        take = fit_performance(stage.source, performance, settings)
        return Fit(
            evaluate_take(stage.source, take)["vertices"],
            lambda: evaluate_take(stage.target, retarget_take(take, stage.source, stage.target))["vertices"],
            len(take.frames) / take.figures["frames_per_second"],
            take.figures["setup_s"],
        )

    return method


METHODS: dict[str, tuple[Callable[[Stage, Performance], Fit], str]] = {
    "one weight per shape": (one_weight, "one weight\nper shape"),
    "one weight per shape and patch": (weight_per_patch, "one weight per\nshape and patch"),
    "generic linear model": (generic_model, "generic\nlinear model"),
    "neural, from rest": (by_take(FittingSettings(solver="neural", warm_start=False)), "neural,\nfrom rest"),
    "neural, from the closed form": (by_take(FittingSettings(solver="neural")), "neural, from\nclosed form"),
    "closed form": (by_take(FittingSettings()), "closed form"),
}


def offsets(actor: Actor) -> np.ndarray:
    """(N, V, 3) float32 the actor's shapes as offsets from its neutral."""
    return (actor.shapes()[1:] - actor.neutral).astype(np.float32)


def solved(keys: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Weights (F, N) of keys (N, V, 3) that come nearest to the moved points (F, V, 3), each frame for itself."""
    return bounded_weights(keys.reshape(len(keys), -1), moved.reshape(len(moved), -1), CONVERGED, temporal=0.0)


def generic_neutral(mean: np.ndarray, identities: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(V, 3) the generic model's own neutral that comes nearest to an actor's, by least squares."""
    found = np.linalg.lstsq(identities.reshape(len(identities), -1).T, (neutral - mean).reshape(-1), rcond=None)[0]
    return mean + np.tensordot(found, identities, 1)


def patches(actor: Actor) -> tuple[np.ndarray, np.ndarray]:
    """Which of PATCHES patches each point is in (V,), and how much it takes of each (V, P).

    The patches are compact in the template, where lips and lids lie apart, and as many where the face moves more.
    """
    place = actor.template.astype(np.float64) * UNIT_MM
    moved = np.linalg.norm(offsets(actor), axis=-1).max(0)
    middle = place[spread_points(place, np.sqrt(moved / moved.mean()), PATCHES)]
    for _ in range(10):  # Lloyd
        distance = np.linalg.norm(place[:, None] - middle, axis=-1)  # (V, P)
        member = distance.argmin(1)
        middle = np.stack([place[member == patch].mean(0) for patch in range(PATCHES)])
    distance = np.linalg.norm(place[:, None] - middle, axis=-1)
    blend = np.exp(-((distance - distance.min(1, keepdims=True)) / PATCH_BLEND_MM))
    return distance.argmin(1), blend / blend.sum(1, keepdims=True)


def posed_by_patches(actor: Actor, weights: np.ndarray, blend: np.ndarray) -> np.ndarray:
    """(F, V, 3) of weights (F, P, N) and how much each point takes of each patch (V, P)."""
    keys = offsets(actor).transpose(1, 0, 2)  # (V, N, 3)
    return np.stack([actor.neutral + np.einsum("vn,vnx->vx", blend @ frame, keys) for frame in weights])


# -- what is measured -------------------------------------------------------------------------------------------------


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--source", type=int, default=3)
    found.add_argument("--target", type=int, default=11)
    found.add_argument("--only", nargs="+", choices=tuple(METHODS), default=tuple(METHODS))
    arguments = found.parse_args()
    stage = Stage(learned(arguments, arguments.source)[1], learned(arguments, arguments.target)[1], arguments.shared)
    path = {
        seed: make(arguments, "performance", f"performance_{seed}_plain", "--seed", str(seed))
        for seed in (arguments.source, arguments.target)
    }
    noise = ("--seed", str(arguments.source), "--noise", "0.1")
    noisy = read_performance(make(arguments, "performance", f"performance_{arguments.source}_plain_noise_0.1", *noise))
    clean = read_performance(path[arguments.source])
    with np.load(path[arguments.target]) as archive:
        truth = archive["vertices"]
    kept = arguments.work / f"side_by_side_{arguments.source}_{arguments.target}"
    kept.mkdir(exist_ok=True)
    shown = spread_frames(clean.vertices, ROWS)
    for name in arguments.only:
        print(name, file=sys.stderr, flush=True)
        method = METHODS[name][0]
        fit = method(stage, clean)
        off = np.linalg.norm(fit.vertices - clean.vertices, axis=-1)
        carried = np.linalg.norm(fit.retarget() - truth, axis=-1)
        row = [
            *(float(value) for value in (off.mean(), np.quantile(off, 0.99), off.max())),
            float(carried.mean()),
            float(np.quantile(carried, 0.99)),
            trembling(method(stage, noisy).vertices - fit.vertices),
            fit.seconds / len(off),
            fit.setup_s,
        ]
        print(row, file=sys.stderr, flush=True)
        np.savez(kept / f"{name}.npz", row=row, vertices=fit.vertices[shown], off=off[shown])
    rows: list[list[object]] = []
    errors = {}
    for name in METHODS:
        if not (kept / f"{name}.npz").exists():
            print(f"{name!r} is not measured yet; the page is written when it is", file=sys.stderr)
            return
        with np.load(kept / f"{name}.npz") as archive:
            rows.append([name, *archive["row"].tolist()])
            errors[name] = archive["vertices"], archive["off"]
    rows.append(["(the noise itself)", *[""] * 5, trembling(noisy.vertices - clean.vertices), "", ""])
    title = f"Actor {arguments.source}, {len(truth)} frames, and their retarget to actor {arguments.target} (mm)"
    columns = [
        "method",
        "mean",
        "99 %",
        "worst",
        "retarget mean",
        "99 %",
        "trembling",
        "s a frame",
        "set-up s",
    ]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print_table(title, columns, rows)
    print(printed.getvalue())
    draw(clean.vertices[shown], stage.source, errors)
    PAGE.write_text(page(printed.getvalue()), encoding="utf-8")


def trembling(difference: np.ndarray) -> float:
    """The mean length in mm of the second difference over frames of what noise changes (F, V, 3)."""
    return float(np.linalg.norm(np.diff(difference, 2, axis=0), axis=-1).mean())


def page(table: str) -> str:
    """The page around the table."""
    return f"""# Side by side

{table}
Distances are over all 11,248 points of all frames. *Trembling* is what 0.1 mm of scanner noise becomes: the mean second
difference over frames of what the noise changes in the fit. *s a frame* leaves out the set-up. Written by
`benchmarks/side_by_side.py`.

![Target frames, and each method's result coloured by its error](pictures/side_by_side.png)

How each was set:

- **One weight per shape**: the actor's 19 shapes as shape keys, one weight each for the whole face, each frame for
  itself, within {LOWEST_WEIGHT:g} and {HIGHEST_WEIGHT:g}. Retargeted, the same weights move the other actor's shapes.
- **One weight per shape and patch**: the same in {PATCHES} patches, smaller where the face moves more, with lips and
  lids parted; at the borders the weights change over within about {PATCH_BLEND_MM:g} mm. No rigid motion per patch and
  no anatomy, so it is less than the local models of the literature.
- **Generic linear model**: ICT-FaceKit's 40 identities fitted to the neutral by least squares, then its 53 expressions
  within the same bounds. It has an advantage here that it has on no other data: captures and performances are made of
  these identities and expressions, so it holds the very shapes that the frames consist of; only how strongly the actor
  makes each, and how the skin follows a turning jaw, differ. It needs no capture of the actor's expressions, and knows
  none: that is what its retarget shows.
- **Neural**: the paper's networks (`--solver neural`) with {FittingSettings().modes} features and all defaults; begun
  at rest, or at the closed form. Its seconds are part of the set-up: even from rest the head is taken from it.
- **Closed form**: the default, {FittingSettings().modes} modes. Its weights are a point's own and not bounded, as those
  of the networks; bounds (`--largest-weight`) fit and retarget a little less closely. The weights are settled when they
  are retargeted, and the target's own model reads its jaw back.

One frame follows another only after 1.3 seconds in these 100 frames, so nothing is smoothed over time. The
settings of the neural fit, the closed form and the retargeting were chosen on performances of these two actors, these
frames among them. The times are meaningful on an otherwise idle machine only.
"""


# -- the picture ------------------------------------------------------------------------------------------------------


def draw(target: np.ndarray, actor: Actor, errors: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """A row for each frame of the target (F, V, 3): it, and each method's result, coloured by its error in mm."""
    from matplotlib import colors
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from PIL import Image

    heat = colors.LinearSegmentedColormap.from_list("error", HEAT)
    triangles = actor.topology.triangles()
    moved = np.linalg.norm(offsets(actor), axis=-1).max(0)
    offset, factor = drawing.filling(turned(actor.neutral[moved > 5.0]), *CELL)
    wide, high = CELL

    def show(axis: Axes, vertices: np.ndarray, colours: np.ndarray) -> None:
        axis.imshow(drawing.draw((turned(vertices) + offset) * factor, triangles, colours, *CELL), origin="lower")

    figure = Figure(figsize=((1 + len(errors)) * wide / 100, ROWS * high / 93 + 0.9))
    axes = figure.subplots(ROWS, 1 + len(errors), squeeze=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.955, bottom=0.065, wspace=0.02, hspace=0.08)
    skin = np.array([0.93, 0.74, 0.64])
    for row in range(len(target)):
        show(axes[row][0], target[row], skin)
        for column, (vertices, off) in enumerate(errors.values(), start=1):
            colour = heat(np.clip(off[row] / LARGEST_MM, 0.0, 1.0))[:, :3]
            show(axes[row][column], vertices[row], colour)
            label = f"{off[row].mean():.3f} mm, worst {off[row].max():.2f}"
            axes[row][column].text(
                0.5, -0.01, label, transform=axes[row][column].transAxes, ha="center", va="top", fontsize=8
            )
    for axis, title in zip(axes[0], ["target", *(METHODS[name][1] for name in errors)], strict=True):
        axis.set_title(title, fontsize=10)
    for axis in axes.flat:
        axis.set_axis_off()
    scale = figure.add_axes((0.3, 0.035, 0.4, 0.012))
    mapped = ScalarMappable(colors.Normalize(0, LARGEST_MM), heat)
    bar = figure.colorbar(mapped, scale, orientation="horizontal")
    bar.set_label("distance from the target, mm", fontsize=9)
    whole = io.BytesIO()
    figure.savefig(whole, dpi=100)
    Image.open(whole).convert("RGB").quantize(255, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


def spread_frames(frames: np.ndarray, count: int) -> list[int]:
    """Frames (F, V, 3) that differ most from each other: the one furthest from the mean, and so on."""
    flat = frames.reshape(len(frames), -1)
    distance = np.linalg.norm(flat - flat.mean(0), axis=1)
    chosen = [int(distance.argmax())]
    nearest = np.full(len(flat), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.linalg.norm(flat - flat[chosen[-1]], axis=1))
        chosen.append(int(nearest.argmax()))
    return chosen


def turned(vertices: np.ndarray) -> np.ndarray:
    """Points (V, 3), Y up, Z forward, as they are seen: right, up, towards the eye."""
    return drawing.seen_from(vertices, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]), -TURN_DEGREES)


if __name__ == "__main__":
    main()
