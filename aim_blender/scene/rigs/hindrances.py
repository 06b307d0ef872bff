# SPDX-License-Identifier: GPL-3.0-or-later
"""Why controls of a rig do nothing, though they could."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import bpy

from ...core.shared.foundation.wording import listed
from . import rig_data

# Modifiers by which a mesh follows something else.
FOLLOWING = ("ARMATURE", "HOOK", "LATTICE", "MESH_DEFORM", "SURFACE_DEFORM")


def hindered(datablocks: Sequence[bpy.types.ID]) -> list[str]:
    """Why controls of a rig do nothing, though they could: one clause each."""
    objects = [each for each in datablocks if isinstance(each, bpy.types.Object)]
    of_drivers = [rig_data.failing_drivers(datablocks), rig_data.unreached(datablocks)]
    return [clause for each in objects for clause in _hindered(each)] + [each for each in of_drivers if each]


def _hindered(item: bpy.types.Object) -> Iterator[str]:
    if isinstance(item.data, bpy.types.Armature) and item.data.pose_position == "REST":
        yield f"{item.name!r} is in Rest Position, in which no bone moves anything; choose Pose Position"
    keys = getattr(item.data, "shape_keys", None)
    if keys is not None and len(keys.key_blocks) > 1:
        if item.show_only_shape_key:
            yield f"{item.name!r} shows one of its shape keys alone; unpin it in the list of shape keys"
        if not keys.use_relative:
            yield f"the shape keys of {item.name!r} are absolute, so that values do nothing; tick Relative"
    off = [each.name for each in item.modifiers if not each.show_viewport and each.type in FOLLOWING]
    if off:
        yield f"{listed(off)} of {item.name!r} {'is' if len(off) == 1 else 'are'} switched off in the viewport"
