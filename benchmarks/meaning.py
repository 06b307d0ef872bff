# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting between faces of many makes, measured by meaning, since there is no truth: is the result torn, and do lip
gap, mouth width, corner height, lid gap and brow height follow the source's?

python benchmarks/meaning.py [--faces ict_118 makehuman ...] [--sources ...] [--targets ...] [--pictures FOLDER]

One row for each ordered pair. r: the correlation over the frames of what the target shows with what the source shows,
at places that the product finds; of two sides the worse one. `-` where one of the two does not move it in any of its
shapes, or the source does not in the frames. A second table says where places picked by hand tell otherwise.
"""

import argparse
import dataclasses
import sys
import time
import traceback
from pathlib import Path

import numpy as np
from common import parser, print_table
from faces import FACES, Face, Landmarks, actor_of, take_of

from aim_blender.core.actor import Actor
from aim_blender.core.correspondence import Correspondence, make_correspondence
from aim_blender.core.errors import InputError
from aim_blender.core.evaluation import evaluate_take
from aim_blender.core.face_measures import FacePlaces, find_places, measure
from aim_blender.core.files import load_correspondence, save_correspondence
from aim_blender.core.retargeting import retarget_take
from aim_blender.core.take_sheet import save_retarget_sheet
from aim_blender.core.takes import Take
from aim_blender.core.topology import same_surface

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
SHEET_FRAMES = 8


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
    found.add_argument("--faces", nargs="+", choices=FACES, default=list(FACES))
    found.add_argument("--sources", nargs="+", choices=FACES, help="of the faces, those that perform")
    found.add_argument("--targets", nargs="+", choices=FACES, help="of the faces, those that are driven")
    found.add_argument("--pictures", type=Path, help=f"a folder for a sheet of {SHEET_FRAMES} frames a pair")
    arguments = found.parse_args()
    players = {name: player_of(arguments, name) for name in arguments.faces}
    rows: list[list[object]] = []
    disagreements: list[list[object]] = []
    for source in arguments.sources or arguments.faces:
        for target in arguments.targets or arguments.faces:
            if source != target:
                one, other = players[source], players[target]
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
    face = FACES[name](arguments, name)
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
        save_retarget_sheet(one.actor, one.take, other.actor, carried, picture, SHEET_FRAMES)
    found, picked = (
        correlations(one, other, frames, *each) for each in ((one.places, other.places), (one.picked, other.picked))
    )
    for name in MEASURES:
        if (found[name] is None) != (picked[name] is None) or abs((found[name] or 0) - (picked[name] or 0)) > DISAGREE:
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
    return [pair, paired, torn, motion, *(shown(found[name]) for name in MEASURES), jaw, f"{seconds:.0f}", said]


def shown(correlation: float | None) -> str:
    return "-" if correlation is None else f"{correlation:.2f}"


def correlations(
    one: Player, other: Player, frames: np.ndarray, of_one: FacePlaces, of_other: FacePlaces
) -> dict[str, float | None]:
    """r of each measure, of two sides the lower, or None where nothing is to be compared."""
    performed, shown_ = measure(of_one, one.face.frames).named(), measure(of_other, frames).named()
    can = [measure(p, each.actor.shapes()).named() for p, each in ((of_one, one), (of_other, other))]
    found: dict[str, float | None] = {}
    for name, sides in MEASURES.items():
        each = [
            float(np.corrcoef(performed[side], shown_[side])[0, 1])
            for side in sides
            if min(np.ptp(shapes[side]) for shapes in can) > MOVES_MM and np.ptp(performed[side]) > PERFORMED_MM
        ]
        found[name] = min(each) if each else None
    return found


def agreement(player: Player) -> list[object]:
    """r between what is measured at found and at picked places of a face, over its shapes."""
    found, picked = (measure(each, player.actor.shapes()).named() for each in (player.places, player.picked))
    row: list[object] = [player.face.name]
    for sides in MEASURES.values():
        row.append(shown(min(float(np.corrcoef(found[side], picked[side])[0, 1]) for side in sides)))
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
