# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance is read from whatever changes an object's mesh, and only the current frame moves, and moves back."""

import bpy
import headless
import numpy as np
import pytest
from mathutils import Euler, Matrix
from scenes import add_capture, add_mesh, expression, face, select, shown


def reader(item, start=1, end=10, step=1, scale=1000.0):
    performances = headless.extension_module("aim_blender.scene.fitting.performances")
    meshes = headless.extension_module("aim_blender.scene.basics.meshes")
    neutral = next(each for each in bpy.data.objects if each.name.startswith("neutral"))
    topology = meshes.read_topology(neutral.data, neutral.name)
    frames = performances.frame_list(start, end, step)
    return performances.PerformanceReader(bpy.context.scene, item, frames, topology, "Actor", scale)


def read(item, **arguments):
    made = reader(item, **arguments)
    try:
        made.read()
    finally:
        made.close()
    return made


def add_moving_face() -> bpy.types.Object:
    """A face whose shape key, modifier and object all move over frames 1 to 10."""
    vertices, corners, sizes = face()
    item = add_mesh("performance", vertices / 1000, corners, sizes)
    item.shape_key_add(name="Basis")
    key = item.shape_key_add(name="smile")
    key.points.foreach_set("co", ((vertices + expression(vertices, 1)) / 1000).astype(np.float32).ravel())
    for frame, value in ((1, 0.0), (10, 1.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    bend = item.modifiers.new("Bend", "SIMPLE_DEFORM")
    bend.deform_method = "BEND"
    for frame, angle in ((1, 0.0), (10, 0.4)):
        bend.angle = angle
        bend.keyframe_insert("angle", frame=frame)
    for frame, turn in ((1, 0.1), (10, 0.5)):
        item.location, item.rotation_euler = (1 + turn, 2, 0.3), (turn, 0.2, 0)
        item.keyframe_insert("location", frame=frame)
        item.keyframe_insert("rotation_euler", frame=frame)
    item.scale = (1.1, 1.1, 1.1)
    return item


def test_frames_are_what_blender_shows(scene):
    add_capture()
    item = add_moving_face()
    scene.frame_set(7, subframe=0.25)
    made = read(item)
    assert (scene.frame_current, round(scene.frame_subframe, 6)) == (7, 0.25)
    assert made.frames.tolist() == list(range(1, 11))
    scene.frame_set(1)
    place = Matrix.LocRotScale(item.location, item.rotation_euler, None)
    assert np.abs(made.frame - np.array(place)).max() < 1e-6
    for index in range(10):
        scene.frame_set(index + 1)
        inside = shown(item) @ np.linalg.inv(made.frame)[:3, :3].T + np.linalg.inv(made.frame)[:3, 3]
        assert np.abs(made.vertices[index] - inside * 1000).max() < 1e-3
    assert np.abs(made.vertices[9] - made.vertices[0]).max() > 20


def test_a_stretch_at_a_time(scene):
    add_capture()
    item = add_moving_face()
    whole, pieces = read(item), reader(item)
    steps = 0
    while not pieces.finished:
        pieces.read(seconds=0.0)
        steps += 1
    pieces.close()
    assert steps == 10
    assert np.array_equal(whole.vertices, pieces.vertices)


def test_every_third_frame(scene):
    add_capture()
    item = add_moving_face()
    whole, third = read(item), read(item, step=3)
    assert third.frames.tolist() == [1, 4, 7, 10]
    assert np.array_equal(third.vertices, whole.vertices[::3])


def test_object_may_be_renamed_by_nobody_but_may_vanish(scene):
    add_capture()
    item = add_moving_face()
    made = reader(item)
    made.read(seconds=0.0)
    bpy.data.objects.remove(item)
    with pytest.raises(Exception, match="'performance' was removed while it was read"):
        made.read()
    made.close()


def test_saved_file_is_whole(scene, tmp_path):
    add_capture()
    made = read(add_moving_face())
    made.save(tmp_path / "performance.npz")
    with np.load(tmp_path / "performance.npz", allow_pickle=False) as archive:
        assert np.array_equal(archive["vertices"], made.vertices)
        assert archive["frames"].tolist() == list(range(1, 11))
        assert float(archive["fps"]) == 24.0
        assert str(archive["source"]) == made.name
    assert [file.name for file in tmp_path.iterdir()] == ["performance.npz"]


def test_demo_performance_is_its_truth(scene):
    bpy.ops.aim.demo_actor_add()
    demo = headless.extension_module("aim_blender.core.shared.demo.demo_actor").make_demo_actor()
    actor, state = scene.aim.actors[0], scene.aim
    actors = headless.extension_module("aim_blender.scene.actors.actors")
    arrays = actors.read_actor(actor)().capture_arrays(actor.millimetres_per_unit)
    assert list(arrays["names"]) == demo.names
    assert np.abs(arrays["vertices"] - demo.shapes).max() < 1e-3
    assert np.abs(arrays["skull_vertices"] - demo.skull_vertices).max() < 1e-3
    assert np.abs(arrays["mandible_vertices"] - demo.mandible_vertices).max() < 1e-3
    assert (state.frame_start, state.frame_end, state.use_scene_range) == (1, 144, False)
    performances = headless.extension_module("aim_blender.scene.fitting.performances")
    found = performances.PerformanceReader(
        scene, state.performance_object, performances.frame_list(1, 144, 1), demo.topology, "Demo", 1000.0
    )
    found.read()
    found.close()
    assert np.abs(found.vertices - demo.performance().vertices).max() < 1e-3
    assert not found.is_still


def test_demo_stands_beside_what_is_there(scene):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.aim.demo_actor_add()
    for item in bpy.data.objects:
        if item != cube:
            assert shown(item)[:, 0].min() > 1.0


# -- bad input --------------------------------------------------------------------------------------------------------


def test_empty_range(scene):
    add_capture()
    with pytest.raises(Exception, match="frame range is empty: it starts at 10 and ends at 9"):
        read(add_moving_face(), start=10, end=9)


def test_other_topology(scene):
    add_capture()
    item = add_mesh("coarse", *face(6, 6))
    with pytest.raises(Exception, match="'coarse at frame 1' has 36 vertices but 'neutral of Actor' has 168"):
        read(item)


def test_split_along_seams(scene):
    """As an importer of glTF leaves a mesh."""
    add_capture()
    vertices, corners, sizes = face()
    item = add_mesh("split", vertices[corners] / 1000, np.arange(len(corners)), sizes)
    with pytest.raises(Exception, match="has 572 vertices at 168 places: it was split along seams, as glTF"):
        read(item)


def test_modifier_that_changes_topology(scene):
    add_capture()
    item = add_moving_face()
    item.modifiers.new("Subdivision", "SUBSURF").levels = 1
    with pytest.raises(Exception, match=r"'performance at frame 1' has \d+ vertices"):
        read(item)


def test_not_a_number(scene):
    add_capture()
    item = add_moving_face()
    item.data.shape_keys.key_blocks["smile"].points[3].co.x = float("nan")
    with pytest.raises(Exception, match=r"'performance at frame 2' has .* not a number"):
        read(item)
    assert scene.frame_current == 1


def test_hidden(scene):
    add_capture()
    item = add_moving_face()
    item.hide_viewport = True
    with pytest.raises(Exception, match="'performance' is hidden"):
        read(item)


def test_not_a_mesh(scene):
    add_capture()
    empty = bpy.data.objects.new("empty", None)
    scene.collection.objects.link(empty)
    with pytest.raises(Exception, match="'empty' is no mesh"):
        read(empty)


def test_edit_mode(scene):
    add_capture()
    item = add_moving_face()
    select([item])
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        with pytest.raises(Exception, match="'performance' is in Edit Mode"):
            read(item)
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")


def test_neutral_elsewhere_does_not_matter(scene):
    """The frame of a performance is its own: where the neutral stands changes nothing."""
    neutral = add_capture()[0]
    item = add_moving_face()
    before = read(item)
    neutral.matrix_world = Matrix.Translation((5, 5, 5)) @ Euler((1, 1, 1)).to_matrix().to_4x4()
    after = read(item)
    assert np.array_equal(before.vertices, after.vertices)


def test_drivers_that_do_not_work_are_said(scene):
    """A key that is driven moves; one whose driver names what is gone stands still, which is said."""
    add_capture()
    vertices, corners, sizes = face()
    item = add_mesh("performance", vertices / 1000, corners, sizes)
    item.shape_key_add(name="Basis")
    control = bpy.data.objects.new("control", None)
    scene.collection.objects.link(control)
    targets = []
    for number, name in enumerate(("smile", "frown")):
        key = item.shape_key_add(name=name, from_mix=False)
        key.value = 0.0
        moved = vertices + expression(vertices, number)
        key.points.foreach_set("co", (moved / 1000).astype(np.float32).ravel())
        driver = key.driver_add("value").driver
        driver.type = "AVERAGE"
        targets.append(driver.variables.new().targets[0])
        targets[-1].id, targets[-1].data_path = control, "location.x"
    for frame, value in ((1, 0.0), (10, 1.0)):
        control.location.x = value
        control.keyframe_insert("location", frame=frame)
    made = read(item)
    assert not made.is_still
    assert made.remark == ""
    targets[1].data_path = "what_is_gone"
    made = read(item)
    assert not made.is_still
    assert made.remark.startswith('drivers that do not work hold key_blocks["frown"].value of the mesh data')
    assert "smile" not in made.remark
