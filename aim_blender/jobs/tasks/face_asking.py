# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that look for a face on a mesh ask the face detector first, where it is installed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from .arguments import Figures, Report, Task, add_notes


def asks_detector(task: Task) -> Task:
    """The task, in which find_head_frame asks the face detector of this Python's environment first.

    How faces were found is among its figures as face_found_by, where any was looked for, and what to know of it among
    its notes. What was seen is kept beside the file of the `actor` among its arguments, if there is one. Where the
    detector is not installed, or does not run, the meshes' shapes tell as ever.
    """

    @functools.wraps(task)
    def asking(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
        from ...core.video.face_detector import installed_model

        model = installed_model()
        if model is None:
            return task(arguments, report, checkpoint)
        from ...core.seeing.mesh_asking import MeshFaces
        from ...core.shared.faces.face_profile import asked_first

        actor = arguments.get("actor")
        faces = MeshFaces(model, Path(actor) if actor else None)
        with asked_first(faces.head_frame):
            figures = task(arguments, report, checkpoint)
        add_notes(figures, faces.notes)
        return {**figures, "face_found_by": ", ".join(faces.ways)} if faces.ways else figures

    return asking
