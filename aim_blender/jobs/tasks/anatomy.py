# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks of a neutral, and fitting bones to it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ..folders.folder import write_atomically
from ..folders.outputs import output_folder, output_path
from .arguments import Figures, Report, check_arguments, named_unit
from .face_asking import asks_detector


@asks_detector
def landmarks(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """neutral (a mesh, a capture's folder or capture.npz), out (a JSON file): a vertex for each landmark that is found,
    by name, as anatomy takes them."""
    check_arguments("landmarks", arguments, required=("neutral", "out"))
    out = output_path(arguments["out"], ".json")
    from ...core.anatomy.anatomy_request import read_request
    from ...core.shared.faces.face_landmarks import suggest_landmarks

    report({"message": "Reading the neutral"})
    request = read_request(Path(arguments["neutral"]))
    report({"message": "Finding the face"})
    found = suggest_landmarks(request.neutral, request.topology.triangles(), request.moving)
    write_atomically(out, json.dumps(found, indent=1) + "\n")
    return {"out": str(out), "landmarks": len(found)}


@asks_detector
def anatomy(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """neutral (a mesh, a capture's folder or capture.npz), out (a folder), and optionally landmarks and depths (JSON
    files by name), bones (a folder with somebody's own), teeth (a folder with upper_teeth, lower_teeth) and the
    neutral's millimetres_per_unit, else told by its face.

    Writes skull.obj, mandible.obj and anatomy.json, which says the landmarks and the depths.
    """
    inputs = ("landmarks", "depths", "bones", "teeth")
    optional = (*inputs, "millimetres_per_unit")
    check_arguments("anatomy", arguments, required=("neutral", "out"), optional=optional)
    out = output_folder(arguments["out"])
    from ...core.anatomy.anatomy_request import fit_anatomy, read_request, write_anatomy

    report({"message": "Reading the neutral"})
    files = {name: Path(arguments[name]) for name in inputs if arguments.get(name)}
    request = read_request(Path(arguments["neutral"]), **files, millimetres_per_unit=named_unit(arguments))
    started = time.perf_counter()
    report({"message": "Fitting the bones"})
    fitted = fit_anatomy(request)
    seconds = time.perf_counter() - started
    suggested = {name: vertex for name, vertex in fitted.landmarks.items() if name not in request.landmarks}
    report({"message": "Writing the bones"})
    write_anatomy(fitted, suggested, out)
    return {"out": str(out), "seconds": seconds, "landmarks_suggested": len(suggested), **fitted.figures}
