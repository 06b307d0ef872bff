# SPDX-License-Identifier: GPL-3.0-or-later
"""Small rigs for the tests, of a face in metres: driven keys, bones alone, keys with a jaw bone."""

from __future__ import annotations

import bpy
import numpy as np
from scenes import HINGE_MILLIMETRES, add_mesh, expression, face, rigid

EXPRESSIONS, FRAMES, FIRST = 4, 12, 5


def shapes() -> np.ndarray:
    """(4, V, 3) offsets in millimetres."""
    vertices = face()[0]
    return np.stack([expression(vertices, seed) for seed in range(1, EXPRESSIONS + 1)])


def jaw_share() -> np.ndarray:
    """(V,) of the jaw's motion."""
    return np.clip((-face()[0][:, 2] - 20) / 60, 0, 1)


def skin(name: str = "face") -> bpy.types.Object:
    """The face at rest."""
    vertices, corners, sizes = face()
    return add_mesh(name, vertices / 1000, corners, sizes)


def add_keys(item: bpy.types.Object) -> list[bpy.types.ShapeKey]:
    """The expressions as shape keys, that go from 0 to 1."""
    item.shape_key_add(name="Basis")
    made = []
    for number, offsets in enumerate(shapes()):
        key = item.shape_key_add(name=f"key {number}", from_mix=False)
        key.value = 0.0
        key.points.foreach_set("co", ((face()[0] + offsets) / 1000).astype(np.float32).ravel())
        made.append(key)
    return made


def armature(bones: dict[str, tuple[np.ndarray, np.ndarray]], name: str = "rig") -> bpy.types.Object:
    """An armature with bones {name: (head, tail)}, in millimetres, that hang on nothing."""
    rig = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for each, (head, tail) in bones.items():
        bone = rig.data.edit_bones.new(each)
        bone.head, bone.tail = tuple(np.asarray(head) / 1000), tuple(np.asarray(tail) / 1000)
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


def bind(item: bpy.types.Object, rig: bpy.types.Object, weights: dict[str, np.ndarray]) -> None:
    """Let bones move the mesh by weights (V,); what they leave belongs to the bone `skull`, if there is one."""
    for name, share in weights.items():
        group = item.vertex_groups.new(name=name)
        for index, weight in enumerate(share):
            group.add([index], float(weight), "REPLACE")
    item.parent = rig
    item.modifiers.new("Armature", "ARMATURE").object = rig


def jaw_bones() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A jaw that turns about the hinge, and a skull."""
    return {
        "skull": (HINGE_MILLIMETRES, HINGE_MILLIMETRES + np.array([0, 0, 50])),
        "jaw": (HINGE_MILLIMETRES, HINGE_MILLIMETRES + np.array([0, -60, -40])),
    }


def keys_with_a_jaw() -> tuple[bpy.types.Object, bpy.types.Object]:
    """Shape keys, and a bone that opens the mouth."""
    item, rig = skin(), armature(jaw_bones())
    add_keys(item)
    bind(item, rig, {"jaw": jaw_share(), "skull": 1 - jaw_share()})
    return item, rig


def driven_keys() -> tuple[bpy.types.Object, bpy.types.Object]:
    """Shape keys that are driven by two properties of a bone, by how far another is moved, and by how it is turned."""
    item, _ = keys_with_a_jaw()
    controls = armature(
        {"face": (np.zeros(3), np.array([0, 0, 50])), "slider": (np.array([200, 0, 0]), np.array([200, 0, 9]))},
        "controls",
    )
    for name in ("smile", "frown"):
        controls.pose.bones["face"][name] = 0.0
        controls.pose.bones["face"].id_properties_ui(name).update(min=0.0, max=1.0, default=0.0)
    controls.pose.bones["slider"].rotation_mode = "XYZ"
    sources = (
        ('pose.bones["face"]["smile"]', "var"),
        ('pose.bones["face"]["frown"]', "var"),
        ('pose.bones["slider"].location[1]', "var * 50"),
        ('pose.bones["slider"].rotation_euler[0]', "sin(2 * var)"),
    )
    keys = item.data.shape_keys
    for key, (path, formula) in zip(keys.key_blocks[1:], sources, strict=True):
        driver = key.driver_add("value").driver
        driver.type, driver.expression = "SCRIPTED", formula
        variable = driver.variables.new()
        variable.name = "var"
        variable.targets[0].id, variable.targets[0].data_path = controls, path
    return item, controls


def bones_alone() -> tuple[bpy.types.Object, bpy.types.Object]:
    """Bones in the skin, each with the vertices around it, and a jaw."""
    item = skin()
    vertices = face()[0]
    places = vertices[[27, 32, 51, 56, 64, 100, 115, 130]]
    bones = jaw_bones() | {f"skin {n}": (place, place - np.array([0, 10, 0])) for n, place in enumerate(places)}
    share = np.exp(-((vertices[:, None] - places) ** 2).sum(2) / 35.0**2)  # (V, B)
    share /= np.maximum(share.sum(1, keepdims=True), 1.0)
    rest = 1 - share.sum(1)
    weights = {f"skin {n}": share[:, n] for n in range(len(places))}
    bind(item, rig := armature(bones), weights | {"jaw": rest * jaw_share(), "skull": rest * (1 - jaw_share())})
    return item, rig


def take_arrays(frames: int = FRAMES) -> dict[str, np.ndarray]:
    """A bake of the four expressions and the jaw, which keep within the bounds of the rigs; the head is at rest."""
    vertices, corners, sizes = face()
    time = np.linspace(0, 2 * np.pi, frames)

    def opened(degrees: float) -> np.ndarray:
        return rigid(np.array([1.0, 0, 0]), degrees, HINGE_MILLIMETRES, np.zeros(3))

    return {
        "corners": corners,
        "sizes": sizes,
        "neutral": vertices,
        "key_names": np.array([f"shape {number}" for number in range(1, EXPRESSIONS + 1)]),
        "named_count": np.int64(EXPRESSIONS),
        "keys": shapes(),
        "key_weights": np.stack([0.4 - 0.4 * np.cos(time * (1 + n / 2)) for n in range(EXPRESSIONS)], 1),
        "key_jaw": np.stack([opened(degrees) for degrees in (0, 12, 0, 5)]),
        "skin_weight": jaw_share(),
        "jaw": np.stack([opened(10 - 10 * np.cos(t)) for t in time]),
        "head": np.tile(np.eye(4), (frames, 1, 1)),
        "hinge_centre": HINGE_MILLIMETRES,
        "hinge_axis": np.array([1.0, 0, 0]),
        "frames": np.arange(FIRST, FIRST + frames, dtype=np.int32),
        "fps": np.float64(24),
        "tolerance_mm": np.float64(0.1),
        "worst_mm": np.float64(0.08),
        "mean_mm": np.float64(0.01),
    }
