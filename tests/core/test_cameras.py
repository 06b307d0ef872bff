# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras: projection and its derivative, distortion, Blender's convention, and files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aim_blender.core.shared.captured.cameras import Camera, blender_camera, read_cameras, save_cameras
from aim_blender.core.shared.foundation.errors import InputError
from tests.core.geometry import rigid


@pytest.fixture
def camera() -> Camera:
    size, focal, centre = np.array([1920, 1080]), np.array([2600.0, 2500.0]), np.array([970.0, 500.0])
    bent = np.array([-0.2, 0.05, 0.003, -0.002, 0.01])
    return Camera("left", size, focal, centre, rigid((10.0, -20.0, 5.0), (30.0, -10.0, 700.0)), bent)


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(scale=80.0, size=(40, 3))


def test_derivative_is_that_of_central_differences(camera, points):
    _, derivative = camera.project_with_derivative(points)
    for axis, step in enumerate(np.eye(3) * 1e-3):
        wanted = (camera.project(points + step) - camera.project(points - step)) / 2e-3
        assert derivative[..., axis] == pytest.approx(wanted, rel=1e-6, abs=1e-8)


def test_projection_written_out(camera, points):
    for point, found in zip(points, camera.project(points), strict=True):
        x, y, z = (camera.world_to_camera @ np.append(point, 1.0))[:3]
        x, y = x / z, y / z
        k1, k2, p1, p2, k3 = camera.distortion
        r = x * x + y * y
        radial = 1 + k1 * r + k2 * r**2 + k3 * r**3
        across = x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x)
        down = y * radial + p1 * (r + 2 * y * y) + 2 * p2 * x * y
        assert found == pytest.approx([970 + 2600 * across, 500 + 2500 * down])
        assert z == pytest.approx(camera.depth(point))


def test_distortion_is_undone(camera, points):
    local = points @ camera.world_to_camera[:3, :3].T + camera.world_to_camera[:3, 3]
    assert camera.undistorted(camera.project(points)) == pytest.approx(local[:, :2] / local[:, 2:], abs=1e-9)


def test_what_lies_behind_is_not_seen(camera):
    behind = np.linalg.inv(camera.world_to_camera) @ [0.0, 0.0, -100.0, 1.0]
    assert np.isnan(camera.project(behind[:3])).all()


def test_blender_camera_looks_down_and_shifts(points):
    """By hand: a 36 mm sensor, 50 mm lens and 1920 pixels across are 2666.7 pixels; Y is up and -Z is ahead."""
    plain = blender_camera("a", np.eye(4), (1920, 1080), 50.0)
    assert plain.focal == pytest.approx([1920 * 50 / 36] * 2)
    assert plain.project(np.array([10.0, 20.0, -1000.0])) == pytest.approx([960 + 26.6667, 540 - 53.3333], abs=1e-3)
    shifted = blender_camera("a", np.eye(4), (1920, 1080), 50.0, shift=(0.1, -0.2))
    assert shifted.project(points - [0, 0, 900]) - plain.project(points - [0, 0, 900]) == pytest.approx(
        np.tile([-192.0, -384.0], (len(points), 1))
    )
    upright = blender_camera("a", np.eye(4), (1080, 1920), 50.0)
    assert upright.focal == pytest.approx(plain.focal)
    tall = blender_camera("a", np.eye(4), (1920, 1080), 50.0, sensor_fit="VERTICAL")
    assert tall.focal == pytest.approx([1080 * 50 / 24] * 2)
    placed = blender_camera(
        "a", rigid((0.0, 90.0, 0.0), (1.0, 0.0, 0.0)), (100, 100), 50.0, millimetres_per_unit=1000.0
    )
    assert placed.depth(np.array([0.0, 0.0, 0.0])) == pytest.approx(1000.0)
    with pytest.raises(InputError, match="AUTO, HORIZONTAL or VERTICAL"):
        blender_camera("a", np.eye(4), (100, 100), 50.0, sensor_fit="WIDE")


def test_files_hold_cameras(tmp_path, camera, points):
    save_cameras([camera], tmp_path / "camera.json")
    (found,) = read_cameras(tmp_path / "camera.json")
    assert found.name == "left"
    assert found.project(points) == pytest.approx(camera.project(points), abs=1e-9)
    matrix = rigid((3.0, 4.0, 5.0), (0.1, 0.2, 3.0))
    entry = {"width": 1920, "height": 1080, "lens_mm": 35, "shift": [0.1, 0], "matrix_world": matrix.tolist()}
    (tmp_path / "blender.json").write_text(json.dumps({**entry, "millimetres_per_unit": 1000}), encoding="utf-8")
    (found,) = read_cameras(tmp_path / "blender.json")
    wanted = blender_camera("b", matrix, (1920, 1080), 35.0, shift=(0.1, 0.0), millimetres_per_unit=1000.0)
    assert found.project(points) == pytest.approx(wanted.project(points))
    assert found.name == "camera 1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read as a camera"),
        ("[]", "not an object with a camera"),
        ('{"width": 100, "focal": 50}', "'height' is missing"),
        ('{"width": 100, "height": 0, "focal": 50}', "100 by 0 pixels"),
        ('{"width": 100, "height": 100, "focal": -50}', "focal length that is not more than 0"),
        ('{"width": 100, "height": 100, "focal": [1, 2, 3]}', "focal of 'the camera' must be 2 numbers"),
        ('{"width": 1, "height": 1, "focal": 5, "world_to_camera": [[1]]}', "must be 16 numbers"),
        (f'{{"width": 1, "height": 1, "focal": 5, "world_to_camera": {[[2] * 4] * 4}}}', "not a rigid motion"),
        ('{"cameras": []}', "it has no camera"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, text, said):
    path = tmp_path / "camera.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_cameras(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
