# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a result stands: beside what it was made from, so that both are seen, and on none of the other faces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import bpy
import numpy as np

from ..basics import meshes
from . import actors

HEAD_WIDTHS = 1.2  # from one head to the next, measured in the neutral's width
OVERLAP_ALLOWED = 0.15  # of the neutral's size on every side: heads that move may brush against each other's place


def beside(context: bpy.types.Context, frame: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(4, 4) `frame` moved along its own X axis to the nearest place where no face of AIM's stands.

    frame: (4, 4) rigid, where the source stands. neutral: (V, 3) the face in that frame.
    """
    context.view_layer.update()
    lowest, highest = neutral.min(0), neutral.max(0)
    size = highest - lowest
    inner = (lowest + OVERLAP_ALLOWED * size, highest - OVERLAP_ALLOWED * size)
    boxes = [_box_in(frame, item) for item in _faces(context, len(neutral))]
    for steps in count(1):
        for side in (1, -1):
            shift = np.array([side * steps * HEAD_WIDTHS * size[0], 0.0, 0.0])
            if not any(_meet((inner[0] + shift, inner[1] + shift), box) for box in boxes):
                moved = frame.copy()
                moved[:3, 3] += frame[:3, :3] @ shift
                return moved
    raise AssertionError("a row of faces has an end")


def _faces(context: bpy.types.Context, vertex_count: int) -> Iterator[bpy.types.Object]:
    """All visible objects of the scene that are an actor's, a performance or a result, or have as many vertices."""
    state, layer = context.scene.aim, context.view_layer
    items = [state.performance_object]
    items += [item for item in layer.objects if item.type == "MESH" and len(item.data.vertices) == vertex_count]
    for actor in state.actors:
        items += [actor.neutral, actor.skull, actor.mandible, actor.jaw, *(shape.object for shape in actor.shapes)]
    for take in state.takes:
        items += take.collection.all_objects if take.collection is not None else []
    for item in dict.fromkeys(items):
        if actors.is_there(item) and item.type == "MESH" and item.visible_get(view_layer=layer):
            yield item


def _box_in(frame: np.ndarray, item: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest corner (3,) of an object's box in a frame (4, 4)."""
    matrix = np.linalg.inv(frame) @ meshes.matrix_array(item.matrix_world)
    corners = meshes.transform(matrix, np.array(item.bound_box))
    return corners.min(0), corners.max(0)


def _meet(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    return bool((one[0] < other[1]).all() and (one[1] > other[0]).all())
