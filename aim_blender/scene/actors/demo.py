# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo actor as objects of the scene: what an artist would bring, made by code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import bpy
import numpy as np

from ..basics import meshes, painting, rigging, versions
from ..basics.records import ActorRecord
from ..basics.selecting import select_only
from . import actor_meshes, actors

if TYPE_CHECKING:
    from ...core.shared.demo.demo_actor import DemoActor, DemoPerformance

NAME = "Demo"
MILLIMETRES_PER_UNIT = 1000.0  # metres, which Blender's scenes are in
GAP_UNITS = 0.1
FIRST_FRAME = 1


def make() -> tuple[DemoActor, DemoPerformance]:
    """The demo actor and what it performs, (F, V, 3) mm in float32, without touching Blender's data."""
    from ...core.shared.demo.demo_actor import (
        make_demo_actor,  # here, so that enabling the extension does not wait for it
    )

    demo = make_demo_actor()
    truth = demo.performance()
    return demo, replace(truth, vertices=truth.vertices.astype(np.float32))


def add_demo_actor(context: bpy.types.Context, demo: DemoActor, truth: DemoPerformance) -> ActorRecord:
    """Add the demo actor's neutral with 19 shape keys, its bones and eyes, and a performance beside it.

    The actor is recorded and the performance picked, so that Learn is the next step. Returns the actor.
    """
    scene = context.scene
    collection = bpy.data.collections.new(f"{NAME} Actor")
    scene.collection.children.link(collection)
    place = _free_place(context, _units(demo.neutral))
    material = painting.material(f"{NAME} Skin", (0.62, 0.36, 0.26), of_colours=True)
    neutral = _add_skin(collection, demo, f"{NAME} Neutral", demo.neutral, material)
    versions.add_shape_key(neutral, "Basis")
    for name, shape in zip(demo.names[1:], demo.shapes[1:], strict=True):
        meshes.write_key_positions(versions.add_shape_key(neutral, name), _units(shape))
    skull = _add_triangles(collection, f"{NAME} Skull", demo.skull_vertices, demo.skull_triangles)
    mandible = _add_triangles(collection, f"{NAME} Mandible", demo.mandible_vertices, demo.mandible_triangles)
    eyes = _add_triangles(collection, f"{NAME} Eyes", demo.eyes_vertices, demo.eyes_triangles)
    painting.colour(meshes.mesh_of(eyes), demo.eyes_colours)
    eyes.data.materials.append(painting.material(f"{NAME} Eyes", (0.82, 0.80, 0.77), of_colours=True))
    bone = painting.material(f"{NAME} Bone", (0.78, 0.73, 0.60))
    for item in (skull, mandible):
        item.data.materials.append(bone)
    eyes.parent = neutral  # so that results get eyes too
    frames = truth.vertices
    performance = _add_skin(collection, demo, f"{NAME} Performance", frames[0], material)
    _animate(performance, frames)
    moving_eyes = bpy.data.objects.new(f"{NAME} Performance Eyes", eyes.data)
    collection.objects.link(moving_eyes)
    moving_eyes.parent = performance
    _move(moving_eyes, truth.head)
    for item in (neutral, skull, mandible):
        item.location = place
    performance.location = (place[0] + np.ptp(_units(demo.neutral)[:, 0]) + GAP_UNITS, place[1], place[2])
    select_only(context, neutral)
    sources = [actor_meshes.ShapeSource("neutral", neutral)]
    sources += [actor_meshes.ShapeSource(name, neutral, name) for name in demo.names[1:]]
    bones = {"skull": skull, "mandible": mandible}
    found = actor_meshes.ActorMeshes(demo.names, demo.shapes, demo.topology, np.eye(4))  # made right: not read again
    actor, _ = actors.record_actor(scene, NAME, sources, bones, found, MILLIMETRES_PER_UNIT)
    state = scene.aim
    state.performance_kind = "OBJECT"
    state.performance_object = performance
    state.use_scene_range = False
    state.frame_start, state.frame_end, state.frame_step = FIRST_FRAME, FIRST_FRAME + len(frames) - 1, 1
    return actor


def _units(millimetres: np.ndarray) -> np.ndarray:
    return millimetres / MILLIMETRES_PER_UNIT


def _add_skin(
    collection: bpy.types.Collection, demo: DemoActor, name: str, vertices: np.ndarray, material: bpy.types.Material
) -> bpy.types.Object:
    mesh = meshes.make_mesh(name, _units(vertices), demo.topology.corners, demo.topology.sizes)
    painting.colour(mesh, demo.skin_colours)
    mesh.materials.append(material)
    skin = bpy.data.objects.new(name, mesh)
    collection.objects.link(skin)
    return skin


def _add_triangles(
    collection: bpy.types.Collection, name: str, vertices: np.ndarray, triangles: np.ndarray
) -> bpy.types.Object:
    mesh = meshes.make_mesh(name, _units(vertices), triangles.ravel(), np.full(len(triangles), 3, dtype=np.int32))
    item = bpy.data.objects.new(name, mesh)
    collection.objects.link(item)
    return item


def _animate(item: bpy.types.Object, frames: np.ndarray) -> None:
    """Let the object show frames (F, V, 3) mm, one a frame: absolute shape keys, so that no file is needed."""
    keys = []
    for index, vertices in enumerate(frames):
        key = versions.add_shape_key(item, f"frame {FIRST_FRAME + index}")
        meshes.write_key_positions(key, _units(vertices))
        key.interpolation = "KEY_LINEAR"
        keys.append(key)
    shape_keys = item.data.shape_keys
    shape_keys.use_relative = False
    times = np.array([key.frame for key in keys])
    numbers = FIRST_FRAME + np.arange(len(frames))
    versions.ActionWriter(item.name).write(shape_keys, "eval_time", 0, "Performance", numbers, times)


def _move(item: bpy.types.Object, motion: np.ndarray) -> None:
    """Let the object make rigid motions (F, 4, 4) mm, one a frame."""
    numbers = FIRST_FRAME + np.arange(len(motion))
    item.rotation_mode = "QUATERNION"
    writer = versions.ActionWriter(item.name)
    for path, values in (
        ("location", _units(motion[:, :3, 3])),
        ("rotation_quaternion", rigging.quaternions(motion)),
    ):
        for index in range(values.shape[1]):
            writer.write(item, path, index, "Head", numbers, values[:, index])


def _free_place(context: bpy.types.Context, points: np.ndarray) -> tuple[float, float, float]:
    """At the 3D cursor, or to the right of everything if something stands there."""
    origin = np.array(context.scene.cursor.location)
    lowest, highest = points.min(0) + origin, points.max(0) + origin
    highest[0] += np.ptp(points[:, 0]) + GAP_UNITS
    boxes = []
    for item in context.view_layer.objects:
        if item.type == "MESH" and item.visible_get():
            corners = meshes.transform(meshes.matrix_array(item.matrix_world), np.array(item.bound_box))
            boxes.append((corners.min(0), corners.max(0)))
    if any((low < highest).all() and (high > lowest).all() for low, high in boxes):
        origin[0] = max(high[0] for _, high in boxes) + GAP_UNITS - points[:, 0].min()
    return float(origin[0]), float(origin[1]), float(origin[2])
