# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras: where points in space are in an image. Needs numpy only: Blender's process asks it too.

A camera looks along its +Z with X to the right and Y down, as OpenCV's. Pixels count from the image's upper left
corner, x to the right and y down; the image reaches from 0 to its width and height.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..foundation.errors import UNREADABLE, InputError, reason

NEAR_MM = 1.0  # what lies nearer to the camera than this is not seen
RIGID_TOLERANCE = 1e-3
LARGEST = 1e12  # of any number
LARGEST_IMAGE = 10**6  # pixels along a side
WIDEST_VIEW, NARROWEST_VIEW = 150.0, 0.25  # degrees along the longer side: beyond them no lens sees a face so
FARTHEST_CENTRE = 2.0  # times the image's size, of the optical axis from the image's middle
FARTHEST_MM = 1e6
# Blender's cameras look along -Z with Y up.
BLENDER_AXES = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Camera:
    """size: (2,) width and height in pixels. focal: (2,) in pixels. centre: (2,) pixel of the optical axis.

    world_to_camera: (4, 4) rigid, in mm. distortion: (5,) k1, k2, p1, p2, k3 of Brown's model, as OpenCV orders them.
    """

    name: str
    size: np.ndarray
    focal: np.ndarray
    centre: np.ndarray
    world_to_camera: np.ndarray
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(5))

    def depth(self, points: np.ndarray) -> np.ndarray:
        """How far (...,) in mm points (..., 3) lie in front of the camera."""
        return points @ self.world_to_camera[2, :3] + self.world_to_camera[2, 3]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of points (..., 3) in mm; not a number behind the camera."""
        return self.project_with_derivative(points)[0]

    def project_with_derivative(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """π: pixels (..., 2) of points (..., 3) in mm, and how they change with the points (..., 2, 3) in pixels a
        mm."""
        rotation = self.world_to_camera[:3, :3]
        local = points @ rotation.T + self.world_to_camera[:3, 3]
        z = np.where(local[..., 2] > NEAR_MM, local[..., 2], np.nan)
        x, y = local[..., 0] / z, local[..., 1] / z
        k1, k2, p1, p2, k3 = self.distortion
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        slope = k1 + r2 * (2 * k2 + 3 * k3 * r2)  # of radial along r2
        bent = np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            ],
            axis=-1,
        )
        # d(bent) / d(x, y)
        across = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
        bend = np.empty((*x.shape, 2, 2))
        bend[..., 0, 0] = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
        bend[..., 0, 1] = bend[..., 1, 0] = across
        bend[..., 1, 1] = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
        plane = np.zeros((*x.shape, 2, 3))  # d(x, y) / d(local)
        plane[..., 0, 0] = plane[..., 1, 1] = 1 / z
        plane[..., 0, 2], plane[..., 1, 2] = -x / z, -y / z
        return self.centre + self.focal * bent, self.focal[:, None] * (bend @ plane) @ rotation

    def undistorted(self, pixels: np.ndarray) -> np.ndarray:
        """x / z and y / z (..., 2) of what is seen at pixels (..., 2), by turns of the distortion's inverse."""
        seen = (pixels - self.centre) / self.focal
        found = seen
        k1, k2, p1, p2, k3 = self.distortion
        for _ in range(20 if self.distortion.any() else 0):
            x, y = found[..., 0], found[..., 1]
            r2 = x * x + y * y
            radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
            aside = np.stack([2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], axis=-1)
            found = (seen - aside) / radial[..., None]
        return found


def blender_camera(  # noqa: PLR0913 - as many as Blender's camera has
    name: str,
    matrix_world: np.ndarray,
    size: tuple[int, int],
    lens_mm: float,
    sensor_mm: tuple[float, float] = (36.0, 24.0),
    sensor_fit: str = "AUTO",
    shift: tuple[float, float] = (0.0, 0.0),
    pixel_aspect: float = 1.0,
    millimetres_per_unit: float = 1.0,
) -> Camera:
    """The camera that Blender's camera object is.

    matrix_world: (4, 4) of the object, in scene units; its scale is left out. size: the render's width and height in
    pixels. sensor_mm, sensor_fit, shift: as Blender names them. pixel_aspect: a pixel's height over its width
    (pixel_aspect_y / pixel_aspect_x). millimetres_per_unit: of the scene.
    """
    width, height = size
    if sensor_fit not in ("AUTO", "HORIZONTAL", "VERTICAL"):
        raise InputError(f"the sensor fit of {name!r} is {sensor_fit!r}; it must be AUTO, HORIZONTAL or VERTICAL")
    across = sensor_fit == "HORIZONTAL" or (sensor_fit == "AUTO" and width >= pixel_aspect * height)
    sensor = sensor_mm[1] if sensor_fit == "VERTICAL" else sensor_mm[0]
    view = float(width if across else pixel_aspect * height)  # pixels that the sensor's size stands for
    focal = lens_mm / sensor * view
    matrix = np.array(matrix_world, dtype=np.float64)
    matrix[:3, :3] /= np.linalg.norm(matrix[:3, :3], axis=0)
    matrix[:3, 3] *= millimetres_per_unit
    return Camera(
        name,
        np.array([width, height]),
        np.array([focal, focal / pixel_aspect]),
        np.array([width / 2 - shift[0] * view, height / 2 + shift[1] * view / pixel_aspect]),
        BLENDER_AXES @ np.linalg.inv(matrix),
    )


def read_cameras(path: Path) -> list[Camera]:
    """Cameras from a JSON file: one camera, or {"cameras": [...]} with names.

    A camera is {"name", "width", "height", "focal": f or [fx, fy], "centre": [x, y], "distortion": [k1, k2, p1, p2,
    k3], "world_to_camera": 4 x 4}; name, centre (the image's middle), distortion and world_to_camera (the camera at the
    origin) may be left out. Or as Blender has it: {"name", "width", "height", "lens_mm", "sensor_mm": [w, h],
    "sensor_fit", "shift": [x, y], "pixel_aspect", "matrix_world": 4 x 4, "millimetres_per_unit"}.
    Raises InputError, naming the file, for anything else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(data, dict) or not isinstance(data.get("cameras", []), list):
            raise ValueError("it is not an object with a camera, or a list of cameras")
        cameras = [_camera(entry, number) for number, entry in enumerate(data.get("cameras", [data]), 1)]
        if len({camera.name for camera in cameras}) < len(cameras):
            raise ValueError("two cameras have one name")
        if not cameras:
            raise ValueError("it has no camera")
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a camera: {reason(error)}") from error
    return cameras


def save_cameras(cameras: list[Camera], path: Path) -> None:
    """Write cameras as read_cameras reads them. Raises InputError for one that it would refuse, OSError."""
    from ..foundation.whole_files import written_whole

    for camera in cameras:
        try:
            check_camera(camera)
        except ValueError as error:
            raise InputError(f"the camera {error}") from error
    entries = [
        {
            "name": camera.name,
            "width": int(camera.size[0]),
            "height": int(camera.size[1]),
            "focal": camera.focal.tolist(),
            "centre": camera.centre.tolist(),
            "distortion": camera.distortion.tolist(),
            "world_to_camera": camera.world_to_camera.tolist(),
        }
        for camera in cameras
    ]
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps({"cameras": entries}, indent=1), encoding="utf-8")


def _camera(entry: Any, number: int) -> Camera:
    if not isinstance(entry, dict):
        raise ValueError("a camera is not an object of named values")
    name = str(entry.get("name", f"camera {number}"))
    width, height = (int(_numbers(entry, side, [entry[side]], 1)[0]) for side in ("width", "height"))
    if not 1 <= min(width, height) <= max(width, height) <= LARGEST_IMAGE:
        raise ValueError(f"{name!r} has an image of {width} by {height} pixels")
    if "lens_mm" in entry:
        known = {
            "lens_mm": _above_zero(entry, "lens_mm", entry["lens_mm"]),
            "sensor_mm": tuple(_numbers(entry, "sensor_mm", entry.get("sensor_mm", [36.0, 24.0]), 2)),
            "sensor_fit": entry.get("sensor_fit", "AUTO"),
            "shift": tuple(_numbers(entry, "shift", entry.get("shift", [0.0, 0.0]), 2)),
            "pixel_aspect": _above_zero(entry, "pixel_aspect", entry.get("pixel_aspect", 1.0)),
            "millimetres_per_unit": _above_zero(entry, "millimetres_per_unit", entry.get("millimetres_per_unit", 1.0)),
        }
        if not min(known["sensor_mm"]) > 0:
            raise ValueError(f"{name!r} has a sensor of {known['sensor_mm'][0]:g} by {known['sensor_mm'][1]:g} mm")
        matrix = _matrix(entry, "matrix_world", entry["matrix_world"])
        camera = blender_camera(name, matrix, (width, height), **known)
    else:
        focal = entry["focal"]
        camera = Camera(
            name,
            np.array([width, height]),
            _numbers(entry, "focal", [focal, focal] if isinstance(focal, (int, float)) else focal, 2),
            _numbers(entry, "centre", entry.get("centre", [width / 2, height / 2]), 2),
            _matrix(entry, "world_to_camera", entry.get("world_to_camera", np.eye(4))),
            _numbers(entry, "distortion", entry.get("distortion", np.zeros(5)), 5),
        )
    check_camera(camera)
    return camera


def check_camera(camera: Camera) -> None:
    """Raise ValueError unless it is a camera that may have seen a face."""
    name = repr(camera.name)
    if not (camera.focal > 0).all():
        raise ValueError(f"{name} has a focal length that is not more than 0")
    longest = int(camera.size.argmax())
    focal, size = float(camera.focal[longest]), int(camera.size[longest])
    view = float(np.degrees(2 * np.arctan(0.5 * size / focal)))
    if not NARROWEST_VIEW <= view <= WIDEST_VIEW:
        raise ValueError(
            f"{name} has a focal length of {focal:.6g} pixels at {size} pixels, a view of {view:.3g} degrees, which no "
            "lens has; a focal length in mm is given as lens_mm, with sensor_mm and matrix_world"
        )
    if not 0.5 <= camera.focal[0] / camera.focal[1] <= 2:
        raise ValueError(f"{name} has focal lengths of {camera.focal[0]:g} and {camera.focal[1]:g} pixels")
    if (np.abs(camera.centre / camera.size - 0.5) > FARTHEST_CENTRE).any():
        raise ValueError(f"{name} has its centre at {camera.centre[0]:g}, {camera.centre[1]:g}, far outside the image")
    matrix = camera.world_to_camera
    rotation = matrix[:3, :3]
    off = np.abs(rotation @ rotation.T - np.eye(3)).max()
    affine = np.abs(matrix[3] - (0, 0, 0, 1)).max() < RIGID_TOLERANCE
    if not (off < RIGID_TOLERANCE and np.linalg.det(rotation) > 0 and affine):
        raise ValueError(f"{name} has a matrix that is not a rigid motion")
    if np.abs(matrix[:3, 3]).max() > FARTHEST_MM:
        raise ValueError(f"{name} is {np.abs(matrix[:3, 3]).max() / 1000:.3g} m away; places are in mm")


def _matrix(entry: dict[str, Any], name: str, values: Any) -> np.ndarray:
    return _numbers(entry, name, values, 16).reshape(4, 4)


def _above_zero(entry: dict[str, Any], name: str, value: Any) -> float:
    found = float(_numbers(entry, name, [value], 1)[0])
    if not found > 0:
        raise ValueError(f"{name} of {entry.get('name', 'the camera')!r} is {found:g}; it must be more than 0")
    return found


def _numbers(entry: dict[str, Any], name: str, values: Any, count: int) -> np.ndarray:
    try:
        found = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    if len(found) != count or not (np.abs(found) <= LARGEST).all():
        raise ValueError(f"{name} of {entry.get('name', 'the camera')!r} must be {count} numbers")
    return found
