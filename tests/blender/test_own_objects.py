# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyeballs, teeth and lashes that are objects of their own go with a take; its eyes follow a target; and what a part of
a mesh was taken for can be corrected."""

import json

import bpy
import headless
import numpy as np
import pytest
from demo_bakes import demo_bake
from mathutils import Vector
from scenes import add_mesh, shown

FRAMES = 8
EYES_MM = {"ball left": (32.0, -55.0, 30.0), "ball right": (-32.0, -55.0, 30.0)}
TEETH_MM = {"upper": (0.0, -70.0, -38.0), "lower": (0.0, -66.0, -52.0)}


def add_ball(name, centre, size, rings=9, sides=12):
    """An ellipsoid of quads, in metres, centre and size in mm."""
    polar, around = np.meshgrid(np.linspace(0.1, np.pi - 0.1, rings), np.arange(sides) / sides * 2 * np.pi)
    points = np.stack([np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], -1).reshape(
        -1, 3
    )
    index = np.arange(rings * sides).reshape(sides, rings)
    below = np.roll(index, -1, axis=0)
    quads = np.stack([index[:, :-1], index[:, 1:], below[:, 1:], below[:, :-1]], axis=-1).reshape(-1, 4)
    return add_mesh(name, (points.reshape(-1, 3) * size + centre) / 1000, quads.ravel(), np.full(len(quads), 4))


@pytest.fixture
def shot(scene):
    """A take of the demo head, and objects of their own at its neutral."""
    baked = headless.extension_module("aim_blender.scene.baking.baked")
    take = demo_bake(FRAMES, keys=10)
    actor = scene.aim.actors.add()
    actor.name, actor.identifier, actor.millimetres_per_unit = "Ada", "ada", 1000.0
    actor.file_path = "somewhere"
    actor.neutral = add_mesh("neutral", take.neutral, take.topology.corners, take.topology.sizes)
    for name, centre in EYES_MM.items():
        add_ball(name, centre, 12.0)
    for name, centre in TEETH_MM.items():
        add_ball(name, centre, (18.0, 6.0, 3.0))
    skin = take.neutral * 1000
    along = np.argsort(np.linalg.norm(skin - [32.0, -80.0, 36.0], axis=1))[:12]
    strip = np.stack([np.arange(10), np.arange(1, 11), np.arange(2, 12)], axis=1)
    add_mesh("lashes", (skin[along] + [0.0, -2.0, 0.0]) / 1000, strip.ravel(), np.full(10, 3))
    add_ball("far away", (900.0, 0.0, 0.0), 12.0)
    collection = baked.write_take(bpy.context, actor, take, np.eye(4), "shot")
    figures = {"notes": []}
    record = baked.record_take(scene, actor, "shot", "t.npz", figures, take.frames, collection)
    bpy.ops.object.select_all(action="DESELECT")
    return record, along, take


def test_objects_of_their_own_go_with_what_they_are(scene, shot):
    record, along, take = shot
    bpy.data.objects["upper"].constraints.new("COPY_LOCATION").name = "Mine"
    before = {name: bpy.data.objects[name].matrix_world.copy() for name in (*EYES_MM, *TEETH_MM)}
    assert bpy.ops.aim.objects_hang() == {"FINISHED"}
    bpy.data.objects["upper"].constraints.clear()
    items = record.collection.objects
    assert not any("upper" in item.name or "far away" in item.name for item in items)
    assert bpy.ops.aim.objects_hang() == {"FINISHED"}  # once more, which replaces the copies
    copies = {name: items[f"{record.collection.name} {name}"] for name in (*EYES_MM, *TEETH_MM, "lashes")}
    assert sum("lashes" in item.name for item in items) == 1
    groups = {name: [group.name for group in copy.vertex_groups] for name, copy in copies.items()}
    assert groups == {
        "ball left": ["eye.L"],
        "ball right": ["eye.R"],
        "upper": ["head"],
        "lower": ["jaw"],
        "lashes": [],
    }
    skin = next(item for item in items if item.type == "MESH" and item.data.shape_keys)
    widest = int(np.abs(take.jaw[:, :3, :3] - np.eye(3)).max((1, 2)).argmax())
    scene.frame_set(int(take.frames[widest]))
    rest = headless.extension_module("aim_blender.scene.basics.meshes").read_positions(bpy.data.objects["lower"].data)
    motion = take.head[widest] @ take.jaw[widest]
    assert np.abs(shown(copies["lower"]) - (rest @ motion[:3, :3].T + motion[:3, 3])).max() < 1e-5
    follows = shown(copies["lashes"]) - shown(skin)[along]
    assert np.abs(np.linalg.norm(follows, axis=1) - 0.002).max() < 0.001
    for name, matrix in before.items():
        assert bpy.data.objects[name].matrix_world == matrix
        assert bpy.data.objects[name].parent is None


def test_eyes_follow_a_target_instead_of_their_keys(scene, shot):
    record = shot[0]
    with pytest.raises(RuntimeError, match="no eye bones"):
        bpy.ops.aim.gaze_follow()
    bpy.ops.aim.objects_hang()
    gaze = headless.extension_module("aim_blender.scene.baking.gaze")
    armature = gaze.armature_of(record)
    bone = armature.pose.bones["eye.L"]
    bone.rotation_euler = (0.1, 0.0, 0.2)
    for frame in (1, FRAMES):
        bone.keyframe_insert("rotation_euler", frame=frame)
    scene.frame_set(3)
    by_keys = np.array(bone.matrix)
    bpy.ops.aim.gaze_follow()
    target = next(item for item in record.collection.objects if item.type == "EMPTY")
    target.location += Vector((0.05, 0.0, 0.02))
    bpy.context.view_layer.update()
    looks = (armature.matrix_world @ bone.matrix).col[1].to_3d()
    wanted = target.matrix_world.translation - armature.matrix_world @ bone.head
    assert np.rad2deg(looks.angle(wanted)) < 0.1
    bpy.ops.aim.gaze_follow(target="far away")  # another one, by the same constraint
    assert [each.target.name for each in bone.constraints] == ["far away"]
    armature["look_at"] = 0.0
    armature.keyframe_insert('["look_at"]', frame=3)
    armature.update_tag()
    scene.frame_set(3)
    assert np.allclose(np.array(bone.matrix), by_keys, atol=1e-6)
    bpy.ops.aim.gaze_release()
    assert not len(bone.constraints)
    assert np.allclose(np.array(bone.matrix), by_keys, atol=1e-6)
    with pytest.raises(RuntimeError, match="follow no target"):
        bpy.ops.aim.gaze_release()


def test_a_part_is_corrected_in_the_list(scene, shot):
    choices = headless.extension_module("aim_blender.scene.actors.part_choices")
    actor = scene.aim.actors[0]
    assert choices.part_rows(actor) == []
    rows = [
        {"name": "skull_1", "kind": "skull", "vertices": 9},
        {"name": "jaw_1", "kind": "jaw", "found": "jaw_1 + follows_1", "vertices": 5},
    ]
    actor.figures, actor.parts = json.dumps({"parts": rows}), "follows_1=jaw"
    assert [(row.chosen, row.waits) for row in choices.part_rows(actor)] == [("skull", False), ("jaw", False)]
    bpy.ops.aim.part_choose(part="skull_1", kind="still")
    assert actor.parts == "follows_1=jaw, skull_1=still"
    assert [row.waits for row in choices.part_rows(actor)] == [True, False]
    bpy.ops.aim.part_choose(part="jaw_1", kind="bends")
    bpy.ops.aim.part_choose(part="skull_1", kind="skull")
    assert actor.parts == "jaw_1=bends, follows_1=bends"
    with pytest.raises(RuntimeError, match="no part 'hat'"):
        bpy.ops.aim.part_choose(part="hat", kind="skull")
