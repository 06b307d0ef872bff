# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning an actor from a capture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.shared.foundation.errors import InputError
from ...core.shared.results.kept_files import ACTOR_SUFFIX
from ...core.shared.settings.learning_settings import LearningSettings
from ...core.shared.settings.option import chosen_of
from ...core.shared.settings.settings_of_tasks import arguments_of
from ..folders.outputs import output_path
from .arguments import Figures, Report, add_notes, check_arguments, named_unit
from .face_asking import asks_detector

if TYPE_CHECKING:
    from ...core.shared.captured.captures import Capture


LEARNING_CHOICES = arguments_of(LearningSettings)


@asks_detector
def learn(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """capture, out, and optionally bones or template_bones, landmarks (a JSON file), the capture's
    millimetres_per_unit, else told by its size, and the choices of LEARNING_CHOICES.

    Landmarks say where the face of the capture is and, by name, where the template's bones belong.

    With template_bones true, the template's bones are fitted to the neutral first, and written beside the actor into
    X.bones. Beside the actor `X.actor.safetensors` it writes the learning curve, X.learning.json and X.learning.png.
    What the jaw does in each shape is among the figures as a list.
    """
    optional = ("bones", "template_bones", "landmarks", "millimetres_per_unit", *LEARNING_CHOICES)
    check_arguments("learn", arguments, required=("capture", "out"), optional=optional)
    out = output_path(arguments["out"], ACTOR_SUFFIX)
    if not arguments.get("landmarks"):
        return _learned(arguments, out, {}, report, checkpoint)
    from ...core.seeing.picked_faces import PickedFace, read_picked
    from ...core.shared.captured.captures import read_as_it_is
    from ...core.shared.faces.face_profile import asked_first

    report({"message": "Reading the capture"})
    neutral = read_as_it_is(Path(arguments["capture"])).neutral
    picked = read_picked(Path(arguments["landmarks"]), len(neutral))
    with asked_first(PickedFace(neutral, picked).head_frame):
        return _learned(arguments, out, picked, report, checkpoint)


def _learned(
    arguments: dict[str, Any], out: Path, picked: dict[str, int], report: Report, checkpoint: Path | None
) -> Figures:
    """picked: landmarks by name."""
    from ...core.checks.face_spots import keep_spots
    from ...core.checks.self_checks import check_learned
    from ...core.contact.resting import check_rest
    from ...core.files.files import save_actor
    from ...core.learning.learning import learn_actor
    from ...core.model.actor import jaw_movements
    from ...core.pictures.curves import save_learning_curve
    from ...core.shared.captured.captures import read_capture

    settings = LearningSettings(**chosen_of(LearningSettings, arguments))
    bones = arguments.get("bones")
    report({"message": "Reading the capture"})
    folder, unit = Path(arguments["capture"]), named_unit(arguments)
    capture = read_capture(folder, Path(bones) if bones else None, unit, settings.kept_shapes)
    fitted: Figures = {}
    if arguments.get("template_bones"):
        if bones:
            raise InputError("learn takes either bones or the template's, not both")
        report({"message": "Fitting the bones"})
        beside = out.with_name(f"{out.name.removesuffix(ACTOR_SUFFIX)}.bones")
        capture, fitted = _with_template_bones(capture, picked, beside)
    curve: list[dict[str, Any]] = []
    actor = learn_actor(capture, settings, report, checkpoint, curve)
    report({"message": "Checking the actor"})
    keep_spots(actor)
    add_notes(actor.figures, [*actor.settings["notes"], *check_learned(actor), *check_rest(actor)])
    report({"message": "Writing the actor"})
    name = out.name.removesuffix(ACTOR_SUFFIX)
    picture = out.with_name(f"{name}.learning.png")
    save_actor(actor, out)
    save_learning_curve(curve, out.with_name(f"{name}.learning.json"), picture)
    found = {**actor.figures, "unit_factor": capture.unit_factor, **fitted, "jaw": jaw_movements(actor)}
    found |= {} if actor.parts is None else {"parts": actor.parts.rows()}
    return {"out": str(out), "curve": str(picture), **found}


def _with_template_bones(capture: Capture, picked: dict[str, int], folder: Path) -> tuple[Capture, Figures]:
    """The capture with the template's bones, which are written into the folder, and how well they fit."""
    from ...core.anatomy.anatomy_request import AnatomyRequest, fit_anatomy, write_anatomy
    from ...core.parts.pieces import skin_of
    from ...core.shared.faces.head_region import moving_vertices

    moving = moving_vertices(capture.vertices, capture.topology.in_faces())
    skin = skin_of(capture.vertices, capture.topology)
    asked = AnatomyRequest(
        capture.neutral, capture.topology, picked, moving=moving, millimetres_per_unit=1.0, skin=skin
    )
    fitted = fit_anatomy(asked)
    suggested = {name: vertex for name, vertex in fitted.landmarks.items() if name not in picked}
    write_anatomy(fitted, suggested, folder)
    figures = {name: value for name, value in fitted.figures.items() if name != "notes"}
    return dataclasses.replace(capture, bones=fitted.bones), {"bones": str(folder), **figures}
