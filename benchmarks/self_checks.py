# SPDX-License-Identifier: GPL-3.0-or-later
"""What the self-checks say of faces of many makes, and how long they take beside the step that they follow.

python benchmarks/self_checks.py [--faces ict_3 makehuman ...] [--pairs] [--actors FILE ...]

A row for every actor, for the fit of its own performance, taken as one of points, and, with --pairs, for every retarget
between two. The actors are hardly learned and would say so: that is left out. --actors: more of them, from files.
"""

import dataclasses
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from common import parser, print_table
from faces import FACES, actor_of, take_of
from meaning import Player, correspondence_of, player_of

from aim_blender.core.checks.face_spots import keep_spots
from aim_blender.core.checks.self_checks import check_fitted, check_learned, check_retargeted
from aim_blender.core.files.files import load_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.results.takes import Take


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--faces", nargs="+", choices=FACES, default=list(FACES))
    found.add_argument("--pairs", action="store_true", help="retarget between all of them")
    found.add_argument("--actors", nargs="+", type=Path, default=[], help="actor files")
    arguments = found.parse_args()
    rows: list[list[object]] = []
    for path in arguments.actors:
        rows.append(row(path.name, 0.0, partial(check_file, path)))
    players = {}
    for name in arguments.faces:
        face = FACES[name](arguments, name)
        actor = actor_of(arguments, face)
        start = time.process_time()
        keep_spots(actor)
        rows.append(row(name, 0.0, partial(check_well_learned, actor)))
        rows[-1][2] = f"{float(str(rows[-1][2])) + time.process_time() - start:.2f}"
        take = take_of(arguments, face, actor)
        rows.append(row(f"{name}, fit", 0.0, partial(check_fitted, actor, take, True)))
        if arguments.pairs:
            players[name] = dataclasses.replace(player_of(arguments, name), actor=actor)
    for source, one in players.items():
        for target, other in players.items():
            if source == target:
                continue
            correspondence = correspondence_of(arguments, one, other)
            start = time.process_time()
            carried = retarget_take(one.take, one.actor, other.actor, correspondence=correspondence)
            seconds = time.process_time() - start

            def check(one: Player = one, other: Player = other, carried: Take = carried) -> list[str]:
                return check_retargeted(one.actor, one.take, other.actor, carried)

            rows.append(row(f"{source} -> {target}", seconds, check))
            print(*rows[-1], sep=" | ", file=sys.stderr)
    print_table("What the self-checks say", ["of", "step s", "check s", "said"], rows)


def row(name: str, seconds: float, check: Callable[[], list[str]]) -> list[object]:
    start = time.process_time()
    said = check()
    return [name, f"{seconds:.1f}" if seconds else "", f"{time.process_time() - start:.2f}", "; ".join(said) or "-"]


def check_file(path: Path) -> list[str]:
    return check_learned(load_actor(path))


def check_well_learned(actor: Actor) -> list[str]:
    return check_learned(well_learned(actor))


def well_learned(actor: Actor) -> Actor:
    """The actor with networks that miss nothing."""
    return dataclasses.replace(
        actor,
        neutral_residual=np.zeros_like(actor.neutral_residual),
        bone=(actor.neutral - actor.thickness * actor.normal).astype(np.float32),
        implicit_expressions=actor.expressions.astype(np.float32),
        expression_residual=np.zeros_like(actor.expression_residual),
    )


if __name__ == "__main__":
    main()
