# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that look for a face on a mesh ask the face detector first, where it is installed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import Figures, Report, Task, add_notes

if TYPE_CHECKING:
    import numpy as np

    from ...core.seeing.mesh_asking import MeshFaces
    from ...core.shared.faces.face_profile import HeadFrame


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
        from ...core.shared.faces.face_profile import asked_first

        beside = arguments.get("actor")
        asked: list[MeshFaces] = []

        def head_frame(neutral: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None = None) -> HeadFrame:
            if not asked:  # most tasks never ask, and are not to load what answers
                from ...core.seeing.mesh_asking import MeshFaces

                asked.append(MeshFaces(model, Path(beside) if beside else None))
            return asked[0].head_frame(neutral, triangles, moving)

        with asked_first(head_frame):
            figures = task(arguments, report, checkpoint)
        for faces in asked:
            add_notes(figures, faces.notes)
            figures = {**figures, "face_found_by": ", ".join(faces.ways)} if faces.ways else figures
        return figures

    return asking
