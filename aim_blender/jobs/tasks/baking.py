# SPDX-License-Identifier: GPL-3.0-or-later
"""What a take is turned into: shape keys with their keyframes, frames of vertices, errors of each point."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.shared.foundation.errors import InputError
from ...core.shared.settings.baking_settings import BakingSettings
from ...core.shared.settings.settings_of_tasks import arguments_of
from ...core.shared.settings.timing_settings import Timing
from ..folders.outputs import output_folder, output_path
from .arguments import Figures, Report, check_arguments, choices_of

if TYPE_CHECKING:
    from ...core.model.actor import Actor
    from ...core.shared.results.takes import Take

TIMING_CHOICES = arguments_of(Timing)
BAKING_CHOICES = ("tolerance_mm", "keys", "jaw_as")
CSV = ".csv"
ENGINES = ("arkit", "vrm0", "vrm1")


def bake(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, take, out, and optionally BAKING_CHOICES and the frames and frame rate of TIMING_CHOICES.

    out: an .npz, or the .csv that Live Link Face would have recorded.
    """
    optional = (*BAKING_CHOICES, *TIMING_CHOICES)
    check_arguments("bake", arguments, required=("actor", "take", "out"), optional=optional)
    settings = BakingSettings(**choices_of(arguments, BAKING_CHOICES))
    settings.require_keys_for_jaw()
    if settings.keys != "own" or Path(arguments["out"]).suffix.lower() == CSV:
        return _bake_to_keys(arguments, settings, report)
    out = output_path(arguments["out"], ".npz")
    from ...core.baking.baking import bake_take

    actor, take = _retimed_take(arguments, report)
    baked = bake_take(actor, take, settings.tolerance_mm, report)
    report({"message": "Writing the bake"})
    baked.save(out)
    return {"out": str(out), **baked.figures}


def _bake_to_keys(arguments: dict[str, Any], settings: BakingSettings, report: Report) -> Figures:
    """To the keys of engines, as a bake or as a CSV of ARKit's weights."""
    as_csv = Path(arguments["out"]).suffix.lower() == CSV
    out = output_path(arguments["out"], Path(arguments["out"]).suffix if as_csv else ".npz")
    if as_csv and settings.keys not in ("own", "arkit"):
        raise InputError(f"{out} holds weights of ARKit's shapes; leave out the keys {settings.keys}, or write an .npz")
    if settings.keys != "own" and arguments.get("tolerance_mm") is not None:
        raise InputError(f"the keys of {settings.keys} have no correctives to keep a tolerance; leave it out")
    from ...core.arkit.arkit_baking import bake_arkit, head_angles
    from ...core.arkit.arkit_shapes import arkit_shapes
    from ...core.phone.phone_source import performer_of
    from ...core.shared.phone.live_link_face import timecode_rate, write_live_link_face

    actor, take = _retimed_take(arguments, report)
    if as_csv:
        timecode_rate(take.fps)  # before anything is computed
    performer = performer_of(actor, Path(arguments["actor"]), report)
    shapes = arkit_shapes(performer, report)
    keys = "arkit" if as_csv else settings.keys
    baked = bake_arkit(shapes, take, keys, settings.jaw_as if settings.keys != "own" else "bone", report)
    report({"message": "Writing the bake"})
    figures = baked.figures
    if as_csv:
        head, eyes = head_angles(take, performer.guide.axes)
        notes = write_live_link_face(out, baked.key_weights, take.frames, take.fps, head, eyes)
        figures["notes"] = [*figures["notes"], *notes]
    else:
        baked.save(out)
    return {"out": str(out), **figures}


def arkit(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, out (an .npz, or a folder for an .obj each), and optionally keys: arkit (the default), vrm0 or vrm1."""
    check_arguments("arkit", arguments, required=("actor", "out"), optional=("keys",))
    keys = arguments.get("keys") or "arkit"
    if keys not in ENGINES:
        raise InputError(f"keys is {keys!r}; it must be {', '.join(ENGINES[:-1])} or {ENGINES[-1]}")
    as_folder = Path(arguments["out"]).suffix.lower() != ".npz"
    out = output_folder(arguments["out"]) if as_folder else output_path(arguments["out"], ".npz")
    if as_folder and out.is_dir() and any(out.iterdir()):
        raise InputError(f"the folder {out} is not empty; name a new one, so that nothing in it is overwritten")
    from ...core.arkit.arkit_files import write_meshes, write_shapes
    from ...core.arkit.arkit_shapes import arkit_shapes
    from ...core.files.files import load_actor
    from ...core.phone.phone_source import performer_of

    report({"message": "Reading the actor"})
    path = Path(arguments["actor"])
    shapes = arkit_shapes(performer_of(load_actor(path), path, report), report)
    report({"message": "Writing the shapes"})
    names = (write_meshes if as_folder else write_shapes)(out, shapes, keys)
    return {"out": str(out), "keys": len(names), "shapes": shapes.rows, "notes": shapes.notes}


def evaluate(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, take, out, and optionally the frames and frame rate of TIMING_CHOICES.

    out: an .npz with vertices, jaw and head, or a mesh cache, .pc2 or .mdd, in units of millimetres_per_unit (1).
    """
    optional = ("millimetres_per_unit", *TIMING_CHOICES)
    check_arguments("evaluate", arguments, required=("actor", "take", "out"), optional=optional)
    from ...core.shared.captured.mesh_caches import CACHE_SUFFIXES, write_cache

    suffix = Path(arguments["out"]).suffix.lower()
    out = output_path(arguments["out"], suffix if suffix in CACHE_SUFFIXES else ".npz")
    unit = float(arguments.get("millimetres_per_unit", 1.0))
    if "millimetres_per_unit" in arguments and suffix not in CACHE_SUFFIXES:
        raise InputError(f"{out} is always in mm; leave out the unit, or write a .pc2 or .mdd")
    if not 0 < unit < math.inf:
        raise InputError(f"a unit of the cache is {unit:g} mm; it must be more than 0, for example 1000 for metres")
    from ...core.model.evaluation import evaluate_take
    from ...core.shared.foundation.archives import save_arrays

    actor, take = _retimed_take(arguments, report)
    frames = evaluate_take(actor, take, report)
    report({"message": "Writing the frames"})
    if suffix in CACHE_SUFFIXES:
        write_cache(out, frames["vertices"], take.frames, take.fps, unit)
    else:
        save_arrays(out, frames)
    first, last = int(take.frames[0]), int(take.frames[-1])
    size = {"frames": len(frames["vertices"]), "points": frames["vertices"].shape[1]}
    return {"out": str(out), **size, "first": first, "last": last}


def _retimed_take(arguments: dict[str, Any], report: Report) -> tuple[Actor, Take]:
    """The actor, and those frames of its take that are asked for."""
    from ...core.files.files import load_actor, load_take
    from ...core.model.evaluation import check_belongs
    from ...core.timing.retiming import retimed

    timing = Timing(**choices_of(arguments, TIMING_CHOICES))
    report({"message": "Reading the take"})
    actor, take = load_actor(Path(arguments["actor"])), load_take(Path(arguments["take"]))
    check_belongs(actor, take)
    return actor, retimed(take, actor, timing)


def errors(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, take, performance (meshes, that the take was fitted to), out: how far each point of each frame is off."""
    check_arguments("errors", arguments, required=("actor", "take", "performance", "out"))
    out = output_path(arguments["out"], ".npz")
    import numpy as np

    from ...core.files.files import load_actor, load_take
    from ...core.pictures.point_errors import point_errors
    from ...core.shared.captured.performances import in_named_unit, read_performance
    from ...core.shared.foundation.archives import save_arrays

    report({"message": "Reading the performance"})
    actor, take = load_actor(Path(arguments["actor"])), load_take(Path(arguments["take"]))
    performance = read_performance(Path(arguments["performance"]), actor.topology, take.fps)  # as it was fitted
    performance = in_named_unit(performance, take.figures.get("unit_factor"))
    arrays = point_errors(actor, take, performance, report)
    save_arrays(out, arrays)
    found = arrays["errors"].astype(np.float32)
    return {"out": str(out), "mean_mm": float(np.nanmean(found)), "worst_mm": float(np.nanmax(found))}
