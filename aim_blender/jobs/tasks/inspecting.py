# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at an actor's anatomy, and saying what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...core.shared.results.kept_files import ACTOR_SUFFIX
from ..folders.outputs import output_path
from .arguments import Figures, Report, check_arguments


def inspect(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """actor, out. Beside out, X.npz, it writes X.png: a picture sheet of the anatomy that was learned."""
    check_arguments("inspect", arguments, required=("actor", "out"))
    out = output_path(arguments["out"], ".npz")
    from ...core.files.files import load_actor
    from ...core.pictures.anatomy_sheet import save_anatomy_sheet
    from ...core.pictures.inspection import inspect_actor
    from ...core.shared.foundation.archives import save_arrays

    source = Path(arguments["actor"])
    report({"message": "Reading the actor"})
    actor = load_actor(source)
    report({"message": "Looking inside"})
    arrays, figures = inspect_actor(actor)
    picture = out.with_suffix(".png")
    save_arrays(out, arrays)
    save_anatomy_sheet(arrays, figures, picture, source.name.removesuffix(ACTOR_SUFFIX))
    return {"out": str(out), "sheet": str(picture), **figures}


def info(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """file: any file that the tasks read or write, or a folder of meshes."""
    check_arguments("info", arguments, required=("file",))
    from ...core.files.describing import describe_file

    return describe_file(Path(arguments["file"]))
