# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying a take to another actor: correspondence, pairs and the retarget itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.shared.results.kept_files import CORRESPONDENCE_SUFFIX, kept_correspondence
from ...core.shared.settings.option import chosen_of
from ...core.shared.settings.retarget_settings import RetargetSettings
from ...core.shared.settings.settings_of_tasks import arguments_of
from ..folders.outputs import output_path
from .arguments import TAKE_SUFFIX, Figures, Report, add_notes, check_arguments, picture_beside
from .face_asking import asks_detector

if TYPE_CHECKING:
    from ...core.correspondence.correspondence import Correspondence
    from ...core.model.actor import Actor


RETARGETING_CHOICES = (*arguments_of(RetargetSettings), "correspondence")


@asks_detector
def retarget(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """take, source, target, out, and optionally what RetargetSettings choose: head is on or off, pairs an object or a
    JSON file of one, regions an .npz file with `strength` per vertex; and correspondence, for actors of two topologies.

    Where the topologies differ and no correspondence is given, the one kept beside the target is taken, or made.
    Beside the take it writes X.jaw.png and X.sheet.png, as fit does.
    """
    check_arguments("retarget", arguments, required=("take", "source", "target", "out"), optional=RETARGETING_CHOICES)
    out = output_path(arguments["out"], TAKE_SUFFIX)
    from ...core.checks.self_checks import check_retargeted
    from ...core.files.files import load_actor, load_take, save_take
    from ...core.fitting.fitting_cache import cache_beside
    from ...core.pictures.curves import save_jaw_path
    from ...core.pictures.loading import load_ahead
    from ...core.pictures.take_sheet import retarget_sheet
    from ...core.retargeting.retargeting import retarget_take
    from ...core.shared.foundation.ahead import begun

    settings = retarget_settings(arguments)
    report({"message": "Reading the actors"})
    take = load_take(Path(arguments["take"]))
    source, target = load_actor(Path(arguments["source"])), load_actor(Path(arguments["target"]))
    correspondence, figures = correspondence_if_needed(arguments, source, target, report)
    cache = cache_beside(Path(arguments["target"]))
    load_ahead()
    carried = retarget_take(take, source, target, settings, report, correspondence, cache, checkpoint)
    sheet = begun(lambda: retarget_sheet(source, take, target, carried))
    report({"message": "Checking the take"})
    add_notes(carried.figures, check_retargeted(source, take, target, carried, report))
    report({"message": "Writing the take"})
    save_take(carried, out)
    save_jaw_path(target, carried, picture_beside(out, "jaw"))
    sheet().save(picture_beside(out, "sheet"))
    return {"out": str(out), **carried.figures, **figures}


@asks_detector
def pair(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """source, target (actors), out (a .json file), and optionally pairs and correspondence, as retarget takes them.

    Writes the pairs that are found by name and by what the shapes do, as retarget takes them. What each shape is on the
    target, and how well the two agree, is among the figures as a list.
    """
    needed, optional = ("source", "target", "out"), ("pairs", "correspondence")
    check_arguments("pair", arguments, required=needed, optional=optional, refined=("pairs",))
    out = output_path(arguments["out"], ".json")
    from ...core.files.files import load_actor
    from ...core.retargeting.pairing import pair_shapes
    from ...core.shared.foundation.whole_files import written_whole

    report({"message": "Reading the actors"})
    source, target = load_actor(Path(arguments["source"])), load_actor(Path(arguments["target"]))
    correspondence, figures = correspondence_if_needed(arguments, source, target, report)
    report({"message": "Comparing the shapes"})
    found = pair_shapes(source, target, retarget_settings(arguments).pairs, correspondence, report=report)
    with written_whole(out) as temporary:
        temporary.write_text(json.dumps(found.proposed(), indent=1), encoding="utf-8")
    notes = {"notes": found.notes} if found.notes else {}
    shapes = {"shapes": found.rows, "target_shapes": list(target.names)}
    return {"out": str(out), "paired": len(found.pairs), **figures, **shapes, **notes}


@asks_detector
def correspond(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """source, target, out, and optionally landmarks (a JSON file). Source and target: an actor, or a mesh at rest."""
    check_arguments("correspond", arguments, required=("source", "target", "out"), optional=("landmarks",))
    out = output_path(arguments["out"], CORRESPONDENCE_SUFFIX)
    from ...core.correspondence.correspondence import make_correspondence
    from ...core.files.files import save_correspondence
    from ...core.files.neutrals import read_landmarks, read_neutral

    report({"message": "Reading the faces"})
    source, target = (read_neutral(Path(arguments[name])) for name in ("source", "target"))
    landmarks = arguments.get("landmarks")
    found = make_correspondence(*source, *target, read_landmarks(Path(landmarks)) if landmarks else None, report)
    save_correspondence(found, out)
    notes = {"notes": found.notes()} if found.notes() else {}
    return {"out": str(out), **found.figures, **notes}


def retarget_settings(arguments: dict[str, Any]) -> RetargetSettings:
    """What the arguments of the task `retarget` say of how to do it. Raises InputError."""
    from ...core.retargeting.regions import read_regions
    from ...core.shared.faces.expression_names import read_pairs

    pairs, regions = arguments.get("pairs"), arguments.get("regions")
    return RetargetSettings(
        **chosen_of(RetargetSettings, arguments),
        pairs=read_pairs(Path(pairs)) if isinstance(pairs, str) else pairs,
        region_strength=read_regions(Path(regions)) if regions else None,
    )


def correspondence_if_needed(
    arguments: dict[str, Any], source: Actor, target: Actor, report: Report
) -> tuple[Correspondence | None, Figures]:
    """None for actors of one topology; else the one given, or kept beside the target's file, or made and kept there.
    And where it is from. Raises InputError if it is of other meshes."""
    from ...core.correspondence.correspondence import make_correspondence
    from ...core.correspondence.keeping import kept_or_made
    from ...core.files.files import load_correspondence
    from ...core.shared.foundation.topology import same_surface

    if same_surface(source.topology, target.topology):
        return None, {}
    given = arguments.get("correspondence")
    if given:
        found = load_correspondence(Path(given))
        found.check(source.topology, target.topology)
        return found, {"correspondence": given}
    path = kept_correspondence(Path(arguments["target"]), source.topology.digest)
    faces = (source.neutral, source.topology, target.neutral, target.topology)
    known = path.is_file()
    kept = kept_or_made(
        path, source.topology, target.topology, lambda: make_correspondence(*faces, landmarks=None, report=report)
    )
    made = {} if known else {"correspondence_made": "from suggested landmarks; look at it before use"}
    return kept, {"correspondence": str(path), **made}
