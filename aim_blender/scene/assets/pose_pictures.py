# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of poses for Blender's asset browser, drawn by numpy; what moves is tinted."""

from __future__ import annotations

from collections.abc import Generator

import bpy
import numpy as np

from ...core.shared.foundation.drawing import filling
from ..actors.thumbnails import LEAST_SHARE, from_front, picture
from ..baking.baked_take import BakedTake
from ..basics import meshes

PIXELS = 144


def pose_pictures(
    baked: BakedTake, neutral: bpy.types.Object | None
) -> Generator[tuple[str, float], None, list[np.ndarray]]:
    """Returns (PIXELS, PIXELS, 4) of each frame of a bake, without the head's motion; yields in between.

    neutral: the object whose turn in the scene says what is in front.
    """
    turn = np.eye(3) if neutral is None else meshes.rigid_part(meshes.matrix_array(neutral.matrix_world))[:3, :3]
    rest = from_front(baked.neutral @ turn.T)
    triangles = baked.topology.triangles()
    far = [np.linalg.norm(baked.shown(number) - baked.neutral, axis=1) for number in range(len(baked.frames))]
    farthest = np.max(far, axis=0, initial=0.0)
    moving = farthest >= LEAST_SHARE * farthest.max(initial=0.0)
    offset, factor = filling(rest[moving] if farthest.any() else rest, PIXELS, PIXELS)
    found = []
    for number, moved in enumerate(far):
        yield "drawing", number / len(far)
        seen = from_front(baked.shown(number) @ turn.T)
        share = moved / max(float(moved.max(initial=0.0)), 1e-12)
        found.append(picture(seen, triangles, share, offset, factor, PIXELS))
    return found
