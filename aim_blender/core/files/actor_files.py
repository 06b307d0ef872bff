# SPDX-License-Identifier: GPL-3.0-or-later
"""Actor files: read and written, and what must hold of them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ..anatomy.anatomy import Hinge
from ..model.actor import Actor
from ..parts.parts import Parts
from ..shared.bones.constraints import Constraints
from ..shared.faces.part_kinds import KINDS as KINDS_OF_PARTS
from ..shared.foundation.errors import InputError
from ..shared.foundation.remembering import read_once
from ..shared.foundation.topology import Topology
from ..shared.results.own_files import (
    RIGID_TOLERANCE,
    Arrays,
    Damaged,
    Header,
    check_arrays,
    check_rigid,
    length_of,
    load_checked,
    names_of,
    require,
    save_checked,
)

ACTOR_ARRAYS = (
    "template",
    "bone",
    "normal",
    "thickness",
    "skin_weight",
    "jaw",
    "implicit_expressions",
    "neutral_residual",
    "expression_residual",
)
PART_ARRAYS = ("part_of", "centres", "axes")
CONSTRAINT_ARRAYS = tuple(item.name for item in fields(Constraints))
# What arrays are of that are not of floating point.
KINDS = {"corners": "i", "sizes": "i", "constraints.points": "i", "constraints.on_mandible": "b", "parts.part_of": "i"}


def save_actor(actor: Actor, path: Path) -> None:
    """Write an actor file. Raises InputError if it could not be read again, OSError if it cannot be written; what was
    there before then stays."""
    arrays = {name: getattr(actor, name) for name in ACTOR_ARRAYS}
    arrays |= {"corners": actor.topology.corners, "sizes": actor.topology.sizes}
    arrays |= {f"constraints.{name}": getattr(actor.constraints, name) for name in CONSTRAINT_ARRAYS}
    arrays |= {f"networks.{name}": value for name, value in actor.networks.items()}
    if actor.hinge is not None:
        arrays["hinge"] = np.stack([actor.hinge.centre, actor.hinge.axis, actor.hinge.up])
    if actor.kept_mirror is not None:
        arrays["mirror"] = actor.kept_mirror
    parts = actor.parts
    if parts is not None:
        arrays |= {f"parts.{name}": getattr(parts, name) for name in PART_ARRAYS}
    header = {
        "kind": "actor",
        "names": list(actor.names),
        "topology": actor.topology.digest,
        "settings": actor.settings,
        "figures": actor.figures,
        **({} if parts is None else {"parts": _part_rows(parts)}),
    }
    save_checked(path, arrays, header, _actor_of)


@read_once
def load_actor(path: Path) -> Actor:
    """Read an actor file, or have it again that was read last. Raises InputError, naming it, if it is not one, is
    damaged, or does not hold together."""
    return _actor_of(path, *load_checked(path, "actor"))


def _actor_of(path: Path, arrays: Arrays, header: Header) -> Actor:
    names = names_of(path, header)
    count, points, constrained = len(names), length_of(arrays, "bone"), length_of(arrays, "constraints.points")
    check_arrays(
        path,
        arrays,
        {
            "template": (points, None),
            "bone": (points, 3),
            "normal": (points, 3),
            "thickness": (points, 1),
            "skin_weight": (points, 1),
            "jaw": (count, 4, 4),
            "implicit_expressions": (points, count, 3),
            "neutral_residual": (points, 3),
            "expression_residual": (points, count, 3),
            "corners": (None,),
            "sizes": (None,),
            "constraints.points": (constrained,),
            "constraints.bone": (constrained, 3),
            "constraints.normal": (constrained, 3),
            "constraints.thickness": (constrained,),
            "constraints.on_mandible": (constrained,),
            **({"hinge": (3, 3)} if "hinge" in arrays else {}),
            **({"mirror": (2, 3)} if "mirror" in arrays else {}),  # before it was kept, files had none
        },
        KINDS,
    )
    require(path, points > 0, "it has no points")
    check_rigid(path, "jaw", arrays["jaw"])
    require(
        path,
        arrays["skin_weight"].min() >= 0 and arrays["skin_weight"].max() <= 1,
        "a skinning weight is not in [0, 1]",
    )
    topology = _topology(path, arrays, points)
    require(path, topology.digest == header.get("topology"), "its faces are not those it was written with")
    constraints = Constraints(**{name: arrays[f"constraints.{name}"] for name in CONSTRAINT_ARRAYS})
    inside = len(constraints) == 0 or (constraints.points.min() >= 0 and constraints.points.max() < points)
    require(path, inside, "a constraint names a point that does not exist")
    hinge = _hinge(path, arrays["hinge"]) if "hinge" in arrays else None
    mirror = arrays.get("mirror")
    upright = mirror is None or bool(abs(np.linalg.norm(mirror[1]) - 1) < RIGID_TOLERANCE)
    require(path, upright, "the normal of its mirror plane is not of length 1")
    parts = _parts(path, arrays, header, points) if "parts" in header else None  # files of before had none
    networks = {n.removeprefix("networks."): value for n, value in arrays.items() if n.startswith("networks.")}
    return Actor(
        names=names,
        topology=topology,
        hinge=hinge,
        constraints=constraints,
        kept_mirror=mirror,
        parts=parts,
        networks=networks,
        settings=header.get("settings", {}),
        figures=header.get("figures", {}),
        **{name: arrays[name] for name in ACTOR_ARRAYS},
    )


def _part_rows(parts: Parts) -> list[list[str]]:
    """A name, a kind and, where choices changed it, the name before of each part."""
    before = parts.found or ("",) * len(parts.names)
    return [[*row] if row[2] else [*row[:2]] for row in zip(parts.names, parts.kinds, before, strict=True)]


def _parts(path: Path, arrays: Arrays, header: Header, points: int) -> Parts:
    """The parts of an actor's mesh of so many points."""
    rows: Any = header["parts"]
    good = isinstance(rows, list) and all(
        isinstance(row, list)
        and len(row) in (2, 3)
        and all(isinstance(word, str) for word in row)
        and row[1] in KINDS_OF_PARTS
        for row in rows
    )
    require(path, good and 0 < len(rows) == len({row[0] for row in rows}), "its parts are not distinct names and kinds")
    shapes: dict[str, tuple[int | None, ...]] = {"part_of": (points,), "centres": (len(rows), 3), "axes": (3, 3)}
    check_arrays(path, arrays, {f"parts.{name}": shape for name, shape in shapes.items()}, KINDS)
    part_of, axes = arrays["parts.part_of"], arrays["parts.axes"]
    require(path, part_of.min() >= -1 and part_of.max() < len(rows), "a vertex is of a part that does not exist")
    upright = np.abs(axes @ axes.T - np.eye(3)).max() < RIGID_TOLERANCE
    require(path, bool(upright), "its face has axes that are not at right angles and of length 1")
    before = tuple("".join(row[2:]) for row in rows)
    names, kinds = (tuple(row[column] for row in rows) for column in (0, 1))
    return Parts(names, kinds, part_of, arrays["parts.centres"], axes, before if any(before) else ())


def _hinge(path: Path, rows: np.ndarray) -> Hinge:
    """The hinge of its centre, axis and up (3, 3)."""
    hinge = Hinge(*rows)
    off = np.abs(rows[1:] @ rows[1:].T - np.eye(2)).max()
    require(path, off < RIGID_TOLERANCE, "its hinge has axes that are not at right angles and of length 1")
    return hinge


def _topology(path: Path, arrays: Arrays, points: int) -> Topology:
    try:
        return Topology(arrays["corners"], arrays["sizes"], points)
    except InputError as error:
        raise Damaged(path, str(error)) from error
