# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in images: files, where they belong on the mesh, and fitting them."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest

from aim_blender.core.fitting import fitting_image_points
from aim_blender.core.fitting.driving import one_fit
from aim_blender.core.fitting.fitting_image_points import fit_image_points
from aim_blender.core.fitting.image_solver import _least_squares
from aim_blender.core.geometry.rigid import apply_motion, rigid_registration
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.points.image_points import (
    ImagePoints,
    LandmarkMap,
    bind_landmarks,
    read_image_points,
    read_landmark_map,
)
from aim_blender.core.shared.captured.cameras import Camera, blender_camera
from aim_blender.core.shared.captured.image_views import View
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.settings.point_settings import ImageFittingSettings
from tests.core.geometry import degrees_between, rigid

FRAMES = slice(2, 8)


def looking_at(target: np.ndarray, turn_degrees: float, name: str) -> Camera:
    """A camera 700 mm in front of the demo face, which looks towards -Y, turned aside about it."""
    upright = rigid((90.0, 0.0, 0.0), (0.0, -700.0, 0.0))
    turned = rigid((0.0, 0.0, turn_degrees), (0.0, 0.0, 0.0)) @ upright
    turned[:3, 3] += target
    return blender_camera(name, turned, (1920, 1080), 50.0)


@pytest.fixture(scope="module")
def cameras(demo_learned) -> list[Camera]:
    middle = demo_learned.neutral.mean(0)
    return [looking_at(middle, -15.0, "left"), looking_at(middle, 20.0, "right")]


@pytest.fixture(scope="module")
def vertices(demo_learned) -> np.ndarray:
    neutral = demo_learned.neutral
    return np.flatnonzero(neutral[:, 1] < np.quantile(neutral[:, 1], 0.5))[::20]


@pytest.fixture(scope="module")
def points(demo_shot, cameras, vertices) -> ImagePoints:
    seen = np.stack([camera.project(demo_shot.vertices[FRAMES][:, vertices].astype(float)) for camera in cameras], 1)
    seen += np.random.default_rng(0).normal(scale=0.3, size=seen.shape)
    names = tuple(f"track {vertex}" for vertex in vertices)
    frames = np.arange(1, len(seen) + 1, dtype=np.int32)
    frame_of, camera_of = (place.ravel() for place in np.indices(seen.shape[:2]))
    flat = seen.reshape(-1, *seen.shape[2:])
    confidence = np.ones(flat.shape[:2])
    return ImagePoints(names, ("left", "right"), flat, confidence, frame_of, camera_of, frames, 24.0, "tracks.csv")


@pytest.fixture(scope="module")
def landmarks(vertices) -> LandmarkMap:
    return LandmarkMap({f"track {vertex}": int(vertex) for vertex in vertices}, "map.json")


def one_camera(points: ImagePoints) -> ImagePoints:
    left = points.camera_of == 0
    kept = {name: getattr(points, name)[left] for name in ("positions", "confidence", "frame_of", "camera_of")}
    return dataclasses.replace(points, cameras=("left",), **kept)


def errors(actor, shot, take) -> tuple[float, float]:
    """Mean distance of the skin after rigid alignment in mm, and how far the worst head is turned in degrees."""
    found, wanted = evaluate_take(actor, take)["vertices"].astype(float), shot.vertices[FRAMES]
    even = np.ones((1, found.shape[1]))
    aligned = [apply_motion(f, rigid_registration(f, w[None], even))[0] for f, w in zip(found, wanted, strict=True)]
    off = np.linalg.norm(np.stack(aligned) - wanted, axis=-1).mean()
    return float(off), float(degrees_between(take.head, shot.head[FRAMES]).max())


@pytest.fixture(scope="module")
def clean_take(demo_learned, points, cameras, landmarks):
    """Of both cameras."""
    return fit_image_points(demo_learned, points, cameras, landmarks)


def test_one_camera_gives_head_and_face_and_a_second_helps(
    demo_learned, demo_shot, points, cameras, landmarks, clean_take
):
    lines = []
    take = fit_image_points(demo_learned, one_camera(points), cameras, landmarks, report=lines.append)
    off, turned = errors(demo_learned, demo_shot, take)
    assert off < 0.8
    assert turned < 1.0
    assert take.figures["mean_px"] < 1.5
    assert lines[-1]["done"] == lines[-1]["total"] == 6
    assert take.figures["cameras"] == 1
    two = errors(demo_learned, demo_shot, clean_take)
    assert two[0] < off
    assert two[1] < 1.0


def test_wrong_and_missing_tracks_hardly_matter(demo_learned, demo_shot, points, cameras, landmarks, clean_take):
    random = np.random.default_rng(1)
    some = random.random(points.positions.shape[:2])
    positions = points.positions.copy()
    positions[some < 0.03] += 80.0
    positions[some > 0.9] = np.nan
    spoilt = dataclasses.replace(points, positions=positions)
    take = fit_image_points(demo_learned, spoilt, cameras, landmarks)
    assert errors(demo_learned, demo_shot, take)[0] < 1.2 * errors(demo_learned, demo_shot, clean_take)[0]
    assert take.figures["outliers"] >= 0.9 * (some < 0.03).sum()
    doubted = dataclasses.replace(points, positions=np.where(some[..., None] > 0.9, 0.0, points.positions))
    doubted = dataclasses.replace(doubted, confidence=(some <= 0.9).astype(float))
    gone = dataclasses.replace(points, positions=np.where(some[..., None] > 0.9, np.nan, points.positions))
    few = ImageFittingSettings(modes=4)
    takes = [fit_image_points(demo_learned, each, cameras, landmarks, few) for each in (doubted, gone)]
    assert takes[0].coefficients == pytest.approx(takes[1].coefficients, abs=1e-5)


@pytest.mark.parametrize(("slide", "left"), [(-600.0, -350.0), (-2000.0, -350.0), (-100.0, -100.0), (900.0, 900.0)])
def test_no_step_takes_the_face_behind_a_camera(slide, left):
    """It stands 700 mm before the camera, which looks along +Y."""
    camera = looking_at(np.zeros(3), 0.0, "front")
    view = View([camera], np.zeros((1, 1, 2)), np.ones((1, 1)), 0.0)
    kept = view.kept_in_front(np.zeros(3), np.array([3.0, slide, 0.0]))
    np.testing.assert_allclose(kept, np.array([3.0, slide, 0.0]) * (left / slide), atol=1e-9)


def test_frames_with_too_few_points_are_filled_in(demo_learned, points, cameras, landmarks):
    positions = points.positions.copy()
    positions[points.frame_of == 3, 4:] = np.nan
    lost, few = dataclasses.replace(points, positions=positions), ImageFittingSettings(modes=4)
    take = fit_image_points(demo_learned, lost, cameras, landmarks, few)
    assert take.figures["missing_frames"] == [4]
    assert take.coefficients[3] == pytest.approx((take.coefficients[2] + take.coefficients[4]) / 2, abs=1e-5)
    positions[:] = np.nan
    with pytest.raises(InputError, match=r"tracks\.csv shows fewer than 6 known landmarks in every frame"):
        fit_image_points(demo_learned, dataclasses.replace(points, positions=positions), cameras, landmarks)


def test_errors_are_those_of_the_smoothed_take(demo_learned, points, cameras, landmarks, vertices, clean_take):
    smooth = fit_image_points(demo_learned, points, cameras, landmarks, ImageFittingSettings(temporal=4.0))

    def off(take):
        """(I, P) pixels."""
        found = evaluate_take(demo_learned, take)["vertices"][:, vertices].astype(float)
        seen = np.concatenate([[camera.project(frame) for camera in cameras] for frame in found])
        return np.linalg.norm(seen - points.positions, axis=-1)

    believed = off(clean_take)
    believed = believed < np.sort(believed, axis=None)[-clean_take.figures["outliers"]]
    assert smooth.figures["mean_px"] == pytest.approx(off(smooth)[believed].mean(), rel=0.1)
    assert smooth.figures["mean_px"] > 2 * clean_take.figures["mean_px"]


def test_a_still_head_stays(demo_learned, points, cameras, landmarks):
    take = fit_image_points(demo_learned, points, cameras, landmarks, ImageFittingSettings(head="still", modes=4))
    assert np.array_equal(take.head, np.tile(np.eye(4), (6, 1, 1)))


@pytest.mark.parametrize("count", [10, 80])
def test_few_rows_are_solved_as_many_are(count):
    """The system of the rows and that of the unknowns have one answer: that of the least squares written out."""
    random = np.random.default_rng(2)
    rows, say, missing = random.normal(size=(count, 30)), random.uniform(0.1, 1, count), random.normal(size=count)
    cost, known = random.uniform(0.5, 2, 30), random.normal(size=30)
    stacked = np.concatenate([rows * np.sqrt(say)[:, None], np.diag(np.sqrt(cost))])
    right = np.concatenate([missing * np.sqrt(say), -np.sqrt(cost) * known])
    wanted = np.linalg.lstsq(stacked, right, rcond=None)[0]
    assert _least_squares(rows, say, missing, cost, known) == pytest.approx(wanted, abs=1e-9)


# -- files ------------------------------------------------------------------------------------------------------------


def test_csv_and_json_hold_the_same(points, tmp_path):
    some = dataclasses.replace(points, positions=points.positions.round(3))
    some.positions[2, 3] = np.nan
    cameras = [some.cameras[camera] for camera in some.camera_of]
    images = list(zip(some.frames[some.frame_of].tolist(), cameras, some.positions, strict=True))
    with open(tmp_path / "tracks.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "camera", "name", "x", "y", "confidence"])
        for frame, camera, image in images:
            for name, place in zip(some.names, image, strict=True):
                if np.isfinite(place).all():
                    writer.writerow([frame, camera, name, *place, 0.5])
    entries = [
        {
            "frame": frame,
            "camera": camera,
            "positions": [place.tolist() if np.isfinite(place).all() else None for place in image],
            "confidence": [0.5] * len(some.names),
        }
        for frame, camera, image in images
    ]
    document = {"fps": 24, "points": list(some.names), "frames": entries}
    (tmp_path / "tracks.json").write_text(json.dumps(document), encoding="utf-8")
    for path in (tmp_path / "tracks.csv", tmp_path / "tracks.json"):
        found = read_image_points(path)
        for name in ("positions", "frame_of", "camera_of", "frames"):
            np.testing.assert_array_equal(getattr(found, name), getattr(some, name))
        assert found.names == some.names
        assert found.cameras == some.cameras
        assert set(found.confidence.ravel()) == {0.0, 0.5}


def test_a_camera_for_each_frame_costs_no_more_than_one(tmp_path):
    """A camera that moves is one for each frame: 2,000 of them with 20 points keep 2,000 images, not 2,000 squared."""
    count, names = 2000, [f"track {number}" for number in range(20)]
    place = [[float(number), 0.5] for number in range(len(names))]
    entries = [{"frame": frame, "camera": f"at {frame}", "positions": place} for frame in range(count)]
    document = {"points": names, "frames": entries}
    (tmp_path / "tracks.json").write_text(json.dumps(document), encoding="utf-8")
    found = read_image_points(tmp_path / "tracks.json")
    assert found.positions.shape == (count, len(names), 2)
    assert found.confidence.shape == (count, len(names))
    np.testing.assert_array_equal(found.frame_of, np.arange(count))
    np.testing.assert_array_equal(found.camera_of, np.arange(count))


def test_a_camera_for_each_frame_fits_as_one_does(demo_learned, points, cameras, landmarks):
    left = one_camera(points)
    moving = [dataclasses.replace(cameras[0], name=f"at {frame}") for frame in left.frames]
    names = tuple(camera.name for camera in moving)
    apart = dataclasses.replace(left, cameras=names, camera_of=np.arange(len(names)))
    settings = ImageFittingSettings(modes=4)
    takes = [
        fit_image_points(demo_learned, *each, landmarks=landmarks, settings=settings)
        for each in ((left, cameras), (apart, moving))
    ]
    for name in ("coefficients", "jaw", "head"):
        np.testing.assert_array_equal(getattr(takes[0], name), getattr(takes[1], name))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "[]", "points and frames"),
        ("a.json", '{"points": ["a"]}', "'frames' is missing"),
        ("a.json", '{"points": ["a", "a"], "frames": []}', "two points have one name"),
        ("a.json", '{"points": ["a"], "frames": [{"frame": 1, "positions": []}]}', "0 positions for 1"),
        ("a.json", '{"points": ["a"], "frames": [{"frame": 1, "positions": [[1, 2, 3]]}]}', "not have two numbers"),
        ("a.json", '{"points": [], "frames": []}', "no frames or no points"),
        ("a.csv", "frame,name,x\n1,a,0\n", "'frame, name, x', in which y is missing"),
        ("a.csv", "frame,name,x,y,confidence\n1,a,0,0,7\n", "confidence is not between 0 and 1"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, name, text, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_image_points(tmp_path / name)
    assert said in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_landmarks_are_read_and_bound(demo_learned, tmp_path):
    topology = demo_learned.topology
    corners = topology.corners[: topology.sizes[0]]
    weights = (0.1, 0.2, 0.3, 0.4)[: len(corners)]
    (tmp_path / "map.json").write_text(json.dumps({"chin": 12, "ear": {"face": 0, "weights": weights}}))
    found = read_landmark_map(tmp_path / "map.json")
    assert found.places == {"chin": 12, "ear": (0, weights)}
    known, binding = bind_landmarks(demo_learned, ("nose", "ear", "chin"), found)
    assert known.tolist() == [1, 2]
    wanted = np.stack([np.array(weights) @ demo_learned.neutral[corners], demo_learned.neutral[12]])
    assert binding.of(demo_learned.neutral) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"a": 10**6}, "on vertex 1000000, but the actor's mesh has 8760"),
        ({"a": (10**6, (1.0,))}, "on face 1000000"),
        ({"a": (0, (1.0,))}, "1 weights, but face 0 has"),
        ({"b": 1}, "has none of the points' names, such as 'a'"),
    ],
)
def test_landmarks_that_are_not_on_the_mesh_are_refused(demo_learned, places, said):
    with pytest.raises(InputError) as caught:
        bind_landmarks(demo_learned, ("a",), LandmarkMap(places, "map.json"))
    assert said in str(caught.value)
    assert "map.json" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read as landmarks"),
        ('{"a": "chin"}', "'a' must be a vertex, or a face"),
        ('{"a": {"face": 1}}', "'weights' is missing"),
        ('{"a": {"face": 1, "weights": [0, 0]}}', "must be 0 or more, and not all 0"),
        ("{}", "names no landmarks"),
    ],
)
def test_bad_landmark_files_are_refused(tmp_path, text, said):
    (tmp_path / "map.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_landmark_map(tmp_path / "map.json")
    assert said in str(caught.value)


def test_cameras_must_be_known(demo_learned, points, cameras, landmarks):
    with pytest.raises(InputError, match=r"names the camera 'right'; the cameras given are left"):
        fit_image_points(demo_learned, points, cameras[:1], landmarks)
    nameless = dataclasses.replace(one_camera(points), cameras=(None,))
    with pytest.raises(InputError, match="does not say which camera"):
        fit_image_points(demo_learned, nameless, cameras, landmarks)


def test_a_killed_fit_goes_on_with_what_is_kept(demo_learned, points, cameras, landmarks, tmp_path, monkeypatch):
    monkeypatch.setattr(one_fit, "SOON_DONE_S", 0.0)
    monkeypatch.setattr(fitting_image_points, "FRAMES_AT_ONCE", 2)
    solved, solve = [], fitting_image_points.ImageTarget.solve

    def counted(target, rows, head, jaw):
        solved.append(int(rows[0]))
        return solve(target, rows, head, jaw)

    monkeypatch.setattr(fitting_image_points.ImageTarget, "solve", counted)

    def killed(progress):
        if progress["message"] == "Fitting" and progress["done"] >= 2:
            raise KeyboardInterrupt

    given, settings = (points, cameras, landmarks), ImageFittingSettings(modes=12)
    with pytest.raises(KeyboardInterrupt):
        fit_image_points(demo_learned, *given, settings, killed, tmp_path)
    assert solved == [0]
    take = fit_image_points(demo_learned, *given, settings, None, tmp_path)
    assert solved == [0, 2, 4]
    monkeypatch.setattr(fitting_image_points, "FRAMES_AT_ONCE", 1)
    whole = fit_image_points(demo_learned, *given, settings)
    assert np.array_equal(take.coefficients, whole.coefficients)
    assert np.allclose(take.error_mm, whole.error_mm, atol=1e-4)
    assert np.isclose(take.figures["mean_px"], whole.figures["mean_px"], atol=1e-4)
    solved.clear()
    moved = [dataclasses.replace(camera, focal=camera.focal * 1.001) for camera in cameras]
    fit_image_points(demo_learned, points, moved, landmarks, settings, None, tmp_path)
    assert solved[0] == 0
