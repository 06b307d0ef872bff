# SPDX-License-Identifier: GPL-3.0-or-later
"""What colours mean: a bar of them below a face, with numbers."""

from __future__ import annotations

import bpy
import numpy as np

from . import meshes, painting


def add_legend(
    collection: bpy.types.Collection,
    item: bpy.types.Object,
    points: np.ndarray,
    axes: tuple[np.ndarray, np.ndarray],
    largest: float,
    unit: str,
    material: bpy.types.Material,
) -> list[bpy.types.Object]:
    """A bar of the colours from 0 to `largest` below a face (V, 3), with its ends named, as children of the object.

    points: in the object's space. axes: up and forward (3,) of who looks at the face. material: shows the bar's
    colours. Returns what was added.
    """
    up, forward = axes
    right = np.cross(up, forward)  # of who looks at the face
    turn = np.stack([right, up, forward], axis=1)
    across, height, depth = (points @ turn).T
    width, letter = float(np.ptp(across)), 0.075 * float(np.ptp(across))
    left, top, front = float(across.min()), float(height.min()) - 0.5 * letter, float(depth.max())
    steps = np.linspace(0.0, 1.0, 33)
    bar = np.concatenate(
        [np.stack([left + width * steps, np.full(33, level), np.full(33, front)], 1) for level in (top, top - letter)]
    )
    corners = np.concatenate([[i, i + 33, i + 34, i + 1] for i in range(32)])
    mesh = meshes.make_mesh(f"{item.name} Legend", bar @ turn.T, corners, np.full(32, 4))
    painting.colour(mesh, np.tile(painting.heat_colours(steps, 1.0), (2, 1)))
    mesh.materials.append(material)
    holder = bpy.data.objects.new(mesh.name, mesh)
    holder.parent = item
    collection.objects.link(holder)
    added = [holder]
    words = painting.material(f"{item.name} Words", (0.8, 0.8, 0.8))
    for share, align in ((0.0, "LEFT"), (0.5, "CENTER"), (1.0, "RIGHT")):
        curve = bpy.data.curves.new(f"{item.name} Words", "FONT")
        curve.body = f"{largest * share:.3g} {unit}"
        curve.size, curve.align_x, curve.align_y = 0.95 * letter, align, "TOP"
        curve.materials.append(words)
        text = bpy.data.objects.new(curve.name, curve)
        text.parent = item
        place = np.eye(4)
        place[:3, :3] = turn
        place[:3, 3] = turn @ [left + width * share, top - 1.4 * letter, front]
        text.matrix_local = meshes.matrix_of(place)
        collection.objects.link(text)
        added.append(text)
    return added
