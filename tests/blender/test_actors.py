# SPDX-License-Identifier: GPL-3.0-or-later
"""Actors from what an artist selects: read right wherever the meshes stand, refused in one sentence otherwise."""

from typing import Any

import bmesh
import bpy
import headless
import numpy as np
import pytest
from mathutils import Matrix
from scenes import add_capture, add_mesh, expression, face, select


def actor():
    state = bpy.context.scene.aim
    return state.actors[state.active_actor]


def read():
    """(N+1, V, 3) the active actor's shapes in millimetres."""
    module = headless.extension_module("aim_blender.scene.actors.actors")
    return module.read_actor(actor())().capture_arrays(actor().millimetres_per_unit)["vertices"]


def expected(count: int = 4) -> np.ndarray:
    vertices = face()[0]
    return np.stack([vertices, *(vertices + expression(vertices, number) for number in range(1, count + 1))])


def refused(**arguments) -> str:
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.aim.actor_add(**arguments)
    assert len(bpy.context.scene.aim.actors) == 0
    return str(caught.value).removeprefix("Error: ").strip()


def test_meshes_in_one_place(scene):
    items = add_capture()
    before = [np.array([vertex.co for vertex in item.data.vertices]) for item in items]
    bpy.ops.aim.actor_add(name="Actor")
    assert actor().name == "Actor"
    assert actor().neutral == items[0]
    assert [shape.name for shape in actor().shapes] == ["shape 1", "shape 2", "shape 3", "shape 4"]
    assert actor().millimetres_per_unit == 1000
    assert np.abs(read() - expected()).max() < 1e-4
    for item, points in zip(items, before, strict=True):
        assert np.array_equal(points, [vertex.co[:] for vertex in item.data.vertices])


def test_meshes_in_a_row(scene):
    for number, item in enumerate(add_capture()):
        item.location = (0.3 * number + 1, 2, 0)
    bpy.context.view_layer.update()
    bpy.ops.aim.actor_add()
    assert np.abs(read() - expected()).max() < 1e-3


def test_meshes_with_origins_of_their_own(scene):
    for number, item in enumerate(add_capture()):
        offset = Matrix.Translation((0.05 * number, -0.1, 0.02 * number))
        item.data.transform(offset.inverted())
        item.matrix_world = offset
    bpy.context.view_layer.update()
    bpy.ops.aim.actor_add()
    found, wanted = read(), expected()
    # The actor's space starts at the neutral's own origin.
    assert np.abs((found - found[0, 0]) - (wanted - wanted[0, 0])).max() < 1e-3


def test_rotated_and_scaled_objects(scene):
    turn = Matrix.Rotation(np.radians(90), 4, "X")
    for number, item in enumerate(add_capture(units_per_millimetre=0.1)):
        item.matrix_world = Matrix.Translation((0.4 * number, 0, 0)) @ turn @ Matrix.Diagonal((0.01, 0.01, 0.01, 1))
    bpy.context.view_layer.update()
    bpy.ops.aim.actor_add()
    assert actor().millimetres_per_unit == 1000
    assert np.abs(read() - expected()).max() < 1e-3


def test_one_scaled_otherwise(scene):
    items = add_capture()
    items[2].data.transform(Matrix.Scale(0.5, 4))
    items[2].scale = (2, 2, 2)
    bpy.context.view_layer.update()
    bpy.ops.aim.actor_add()
    assert np.abs(read() - expected()).max() < 1e-3


def test_shape_keys(scene):
    vertices, corners, sizes = face()
    item = add_mesh("head", vertices / 1000, corners, sizes)
    item.shape_key_add(name="Basis")
    for number in range(1, 5):
        key = item.shape_key_add(name=f"shape {number}")
        key.points.foreach_set("co", ((vertices + expression(vertices, number)) / 1000).astype(np.float32).ravel())
        key.value = 0.5
    item.shape_key_add(name="--- more ---", from_mix=False)
    muted = item.shape_key_add(name="muted", from_mix=False)
    muted.points[0].co.x += 1
    muted.mute = True
    select([item])
    bpy.ops.aim.actor_add()
    assert [shape.shape_key for shape in actor().shapes] == [f"shape {number}" for number in range(1, 5)]
    assert np.abs(read() - expected()).max() < 1e-3


def test_shape_key_of_a_group_and_of_another_key(scene):
    """A key is read as Blender shows it alone at 1, whatever it is relative to and whatever group masks it."""
    vertices, corners, sizes = face()
    item = add_mesh("head", vertices / 1000, corners, sizes)
    item.shape_key_add(name="Basis")
    group = item.vertex_groups.new(name="left")
    group.add([index for index, point in enumerate(vertices) if point[0] > 0], 0.7, "REPLACE")
    for number in (1, 2):
        key = item.shape_key_add(name=f"shape {number}")
        key.points.foreach_set("co", ((vertices + expression(vertices, number)) / 1000).astype(np.float32).ravel())
    keys = item.data.shape_keys.key_blocks
    keys["shape 1"].vertex_group = "left"
    keys["shape 2"].relative_key = keys["shape 1"]
    select([item])
    bpy.ops.aim.actor_add()
    found = read()
    for number in (1, 2):
        for key in keys:
            key.value = 1.0 if key.name == f"shape {number}" else 0.0
        mesh = item.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        assert np.abs(found[number] / 1000 - [vertex.co for vertex in mesh.vertices]).max() < 1e-6


def test_bones_are_taken_by_name(scene):
    items = add_capture()
    vertices, corners, sizes = face(6, 6)
    skull = add_mesh("Skull.001", vertices * 0.0008, corners, sizes)
    jaw = add_mesh("my_jaw_bone", vertices * 0.0005, corners, sizes)
    jaw.location = (2, 0, 0)
    select([*items, skull, jaw])
    bpy.ops.aim.actor_add()
    assert (actor().skull, actor().mandible) == (skull, jaw)
    assert len(actor().shapes) == 4
    module = headless.extension_module("aim_blender.scene.actors.actors")
    arrays = module.read_actor(actor())().capture_arrays(1000)
    assert np.abs(arrays["skull_vertices"] - vertices * 0.8).max() < 1e-3
    assert np.abs(arrays["mandible_vertices"] - vertices * 0.5).max() < 1e-3  # although it stands aside
    actor().mandible = None
    with pytest.raises(Exception, match="no mandible"):
        module.read_actor(actor())()


@pytest.mark.parametrize(
    ("units_per_millimetre", "scale_length", "found"),
    [(0.001, 1.0, 1000.0), (0.1, 1.0, 10.0), (1.0, 1.0, 1.0), (0.1, 0.01, 10.0), (1 / 25.4, 1.0, 25.4)],
)
def test_unit_is_guessed(scene, units_per_millimetre, scale_length, found):
    scene.unit_settings.scale_length = scale_length
    add_capture(units_per_millimetre=units_per_millimetre)
    bpy.ops.aim.actor_add()
    assert actor().millimetres_per_unit == pytest.approx(found)


def test_given_unit_is_kept(scene):
    add_capture(units_per_millimetre=1.0)
    bpy.ops.aim.actor_add(millimetres_per_unit=1.5)
    assert actor().millimetres_per_unit == 1.5


def test_a_unit_that_makes_no_head_is_said(scene, capfd):
    add_capture(units_per_millimetre=1.0)
    bpy.ops.aim.actor_add(millimetres_per_unit=100)
    assert actor().millimetres_per_unit == 100
    said = capfd.readouterr().out
    assert "no head's size" in said
    assert "Millimetres per Unit" in said


def test_keys_that_hide_the_head_are_left_out(scene, capfd):
    item = add_capture()[0]
    select([item])
    item.shape_key_add(name="Basis")
    for name, number in (("smile", 1), ("hide", 0)):
        key = item.shape_key_add(name=name, from_mix=False)
        vertices = face()[0]
        moved = (vertices + expression(vertices, 1)) if number else vertices * 0.0
        key.points.foreach_set("co", (moved * 0.001).astype(np.float32).ravel())
    bpy.ops.aim.actor_add()
    assert [shape.name for shape in actor().shapes] == ["smile"]
    assert "hide: it draws the head together" in capfd.readouterr().out


def test_modifiers_that_are_not_read_are_said(scene, capfd):
    items = add_capture()
    items[1].modifiers.new("Both Sides", "MIRROR")
    items[2].modifiers.new("Smooth", "SUBSURF")
    items[3].modifiers.new("Off", "MIRROR").show_viewport = False
    bpy.ops.aim.actor_add()
    said = capfd.readouterr().out
    assert "meshes are read without modifiers: 'Both Sides' of 'shape 1'; apply what belongs to the face" in said


def test_names_stay_apart(scene):
    add_capture()
    for _ in range(3):
        bpy.ops.aim.actor_add(name="Zoë 顔")
    assert [each.name for each in scene.aim.actors] == ["Zoë 顔", "Zoë 顔 2", "Zoë 顔 3"]
    assert len({each.identifier for each in scene.aim.actors}) == 3


def test_renamed_and_deleted_objects(scene):
    items = add_capture()
    bpy.ops.aim.actor_add()
    items[1].name = "renamed"
    read()
    bpy.data.objects.remove(items[1])
    with pytest.raises(Exception, match="the mesh of 'shape 1' was deleted"):
        read()
    bpy.ops.aim.shape_remove(index=0)
    assert len(read()) == 4


def test_shapes_renamed_alike(scene):
    add_capture()
    bpy.ops.aim.actor_add()
    actor().shapes[2].name = "shape 1"
    with pytest.raises(Exception, match="two shapes of 'neutral' are called 'shape 1'"):
        read()


# -- bad input --------------------------------------------------------------------------------------------------------


def test_too_few(scene):
    select(add_capture(0))
    assert "Only 'neutral' is selected and it has no shape keys" in refused()


def test_other_vertex_count(scene):
    items = add_capture()
    items.append(add_mesh("coarse", *(face(6, 6))))
    select(items)
    assert "'coarse' has 36 vertices but 'neutral' has 168" in refused()


def test_other_faces(scene):
    mesh: Any = add_capture()[3].data
    working = bmesh.new()
    working.from_mesh(mesh)
    bmesh.ops.triangulate(working, faces=working.faces[:1])
    working.to_mesh(mesh)
    assert "'shape 3' has 144 faces but 'neutral' has 143" in refused()


def test_not_a_number(scene):
    items = add_capture()
    items[2].data.vertices[5].co.x = float("nan")
    sentence = refused()
    assert "'shape 2'" in sentence and "not a number" in sentence


def test_shuffled(scene):
    items = add_capture()
    random = np.random.default_rng(0)
    points = np.array([vertex.co for vertex in items[4].data.vertices])[random.permutation(168)]
    items[4].data.vertices.foreach_set("co", points.ravel())
    sentence = refused()
    assert "'shape 4'" in sentence and "shuffled" in sentence


@pytest.mark.parametrize("index", [0, 2])
def test_negative_scale(scene, index):
    items = add_capture()
    items[index].scale.x = -1
    bpy.context.view_layer.update()
    assert f"{items[index].name!r} has a negative scale" in refused()


def test_absolute_shape_keys(scene):
    item = add_mesh("head", *face())
    item.shape_key_add(name="Basis")
    item.shape_key_add(name="smile").points[0].co.x += 1
    item.data.shape_keys.use_relative = False
    select([item])
    assert "absolute" in refused()


def test_two_skulls(scene):
    items = add_capture()
    items += [add_mesh("skull", *face(6, 6)), add_mesh("skull copy", *face(6, 6))]
    select(items)
    assert "Both 'skull' and 'skull copy'" in refused()


def test_grey_button_says_why(scene):
    with pytest.raises(RuntimeError, match="click the neutral last"):
        bpy.ops.aim.actor_add()
    with pytest.raises(RuntimeError, match="Make an actor first"):
        bpy.ops.aim.actor_learn()
    add_capture()
    bpy.ops.aim.actor_add()
    with pytest.raises(RuntimeError, match="Learn the actor first"):
        bpy.ops.aim.performance_fit()


def test_faces_are_told_apart_without_their_sizes(scene):
    meshes = headless.extension_module("aim_blender.scene.basics.meshes")
    points = np.random.default_rng(3).normal(size=(9, 3))
    # The corners are the same, and the faces not: a pentagon and a triangle, or two quads.
    corners = np.array([0, 1, 2, 3, 4, 5, 6, 7])
    made = [meshes.make_mesh("m", points, corners, np.array(sizes)) for sizes in ((5, 3), (4, 4), (4, 4), (8,))]
    same = [[meshes.same_faces(one, other) for other in made] for one in made]
    assert same == [
        [True, False, False, False],
        [False, True, True, False],
        [False, True, True, False],
        [False, False, False, True],
    ]
    fan = [meshes.make_mesh("m", points, np.array([0, 1, 2, 0, 3, 4]), np.array(sizes)) for sizes in ((3, 3), (3, 3))]
    assert meshes.same_faces(*fan)
    fan[1].attributes[".corner_vert"].data[1].value = 5
    assert not meshes.same_faces(*fan)
