# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances of points: empties that move, and files."""

import json

import bpy
import headless
import numpy as np
import pytest
from scenes import TAKE_FRAMES, select, shown


@pytest.fixture
def markers():
    return headless.extension_module("aim_blender.scene.fitting.markers")


def opened(actor) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) the neutral and the actor's first shape, in Blender units."""
    items = actor.neutral, actor.shapes[0].object
    neutral, shape = (np.array([vertex.co for vertex in item.data.vertices]) for item in items)
    return neutral, shape


def add_markers(actor, vertices, bound=True) -> bpy.types.Collection:
    """Empties that move from the neutral's vertices to the first shape's over the take's frames."""
    collection = bpy.data.collections.new("markers")
    bpy.context.scene.collection.children.link(collection)
    start, end = opened(actor)
    for vertex in vertices:
        item = bpy.data.objects.new(f"marker {vertex}", None)
        collection.objects.link(item)
        for frame, place in ((1, start), (TAKE_FRAMES, end)):
            item.location = place[vertex].tolist()
            item.keyframe_insert("location", frame=frame)
        if bound:
            item["aim_vertex"] = int(vertex)
    return collection


@pytest.mark.parametrize("bound", [True, False])
def test_empties_are_fitted(learned, bound):
    scene = bpy.context.scene
    actor = scene.aim.actors[0]
    collection = add_markers(actor, range(0, 168, 3), bound)
    scene.aim.performance_kind = "POINTS"
    scene.aim.sources.points = collection
    scene.aim.use_scene_range = False
    scene.aim.frame_end = TAKE_FRAMES
    scene.aim.beside = False
    bpy.ops.aim.performance_fit()
    take = scene.aim.takes[0]
    figures = json.loads(take.figures)
    assert (take.name, take.frame_start, take.frame_end) == ("markers", 1, TAKE_FRAMES)
    assert figures["fit_points"] == 56
    skin = next(item for item in take.collection.objects if item.type == "MESH" and "teeth" not in item.name)
    start, end = opened(actor)
    scene.frame_set(TAKE_FRAMES)
    moved = np.linalg.norm(end - start, axis=1).max()
    assert np.linalg.norm(shown(skin) - end, axis=1).max() < 0.2 * moved
    assert np.linalg.norm(shown(skin) - end, axis=1).mean() < 0.02 * moved


def test_points_of_a_file_are_fitted(learned, tmp_path):
    scene = bpy.context.scene
    start, end = opened(scene.aim.actors[0])
    lines = ["frame,name,x,y,z,vertex"]
    for frame in (1, 2, 3):
        places = 1000 * (start + (frame - 1) / 2 * (end - start))
        lines += [f"{frame},p{v},{','.join(f'{x:.4f}' for x in places[v])},{v}" for v in range(0, 168, 4)]
    (tmp_path / "points.csv").write_text("\n".join(lines) + "\n")
    bpy.ops.aim.performance_fit(folder=str(tmp_path / "points.csv"))
    assert scene.aim.takes[0].name == "points"
    assert json.loads(scene.aim.takes[0].figures)["fit_mean_mm"] < 0.3


def test_points_that_lie_in_a_room_are_fitted_by_a_map(learned, tmp_path):
    """As OpenFace writes them: of a camera, without vertices, and at another rate than the scene's."""
    scene = bpy.context.scene
    start, end = opened(scene.aim.actors[0])
    vertices, turn = list(range(0, 168, 4)), np.array([1.0, -1.0, -1.0])
    header = [f"{axis}_{i}" for axis in "XYZ" for i in range(len(vertices))]
    lines = [",".join(["frame", "timestamp", "confidence", "success", *header])]
    for frame in range(3):
        places = 1000 * (start + frame / 2 * (end - start))[vertices] * turn + [40.0, 20.0, 700.0]
        lines.append(",".join([str(frame + 1), f"{frame / 60:.4f}", "0.98", "1", *map(str, places.T.ravel())]))
    (tmp_path / "clip.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(RuntimeError, match="name each point's vertex"):
        bpy.ops.aim.performance_fit(folder=str(tmp_path / "clip.csv"))
    places = {f"landmark {i}": vertex for i, vertex in enumerate(vertices)}
    (tmp_path / "map.json").write_text(json.dumps(places))
    scene.aim.sources.landmarks_file = str(tmp_path / "map.json")
    scene.render.fps = 24
    bpy.ops.aim.performance_fit(folder=str(tmp_path / "clip.csv"))
    figures = json.loads(scene.aim.takes[0].figures)
    assert figures["fit_points"] == len(vertices)
    assert figures["fit_mean_mm"] < 0.3
    told = headless.extension_module("aim_blender.scene.jobs.results")._of_rate
    assert "it has 60 frames a second and the scene 24, so that it plays 2.5 times as slow" in told(60.0, 24.0)
    assert told(24000 / 1001, 24.0) == ""


def test_a_point_that_is_hidden_for_a_while_is_missing_there(learned, markers):
    scene = bpy.context.scene
    actor = scene.aim.actors[0]
    actor.neutral.location = (0.3, 0.1, 0)
    actor.neutral.rotation_euler.z = 0.5
    bpy.context.view_layer.update()
    collection = add_markers(actor, range(0, 168, 12))
    for item in collection.objects:
        item.parent = actor.neutral
    hidden = collection.objects["marker 24"]
    for frame, value in ((1, False), (3, True), (5, False)):
        hidden.hide_viewport = value
        hidden.keyframe_insert("hide_viewport", frame=frame)
    reader = markers.PointReader(scene, collection, np.arange(1, TAKE_FRAMES + 1), actor)
    reader.read()
    reader.close()
    column = reader.names.index("marker 24")
    gone = np.isnan(reader.positions).any(-1)
    assert np.flatnonzero(gone[:, column]).tolist() == [2, 3]
    assert gone.sum() == 2
    start, _ = opened(actor)
    assert np.abs(reader.positions[0] - 1000 * start[reader.vertices]).max() < 1e-2  # whatever stands turned


def test_handles_stand_on_the_neutral_and_are_bound(learned, markers):
    scene = bpy.context.scene
    actor = scene.aim.actors[0]
    actor.neutral.location = (0.3, 0.1, 0.2)
    actor.neutral.scale = (1.5, 1.5, 1.5)
    bpy.context.view_layer.update()
    assert bpy.ops.aim.handle_add(vertex=30) == {"FINISHED"}
    assert bpy.ops.aim.handle_add(vertex=90) == {"FINISHED"}
    assert scene.aim.performance_kind == "POINTS"
    bpy.context.view_layer.update()
    found = markers.points_of(scene.aim.sources.points)
    assert [markers.vertex_of(item) for item in found] == [30, 90]
    expected = shown(actor.neutral)[[30, 90]]
    assert np.abs(np.array([item.matrix_world.translation for item in found]) - expected).max() < 1e-6
    with pytest.raises(RuntimeError, match="Vertex 30 has a handle already"):
        bpy.ops.aim.handle_add(vertex=30)
    with pytest.raises(RuntimeError, match="has no vertex 5000"):
        bpy.ops.aim.handle_add(vertex=5000)
    bpy.ops.aim.point_bind(point=found[0].name, vertex=31)
    assert markers.vertex_of(found[0]) == 31


def test_selected_objects_become_the_points(learned, markers):
    scene = bpy.context.scene
    collection = add_markers(scene.aim.actors[0], (3, 40, 77))
    chosen = [collection.objects["marker 40"], collection.objects["marker 77"]]
    select(chosen)
    bpy.ops.aim.points_collect()
    assert markers.points_of(scene.aim.sources.points) == chosen


def test_what_is_no_source_of_points_is_said(learned):
    scene = bpy.context.scene
    scene.aim.performance_kind = "POINTS"
    with pytest.raises(RuntimeError, match="No points are picked"):
        bpy.ops.aim.performance_fit()
    scene.aim.sources.points = bpy.data.collections.new("nothing")
    with pytest.raises(RuntimeError, match="The collection 'nothing' is empty"):
        bpy.ops.aim.performance_fit()
    collection = add_markers(scene.aim.actors[0], (3, 40))
    collection.objects["marker 3"]["aim_vertex"] = "chin"
    with pytest.raises(RuntimeError, match="The property aim_vertex of 'marker 3' is 'chin'"):
        bpy.ops.aim.performance_fit(points="markers")
    with pytest.raises(RuntimeError, match="There is no collection 'elsewhere'"):
        bpy.ops.aim.performance_fit(points="elsewhere")
