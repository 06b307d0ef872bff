# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights of vertex groups as whole arrays."""

from __future__ import annotations

import bpy
import numpy as np

from ..core.errors import InputError


def check_own_mesh(item: bpy.types.Object) -> None:
    """Raise InputError if the mesh is another file's: Blender lets nobody paint it, and forgets what a script wrote."""
    if item.data.library is not None or item.data.override_library is not None:
        raise InputError(
            f"the mesh of {item.name!r} is linked from another file and cannot be painted here; paint it there, or "
            "make it local with Object > Relations > Make Local"
        )


def read_vertex_group(item: bpy.types.Object, group: bpy.types.VertexGroup) -> np.ndarray:
    """(V,) float32 weights of a vertex group, 0 where a vertex is not in it."""
    weights = np.zeros(len(item.data.vertices), dtype=np.float32)
    for vertex in item.data.vertices:
        for element in vertex.groups:
            if element.group == group.index:
                weights[vertex.index] = element.weight
    return weights


def write_vertex_group(item: bpy.types.Object, name: str, weights: np.ndarray) -> None:
    """Set a vertex group to weights (V,) in [0, 1], to within 1/255; it is made if there is none.

    Raises InputError if the mesh is linked.
    """
    check_own_mesh(item)
    group = item.vertex_groups.get(name) or item.vertex_groups.new(name=name)
    steps = np.round(np.asarray(weights) * 255).astype(int)
    group.remove(np.flatnonzero(steps == 0).tolist())
    for step in np.unique(steps[steps > 0]):  # points of one weight together: at most 255 calls
        group.add(np.flatnonzero(steps == step).tolist(), float(step) / 255, "REPLACE")
    item.vertex_groups.active = group
