# SPDX-License-Identifier: GPL-3.0-or-later
"""What is selected in the scene."""

from __future__ import annotations

import bpy


def select_only(context: bpy.types.Context, item: bpy.types.Object) -> None:
    """Select an object and nothing else, and make it the active one if it is in the view layer."""
    layer = context.view_layer
    layer.update()  # an empty layer does not list yet what was linked just now
    for other in layer.objects:
        other.select_set(other == item, view_layer=layer)
    if item.name in layer.objects:
        layer.objects.active = item
