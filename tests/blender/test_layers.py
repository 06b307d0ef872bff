# SPDX-License-Identifier: GPL-3.0-or-later
"""A take over what is there: layers replace or add, blend in and out, and no key of the user's changes."""

import bpy
import numpy as np
import pytest
import rigs
from mathutils import Quaternion
from scenes import problem
from test_baked import largest_difference_mm, result
from test_rig_baking import curves

FIRST = rigs.FIRST
LAST = FIRST + rigs.FRAMES - 1


@pytest.fixture
def rig(rig_take):
    """Shape keys with a jaw, of which the user keyed two keys and the jaw, set another one, and a take."""
    scene = bpy.context.scene
    item, armature = rigs.keys_with_a_jaw()
    item.data.shape_keys.key_blocks[3].value = 0.3
    for frame, value in ((1, 0.1), (30, 0.4)):
        for number in (1, 2):
            item.data.shape_keys.key_blocks[number].value = value
            item.data.shape_keys.key_blocks[number].keyframe_insert("value", frame=frame)
        bone = armature.pose.bones["jaw"]
        bone.rotation_quaternion = Quaternion((1, 0, 0), value)
        bone.keyframe_insert("rotation_quaternion", frame=frame)
    scene.aim.rig.mesh, scene.aim.rig.armature, scene.aim.rig.jaw_bone = item, armature, "jaw"
    for number in range(4):
        pair = scene.aim.rig.pairs.add()
        pair.name, pair.target = f"shape {number + 1}", f"key {number}"
    scene.aim.rig.jaw_location = False
    return item, armature


def played(rig, frames):
    """(F, 4) the keys' values and (F, 4) the jaw's quaternion, as Blender plays them."""
    (item, armature), values, turns = rig, [], []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        shape_keys = item.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.shape_keys
        values.append([key.value for key in shape_keys.key_blocks[1:]])
        bone = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones["jaw"]
        turns.append(bone.rotation_quaternion[:])
    return np.array(values), np.array(turns)


EVERY = range(-3, 41)
INSIDE = slice(FIRST + 3, LAST + 1 + 3)  # of EVERY, the take's frames


def test_a_take_is_pushed_down_and_plays_as_before(rig):
    bpy.ops.aim.take_push_down()
    items = result()
    for each in (items["rig"], items["skin"].data.shape_keys):
        assert each.animation_data.action is None
        assert len(each.animation_data.nla_tracks) == 1
    assert largest_difference_mm(rigs.take_arrays(), np.eye(4), 1000) < 0.002
    assert "has an action; its keys are strips already" in problem(bpy.ops.aim.take_push_down)


def test_a_layer_replaces_in_its_frames_and_leaves_every_key(rig):
    item, armature = rig
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = -3, 40
    own = {each: curves(each) for each in (item.data.shape_keys, armature)}
    actions = {each.animation_data.action: each for each in own}
    before, turned = played(rig, EVERY)
    bpy.ops.aim.bake_to_rig(onto="replace")
    after, turned_after = played(rig, EVERY)
    assert after[INSIDE] == pytest.approx(rigs.take_arrays()["key_weights"], abs=1e-5)
    outside = np.setdiff1d(np.arange(len(EVERY)), np.arange(len(EVERY))[INSIDE])
    assert after[outside] == pytest.approx(before[outside], abs=1e-6)
    assert turned_after[outside] == pytest.approx(turned[outside], abs=1e-6)
    for each in own:
        tracks = each.animation_data.nla_tracks
        assert each.animation_data.action is None
        assert len(tracks) == (3 if each == item.data.shape_keys else 2)
        assert tracks[0].strips[0].action in actions
        tracks[-1].mute = True
    bpy.context.view_layer.update()
    alone, turned_alone = played(rig, EVERY)
    assert alone == pytest.approx(before, abs=1e-6)
    assert turned_alone == pytest.approx(turned, abs=1e-6)


def test_a_layer_adds_and_blends(rig):
    """What would not show, or not add, is refused before anything changes."""
    item, armature = rig
    bake = bpy.ops.aim.bake_to_rig
    assert "no frame from 90 to 95; its frames are 5 to 16" in problem(lambda: bake(onto="add", start=90, end=95))
    assert "does not fit into frames 5 to 16" in problem(lambda: bake(onto="add", blend_in=8, blend_out=8))
    armature.pose.bones["jaw"].rotation_mode = "AXIS_ANGLE"
    assert "to which nothing adds" in problem(lambda: bake(onto="add"))
    armature.pose.bones["jaw"].rotation_mode = "QUATERNION"
    armature.animation_data.use_nla = False
    assert "is switched off" in problem(lambda: bake(onto="add"))
    armature.animation_data.use_nla = True
    armature.animation_data.nla_tracks.new().is_solo = True
    assert "plays alone" in problem(lambda: bake(onto="replace"))
    assert not item.data.shape_keys.animation_data.nla_tracks
    armature.animation_data.nla_tracks[0].is_solo = False
    armature.animation_data.nla_tracks.remove(armature.animation_data.nla_tracks[0])
    before, turned = played(rig, EVERY)
    bpy.ops.aim.bake_to_rig(onto="add", start=7, end=15, blend_in=2, blend_out=4)
    after, turned_after = played(rig, EVERY)
    share = np.interp(EVERY, [7, 9, 11, 15], [0, 1, 1, 0])[:, None]
    weights = np.zeros((len(EVERY), 4))
    weights[INSIDE] = rigs.take_arrays()["key_weights"]
    assert after == pytest.approx(before + share * weights, abs=2e-5)
    at = EVERY.index(10)
    both = Quaternion(turned[at]).normalized() @ Quaternion(_jaw_of(armature, 10))
    assert Quaternion(turned_after[at]).normalized()[:] == pytest.approx(both[:], abs=1e-5)
    assert turned_after[EVERY.index(6)] == pytest.approx(turned[EVERY.index(6)], abs=1e-6)


def _jaw_of(armature, frame):
    """The jaw's quaternion in the uppermost strip's action."""
    strip = armature.animation_data.nla_tracks[-1].strips[0]
    found = [curve for curve in strip_curves(strip) if curve.data_path.endswith("rotation_quaternion")]
    return [curve.evaluate(frame) for curve in sorted(found, key=lambda each: each.array_index)]


def strip_curves(strip):
    if not hasattr(strip, "action_slot"):
        return list(strip.action.fcurves)
    return list(strip.action.layers[0].strips[0].channelbag(strip.action_slot).fcurves)


def test_solved_controls_go_onto_a_layer(rig):
    """They add to what is there beside what they are at rest."""
    item, _ = rig
    item["lift"] = 0.5
    item.id_properties_ui("lift").update(default=0.5, min=0.0, max=1.0)
    driver = item.data.shape_keys.key_blocks[4].driver_add("value").driver
    driver.type = "SUM"
    target = driver.variables.new().targets[0]
    target.id, target.data_path = item, '["lift"]'
    item["lift"] = 0.6
    item.keyframe_insert('["lift"]', frame=1)
    item["lift"] = 0.5
    before, _ = played(rig, EVERY)
    bpy.ops.aim.take_bake_to_controls(onto="add", loss=0.0, smoothing=0.0)
    layer = item.animation_data.nla_tracks[-1].strips[0]
    (curve,) = [each for each in strip_curves(layer) if each.data_path == '["lift"]']
    after, _ = played(rig, EVERY)
    there = np.array([curve.evaluate(frame) for frame in EVERY])
    lifted = before[:, 3] + np.where([FIRST <= frame <= LAST for frame in EVERY], there - 0.5, 0.0)
    assert np.abs(there - 0.5).max() > 0.1
    assert after[:, 3] == pytest.approx(lifted.clip(max=1.0), abs=1e-5)
