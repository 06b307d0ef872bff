# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting an actor to a performance: meshes, points, or points in images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.shared.foundation.errors import InputError
from ...core.shared.settings.fitting_settings import FittingSettings
from ...core.shared.settings.point_settings import FITS
from ...core.shared.settings.settings_of_tasks import arguments_of
from ...core.shared.sources.sources import CHOICES, OTHER_FILES, SOURCES, Source, labels_that_take, source_of
from ..folders.outputs import output_path
from .arguments import TAKE_SUFFIX, Figures, Report, add_notes, check_arguments, choices_of, named_unit, picture_beside
from .face_asking import asks_detector

if TYPE_CHECKING:
    from ...core.shared.captured.performances import Performance

PERFORMANCE_UNIT = "performance_millimetres_per_unit"
FITTING_CHOICES = arguments_of(*FITS)
MESH_CHOICES = arguments_of(FittingSettings)
PASSED_OVER = ("solver", "device")  # what means nothing to most sources, but is not refused


@asks_detector
def fit(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, performance, out, and optionally what the performance's source lets choose, of CHOICES; the files that it
    needs beside, of OTHER_FILES; performance_fps: frames a second of the performance, not what its file says; and
    performance_millimetres_per_unit: its unit, else told by its size.

    Which source it is, is told by its content (sources.py). Points of images need a camera, a JSON file, and landmarks,
    another, which says where they belong on the mesh; points in space may have landmarks too. Only whole meshes can be
    fitted from start to end. Beside the take `X.take.safetensors` it writes pictures: X.error.png, the error of each
    frame; X.jaw.png, the jaw's path, if it is known; X.sheet.png, frames of the performance and the take. Beside the
    actor it keeps what its next fit can use again.
    """
    optional = (*CHOICES, *OTHER_FILES, "performance_fps", PERFORMANCE_UNIT)
    check_arguments("fit", arguments, required=("actor", "performance", "out"), optional=optional)
    out = output_path(arguments["out"], TAKE_SUFFIX)
    path = Path(arguments["performance"])
    files = {name: Path(arguments[name]) for name in OTHER_FILES if arguments.get(name)}
    source = source_of(path, files)
    settings = _settings(source, path, choices_of(arguments, CHOICES))
    _check_files(source, path, files)
    fps = arguments.get("performance_fps")
    reading = _reading(path, fps) if source.whole and path.is_file() else None
    from ...core.checks.self_checks import check_fitted
    from ...core.files.files import load_actor, save_take
    from ...core.fitting.driving.request import FitRequest, Fitted
    from ...core.pictures.curves import save_error_curve, save_jaw_path
    from ...core.pictures.loading import load_ahead
    from ...core.pictures.take_sheet import fit_sheet
    from ...core.shared.foundation.ahead import begun

    report({"message": "Reading the actor"})
    actor = load_actor(Path(arguments["actor"]))
    report({"message": "Reading the performance"})
    request = FitRequest(
        path,
        Path(arguments["actor"]),
        settings,
        report,
        fps=fps,
        millimetres_per_unit=named_unit(arguments, PERFORMANCE_UNIT),
        start=arguments.get("start"),
        end=arguments.get("end"),
        files=files,
        checkpoint_folder=checkpoint,
        reading=reading,
    )
    load_ahead()
    fitted: Fitted = source.loaded().fit_file(actor, request)
    take = fitted.take
    sheet = None if "sheet" in fitted.pictures else begun(lambda: fit_sheet(actor, take, fitted.performance))
    report({"message": "Checking the take"})
    add_notes(take.figures, check_fitted(actor, take, not source.whole, report))
    report({"message": "Writing the take"})
    save_take(take, out)
    figures = {name: value for name, value in take.figures.items() if name not in fitted.only_in_take}
    if source.measured:
        save_error_curve(take, picture_beside(out, "error"))
        figures = {"curve": str(picture_beside(out, "error")), **figures}
    save_jaw_path(actor, take, picture_beside(out, "jaw"))
    if sheet is not None:
        sheet().save(picture_beside(out, "sheet"))
    for what, save in fitted.pictures.items():
        save(picture_beside(out, what))
    return {"out": str(out), **figures}


def _reading(path: Path, fps: float | None) -> Callable[[], Performance]:
    """Begin to read a file of whole meshes, which takes as long as PyTorch takes to load."""
    from ...core.shared.captured.performances import read_performance
    from ...core.shared.foundation.ahead import begun

    return begun(lambda: read_performance(path, fps=fps))


def _settings(source: Source, path: Path, chosen: dict[str, Any]) -> Any:
    """The source's settings. Raises InputError for a choice that only others have, but for what has no effect."""
    if not source.takes("solver") and chosen.get("solver") == "neural":
        raise InputError(f"{path} holds {source.label}, which the networks do not fit; leave out the solver")
    for name in chosen:
        if not source.takes(name) and name not in PASSED_OVER:
            others = labels_that_take(name)
            raise InputError(
                f"{name} means nothing for the {source.label} in {path}; leave it out, or give {others} instead"
            )
    return source.settings_of(chosen)


def _check_files(source: Source, path: Path, files: dict[str, Path]) -> None:
    """Raise InputError unless all files are there that the source needs, and none that it does not."""
    for name in files:
        if name not in source.files and name not in source.usable:
            owners = " or ".join(each.label for each in SOURCES if name in each.files or name in each.usable)
            raise InputError(f"the {name} given is for {owners}; {path} is of {source.label}")
    for name, what in source.files.items():
        if name not in files:
            raise InputError(f"{path} holds {source.label}; {name}, {what}, is needed too")
