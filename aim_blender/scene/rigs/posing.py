# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets the controls of a rig, reads what its mesh then looks like, and puts everything back."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

import bpy
import numpy as np
from mathutils import Quaternion, Vector

from ...core.shared.foundation.errors import InputError
from ..basics import meshes
from . import rig_data
from .controls import Control

Steps = Generator[tuple[str, float], None, Any]
STRETCH_S = 0.03  # for which Blender's window is held at a time
# Modifiers that leave the vertices what they are.
MOVING = (
    "ARMATURE", "CAST", "CORRECTIVE_SMOOTH", "CURVE", "DISPLACE", "HOOK", "LAPLACIANDEFORM", "LAPLACIANSMOOTH",
    "LATTICE", "MESH_CACHE", "MESH_DEFORM", "MESH_SEQUENCE_CACHE", "SHRINKWRAP", "SIMPLE_DEFORM", "SMOOTH",
    "SURFACE_DEFORM", "WARP", "WAVE",
)  # fmt: skip


class PosedRig:
    """A mesh object and controls of its rig, of which values are shown for a moment.

    controls: C of them. points: which vertices are read. Between calls, and wherever a generator yields, the rig is as
    it was found.
    """

    def __init__(self, context: bpy.types.Context, mesh: bpy.types.Object, points: np.ndarray) -> None:
        self._mesh, self.points = rig_data.where(mesh), points
        self._scene, self._layer = context.scene.name, context.view_layer.name

    def asked(
        self, controls: Sequence[Control], poses: Sequence[np.ndarray], message: str
    ) -> Generator[tuple[str, float], None, np.ndarray]:
        """Yields while it goes on. Returns (N, P, 3) float32 points in the mesh's space for poses (C,), N of them."""
        found = np.empty((len(poses), len(self.points), 3), dtype=np.float32)
        done = 0
        while done < len(poses):
            shown = _Shown(self, controls)
            try:
                until = time.perf_counter() + STRETCH_S
                while done < len(poses) and (bpy.app.background or time.perf_counter() < until):
                    found[done] = shown.points(poses[done])
                    done += 1
            finally:
                shown.restore()
            yield message, done / len(poses)
        return found

    def mesh_now(self) -> tuple[bpy.types.Object, bpy.types.ViewLayer]:
        """The mesh object and the layer it is seen in, which an undo may have made anew. Raises InputError."""
        scene = bpy.data.scenes.get(self._scene)
        layer = scene.view_layers.get(self._layer) if scene is not None else None
        item = rig_data.data_at(self._mesh)
        if layer is None or not isinstance(item, bpy.types.Object) or item.name not in layer.objects:
            raise InputError(f"{item.name!r} is not in the view layer any more; undo that, and press the button again")
        return item, layer

    def read(self, item: bpy.types.Object, layer: bpy.types.ViewLayer) -> np.ndarray:
        """(P, 3) float32 points as they are shown now."""
        layer.update()
        mesh = meshes.mesh_of(item.evaluated_get(layer.depsgraph))
        if len(mesh.vertices) != len(meshes.mesh_of(item).vertices):
            raise InputError(
                f"the modifiers of {item.name!r} make another number of vertices of it; switch off in the viewport "
                "those that add or remove some"
            )
        return meshes.read_positions(mesh)[self.points]

    def now(self) -> np.ndarray:
        """(P, 3) float32 points of the rig as it is."""
        shown = _Shown(self, [])
        try:
            return shown.points(np.zeros(0))
        finally:
            shown.restore()


class _Shown:
    """Some controls at values, until restore()."""

    def __init__(self, rig: PosedRig, controls: Sequence[Control]) -> None:
        self.rig, self.controls = rig, controls
        self.item, self.layer = rig.mesh_now()
        self.owners = {}  # by data-block and path
        self.properties: dict[tuple[Any, ...], list[int]] = {}
        for number, control in enumerate(controls):
            self.properties.setdefault((control.place, control.owner, control.name, control.custom), []).append(number)
        for place, owner, _, _ in self.properties:
            if (place, owner) not in self.owners:
                datablock = rig_data.data_at(place)
                self.owners[place, owner] = datablock, owned(datablock, owner)
        self.before = {
            (place, owner, name, custom): _value(self.owners[place, owner][1], name, custom)
            for place, owner, name, custom in self.properties
        }
        self.written: dict[tuple[Any, ...], Any] = {}
        self.switched = (
            [each for each in self.item.modifiers if each.show_viewport and each.type not in MOVING]
            if _adds_vertices(self.item, self.layer)
            else []
        )
        for each in self.switched:
            each.show_viewport = False

    def points(self, values: np.ndarray) -> np.ndarray:
        """(P, 3) for the values (C,) of the controls."""
        for key, numbers in self.properties.items():
            self._write(key, self._wanted(key, numbers, values))
        return self.rig.read(self.item, self.layer)

    def _wanted(self, key: tuple[Any, ...], numbers: list[int], values: np.ndarray) -> Any:
        first = self.controls[numbers[0]]
        if first.index < 0:
            return _alike(float(values[numbers[0]]), self.before[key])
        if first.turns:
            vector = [0.0, 0.0, 0.0]
            for number in numbers:
                vector[self.controls[number].index] = float(values[number])
            return turned(vector, first.name)
        found = list(self.before[key])
        for number in numbers:
            index = self.controls[number].index
            found[index] = _alike(float(values[number]), found[index])
        return tuple(found)

    def _write(self, key: tuple[Any, ...], value: Any) -> None:
        if self.written.get(key, self.before[key]) == value:
            return
        self.written[key] = value
        place, owner, name, custom = key
        datablock, having = self.owners[place, owner]
        if custom:
            having[name] = value
            datablock.update_tag()
        else:
            setattr(having, name, value)

    def restore(self) -> None:
        for key, value in self.before.items():
            self._write(key, value)
        for each in self.switched:
            each.show_viewport = True
        self.layer.update()


def owned(datablock: bpy.types.ID, owner: str) -> Any:
    """What of a data-block has a control. Raises InputError if it is gone."""
    try:
        return datablock.path_resolve(owner) if owner else datablock
    except ValueError:
        raise InputError(f"{datablock.name!r} has no {owner} any more; propose the controls again") from None


def turned(vector: Sequence[float], name: str) -> tuple[float, ...]:
    """A rotation vector as the numbers of a quaternion, or of an axis and an angle."""
    angle = Vector(vector).length
    axis = Vector(vector).normalized() if angle > 0 else Vector((0.0, 1.0, 0.0))
    if name == "rotation_axis_angle":
        return (angle, *axis)
    return tuple(Quaternion(axis, angle)[:])


def _alike(value: float, before: Any) -> Any:
    """A value as what it takes the place of is: a number, a whole one, or a tick."""
    return value if isinstance(before, float) else type(before)(round(value))


def _value(owner: Any, name: str, custom: bool) -> Any:
    value = owner[name] if custom else getattr(owner, name)
    return value if isinstance(value, (float, int)) else tuple(value)


def _adds_vertices(item: bpy.types.Object, layer: bpy.types.ViewLayer) -> bool:
    layer.update()
    return len(item.evaluated_get(layer.depsgraph).data.vertices) != len(item.data.vertices)
