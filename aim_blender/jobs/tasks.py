# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker can do. The command line calls the same functions.

Every task takes its arguments as JSON values (paths as strings), a function to report progress to, and the folder for
checkpoints (None: nothing is kept to resume from); it writes its output whole or not at all, and returns a flat dict
of figures. Among them are `notes`, where there is something to tell: sentences that the user should read, those of the
self-checks (core/checks) included; the file keeps them too. What a task reports: message, done, total and
figures such as error_mm. The report function raises Cancelled when the task is to stop.

Importing this module is quick; a task imports what it needs, torch included, when it is called.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.shared.foundation.errors import InputError
from ..core.shared.results.kept_files import ACTOR_SUFFIX, CORRESPONDENCE_SUFFIX, kept_correspondence
from ..core.shared.settings.fitting_settings import PHONE_CHOICES, POINT_CHOICES, POINT_SUFFIXES, FittingSettings
from .folders.outputs import output_folder, output_path

if TYPE_CHECKING:
    from ..core.correspondence.correspondence import Correspondence
    from ..core.model.actor import Actor
    from ..core.retargeting.retargeting import RetargetSettings
    from ..core.shared.captured.captures import Capture
    from ..core.shared.captured.performances import Performance
    from ..core.shared.results.takes import Take

Report = Callable[[dict[str, Any]], None]
Figures = dict[str, Any]
Task = Callable[[dict[str, Any], Report, Path | None], Figures]

TAKE_SUFFIX = ".take.safetensors"
LEARNING_CHOICES = (
    "device",
    "iterations",
    "hidden",
    "depth",
    "activation",
    "frequency",
    "space",
    "without",
    "seed",
    "threads",
)
FITTING_CHOICES = tuple(item.name for item in dataclasses.fields(FittingSettings))
TIMING_CHOICES = ("start", "end", "step", "first", "fps")  # of core/timing/retiming.py
RETARGETING_CHOICES = ("strength", "jaw_strength", "head", "neutral_frame", "pairs", "regions", "correspondence")


def learn(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """capture, out, and optionally bones or template_bones, the capture's millimetres_per_unit, else told by its size,
    and the choices of LEARNING_CHOICES.

    With template_bones true, the template's bones are fitted to the neutral first, and written beside the actor into
    X.bones. Beside the actor `X.actor.safetensors` it writes the learning curve, X.learning.json and X.learning.png.
    What the jaw does in each shape is among the figures as a list.
    """
    optional = ("bones", "template_bones", "millimetres_per_unit", *LEARNING_CHOICES)
    _expect("learn", arguments, required=("capture", "out"), optional=optional)
    out = output_path(arguments["out"], ACTOR_SUFFIX)
    from ..core.checks.face_spots import keep_spots
    from ..core.checks.self_checks import check_learned
    from ..core.files.files import save_actor
    from ..core.learning.learning import LearningSettings, learn_actor
    from ..core.model.actor import jaw_movements
    from ..core.pictures.curves import save_learning_curve
    from ..core.shared.captured.captures import read_capture

    chosen = _chosen(arguments, LEARNING_CHOICES)
    settings = LearningSettings(**{**chosen, "without": tuple(chosen.get("without", ()))})
    bones = arguments.get("bones")
    report({"message": "Reading the capture"})
    capture = read_capture(Path(arguments["capture"]), Path(bones) if bones else None, _unit(arguments))
    fitted: Figures = {}
    if arguments.get("template_bones"):
        if bones:
            raise InputError("learn takes either bones or the template's, not both")
        report({"message": "Fitting the bones"})
        capture, fitted = _with_template_bones(capture, out.with_name(f"{out.name.removesuffix(ACTOR_SUFFIX)}.bones"))
    curve: list[dict[str, Any]] = []
    actor = learn_actor(capture, settings, report, checkpoint, curve)
    report({"message": "Checking the actor"})
    keep_spots(actor)
    _note(actor.figures, [*actor.settings["notes"], *check_learned(actor)])
    report({"message": "Writing the actor"})
    name = out.name.removesuffix(ACTOR_SUFFIX)
    picture = out.with_name(f"{name}.learning.png")
    save_actor(actor, out)
    save_learning_curve(curve, out.with_name(f"{name}.learning.json"), picture)
    found = {**actor.figures, "unit_factor": capture.unit_factor, **fitted, "jaw": jaw_movements(actor)}
    return {"out": str(out), "curve": str(picture), **found}


def _with_template_bones(capture: Capture, folder: Path) -> tuple[Capture, Figures]:
    """The capture with the template's bones, which are written into the folder, and how well they fit."""
    from ..core.anatomy.anatomy_request import AnatomyRequest, fit_anatomy, write_anatomy
    from ..core.shared.faces.head_region import moving_vertices

    moving = moving_vertices(capture.vertices, capture.topology.in_faces())
    fitted = fit_anatomy(AnatomyRequest(capture.neutral, capture.topology, moving=moving, millimetres_per_unit=1.0))
    write_anatomy(fitted, fitted.landmarks, folder)
    figures = {name: value for name, value in fitted.figures.items() if name != "notes"}
    return dataclasses.replace(capture, bones=fitted.bones), {"bones": str(folder), **figures}


def fit(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, performance, out, and optionally the choices of FITTING_CHOICES, the frames start to end, and
    performance_fps: frames a second of the performance, instead of what its file says.

    Points (.json, .csv) are fitted whole, and take those choices only that their settings have, with those of
    POINT_CHOICES besides. With camera, a JSON file, they are points in its images, and landmarks says where they belong
    on the mesh. A recording of a phone, known by what it holds, takes those of PHONE_CHOICES too. Beside the take
    `X.take.safetensors` it writes pictures: X.error.png, the error of each frame; X.jaw.png, the jaw's path, if it is
    known; X.sheet.png, frames of the performance and the take. Beside the actor it keeps what its next fit can use
    again.
    """
    own = (*POINT_CHOICES, *PHONE_CHOICES)
    optional = (*FITTING_CHOICES, *own, "start", "end", "camera", "landmarks", "performance_fps")
    _expect("fit", arguments, required=("actor", "performance", "out"), optional=optional)
    out = output_path(arguments["out"], TAKE_SUFFIX)
    from ..core.checks.self_checks import check_fitted
    from ..core.files.files import load_actor, save_take
    from ..core.fitting.fitting import fit_performance
    from ..core.fitting.fitting_cache import cache_beside
    from ..core.pictures.curves import save_error_curve, save_jaw_path
    from ..core.pictures.take_sheet import save_fit_sheet
    from ..core.shared.captured.performances import read_performance, within
    from ..core.shared.phone.phone_tables import is_phone_recording

    source = Path(arguments["performance"])
    performance: Performance | None = None
    of_phone = is_phone_recording(source)
    of_points = source.suffix.lower() in POINT_SUFFIXES and not of_phone
    settings = FittingSettings(**_chosen(arguments, FITTING_CHOICES))
    for name in ("camera", "landmarks"):
        if arguments.get(name) and of_phone:
            raise InputError(f"the {name} given is for points of images; {source} is a phone's recording; leave it out")
        if arguments.get(name) and not of_points:
            raise InputError(f"the {name} given is for points of images, .json or .csv; {source} is of meshes")
    for name in _chosen(arguments, POINT_CHOICES):
        if not of_points and not of_phone:
            raise InputError(f"{name} means nothing for the meshes of {source}, only for points; leave it out")
    for name in _chosen(arguments, PHONE_CHOICES):
        if not of_phone:
            raise InputError(f"{name} is for a phone's recording, which {source} is not; leave it out")
    report({"message": "Reading the actor"})
    actor = load_actor(Path(arguments["actor"]))
    report({"message": "Reading the performance"})
    if of_phone:
        take = _fit_phone(actor, source, arguments, report)
    elif of_points:
        take = _fit_points(actor, source, arguments, report)
    else:
        performance = read_performance(source, actor.topology, arguments.get("performance_fps"))
        performance = within(performance, arguments.get("start"), arguments.get("end"))
        cache = cache_beside(Path(arguments["actor"]))
        take = fit_performance(actor, performance, settings, report, cache, checkpoint)
    report({"message": "Checking the take"})
    _note(take.figures, check_fitted(actor, take, of_points or of_phone))
    report({"message": "Writing the take"})
    save_take(take, out)
    save_jaw_path(actor, take, picture_beside(out, "jaw"))
    save_fit_sheet(actor, take, performance, picture_beside(out, "sheet"))
    if of_phone:  # which has nothing to be compared with; curves are for the file alone
        return {"out": str(out), **{name: value for name, value in take.figures.items() if name != "eye_degrees"}}
    save_error_curve(take, picture_beside(out, "error"))
    return {"out": str(out), "curve": str(picture_beside(out, "error")), **take.figures}


def picture_beside(out: Path, what: str) -> Path:
    """A picture beside a take, X.what.png."""
    return out.with_name(f"{out.name.removesuffix(TAKE_SUFFIX)}.{what}.png")


def _fit_points(actor: Actor, source: Path, arguments: dict[str, Any], report: Report) -> Take:
    from ..core.fitting.fitting_points import PointFittingSettings, fit_points
    from ..core.points.points import read_points

    fps = arguments.get("performance_fps")
    if arguments.get("solver") == "neural":
        raise InputError(f"{source} holds points, which only the closed form fits; leave out the solver")
    if not arguments.get("camera"):
        if arguments.get("landmarks"):
            raise InputError("landmarks say where points of images belong; give the camera of the images too")
        settings = PointFittingSettings(**_chosen_for_points(arguments, PointFittingSettings))
        return fit_points(actor, read_points(source, fps), settings, report)
    from ..core.fitting.fitting_image_points import ImageFittingSettings, fit_image_points
    from ..core.points.image_points import read_image_points, read_landmark_map
    from ..core.shared.captured.cameras import read_cameras

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


def _fit_phone(actor: Actor, source: Path, arguments: dict[str, Any], report: Report) -> Take:
    from ..core.files.files import load_correspondence, save_correspondence
    from ..core.phone.fitting_phone import PhoneFittingSettings, fit_phone, guide_correspondence, phone_actor
    from ..core.shared.demo.demo_actor import make_demo_actor
    from ..core.shared.phone.phone_tables import read_phone_recording

    known = [item.name for item in dataclasses.fields(PhoneFittingSettings)]
    chosen = _chosen(arguments, (*FITTING_CHOICES, *POINT_CHOICES, *PHONE_CHOICES, "start", "end", "landmarks"))
    if chosen.get("solver") == "neural":
        raise InputError(f"{source} is a phone's recording, which has nothing to be solved; leave out the solver")
    for name in chosen:
        if name not in (*known, "keep_timecode", "solver", "device"):
            raise InputError(f"{name} means nothing for the phone's recording {source}; leave it out")
    settings = PhoneFittingSettings(**{name: value for name, value in chosen.items() if name in known})
    keep_timecode = bool(arguments.get("keep_timecode"))
    recording = read_phone_recording(source, arguments.get("performance_fps"), keep_timecode)
    demo = make_demo_actor()
    kept = kept_correspondence(Path(arguments["actor"]), demo.topology.digest)
    correspondence = load_correspondence(kept) if kept.is_file() else None
    if correspondence is None:
        report({"message": "Comparing the face with the demo head"})
        correspondence = guide_correspondence(actor, demo, report)
        if correspondence is not None:
            save_correspondence(correspondence, kept)
    report({"message": "Finding the shapes"})
    return fit_phone(phone_actor(actor, demo, correspondence), recording, settings)


def _chosen_for_points(arguments: dict[str, Any], settings: type[Any]) -> dict[str, Any]:
    """The choices that these settings of points have. Raises InputError for one that only whole meshes have; points are
    fitted on the CPU whatever the device, by the closed form."""
    known = [item.name for item in dataclasses.fields(settings)]
    chosen = _chosen(arguments, (*FITTING_CHOICES, *POINT_CHOICES, "start", "end"))
    for name in chosen:
        if name not in (*known, "solver", "device"):
            raise InputError(
                f"{name} means nothing for the points in {arguments['performance']}; leave it out, or give whole meshes"
            )
    return {name: value for name, value in chosen.items() if name in known}


def bake(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, take, out, and optionally tolerance_mm and the frames and frame rate of TIMING_CHOICES."""
    _expect("bake", arguments, required=("actor", "take", "out"), optional=("tolerance_mm", *TIMING_CHOICES))
    out = output_path(arguments["out"], ".npz")
    tolerance_mm = float(arguments.get("tolerance_mm", 0.1))
    if not 0 < tolerance_mm < math.inf:
        raise InputError(f"the tolerance is {tolerance_mm:g} mm; it must be more than 0, for example 0.1")
    from ..core.baking.baking import bake_take
    from ..core.files.files import load_actor, load_take
    from ..core.model.evaluation import check_belongs
    from ..core.timing.retiming import Timing, retimed

    timing = Timing(**_chosen(arguments, TIMING_CHOICES))
    report({"message": "Reading the take"})
    actor, take = load_actor(Path(arguments["actor"])), load_take(Path(arguments["take"]))
    check_belongs(actor, take)
    take = retimed(take, actor, timing)
    baked = bake_take(actor, take, tolerance_mm, report)
    report({"message": "Writing the bake"})
    baked.save(out)
    return {"out": str(out), **baked.figures}


def retarget(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """take, source, target, out, and optionally strength, jaw_strength, head (on or off), neutral_frame (a frame in
    which the performer rests), pairs (an object, or a JSON file of one), regions (an .npz file with `strength` per
    vertex), correspondence (for actors of two topologies).

    Where the topologies differ and no correspondence is given, the one kept beside the target is taken, or made.
    Beside the take it writes X.jaw.png and X.sheet.png, as fit does.
    """
    _expect("retarget", arguments, required=("take", "source", "target", "out"), optional=RETARGETING_CHOICES)
    out = output_path(arguments["out"], TAKE_SUFFIX)
    from ..core.checks.self_checks import check_retargeted
    from ..core.files.files import load_actor, load_take, save_take
    from ..core.fitting.fitting_cache import cache_beside
    from ..core.pictures.curves import save_jaw_path
    from ..core.pictures.take_sheet import save_retarget_sheet
    from ..core.retargeting.retargeting import retarget_take
    from ..core.shared.foundation.topology import same_surface

    settings = retarget_settings(arguments)
    report({"message": "Reading the actors"})
    take = load_take(Path(arguments["take"]))
    source, target = load_actor(Path(arguments["source"])), load_actor(Path(arguments["target"]))
    correspondence: Correspondence | None = None
    figures: Figures = {}
    if not same_surface(source.topology, target.topology):
        correspondence, figures = correspondence_of(arguments, source, target, report)
    cache = cache_beside(Path(arguments["target"]))
    carried = retarget_take(take, source, target, settings, report, correspondence, cache)
    report({"message": "Checking the take"})
    _note(carried.figures, check_retargeted(source, take, target, carried))
    report({"message": "Writing the take"})
    save_take(carried, out)
    save_jaw_path(target, carried, picture_beside(out, "jaw"))
    save_retarget_sheet(source, take, target, carried, picture_beside(out, "sheet"))
    return {"out": str(out), **carried.figures, **figures}


def retarget_settings(arguments: dict[str, Any]) -> RetargetSettings:
    """What the arguments of the task `retarget` say of how to do it. Raises InputError."""
    from ..core.retargeting.retargeting import RetargetSettings, read_regions
    from ..core.shared.faces.expression_names import read_pairs

    chosen = _chosen(arguments, ("strength", "jaw_strength"))
    head = arguments.get("head", "on")
    if head not in ("on", "off"):
        raise InputError(f"head is {head!r}; it must be on or off")
    pairs, regions = arguments.get("pairs"), arguments.get("regions")
    return RetargetSettings(
        strength=float(chosen.get("strength", 1.0)),
        jaw_strength=float(chosen.get("jaw_strength", 1.0)),
        head=head == "on",
        pairs=read_pairs(Path(pairs)) if isinstance(pairs, str) else pairs,
        region_strength=read_regions(Path(regions)) if regions else None,
        neutral_frame=arguments.get("neutral_frame"),
    )


def correspondence_of(
    arguments: dict[str, Any], source: Actor, target: Actor, report: Report
) -> tuple[Correspondence, Figures]:
    """The one given, or kept beside the target's file, or made and kept there; and where it is from."""
    from ..core.correspondence.correspondence import make_correspondence
    from ..core.files.files import load_correspondence, save_correspondence

    given = arguments.get("correspondence")
    path = Path(given) if given else kept_correspondence(Path(arguments["target"]), source.topology.digest)
    if given or path.is_file():
        return load_correspondence(path), {"correspondence": str(path)}
    found = make_correspondence(source.neutral, source.topology, target.neutral, target.topology, None, report)
    save_correspondence(found, path)
    return found, {
        "correspondence": str(path),
        "correspondence_made": "from suggested landmarks; look at it before use",
    }


def pair(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """source, target (actors), out (a .json file), and optionally pairs and correspondence, as retarget takes them.

    Writes the pairs that are found by name and by what the shapes do, as retarget takes them. What each shape is on the
    target, and how well the two agree, is among the figures as a list.
    """
    _expect("pair", arguments, required=("source", "target", "out"), optional=("pairs", "correspondence"))
    out = output_path(arguments["out"], ".json")
    from ..core.files.files import load_actor
    from ..core.retargeting.pairing import pair_shapes
    from ..core.shared.foundation.topology import same_surface
    from ..core.shared.foundation.whole_files import written_whole

    report({"message": "Reading the actors"})
    source, target = load_actor(Path(arguments["source"])), load_actor(Path(arguments["target"]))
    correspondence: Correspondence | None = None
    figures: Figures = {}
    if not same_surface(source.topology, target.topology):
        correspondence, figures = correspondence_of(arguments, source, target, report)
        correspondence.check(source.topology, target.topology)
    report({"message": "Comparing the shapes"})
    found = pair_shapes(source, target, retarget_settings(arguments).pairs, correspondence)
    with written_whole(out) as temporary:
        temporary.write_text(json.dumps(found.proposed(), indent=1), encoding="utf-8")
    notes = {"notes": found.notes} if found.notes else {}
    return {"out": str(out), "paired": len(found.pairs), **figures, "shapes": found.rows, **notes}


def correspond(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """source, target, out, and optionally landmarks (a JSON file). Source and target: an actor, or a mesh at rest."""
    _expect("correspond", arguments, required=("source", "target", "out"), optional=("landmarks",))
    out = output_path(arguments["out"], CORRESPONDENCE_SUFFIX)
    from ..core.correspondence.correspondence import make_correspondence
    from ..core.files.files import save_correspondence
    from ..core.files.neutrals import read_landmarks, read_neutral

    report({"message": "Reading the faces"})
    source, target = (read_neutral(Path(arguments[name])) for name in ("source", "target"))
    landmarks = arguments.get("landmarks")
    found = make_correspondence(*source, *target, read_landmarks(Path(landmarks)) if landmarks else None, report)
    save_correspondence(found, out)
    notes = {"notes": found.notes()} if found.notes() else {}
    return {"out": str(out), **found.figures, **notes}


def transfer(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """source (an actor), target (a mesh at rest), out, and optionally correspondence, landmarks (a JSON file), name (of
    the source, to say whose expressions these are) and the target's millimetres_per_unit, else told by its size.

    Where the topologies differ and no correspondence is given, one is made and kept beside the output.
    """
    optional = ("correspondence", "landmarks", "name", "millimetres_per_unit")
    _expect("transfer", arguments, required=("source", "target", "out"), optional=optional)
    if arguments.get("correspondence") and arguments.get("landmarks"):
        raise InputError("landmarks are for making a correspondence; leave them out, or the correspondence")
    out = output_path(arguments["out"], ACTOR_SUFFIX)
    from ..core.characters.transferring import millimetres_of, transfer_actor
    from ..core.checks.face_spots import keep_spots
    from ..core.checks.self_checks import check_transferred
    from ..core.correspondence.correspondence import make_correspondence
    from ..core.files.files import load_actor, load_correspondence, save_actor, save_correspondence
    from ..core.files.neutrals import read_landmarks, read_neutral
    from ..core.model.actor import jaw_movements
    from ..core.shared.foundation.topology import same_surface

    report({"message": "Reading the faces"})
    source_path = Path(arguments["source"])
    source = load_actor(source_path)
    neutral, topology = read_neutral(Path(arguments["target"]))
    factor = _unit(arguments)
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
    actor = transfer_actor(source, neutral * factor, topology, correspondence, name, report)
    report({"message": "Checking the actor"})
    keep_spots(actor)
    notes = [*(correspondence.notes() if correspondence else []), *actor.settings["notes"]]
    _note(actor.figures, [*notes, *check_transferred(source, actor)])
    report({"message": "Writing the actor"})
    save_actor(actor, out)
    return {"out": str(out), **actor.figures, "unit_factor": factor, **figures, "jaw": jaw_movements(actor)}


def evaluate(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, take, out, and optionally the frames and frame rate of TIMING_CHOICES.

    out: an .npz with vertices, jaw and head, or a mesh cache, .pc2 or .mdd, in units of millimetres_per_unit (1).
    """
    optional = ("millimetres_per_unit", *TIMING_CHOICES)
    _expect("evaluate", arguments, required=("actor", "take", "out"), optional=optional)
    from ..core.shared.captured.mesh_caches import CACHE_SUFFIXES, write_cache

    suffix = Path(arguments["out"]).suffix.lower()
    out = output_path(arguments["out"], suffix if suffix in CACHE_SUFFIXES else ".npz")
    unit = float(arguments.get("millimetres_per_unit", 1.0))
    if "millimetres_per_unit" in arguments and suffix not in CACHE_SUFFIXES:
        raise InputError(f"{out} is always in mm; leave out the unit, or write a .pc2 or .mdd")
    if not 0 < unit < math.inf:
        raise InputError(f"a unit of the cache is {unit:g} mm; it must be more than 0, for example 1000 for metres")
    from ..core.files.files import load_actor, load_take, save_arrays
    from ..core.model.evaluation import check_belongs, evaluate_take
    from ..core.timing.retiming import Timing, retimed

    timing = Timing(**_chosen(arguments, TIMING_CHOICES))
    report({"message": "Reading the take"})
    actor, take = load_actor(Path(arguments["actor"])), load_take(Path(arguments["take"]))
    check_belongs(actor, take)
    take = retimed(take, actor, timing)
    report({"message": "Evaluating"})
    frames = evaluate_take(actor, take)
    if suffix in CACHE_SUFFIXES:
        write_cache(out, (frames["vertices"] / unit).astype("f4"), take.frames, take.fps)
    else:
        save_arrays(out, frames)
    first, last = int(take.frames[0]), int(take.frames[-1])
    size = {"frames": len(frames["vertices"]), "points": frames["vertices"].shape[1]}
    return {"out": str(out), **size, "first": first, "last": last}


def errors(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, take, performance (meshes, that the take was fitted to), out: how far each point of each frame is off."""
    _expect("errors", arguments, required=("actor", "take", "performance", "out"))
    out = output_path(arguments["out"], ".npz")
    import numpy as np

    from ..core.files.files import load_actor, load_take, save_arrays
    from ..core.pictures.point_errors import point_errors
    from ..core.shared.captured.performances import read_performance

    report({"message": "Reading the performance"})
    actor, take = load_actor(Path(arguments["actor"])), load_take(Path(arguments["take"]))
    performance = read_performance(Path(arguments["performance"]), actor.topology, take.fps)  # as it was fitted
    arrays = point_errors(actor, take, performance, report)
    save_arrays(out, arrays)
    found = arrays["errors"].astype(np.float32)
    return {"out": str(out), "mean_mm": float(np.nanmean(found)), "worst_mm": float(np.nanmax(found))}


def inspect(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, out. Beside out, X.npz, it writes X.png: a picture sheet of the anatomy that was learned."""
    _expect("inspect", arguments, required=("actor", "out"))
    out = output_path(arguments["out"], ".npz")
    from ..core.files.files import load_actor, save_arrays
    from ..core.pictures.anatomy_sheet import save_anatomy_sheet
    from ..core.pictures.inspection import inspect_actor

    source = Path(arguments["actor"])
    report({"message": "Reading the actor"})
    actor = load_actor(source)
    report({"message": "Looking inside"})
    arrays, figures = inspect_actor(actor)
    picture = out.with_suffix(".png")
    save_arrays(out, arrays)
    save_anatomy_sheet(arrays, figures, picture, source.name.removesuffix(ACTOR_SUFFIX))
    return {"out": str(out), "sheet": str(picture), **figures}


def batch(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """table (.csv, .json or .toml), out (a folder), and optionally part (k/n) and scheduler (an address of Dask).

    The figures tell how many shots failed; each shot's own are in `rows`.
    """
    _expect("batch", arguments, required=("table", "out"), optional=("part", "scheduler"))
    from .batch.batch import run_batch

    part, scheduler = arguments.get("part") or "", arguments.get("scheduler") or ""
    return run_batch(Path(arguments["table"]), Path(arguments["out"]), part, scheduler, report)


def anatomy(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """neutral (a mesh, a capture's folder or capture.npz), out (a folder), and optionally landmarks and depths (JSON
    files by name), bones (a folder with somebody's own), teeth (a folder with upper_teeth, lower_teeth) and the
    neutral's millimetres_per_unit, else told by its face.

    Writes skull.obj, mandible.obj and anatomy.json, which says the landmarks and the depths.
    """
    inputs = ("landmarks", "depths", "bones", "teeth")
    optional = (*inputs, "millimetres_per_unit")
    _expect("anatomy", arguments, required=("neutral", "out"), optional=optional)
    out = output_folder(arguments["out"])
    from ..core.anatomy.anatomy_request import fit_anatomy, read_request, write_anatomy

    report({"message": "Reading the neutral"})
    files = {name: Path(arguments[name]) for name in inputs if arguments.get(name)}
    request = read_request(Path(arguments["neutral"]), **files, millimetres_per_unit=_unit(arguments))
    started = time.perf_counter()
    report({"message": "Fitting the bones"})
    fitted = fit_anatomy(request)
    seconds = time.perf_counter() - started
    suggested = {name: vertex for name, vertex in fitted.landmarks.items() if name not in request.landmarks}
    report({"message": "Writing the bones"})
    write_anatomy(fitted, suggested, out)
    return {"out": str(out), "seconds": seconds, "landmarks_suggested": len(suggested), **fitted.figures}


def environment(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """folder, base (a Python), build, and optionally requirements (a file), options (of pip, in one string) and trial
    (on or off)."""
    optional = ("requirements", "options", "trial")
    _expect("environment", arguments, required=("folder", "base", "build"), optional=optional)
    from .environment.environment_making import make_environment
    from .environment.environment_plan import BUILDS, REQUIREMENTS, Plan, find_base_python

    if arguments["build"] not in BUILDS:
        raise InputError(f"there is no build {arguments['build']!r}; there are {', '.join(BUILDS)}")
    plan = Plan(
        Path(arguments["folder"]),
        find_base_python(arguments["base"]),
        arguments["build"],
        Path(arguments.get("requirements") or Path(__file__).absolute().parents[2] / REQUIREMENTS),
        arguments.get("options", ""),
    )
    return make_environment(plan, report, arguments.get("trial", True))


def info(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """file: any file that the tasks read or write, or a folder of meshes."""
    _expect("info", arguments, required=("file",))
    from ..core.files.describing import describe_file

    return describe_file(Path(arguments["file"]))


TASKS: dict[str, Task] = {
    "anatomy": anatomy,
    "learn": learn,
    "fit": fit,
    "pair": pair,
    "correspond": correspond,
    "transfer": transfer,
    "retarget": retarget,
    "bake": bake,
    "evaluate": evaluate,
    "batch": batch,
    "inspect": inspect,
    "errors": errors,
    "environment": environment,
    "info": info,
}


# They install software or trust another computer: a job's description alone, which may be a stranger's, starts neither.
TRUSTED_TASKS = ("environment", "batch")


def task_named(name: str) -> Task:
    """Raises InputError if there is no such task."""
    if name not in TASKS:
        raise InputError(f"there is no task {name}; there are {', '.join(TASKS)}")
    return TASKS[name]


def _note(figures: Figures, sentences: list[str]) -> None:
    """Add what the user is to know to a result's figures, which its file keeps and every surface shows."""
    if sentences:
        figures["notes"] = [*figures.get("notes", []), *sentences]


def _expect(task: str, arguments: dict[str, Any], required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    for name in required:
        if not arguments.get(name):
            raise InputError(f"{task} needs {name}, which was not given")
    for name in arguments:
        if name not in required and name not in optional:
            raise InputError(f"{task} does not know {name}; it takes {', '.join(required + optional)}")


def _unit(arguments: dict[str, Any]) -> float | None:
    """The millimetres_per_unit that somebody named, if anybody did."""
    unit = arguments.get("millimetres_per_unit")
    if unit is None:
        return None
    factor = float(unit)
    if not (math.isfinite(factor) and factor > 0):
        raise InputError(f"there are {factor:g} millimetres in a unit; it must be more than 0, for example 1 or 1000")
    return factor


def _chosen(arguments: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The choices that were made; the core's settings know the defaults of the others."""
    return {name: arguments[name] for name in names if arguments.get(name) is not None}
