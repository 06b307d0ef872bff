# SPDX-License-Identifier: GPL-3.0-or-later
"""Making an actor of a character that has nothing but a mesh at rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.shared.foundation.errors import InputError
from ...core.shared.results.kept_files import ACTOR_SUFFIX, kept_correspondence
from ..folders.outputs import output_path
from .arguments import Figures, Report, add_notes, check_arguments, named_unit
from .face_asking import asks_detector

if TYPE_CHECKING:
    from ...core.correspondence.correspondence import Correspondence


@asks_detector
def transfer(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """source (an actor), target (a mesh at rest, or with expressions of its own: an actor or a capture), out, and
    optionally correspondence, landmarks (a JSON file), name (of the source, to say whose expressions these are) and the
    target's millimetres_per_unit, else told by its size, and parts (what parts of its mesh are, as learn takes it).

    Where the topologies differ and no correspondence is given, one is made and kept beside the output.
    """
    optional = ("correspondence", "landmarks", "name", "millimetres_per_unit", "parts")
    check_arguments("transfer", arguments, required=("source", "target", "out"), optional=optional)
    if arguments.get("correspondence") and arguments.get("landmarks"):
        raise InputError("landmarks are for making a correspondence; leave them out, or the correspondence")
    out = output_path(arguments["out"], ACTOR_SUFFIX)
    from ...core.characters.own_shapes import own_expressions
    from ...core.characters.transferring import millimetres_of, transfer_actor
    from ...core.checks.face_spots import keep_spots
    from ...core.checks.self_checks import check_transferred
    from ...core.correspondence.correspondence import make_correspondence
    from ...core.files.files import load_actor, load_correspondence, save_actor, save_correspondence
    from ...core.files.neutrals import read_landmarks, read_shapes
    from ...core.model.actor import jaw_movements
    from ...core.shared.foundation.topology import same_surface

    report({"message": "Reading the faces"})
    source_path = Path(arguments["source"])
    source = load_actor(source_path)
    names, shapes, topology = read_shapes(Path(arguments["target"]))
    neutral = shapes[0]
    factor = named_unit(arguments)
    if factor is None:
        factor = millimetres_of(neutral, topology, source, arguments["target"])
    correspondence: Correspondence | None = None
    figures: Figures = {}
    if not same_surface(source.topology, topology):
        given, landmarks = arguments.get("correspondence"), arguments.get("landmarks")
        path = Path(given) if given else kept_correspondence(out, source.topology.digest)
        if given:
            correspondence = load_correspondence(path)
        else:
            named = read_landmarks(Path(landmarks)) if landmarks else None
            correspondence = make_correspondence(source.neutral, source.topology, neutral, topology, named, report)
            save_correspondence(correspondence, path)
        figures = {"correspondence": str(path), **correspondence.doubts()}
    name = arguments.get("name") or source_path.name.removesuffix(ACTOR_SUFFIX)
    own, told = own_expressions(source.names, names, shapes * factor)
    actor = transfer_actor(
        source, neutral * factor, topology, correspondence, name, report, own, arguments.get("parts", "")
    )
    report({"message": "Checking the actor"})
    keep_spots(actor)
    notes = [*told, *(correspondence.notes() if correspondence else []), *actor.settings["notes"]]
    add_notes(actor.figures, [*notes, *check_transferred(source, actor)])
    report({"message": "Writing the actor"})
    save_actor(actor, out)
    parts = {} if actor.parts is None else {"parts": actor.parts.rows()}
    return {"out": str(out), **actor.figures, "unit_factor": factor, **figures, "jaw": jaw_movements(actor), **parts}
