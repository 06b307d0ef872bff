# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of engines as a mesh object with shape keys: ARKit's 52, or VRM's expressions."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ...core.shared.foundation.archives import open_archive
from ...core.shared.foundation.errors import UNREADABLE, InputError, reason
from ...core.shared.foundation.topology import Topology
from ..actors import placing
from ..basics import meshes, versions
from ..basics.records import ActorRecord
from .baked import make_skin


def write_shapes(
    context: bpy.types.Context, actor: ActorRecord, file: Path, frame: np.ndarray, title: str, beside: bool
) -> bpy.types.Object:
    """Make a mesh object with the shapes of an .npz of the task arkit as shape keys, in a new collection.

    frame: (4, 4) rigid, where the actor's space lies in the scene. beside: whether it stands beside what is there.
    Raises InputError if the file is gone or damaged.
    """
    try:
        with open_archive(file) as archive:
            names = [str(name) for name in archive["names"]]
            shapes = archive["vertices"].astype(np.float64) / actor.millimetres_per_unit  # (N + 1, V, 3)
            topology = Topology(archive["corners"], archive["sizes"], shapes.shape[1])
        if len(names) != len(shapes):
            raise ValueError(f"it names {len(names)} shapes but has {len(shapes)}")
    except UNREADABLE as error:
        raise InputError(f"{file} is gone or damaged: {reason(error)}; make the shapes again") from error
    if beside:
        frame = placing.beside(context, frame, shapes[0])
    collection = bpy.data.collections.new(title)
    context.scene.collection.children.link(collection)
    item = make_skin(actor, shapes[0], topology, title, collection)
    item.matrix_world = meshes.matrix_of(frame)
    versions.add_shape_key(item, "Basis")
    for name, points in zip(names[1:], shapes[1:], strict=True):
        meshes.write_key_positions(versions.add_shape_key(item, name), points)
    context.view_layer.update()
    return item
