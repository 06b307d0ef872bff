# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import bpy
import headless
import numpy as np
import pytest
from scenes import add_capture


def test_a_group_is_written_whole_and_leaves_everything_else_as_it_was(scene):
    groups = headless.extension_module("aim_blender.scene.basics.vertex_groups")
    item = add_capture()[0]
    mesh = item.data
    other = item.vertex_groups.new(name="other")
    other.add([0, 2], 0.25, "REPLACE")
    taken = mesh.attributes.new("jaw", "FLOAT", "POINT")  # the artist's own attribute of that name
    mesh.attributes.active = taken
    attributes = mesh.attributes.keys()
    weights = np.linspace(0, 1, len(mesh.vertices), dtype=np.float32)
    active = bpy.context.view_layer.objects.active
    for item_is_seen in (True, False):
        if not item_is_seen:
            item.hide_set(True)
            weights = weights[::-1]
        groups.write_vertex_group(item, "jaw", weights)
        assert sorted(item.vertex_groups.keys()) == ["jaw", "other"]
        assert item.vertex_groups.active.name == "jaw"
        assert np.array_equal(groups.read_vertex_group(item, item.vertex_groups["jaw"]), weights)
        assert groups.read_vertex_group(item, item.vertex_groups["other"])[:3] == pytest.approx([0.25, 0, 0.25])
        assert mesh.attributes.keys() == attributes
        assert mesh.attributes.active.name == "jaw"
        assert bpy.context.view_layer.objects.active == active
