# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in images: Blender's cameras as the worker has them, a clip's tracks, files, and fits to them."""

import json

import bpy
import headless
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from scenes import TAKE_FRAMES, add_mesh, face, shown

WIDTH, HEIGHT = 640, 480


@pytest.fixture
def images(extension):
    return headless.extension_module("aim_blender.scene.fitting.image_points")


def add_camera(name="Camera", **choices) -> bpy.types.Object:
    """A camera half a metre in front of the face, which looks along Y."""
    item = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    bpy.context.scene.collection.objects.link(item)
    item.location, item.rotation_euler = (0.05, -0.6, 0.03), (np.pi / 2 + 0.02, 0.01, 0.04)
    for each, value in choices.items():
        setattr(item.data, each, value)
    bpy.context.view_layer.update()
    return item


def pixels(item, points, width, height) -> np.ndarray:
    """(P, 2) where Blender says that points of the scene are seen, from the upper left corner."""
    found = [world_to_camera_view(bpy.context.scene, item, Vector(point)) for point in points]
    return np.array([(each.x * width, (1.0 - each.y) * height) for each in found])


@pytest.mark.parametrize(
    "resolution", [(1920, 1080, 100, 1.0, 1.0), (500, 900, 50, 1.0, 1.0), (720, 576, 100, 1.0, 1.5)]
)
@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
def test_a_camera_sees_what_blender_says(scene, images, resolution, fit):
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = resolution[:3]
    render.pixel_aspect_x, render.pixel_aspect_y = resolution[3:]
    item = add_camera(lens=41.0, sensor_width=30.0, sensor_height=17.0, sensor_fit=fit, shift_x=0.11, shift_y=-0.07)
    item.scale = (2.0, 2.0, 2.0)  # a camera's scale changes nothing
    holder = bpy.data.objects.new("holder", None)
    scene.collection.objects.link(holder)
    holder.rotation_euler, holder.location = (0.1, -0.2, 0.15), (0.02, 0.01, -0.03)
    item.parent = holder
    bpy.context.view_layer.update()
    points = np.random.default_rng(2).uniform((-0.1, -0.1, -0.12), (0.1, 0.1, 0.12), (40, 3))
    frame = np.eye(4)
    frame[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    frame[:3, 3] = 0.3, -0.2, 0.1
    camera = images.camera_of(scene, item, frame, 1000.0)
    local = 1000.0 * (points - frame[:3, 3]) @ frame[:3, :3]
    share = resolution[2] / 100
    wanted = pixels(item, points, resolution[0] * share, resolution[1] * share)
    assert camera.size.tolist() == [resolution[0] * share, resolution[1] * share]
    assert np.abs(camera.project(local) - wanted).max() < 2e-3
    assert np.ptp(wanted, axis=0).min() > 50


def test_what_is_no_camera_to_fit_by_is_said(scene, images):
    item = add_camera(type="ORTHO")
    with pytest.raises(Exception, match="'Camera' is no perspective camera"):
        images.camera_of(scene, item, np.eye(4), 1000.0)


def add_clip(folder) -> bpy.types.MovieClip:
    image = bpy.data.images.new("plate", WIDTH, HEIGHT)
    image.filepath_raw, image.file_format = str(folder / "plate.png"), "PNG"
    image.save()
    clip = bpy.data.movieclips.load(str(folder / "plate.png"))
    assert tuple(clip.size) == (WIDTH, HEIGHT)
    return clip


def perform(actor) -> bpy.types.Object:
    """An object where the neutral stands, that opens its mouth and turns over the take's frames."""
    rest, opened = (
        np.array([vertex.co for vertex in item.data.vertices]) for item in (actor.neutral, actor.shapes[0].object)
    )
    item = add_mesh("truth", rest, *face()[1:])
    item.shape_key_add(name="Basis")
    key = item.shape_key_add(name="open")
    key.points.foreach_set("co", opened.astype(np.float32).ravel())
    for frame, value in ((1, 0.0), (TAKE_FRAMES, 1.0)):
        key.value, item.rotation_euler.z = value, 0.15 * value
        key.keyframe_insert("value", frame=frame)
        item.keyframe_insert("rotation_euler", frame=frame)
    return item


def track(clip, item, camera, vertices, start=1) -> None:
    """Tracks that lie where the camera sees the object's vertices; the clip's first image is at frame `start`."""
    clip.frame_start = start
    for vertex in vertices:
        clip.tracking.tracks.new(name=f"dot {vertex}", frame=1)
    for frame in range(1, TAKE_FRAMES + 1):
        bpy.context.scene.frame_set(frame)
        seen = pixels(camera, shown(item)[vertices], WIDTH, HEIGHT)
        for vertex, (x, y) in zip(vertices, seen, strict=True):
            clip.tracking.tracks[f"dot {vertex}"].markers.insert_frame(
                frame - start + 1, co=(x / WIDTH, 1.0 - y / HEIGHT)
            )


def close_to_truth(scene, item, camera_pixels=0.5) -> None:
    """The take's result is seen where the performance is seen, in the last frame."""
    take = scene.aim.takes[-1]
    skin = next(each for each in take.collection.objects if each.type == "MESH" and "teeth" not in each.name)
    scene.frame_set(TAKE_FRAMES)
    found, truth = shown(skin), shown(item)
    camera = scene.objects["Camera"]
    assert np.abs(pixels(camera, found, WIDTH, HEIGHT) - pixels(camera, truth, WIDTH, HEIGHT)).mean() < camera_pixels
    assert np.linalg.norm(found - truth, axis=1).mean() < 0.004  # 4 mm, at 600


@pytest.mark.parametrize("moving", [False, True])
def test_a_clips_tracks_are_fitted(learned, images, tmp_path, moving):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    actor = scene.aim.actors[0]
    item, camera = perform(actor), add_camera(lens=60.0, shift_x=0.05)
    if moving:
        for frame, place in ((1, camera.location.x), (TAKE_FRAMES, camera.location.x + 0.06)):
            camera.location.x = place
            camera.keyframe_insert("location", frame=frame)
    scene.camera = camera
    clip = add_clip(tmp_path)
    vertices = list(range(0, 168, 2))
    track(clip, item, camera, vertices, start=-4 if moving else 1)
    scene.aim.performance_kind = "IMAGES"
    bpy.ops.aim.view_add(clip=clip.name)
    bpy.ops.aim.image_landmarks_list()
    sources = scene.aim.sources
    assert [each.vertex for each in sources.landmarks] == [-1] * len(vertices)
    for vertex in vertices[:-1]:
        bpy.ops.aim.image_landmark_pick(name=f"dot {vertex}", vertex=vertex)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)  # the map is kept in the file
    scene = bpy.context.scene
    scene.aim.use_scene_range, scene.aim.frame_end = False, TAKE_FRAMES
    bpy.ops.aim.performance_fit()
    figures = json.loads(scene.aim.takes[0].figures)
    assert figures["fit_points"] == len(vertices) - 1
    assert figures["fit_cameras"] == (TAKE_FRAMES if moving else 1)
    assert figures["fit_mean_px"] < 0.3
    close_to_truth(scene, scene.objects["truth"])


def test_two_cameras_and_a_file(learned, images, tmp_path):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    actor = scene.aim.actors[0]
    item, left = perform(actor), add_camera(lens=60.0)
    right = add_camera("Right", lens=50.0)
    right.location, right.rotation_euler.z = (0.4, -0.5, 0.0), 0.65
    clip = add_clip(tmp_path)
    vertices = list(range(0, 168, 3))
    track(clip, item, left, vertices)
    lines = ["frame,camera,name,x,y"]
    for frame in range(1, TAKE_FRAMES + 1):
        scene.frame_set(frame)
        seen = pixels(right, shown(item)[vertices], WIDTH, HEIGHT)
        lines += [f"{frame},Right,dot {v},{x:.3f},{y:.3f}" for v, (x, y) in zip(vertices, seen, strict=True)]
    (tmp_path / "right.csv").write_text("\n".join(lines) + "\n")
    bpy.ops.aim.view_add(camera="Camera", clip=clip.name)
    bpy.ops.aim.view_add(camera="Right", file=str(tmp_path / "right.csv"))
    for vertex in vertices:
        bpy.ops.aim.image_landmark_pick(name=f"dot {vertex}", vertex=vertex)
    scene.aim.performance_kind = "IMAGES"
    scene.aim.use_scene_range, scene.aim.frame_end = False, TAKE_FRAMES
    bpy.ops.aim.performance_fit()
    figures = json.loads(scene.aim.takes[0].figures)
    assert figures["fit_cameras"] == 2
    close_to_truth(scene, item)


def test_a_lens_is_distorted_as_the_clip_says(scene, images, tmp_path):
    clip, item = add_clip(tmp_path), add_camera(lens=60.0)
    lens = clip.tracking.camera
    lens.k1, lens.k2, lens.k3 = -0.1, 0.02, 0.003
    camera = images.camera_of(scene, item, np.eye(4), 1000.0, clip)
    assert np.allclose(camera.distortion, [-0.1, 0.02, 0, 0, 0.003])
    lens.distortion_model = "DIVISION"
    lens.division_k1 = 0.1
    with pytest.raises(Exception, match="distorted by the model Division; solve it with the polynomial model"):
        images.camera_of(scene, item, np.eye(4), 1000.0, clip)
    lens.division_k1 = 0.0
    assert not images.camera_of(scene, item, np.eye(4), 1000.0, clip).distortion.any()


def test_what_is_missing_is_said(learned, images, tmp_path):
    scene = bpy.context.scene
    scene.aim.performance_kind = "IMAGES"
    with pytest.raises(RuntimeError, match="There is no view yet"):
        bpy.ops.aim.performance_fit()
    bpy.ops.aim.view_add()
    with pytest.raises(RuntimeError, match="A view has no camera"):
        bpy.ops.aim.image_landmarks_list()
    scene.aim.sources.views[0].camera = add_camera()
    with pytest.raises(RuntimeError, match="has no clip and no file"):
        bpy.ops.aim.image_landmarks_list()
    clip = add_clip(tmp_path)
    scene.aim.sources.views[0].clip = clip
    with pytest.raises(RuntimeError, match="No view shows a point"):
        bpy.ops.aim.image_landmarks_list()
    clip.tracking.tracks.new(name="menton", frame=1)
    known = scene.aim.actors[0].landmarks.add()
    known.name, known.vertex = "menton", 12
    bpy.ops.aim.image_landmarks_list()
    assert scene.aim.sources.landmarks["menton"].vertex == 12  # the actor's own landmark
    scene.aim.sources.landmarks["menton"].vertex = -1
    with pytest.raises(RuntimeError, match="No point of the images has a vertex yet"):
        bpy.ops.aim.performance_fit()
    (tmp_path / "bad.json").write_text('{"points": ["a"]}')
    scene.aim.sources.views[0].file = str(tmp_path / "bad.json")
    with pytest.raises(RuntimeError, match=r"bad\.json cannot be read as points of images: 'frames' is missing"):
        bpy.ops.aim.image_landmarks_list()
