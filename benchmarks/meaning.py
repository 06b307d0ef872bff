# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting between faces of many makes, measured by meaning, since there is no truth: is the result torn, and do lip
gap, mouth width, corner height, lid gap and brow height follow the source's?

python benchmarks/meaning.py [--faces ict_118 makehuman ...] [--sources ...] [--targets ...] [--frames 34]
                             [--pictures FOLDER] [--shapes]

Beside the faces that are measured if none are named there are altered ones, such as long_makehuman; see faces.py.

One row for each ordered pair. r: the correlation over the frames of what the target shows with what the source shows,
at places that the product finds, of two sides the worse one; in brackets, where it differs, of both as shares of their
own ranges up and down, for what goes far both ways on both faces. `-` where one of the two does not move it in any of
its shapes, or the source does not in the frames. After `of`, where that is less than 1: the r at best, if in each frame
the target showed the mixture of its own shapes, with weights as retargeting bounds them, that comes closest in all
measures, their ranges scaled to each other; what lacks there, the target's shapes cannot do. A second table says where
places picked by hand tell otherwise. With --shapes one more for each pair says what every single shape of the source
does there, in mm: source / target.
"""

import argparse
import dataclasses
import sys
import time
import traceback
from pathlib import Path

import numpy as np
from common import parser, print_table
from faces import ALTERED, FACES, Face, Landmarks, actor_of, take_of
from scipy.optimize import lsq_linear

from aim_blender.core.checks.face_measures import FacePlaces, find_places, measure
from aim_blender.core.correspondence.correspondence import Correspondence, make_correspondence
from aim_blender.core.files.files import load_correspondence, save_correspondence
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.pictures.take_sheet import retarget_sheet
from aim_blender.core.retargeting.mixing import MOST
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import same_surface
from aim_blender.core.shared.results.takes import Take

MEASURES = {
    "lip gap": ("lip_gap",),
    "mouth width": ("mouth_width",),
    "corner height": ("corner_height",),
    "lid gap": ("lid_gap_left", "lid_gap_right"),
    "brow height": ("brow_height_left", "brow_height_right"),
}
MOVES_MM = 1.5  # over the shapes, from where a measure is something that a face does
PERFORMED_MM = 1.0  # over the frames of the source, from where a correlation means something
TORN_EDGES, TORN_FACTOR, TORN_MM = 5, 2.0, 1.0
DISAGREE = 0.1
BOTH_WAYS = 0.25  # of a measure's whole range: what goes so far both up and down is compared over both ranges too
KNOWN = FACES | ALTERED
SHEET_FRAMES = 8
NEARLY_ONE = 0.985


@dataclasses.dataclass(frozen=True)
class Player:
    """A face with all that its retargets need."""

    face: Face
    actor: Actor
    take: Take
    places: FacePlaces
    picked: FacePlaces


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--faces", nargs="+", choices=KNOWN, default=list(FACES))
    found.add_argument("--sources", nargs="+", choices=KNOWN, help="of the faces, those that perform")
    found.add_argument("--targets", nargs="+", choices=KNOWN, help="of the faces, those that are driven")
    found.add_argument("--frames", type=int, help="how many of each performance, evenly spread; all if not given")
    found.add_argument("--pictures", type=Path, help=f"a folder for a sheet of {SHEET_FRAMES} frames a pair")
    found.add_argument("--shapes", action="store_true", help="also what single shapes do")
    arguments = found.parse_args()
    players = {name: player_of(arguments, name) for name in arguments.faces}
    rows: list[list[object]] = []
    disagreements: list[list[object]] = []
    for source in arguments.sources or arguments.faces:
        for target in arguments.targets or arguments.faces:
            if source != target:
                one, other = players[source], players[target]
                if arguments.shapes:
                    print_shapes(arguments, one, other)
                rows.append(measured(arguments, one, other, disagreements))
                print(
                    " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in rows[-1]),
                    file=sys.stderr,
                )
    columns = ["pair", "paired", "torn", "motion mm", "r: " + next(iter(MEASURES)), *list(MEASURES)[1:]]
    print_table("Retargets by meaning", [*columns, "jaw °", "s", "said"], rows)
    if disagreements:
        columns = ["pair", "measure", "found places", "picked places"]
        print_table(f"Where r at places picked by hand is another by more than {DISAGREE}", columns, disagreements)
    print_table(
        "The two over each face's own shapes: r", ["face", *MEASURES], [agreement(each) for each in players.values()]
    )


def player_of(arguments: argparse.Namespace, name: str) -> Player:
    face = KNOWN[name](arguments, name)
    if arguments.frames:
        some = np.linspace(0, len(face.frames) - 1, arguments.frames).round().astype(int)
        face = dataclasses.replace(face, frames=face.frames[some])
    actor = actor_of(arguments, face)
    places = find_places(actor.neutral, actor.topology, actor.shapes()[1:])
    picked = dataclasses.replace(
        places, **{each.name: getattr(face.landmarks, each.name) for each in dataclasses.fields(Landmarks)}
    )
    return Player(face, actor, take_of(arguments, face, actor), places, picked)


def measured(
    arguments: argparse.Namespace, one: Player, other: Player, disagreements: list[list[object]]
) -> list[object]:
    """The row of a pair."""
    pair = f"{one.face.name} -> {other.face.name}"
    start = time.perf_counter()
    try:
        carried = retarget_take(
            one.take, one.actor, other.actor, correspondence=correspondence_of(arguments, one, other)
        )
    except InputError as error:
        return [pair, "", "", "", *[""] * len(MEASURES), "", "", str(error)]
    except Exception as error:  # a benchmark goes on, and says so
        traceback.print_exc()
        return [pair, "", "", "", *[""] * len(MEASURES), "", "", f"{type(error).__name__}: {error}"]
    seconds = time.perf_counter() - start
    frames = evaluate_take(other.actor, carried)["vertices"]
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
        picture = arguments.pictures / f"{one.face.name}_{other.face.name}.png"
        retarget_sheet(one.actor, one.take, other.actor, carried, SHEET_FRAMES).save(picture)
    found, picked = (
        correlations(one, other, frames, *each) for each in ((one.places, other.places), (one.picked, other.picked))
    )
    for name in MEASURES:
        one_r, other_r = ((each[name] or (0.0, 0.0))[0] for each in (found, picked))
        if (found[name] is None) != (picked[name] is None) or abs(one_r - other_r) > DISAGREE:
            disagreements.append([pair, name, shown(found[name]), shown(picked[name])])
    moved = [
        float(np.linalg.norm(f - p.actor.neutral, axis=-1).max()) for f, p in ((frames, other), (one.face.frames, one))
    ]
    figures = carried.figures
    jaw = f"{figures['source_jaw_degrees']:.1f} / {figures['target_jaw_degrees']:.1f}"
    paired = f"{figures['paired']} of {len(one.actor.names)}"
    torn = f"{torn_frames(frames, other.actor)} of {len(frames)}"
    said = "; ".join(figures.get("notes", ()))
    motion = f"{moved[1]:.0f} / {moved[0]:.0f}"
    best = reachable(one, other)
    cells = [shown(found[name]) + of_best(best[name]) for name in MEASURES]
    return [pair, paired, torn, motion, *cells, jaw, f"{seconds:.0f}", said]


def print_shapes(arguments: argparse.Namespace, one: Player, other: Player) -> None:
    """What each shape of one does to the measures there and on the other, in mm off the neutral."""
    shapes = one.actor.shapes()[1:]
    numbers = np.arange(1, len(shapes) + 1, dtype=np.int32)
    performance = Performance(shapes.astype(np.float32), numbers, 24.0, one.actor.topology, one.face.name)
    correspondence = correspondence_of(arguments, one, other)
    take = fit_performance(one.actor, performance)
    carried = evaluate_take(other.actor, retarget_take(take, one.actor, other.actor, correspondence=correspondence))
    sides = {}
    for player, frames in ((one, shapes), (other, carried["vertices"])):
        measures = measure(player.places, np.concatenate([player.actor.neutral[None], frames])).named()
        sides[player.face.name] = [
            np.mean([measures[side][1:] - measures[side][0] for side in names], axis=0) for names in MEASURES.values()
        ]
    rows: list[list[object]] = []
    for index, name in enumerate(one.actor.names):
        changes = [(mine[index], theirs[index]) for mine, theirs in zip(*sides.values(), strict=True)]
        rows.append([name, *(f"{mine:.1f} / {theirs:.1f}" for mine, theirs in changes)])
    print_table(f"What the shapes of {one.face.name} do there and on {other.face.name}", ["shape", *MEASURES], rows)


def shown(correlation: tuple[float, float] | None) -> str:
    """r, and in brackets over the ranges up and down where that is another."""
    if correlation is None:
        return "-"
    plain, ranged = correlation
    return f"{plain:.2f}" + (f" ({ranged:.2f})" if abs(ranged - plain) > 0.03 else "")


def correlations(
    one: Player, other: Player, frames: np.ndarray, of_one: FacePlaces, of_other: FacePlaces
) -> dict[str, tuple[float, float] | None]:
    """r of each measure, of two sides the lower, as it is and over the ranges up and down; None where nothing is to be
    compared."""
    performed, carried = measure(of_one, one.face.frames).named(), measure(of_other, frames).named()
    can = [measure(p, each.actor.shapes()).named() for p, each in ((of_one, one), (of_other, other))]
    found: dict[str, tuple[float, float] | None] = {}
    for name, sides in MEASURES.items():
        plain, ranged = [], []
        for side in sides:
            ranges = [shapes[side] - shapes[side][0] for shapes in can]
            if min(map(np.ptp, ranges)) < MOVES_MM or np.ptp(performed[side]) < PERFORMED_MM:
                continue
            pair = performed[side] - can[0][side][0], carried[side] - can[1][side][0]
            plain.append(float(np.corrcoef(*pair)[0, 1]))
            if all(min(each.max(), -each.min()) > BOTH_WAYS * np.ptp(each) for each in ranges):
                pair = over_range(pair[0], ranges[0]), over_range(pair[1], ranges[1])
            ranged.append(float(np.corrcoef(*pair)[0, 1]))
        found[name] = (min(plain), min(ranged)) if plain else None
    return found


def reachable(one: Player, other: Player) -> dict[str, float | None]:
    """The r of each measure, of two sides the lower, if the target showed the bounded mixtures of its own shapes that
    come closest to the source's frames, all measures in shares of their ranges; None where nothing is to be compared.
    """
    performed = measure(one.places, one.face.frames).named()
    can = [measure(each.places, each.actor.shapes()).named() for each in (one, other)]
    sides = [
        side
        for side in performed
        if min(np.ptp(each[side]) for each in can) >= MOVES_MM and np.ptp(performed[side]) >= PERFORMED_MM
    ]
    if not sides:
        return dict.fromkeys(MEASURES)
    wanted = np.stack([(performed[side] - can[0][side][0]) / np.ptp(can[0][side]) for side in sides])  # (m, F)
    rows = np.stack([(can[1][side][1:] - can[1][side][0]) / np.ptp(can[1][side]) for side in sides])  # (m, K)
    sparing = 1e-3 * np.eye(rows.shape[1])
    full, none = np.concatenate([rows, sparing]), np.zeros(len(sparing))
    weights = [lsq_linear(full, np.append(frame, none), (0.0, MOST)).x for frame in wanted.T]
    shown = rows @ np.stack(weights, axis=1)
    r = {side: float(np.corrcoef(*pair)[0, 1]) for side, *pair in zip(sides, wanted, shown, strict=True)}
    return {name: min((r[side] for side in each if side in r), default=None) for name, each in MEASURES.items()}


def of_best(r: float | None) -> str:
    """What is told of the best r that the target's shapes allow."""
    return "" if r is None or r > NEARLY_ONE else f" of {r:.2f}"


def over_range(off: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """What lies off (F,) the neutral as shares of how far single shapes (N+1,) go up and down from it.

    One face narrows its mouth by 27 mm and widens it by 9, another by 10 and 18.
    """
    return np.where(off > 0, off / shapes.max(), off / -shapes.min())


def agreement(player: Player) -> list[object]:
    """r between what is measured at found and at picked places of a face, over its shapes."""
    found, picked = (measure(each, player.actor.shapes()).named() for each in (player.places, player.picked))
    row: list[object] = [player.face.name]
    for sides in MEASURES.values():
        row.append(f"{min(float(np.corrcoef(found[side], picked[side])[0, 1]) for side in sides):.2f}")
    return row


def torn_frames(frames: np.ndarray, actor: Actor) -> int:
    """How many of frames (F, V, 3) have edges far longer than any of the target's shapes has: as torn.py counts."""
    edges = actor.topology.edges()

    def lengths(meshes: np.ndarray) -> np.ndarray:
        return np.stack([np.linalg.norm(each[edges[:, 0]] - each[edges[:, 1]], axis=-1) for each in meshes])

    torn = lengths(frames) > TORN_FACTOR * lengths(actor.shapes()).max(0) + TORN_MM
    return int((torn.sum(1) > TORN_EDGES).sum())


def correspondence_of(arguments: argparse.Namespace, one: Player, other: Player) -> Correspondence | None:
    """The correspondence of two meshes, made once, or None where they are one."""
    if same_surface(one.actor.topology, other.actor.topology):
        return None
    path = arguments.work / f"{one.face.name}_{other.face.name}.correspondence.safetensors"
    if not path.exists():
        save_correspondence(
            make_correspondence(one.actor.neutral, one.actor.topology, other.actor.neutral, other.actor.topology), path
        )
    return load_correspondence(path)


if __name__ == "__main__":
    main()
