# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender shows of a learned actor: the jaw of its shapes, exact where teeth tell it, and the learning curve."""

import json

import bpy
import headless
import numpy as np
import pytest
from scenes import TEETH_DEGREES, add_capture, add_capture_with_teeth, add_mesh, face, select


def actor():
    return bpy.context.scene.aim.actors[0]


def rows():
    results = headless.extension_module("aim_blender.scene.jobs.results")
    return results.jaw_rows(json.loads(actor().figures))


def test_jaw_is_what_the_teeth_do(learned):
    """The worker took the teeth's motion for the jaw's, and the panel's table shows what moves, the widest first."""
    assert [row["name"] for row in rows()] == ["shape 1", "shape 2"]
    assert [row["open_degrees"] for row in rows()] == pytest.approx(TEETH_DEGREES[:2], abs=0.05)
    assert all(abs(row["forward_mm"]) < 0.1 and abs(row["aside_mm"]) < 0.1 for row in rows())


def test_teeth_hang_on_the_jaw_bone(take):
    items = take.collection.objects
    copy = next(item for item in items if item.name.endswith("teeth"))
    assert copy.parent_bone == "jaw"
    assert copy.data.shape_keys is None
    assert len(bpy.data.objects["teeth"].data.shape_keys.key_blocks) == 1 + len(TEETH_DEGREES)


def test_jaw_points_are_in_the_neutrals_frame(scene):
    """Also where the actor stands elsewhere and the teeth have a scale and an origin of their own."""
    items = add_capture_with_teeth()
    teeth = bpy.data.objects["teeth"]
    plain = captured_jaw(items)
    scene.aim.actors.clear()
    for item in [*items, teeth]:
        item.rotation_euler, item.location = (0.2, -0.4, 0.9), (3, 2, 1)
    for key in teeth.data.shape_keys.key_blocks:
        points = np.array([point.co for point in key.points]) * 2
        key.points.foreach_set("co", points.astype(np.float32).ravel())
    teeth.scale = (0.5, 0.5, 0.5)
    bpy.context.view_layer.update()
    assert np.abs(captured_jaw(items) - plain).max() < 1e-3


def captured_jaw(items: list[bpy.types.Object]) -> np.ndarray:
    """(N+1, J, 3) jaw_points of the capture, in mm."""
    select(items)
    bpy.ops.aim.actor_add(name="Actor")
    actor().jaw = bpy.data.objects["teeth"]
    actors = headless.extension_module("aim_blender.scene.actors.actors")
    points = actors.read_actor(actor())().capture_arrays(1000.0)["jaw_points"]
    assert points.shape == (1 + len(TEETH_DEGREES), 12, 3)
    return points


def test_teeth_without_keys_are_refused(saved, scene):
    select(add_capture_with_teeth())
    bpy.ops.aim.actor_add(name="Actor")
    teeth = bpy.data.objects["teeth"]
    actor().jaw = teeth
    teeth.shape_key_remove(teeth.data.shape_keys.key_blocks["shape 3"])
    with pytest.raises(RuntimeError, match="jaw 'teeth' has no shape key called shape 3; it needs one for every shape"):
        bpy.ops.aim.actor_learn(iterations=10)
    actor().jaw = add_mesh("plain", *face(4, 4))
    with pytest.raises(RuntimeError, match="no shape key called shape 1, shape 2, shape 3 and 1 more"):
        bpy.ops.aim.actor_learn(iterations=10)
    assert not (saved / "aim").exists()


def test_learning_curve(learned):
    bpy.ops.aim.learning_curve_show()
    image = bpy.data.images["Actor.learning.png"]
    assert image.size[0] > 400
    bpy.ops.aim.learning_curve_show()
    assert len(bpy.data.images) == 1
    picture = learned / "aim" / "Actor" / "learn_001" / "Actor.learning.png"
    picture.write_bytes(b"no picture")
    with pytest.raises(RuntimeError, match=r"Actor\.learning\.png is damaged"):
        bpy.ops.aim.learning_curve_show()
    picture.unlink()
    with pytest.raises(RuntimeError, match="learning curve of 'Actor' is not beside its file"):
        bpy.ops.aim.learning_curve_show()


def test_shapes_that_show_the_same_are_left_out_or_kept_as_asked(saved, scene, worker):
    items = add_capture(2)
    points = [vertex.co[:] for vertex in items[1].data.vertices]
    select([*items, add_mesh("again", np.array(points), *face()[1:])])
    bpy.ops.aim.actor_add(name="Actor")
    for kept, said in (("", "1 shape is a copy of another and left out"), ("all", "1 shape is kept, as was asked")):
        scene.aim.learning.keep_shapes = kept
        bpy.ops.aim.actor_learn(iterations=2, hidden=8)
        notes = json.loads(actor().figures)["notes"]
        assert any(note.startswith(said) for note in notes), notes
