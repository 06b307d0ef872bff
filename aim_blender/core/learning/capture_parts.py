# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a capture's mesh, and what they tell before anything is learned."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..anatomy.jaw_witnesses import jaw_of_points
from ..parts.finding import find_parts
from ..parts.parts import Parts
from ..parts.pieces import pieces_of
from ..shared.captured.captures import Capture
from ..shared.foundation.errors import InputError
from .stabilizing import stabilized


def parts_of_capture(capture: Capture, choices: str) -> tuple[Capture, Parts | None]:
    """The parts of a capture's mesh, and the capture with what they tell: the jaw, where teeth give it, and a note that
    lists them. choices: as find_parts has them."""
    pieces = pieces_of(capture.vertices, capture.topology)
    settled = stabilized(capture).vertices if len(pieces) > 1 else capture.vertices
    parts = find_parts(settled, capture.topology, choices)
    if parts is None:
        return capture, None
    notes = [*capture.notes, parts.note()]
    teeth = np.flatnonzero(parts.of("jaw"))
    jaw_points = capture.jaw_points
    if jaw_points is None and len(teeth):
        try:
            jaw_of_points(capture.vertices[:, teeth])
        except InputError:  # an artist chose a part that is not rigid: it will be, but it tells nothing
            notes.append("the parts that go with the jaw change their form, so the jaw is not read from them")
        else:
            jaw_points = capture.vertices[:, teeth]
            notes.append(f"{len(teeth)} vertices of the mesh go with the jaw, so the jaw is read from them")
    return dataclasses.replace(capture, jaw_points=jaw_points, notes=tuple(notes)), parts
