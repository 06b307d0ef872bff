# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of expressions and regions of the face that are chosen in lists."""

import json

import bpy
import numpy as np
import pytest
from scenes import TAKE_FRAMES, TEETH_DEGREES, shown
from test_retargeting import WIDER, jaw_degrees, skin


def largest_motion(chosen):
    """(V,) how far each vertex of the latest result moves over the take, in mm, where `chosen` (V,) bool."""
    frames = []
    for number in range(1, TAKE_FRAMES + 1):
        bpy.context.scene.frame_set(number)
        frames.append(shown(skin())[chosen])
    return np.linalg.norm(np.array(frames) - frames[0], axis=-1).max(0) * 1000


def test_pairs(take, worker):
    state = bpy.context.scene.aim
    for shape in state.actors[1].shapes:
        assert shape.name.startswith("shape")
    bpy.ops.aim.retarget_pairs_find()
    assert [(pair.name, pair.target) for pair in state.retarget.pairs] == [
        (f"shape {n}", f"shape {n}") for n in range(1, 5)
    ]
    # Of what opens the mouth farthest nothing is left but the jaw, which is carried in its range all the same.
    for number in (1, 3, 4):
        state.retarget.pairs[f"shape {number}"].target = ""
    state.retarget_head = False
    bpy.ops.aim.performance_retarget(target="Other")
    figures = json.loads(state.takes[state.active_take].figures)
    assert figures["retarget_unpaired_source"] == ["shape 1", "shape 3", "shape 4"]
    assert jaw_degrees(TAKE_FRAMES) == pytest.approx(TEETH_DEGREES[0] * WIDER, rel=0.15)
    # Left out on purpose, its jaw stays at rest too.
    for number in (1, 3, 4):
        state.retarget.pairs[f"shape {number}"].left_out = True
    bpy.ops.aim.performance_retarget(target="Other")
    figures = json.loads(state.takes[state.active_take].figures)
    assert figures["retarget_left_out"] == ["shape 1", "shape 3", "shape 4"]
    assert jaw_degrees(TAKE_FRAMES) < 0.3 * TEETH_DEGREES[0] * WIDER
    state.retarget.pairs["shape 2"].target = "nothing"
    with pytest.raises(RuntimeError, match="nothing"):
        bpy.ops.aim.performance_retarget(target="Other")
    bpy.ops.aim.retarget_pairs_clear()
    assert len(state.retarget.pairs) == 0


def test_regions(take, worker):
    """A region of strength 0 keeps its expressions at rest, and the rest of the face moves as ever."""
    state = bpy.context.scene.aim
    state.retarget_head, state.retarget_jaw_strength = False, 0.0
    neutral = state.actors[1].neutral
    bpy.ops.aim.performance_retarget(target="Other", tolerance_mm=0.02)
    everywhere = np.ones(len(neutral.data.vertices), dtype=bool)
    plain = largest_motion(everywhere)
    left = np.array([vertex.co.x > 0 for vertex in neutral.data.vertices])
    neutral.vertex_groups.new(name="left").add(np.flatnonzero(left).tolist(), 1.0, "REPLACE")
    bpy.ops.aim.retarget_region_add()
    assert state.retarget.regions[0].name == "left"
    state.retarget.regions[0].strength = 0.0
    bpy.ops.aim.performance_retarget(target="Other", tolerance_mm=0.02)
    found = largest_motion(everywhere)
    assert plain[left].max() > 0.2
    assert found[left].max() < 0.05
    assert np.abs(found - plain)[~left].max() < 0.05
    state.retarget.regions[0].name = "gone"
    with pytest.raises(RuntimeError, match="has no vertex group 'gone'"):
        bpy.ops.aim.performance_retarget(target="Other")
    bpy.ops.aim.retarget_region_remove()
    assert len(state.retarget.regions) == 0
