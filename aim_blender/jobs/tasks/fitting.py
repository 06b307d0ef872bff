# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting an actor to a performance: meshes, points, or points in images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.shared.foundation.errors import InputError
from ...core.shared.settings.fitting_settings import POINT_SUFFIXES, FittingSettings
from ...core.shared.settings.option import options_of
from ...core.shared.settings.point_settings import FITS, POINT_CHOICES
from ...core.shared.settings.settings_of_tasks import arguments_of
from ..folders.outputs import output_path
from .arguments import TAKE_SUFFIX, Figures, Report, add_notes, check_arguments, choices_of, named_unit, picture_beside

if TYPE_CHECKING:
    from ...core.model.actor import Actor
    from ...core.shared.captured.performances import Performance
    from ...core.shared.results.takes import Take


PERFORMANCE_UNIT = "performance_millimetres_per_unit"
FITTING_CHOICES = arguments_of(*FITS)
MESH_CHOICES = arguments_of(FittingSettings)


def fit(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, performance, out, and optionally the choices of FITTING_CHOICES, the frames start to end,
    performance_fps: frames a second of the performance, instead of what its file says, and
    performance_millimetres_per_unit: its unit, else told by its size.

    Points (.json, .csv) are fitted whole. With camera, a JSON file, they are points in its images, and landmarks says
    where they belong on the mesh. Meshes and points take those choices only that their settings have. Beside the take
    `X.take.safetensors` it writes pictures: X.error.png, the error of each frame; X.jaw.png, the jaw's path, if it is
    known; X.sheet.png, frames of the performance and the take. Beside the actor it keeps what its next fit can use
    again.
    """
    of_file = ("camera", "landmarks", "performance_fps", PERFORMANCE_UNIT)
    optional = (*FITTING_CHOICES, "start", "end", *of_file)
    check_arguments("fit", arguments, required=("actor", "performance", "out"), optional=optional)
    out = output_path(arguments["out"], TAKE_SUFFIX)
    from ...core.checks.self_checks import check_fitted
    from ...core.files.files import load_actor, save_take
    from ...core.fitting.fitting import fit_performance
    from ...core.fitting.fitting_cache import cache_beside
    from ...core.pictures.curves import save_error_curve, save_jaw_path
    from ...core.pictures.take_sheet import save_fit_sheet
    from ...core.shared.captured.performances import in_named_unit, read_performance, within

    source = Path(arguments["performance"])
    performance: Performance | None = None
    of_points = source.suffix.lower() in POINT_SUFFIXES
    settings = FittingSettings(**choices_of(arguments, MESH_CHOICES))
    for name in ("camera", "landmarks"):
        if arguments.get(name) and not of_points:
            raise InputError(f"the {name} given is for points of images, .json or .csv; {source} is of meshes")
    for name in choices_of(arguments, POINT_CHOICES):
        if not of_points:
            raise InputError(f"{name} means nothing for the meshes of {source}, only for points; leave it out")
    report({"message": "Reading the actor"})
    actor = load_actor(Path(arguments["actor"]))
    report({"message": "Reading the performance"})
    if of_points:
        take = _fit_points(actor, source, arguments, report)
    else:
        performance = read_performance(source, actor.topology, arguments.get("performance_fps"))
        performance = in_named_unit(performance, named_unit(arguments, PERFORMANCE_UNIT))
        performance = within(performance, arguments.get("start"), arguments.get("end"))
        cache = cache_beside(Path(arguments["actor"]))
        take = fit_performance(actor, performance, settings, report, cache, checkpoint)
    report({"message": "Checking the take"})
    add_notes(take.figures, check_fitted(actor, take, of_points))
    report({"message": "Writing the take"})
    save_take(take, out)
    save_error_curve(take, picture_beside(out, "error"))
    save_jaw_path(actor, take, picture_beside(out, "jaw"))
    save_fit_sheet(actor, take, performance, picture_beside(out, "sheet"))
    return {"out": str(out), "curve": str(picture_beside(out, "error")), **take.figures}


def _fit_points(actor: Actor, source: Path, arguments: dict[str, Any], report: Report) -> Take:
    from ...core.fitting.fitting_points import fit_points
    from ...core.points.points import read_points
    from ...core.shared.settings.point_settings import PointFittingSettings

    fps = arguments.get("performance_fps")
    if arguments.get("solver") == "neural":
        raise InputError(f"{source} holds points, which only the closed form fits; leave out the solver")
    if not arguments.get("camera"):
        if arguments.get("landmarks"):
            raise InputError("landmarks say where points of images belong; give the camera of the images too")
        settings = PointFittingSettings(**_chosen_for_points(arguments, PointFittingSettings))
        return fit_points(actor, read_points(source, fps, named_unit(arguments, PERFORMANCE_UNIT)), settings, report)
    if arguments.get(PERFORMANCE_UNIT) is not None:
        raise InputError(f"{source} holds points of images, which are in pixels; leave out the unit")
    from ...core.fitting.fitting_image_points import fit_image_points
    from ...core.points.image_points import read_image_points, read_landmark_map
    from ...core.shared.captured.cameras import read_cameras
    from ...core.shared.settings.point_settings import ImageFittingSettings

    landmarks = arguments.get("landmarks")
    if not landmarks:
        raise InputError(
            f"{source} holds points of images; landmarks, a JSON file of where on the mesh each belongs, is needed too"
        )
    return fit_image_points(
        actor,
        read_image_points(source, fps),
        read_cameras(Path(arguments["camera"])),
        read_landmark_map(Path(landmarks)),
        ImageFittingSettings(**_chosen_for_points(arguments, ImageFittingSettings)),
        report,
    )


def _chosen_for_points(arguments: dict[str, Any], settings: type[Any]) -> dict[str, Any]:
    """The choices that these settings of points have. Raises InputError for one that they have not; points are fitted
    on the CPU whatever the device, by the closed form."""
    known = options_of(settings)
    chosen = choices_of(arguments, (*FITTING_CHOICES, "start", "end"))
    for name in chosen:
        if name not in (*known, "solver", "device"):
            where = "give points of images" if name in POINT_CHOICES else "give whole meshes"
            raise InputError(
                f"{name} means nothing for the points in {arguments['performance']}; leave it out, or {where}"
            )
    return {name: value for name, value in chosen.items() if name in known}
