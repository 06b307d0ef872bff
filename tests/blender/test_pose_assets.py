# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions and frames as assets: what such an action shows is the expression, and nothing that was there changes."""

import bpy
import numpy as np
import rigs
from scenes import problem, shown
from test_baked import formula, result

HAS_SLOTS = hasattr(bpy.types, "ActionSlot")


def posed(values):
    """(4, V, 3) mm each expression alone."""
    alone = {**values, "key_weights": np.eye(4), "jaw": values["key_jaw"], "head": np.tile(np.eye(4), (4, 1, 1))}
    return formula(alone)


def assets():
    return [action for action in bpy.data.actions if action.asset_data is not None]


def put(action, datablocks):
    """Show an action on those of the data-blocks that it is for."""
    for each in datablocks:
        if HAS_SLOTS:
            slot = next((slot for slot in action.slots if slot.target_id_type == each.id_type), None)
            if slot is not None:
                each.animation_data_create().action = action
                each.animation_data.action_slot = slot
        elif action.id_root == each.id_type:
            each.animation_data_create().action = action
    bpy.context.scene.frame_set(1)


def test_expressions_of_a_result_are_assets_with_pictures(rig_take):
    items = result()
    datablocks = (items["rig"], items["skin"].data.shape_keys)
    own = [each.animation_data.action for each in datablocks]
    bpy.ops.aim.pose_assets_add()
    assert [each.animation_data.action for each in datablocks] == own
    made = assets()
    assert len(made) == (4 if HAS_SLOTS else 8)
    for number, points in enumerate(posed(rig_take), start=1):
        for action in made:
            if action.name.startswith(f"Actor shape {number}"):
                put(action, datablocks)
        assert np.abs(shown(items["skin"]) * 1000 - points).max() < 0.002
    pictures = [np.array(action.preview.image_pixels_float) for action in made[:: 1 if HAS_SLOTS else 2]]
    assert all(picture.reshape(-1, 4)[:, 3].max() == 1.0 for picture in pictures)
    assert not np.array_equal(pictures[0], pictures[1])
    assert all(curve.keyframe_points[0].co.x == 1.0 for curve in curves_of(made[0]))
    assert 'pose.bones["head"].location' not in {curve.data_path for each in made for curve in curves_of(each)}


def curves_of(action):
    if not HAS_SLOTS:
        return list(action.fcurves)
    return [curve for bag in action.layers[0].strips[0].channelbags for curve in bag.fcurves]


def test_a_frame_of_a_take_is_an_asset(rig_take):
    items = result()
    bpy.context.scene.frame_set(8)
    bpy.ops.aim.pose_assets_add(poses="FRAME")
    for action in assets():
        assert action.name.startswith("shot 8")
        put(action, (items["rig"], items["skin"].data.shape_keys))
    assert np.abs(shown(items["skin"]) * 1000 - formula(rig_take)[8 - 5]).max() < 0.002
    bpy.context.scene.frame_set(90)
    assert "has no frame 90; go to one from 5 to 16" in problem(lambda: bpy.ops.aim.pose_assets_add(poses="FRAME"))


def test_expressions_are_poses_of_a_rigs_controls(rig_take):
    """The pose library puts them onto the armature."""
    item, rig = rigs.bones_alone()
    bpy.context.scene.aim.rig.mesh = item
    bpy.context.scene.aim.rig.loss = 0.0
    bpy.ops.aim.pose_assets_add(rig="CONTROLS")
    (action,) = [each for each in assets() if each.name.startswith("Actor shape 2")]
    assert rig.animation_data is None or rig.animation_data.action is None
    rest = shown(item)
    rig.pose.apply_pose_from_action(action, evaluation_time=1)
    bpy.context.view_layer.update()
    points = posed(rig_take)[1]
    off = np.linalg.norm(shown(item) * 1000 - points, axis=1).mean()
    assert off < 0.5 * np.linalg.norm(rest * 1000 - points, axis=1).mean()
