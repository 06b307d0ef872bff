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
from ..folders.outputs import output_path
from .arguments import Figures, Report, check_arguments, choices_of

if TYPE_CHECKING:
    from ...core.model.actor import Actor
    from ...core.shared.results.takes import Take

TIMING_CHOICES = arguments_of(Timing)


def bake(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, take, out, and optionally tolerance_mm and the frames and frame rate of TIMING_CHOICES."""
    check_arguments("bake", arguments, required=("actor", "take", "out"), optional=("tolerance_mm", *TIMING_CHOICES))
    out = output_path(arguments["out"], ".npz")
    settings = BakingSettings(**choices_of(arguments, ("tolerance_mm",)))
    from ...core.baking.baking import bake_take

    actor, take = _retimed_take(arguments, report)
    baked = bake_take(actor, take, settings.tolerance_mm, report)
    report({"message": "Writing the bake"})
    baked.save(out)
    return {"out": str(out), **baked.figures}


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
    report({"message": "Evaluating"})
    frames = evaluate_take(actor, take)
    if suffix in CACHE_SUFFIXES:
        write_cache(out, (frames["vertices"] / unit).astype("f4"), take.frames, take.fps)
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
    from ...core.shared.captured.performances import read_performance
    from ...core.shared.foundation.archives import save_arrays

    report({"message": "Reading the performance"})
    actor, take = load_actor(Path(arguments["actor"])), load_take(Path(arguments["take"]))
    performance = read_performance(Path(arguments["performance"]), actor.topology, take.fps)  # as it was fitted
    arrays = point_errors(actor, take, performance, report)
    save_arrays(out, arrays)
    found = arrays["errors"].astype(np.float32)
    return {"out": str(out), "mean_mm": float(np.nanmean(found)), "worst_mm": float(np.nanmax(found))}
