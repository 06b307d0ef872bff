# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks and the trusted region: suggested by the face, corrected by hand, and what learning is given."""

from pathlib import Path

import bmesh
import bpy
import headless
import numpy as np
import pytest
from scenes import prepared


@pytest.fixture
def demo(scene, shape_alone):
    bpy.ops.aim.demo_actor_add()
    return scene.aim.actors[0]


def vertices_by_name(demo) -> dict[str, int]:
    return {each.name: each.vertex for each in demo.landmarks}


def test_landmarks_are_suggested_and_corrected(demo):
    assert bpy.ops.aim.landmarks_suggest() == {"FINISHED"}
    first = vertices_by_name(demo)
    points = demo.neutral.data.vertices
    assert points[first["nose_tip"]].co.y < points[first["nasion"]].co.y  # the face looks towards -Y
    assert points[first["gonion.L"]].co.x > 0 > points[first["gonion.R"]].co.x
    assert points[first["menton"]].co.z < points[first["stomion"]].co.z < points[first["glabella"]].co.z
    assert not any(each.picked for each in demo.landmarks)
    bpy.ops.aim.landmark_pick(name="menton", vertex=17)
    demo.active_landmark = demo.landmarks.find("nasion")
    bpy.ops.aim.landmark_remove()
    assert "nasion" not in vertices_by_name(demo)
    bpy.ops.aim.landmarks_suggest()
    assert vertices_by_name(demo) == {**first, "menton": 17}
    assert [each.name for each in demo.landmarks if each.picked] == ["menton"]


def test_the_workers_face_detector_is_asked_first(demo, monkeypatch):
    bpy.ops.aim.landmarks_suggest()
    alone = vertices_by_name(demo)
    monkeypatch.undo()
    environment = headless.extension_module("aim_blender.scene.jobs.environment")
    python = headless.extension_module("ops.basics.base").worker_interpreter(bpy.context)
    if not environment.has_video(python):
        pytest.skip("the face model is not here; python build.py environments fetches it")
    bpy.ops.aim.landmarks_suggest()
    asked, points = vertices_by_name(demo), demo.neutral.data.vertices
    assert set(asked) == set(alone)
    for name, vertex in {"mouth_corner.L": 2611, "mouth_corner.R": 2693}.items():  # picked by hand
        found, before = ((points[each[name]].co - points[vertex].co).length for each in (asked, alone))
        assert found < 0.003 < before, name


def test_a_worker_that_cannot_be_asked_is_said(demo):
    asking = headless.extension_module("aim_blender.scene.jobs.asking_landmarks")
    suggested, notes = asking.read_for_suggestion(demo, Path("no", "such", "python"))()
    assert "menton" in suggested
    assert "the face detector could not be asked" in notes[0]


def test_the_vertex_selected_in_edit_mode_is_picked(demo):
    bpy.ops.aim.landmarks_suggest()
    demo.active_landmark = demo.landmarks.find("pogonion")
    bpy.context.view_layer.objects.active = demo.neutral
    bpy.ops.object.mode_set(mode="EDIT")
    # Not through mesh.edges: writing their selection crashes bpy 5.0.
    working = bmesh.from_edit_mesh(demo.neutral.data)
    working.select_mode = {"VERT"}
    for vertex in working.verts:
        vertex.select_set(vertex.index == 321)
    working.select_flush(False)
    bmesh.update_edit_mesh(demo.neutral.data)
    assert bpy.ops.aim.landmark_pick() == {"FINISHED"}
    bpy.ops.object.mode_set(mode="OBJECT")
    assert vertices_by_name(demo)["pogonion"] == 321


def test_what_cannot_be_picked_is_said(demo):
    with pytest.raises(RuntimeError, match="No vertex is given; click on the neutral"):
        bpy.ops.aim.landmark_pick(name="menton")
    with pytest.raises(RuntimeError, match="There is no landmark called 'chin'"):
        bpy.ops.aim.landmark_pick(name="chin", vertex=3)
    with pytest.raises(RuntimeError, match="has no vertex 99999999"):
        bpy.ops.aim.landmark_pick(name="menton", vertex=99999999)
    with pytest.raises(RuntimeError, match="No landmark is chosen"):
        bpy.ops.aim.landmark_pick(vertex=3)


def test_the_mouse_finds_the_vertex_below_it(demo):
    """Also where a modifier shows another mesh, and the object stands turned and scaled."""
    from mathutils import Vector

    landmarks = headless.extension_module("aim_blender.scene.actors.landmarks")
    demo.neutral.modifiers.new("finer", "SUBSURF")
    demo.neutral.location, demo.neutral.rotation_euler, demo.neutral.scale = (3, 2, 1), (0.2, 0.3, 2.0), (2, 2, 2)
    bpy.context.view_layer.update()
    pointer = landmarks.Pointer(demo.neutral)
    matrix, points = demo.neutral.matrix_world, demo.neutral.data.vertices
    front = min(points, key=lambda each: each.co.y).index
    outside = matrix @ (points[front].co + Vector((0.0005, -0.5, 0.0005)))
    towards = (matrix @ points[front].co - matrix @ (points[front].co + Vector((0, -0.5, 0)))).normalized()
    assert pointer.vertex(outside, towards) == front
    assert pointer.vertex(outside, -towards) is None


def test_depths_are_the_tables_until_they_are_changed(demo):
    bpy.ops.aim.depths_reset()
    depths = {each.name: each for each in demo.depths}
    assert depths["pogonion"].millimetres == pytest.approx(13.0)
    assert not any(each.changed for each in demo.depths)
    depths["pogonion"].millimetres = 9.5
    assert [each.name for each in demo.depths if each.changed] == ["pogonion"]
    bpy.ops.aim.depths_reset()
    assert not any(each.changed for each in demo.depths)


def test_the_proposed_region_is_where_bone_shapes_the_skin(demo):
    tracing, vertex_groups = map(
        headless.extension_module, ("aim_blender.scene.actors.tracing", "aim_blender.scene.basics.vertex_groups")
    )
    bpy.ops.aim.landmarks_suggest()
    landmarks = vertices_by_name(demo)
    bpy.ops.aim.trusted_propose()
    weights = vertex_groups.read_vertex_group(demo.neutral, demo.neutral.vertex_groups[tracing.TRUSTED_GROUP])
    for name in ("supraglabella", "pogonion", "zygion.L", "gonion.R"):
        assert weights[landmarks[name]] > 0.9, name
    for name in ("nose_tip", "stomion", "mouth_corner.L", "mid_masseter.R", "supraglenoid.L", "mid_philtrum"):
        assert weights[landmarks[name]] < 0.1, name
    assert 0.05 < (weights >= 0.5).mean() < 0.25
    points = np.array([vertex.co for vertex in demo.neutral.data.vertices])
    assert weights[points[:, 1] > 0.06].max() == 0  # the back of the head
    mirrored = headless.extension_module("aim_blender.core.shared.demo.demo_actor").make_demo_actor().head.layout.mirror
    assert np.abs(weights - weights[mirrored]).mean() < 0.02


def test_painting_starts_with_the_proposal_and_keeps_what_was_painted(demo):
    tracing, vertex_groups = map(
        headless.extension_module, ("aim_blender.scene.actors.tracing", "aim_blender.scene.basics.vertex_groups")
    )
    assert bpy.ops.aim.trusted_paint() == {"FINISHED"}
    assert bpy.context.mode == "PAINT_WEIGHT"
    group = demo.neutral.vertex_groups[tracing.TRUSTED_GROUP]
    group.add([5], 0.75, "REPLACE")
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.aim.trusted_paint()
    assert vertex_groups.read_vertex_group(demo.neutral, group)[5] == pytest.approx(0.75)


def test_learning_is_given_what_was_painted(saved, demo):
    job_making = headless.extension_module("aim_blender.scene.jobs.job_making")
    tracing = headless.extension_module("aim_blender.scene.actors.tracing")

    def given() -> np.ndarray | None:
        folder = prepared(job_making.prepare_learning(demo, {}))
        with np.load(folder.path / "capture.npz") as archive:
            return archive["trusted"] if "trusted" in archive.files else None

    assert given() is None
    demo.neutral.vertex_groups.new(name=tracing.TRUSTED_GROUP).add([3, 4], 0.6, "REPLACE")
    weights = given()
    assert weights is not None
    assert np.flatnonzero(weights).tolist() == [3, 4]
    assert weights[3] == pytest.approx(0.6)
