# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a mesh's face is, by landmarks that somebody picked: for faces that neither shape nor a detector finds."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from ..anatomy.anatomy_request import checked_landmarks, read_object
from ..shared.faces.face_landmarks import LEAST_PICKED, frame_of_landmarks
from ..shared.faces.face_profile import HeadFrame, find_head_frame
from ..shared.faces.units import UNITS
from ..shared.foundation.errors import InputError

# Of how far the landmarks are apart: so near, a vertex is the picked one, in a part of the mesh or another unit.
NEAR = 1e-4


def read_picked(path: Path, count: int) -> dict[str, int]:
    """{name: vertex} of a JSON file, as the verb landmarks writes it, for a mesh of so many vertices. Raises
    InputError."""
    return checked_landmarks(read_object(path, "a vertex for each landmark"), count)


class PickedFace:
    """The face of one mesh; others are looked for as they would be. Raises InputError unless the landmarks tell how the
    head is turned."""

    def __init__(self, neutral: np.ndarray, landmarks: Mapping[str, int]) -> None:
        """neutral: (V, 3) in any unit."""
        if frame_of_landmarks(neutral, landmarks) is None:
            raise InputError(
                f"the landmarks do not tell how the head is turned: at least {LEAST_PICKED} are needed that do not lie "
                "on one line, such as nasion, menton, mouth_corner.L and mouth_corner.R"
            )
        self.names = list(landmarks)
        self.places = np.asarray(neutral[list(landmarks.values())], dtype=np.float64)  # (L, 3)
        self._otherwise = contextvars.copy_context()  # in which this is not asked

    def head_frame(self, points: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None = None) -> HeadFrame:
        """How a head (V, 3) is turned, as search_head_frame has it."""
        tree = cKDTree(points)
        for factor in sorted({one.millimetres / other.millimetres for one in UNITS for other in UNITS}):
            places = factor * self.places
            away, vertices = tree.query(places)
            if away.max() <= NEAR * np.ptp(places, axis=0).max():
                frame = frame_of_landmarks(points, dict(zip(self.names, vertices.tolist(), strict=True)))
                if frame is not None:
                    return frame
        return self._otherwise.run(find_head_frame, points, triangles, moving)
