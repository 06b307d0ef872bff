# SPDX-License-Identifier: GPL-3.0-or-later
"""Small scenes for the tests, and what Blender shows of an object."""

from __future__ import annotations

import bpy
import headless
import numpy as np


def face(columns: int = 12, rows: int = 14) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mask of quads, in millimetres: vertices (V, 3), corners (L,), sizes (P,). It is 180 mm wide and 240 high."""
    across, up = np.meshgrid(np.linspace(-90, 90, columns), np.linspace(-120, 120, rows))
    vertices = np.stack([across, -80 * np.cos(across / 90) * np.cos(up / 160), up], axis=-1).reshape(-1, 3)
    index = np.arange(columns * rows).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    return vertices, quads.ravel(), np.full(len(quads), 4)


def expression(vertices: np.ndarray, seed: int) -> np.ndarray:
    """(V, 3) offsets in millimetres: a smooth bump somewhere on the lower face."""
    random = np.random.default_rng(seed)
    centre = vertices[random.integers(len(vertices) // 2)]
    share = np.exp(-((vertices - centre) ** 2).sum(1) / 30.0**2)
    return share[:, None] * random.normal(size=3) * 6


def add_mesh(name: str, vertices: np.ndarray, corners: np.ndarray, sizes: np.ndarray) -> bpy.types.Object:
    """A mesh object in the scene, with a UV map and a material."""
    mesh = headless.extension_module("aim_blender.scene.basics.meshes").make_mesh(name, vertices, corners, sizes)
    mesh.uv_layers.new(name="Texture")
    mesh.materials.append(bpy.data.materials.get("Skin") or bpy.data.materials.new("Skin"))
    item = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


def add_capture(count: int = 4, units_per_millimetre: float = 0.001) -> list[bpy.types.Object]:
    """A neutral and expressions as objects, all selected, the neutral active."""
    vertices, corners, sizes = face()
    items = [add_mesh("neutral", vertices * units_per_millimetre, corners, sizes)]
    for number in range(1, count + 1):
        moved = vertices + expression(vertices, number)
        items.append(add_mesh(f"shape {number}", moved * units_per_millimetre, corners, sizes))
    select(items)
    return items


HINGE_MILLIMETRES = np.array([0.0, 20.0, 0.0])
TEETH_DEGREES = (12.0, 5.0, 0.0, 0.0)  # by which the jaw opens in shape 1, 2 and so on
WIDER = 1.5  # how much farther the other actor's jaw opens
TAKE_FRAMES = 6
OTHER_AT = 2.0  # where the other actor stands, in Blender units


def add_capture_with_teeth(units_per_millimetre: float = 0.001, wider: float = 1.0) -> list[bpy.types.Object]:
    """A capture whose chin follows an opening jaw, and `teeth` with shape keys that do so rigidly.

    wider: how much farther than TEETH_DEGREES the jaw opens.
    """
    items = add_capture(len(TEETH_DEGREES), units_per_millimetre)
    random = np.random.default_rng(5)
    rest = random.uniform((-20, -60, -60), (20, -40, -45), (12, 3))
    triangles = np.arange(12)
    teeth = add_mesh("teeth", rest * units_per_millimetre, triangles, np.full(4, 3))
    teeth.shape_key_add(name="Basis")
    for number, (item, degrees) in enumerate(zip(items[1:], TEETH_DEGREES, strict=True), start=1):
        motion = rigid(np.array([1.0, 0, 0]), degrees * wider, HINGE_MILLIMETRES, np.zeros(3))
        key = teeth.shape_key_add(name=f"shape {number}")
        key.points.foreach_set("co", (_moved(motion, rest) * units_per_millimetre).astype(np.float32).ravel())
        points = np.array([vertex.co for vertex in item.data.vertices]) / units_per_millimetre
        follows = np.clip((-points[:, 2:] - 20) / 60, 0, 1)
        points += follows * (_moved(motion, points) - points)
        item.data.vertices.foreach_set("co", (points * units_per_millimetre).astype(np.float32).ravel())
    return items


def _moved(motion: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ motion[:3, :3].T + motion[:3, 3]


def select(items: list[bpy.types.Object]) -> None:
    """Select just these, the first active."""
    bpy.context.view_layer.update()
    for item in bpy.context.view_layer.objects:
        item.select_set(item in items)
    bpy.context.view_layer.objects.active = items[0]
    bpy.context.view_layer.update()


def prepared(preparation):
    """The folder that the preparation of a job ends with."""
    while True:
        try:
            next(preparation)
        except StopIteration as end:
            return end.value


def shown(item: bpy.types.Object) -> np.ndarray:
    """(V, 3) float64 vertices as Blender shows the object at the present frame, in the scene."""
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    points = np.empty((len(mesh.vertices), 3), dtype=np.float32)
    mesh.vertices.foreach_get("co", points.ravel())
    matrix = np.array(evaluated.matrix_world, dtype=np.float64)
    evaluated.to_mesh_clear()
    return points.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def rotation(axis: np.ndarray, degrees: float) -> np.ndarray:
    """(3, 3) a turn about an axis (3,), by Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def rigid(axis: np.ndarray, degrees: float, pivot: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(4, 4) a turn about an axis through a pivot, then a shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(axis, degrees)
    matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot + shift
    return matrix


def problem(call, **arguments) -> str:
    """The one sentence with which a call fails."""
    import pytest  # benchmarks use the scenes in a Blender that has none

    with pytest.raises(RuntimeError) as caught:
        call(**arguments)
    text = str(caught.value).removeprefix("Error: ").strip()
    assert "\n" not in text
    assert "Traceback" not in text
    return text
