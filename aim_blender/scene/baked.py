# SPDX-License-Identifier: GPL-3.0-or-later
"""A baked take as Blender data: a mesh with shape keys, an armature with head and jaw, an action, all of it new."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import mathutils
import numpy as np

from ..core.archives import open_archive
from ..core.errors import UNREADABLE, InputError, reason
from ..core.key_reduction import keys_needed
from ..core.topology import Topology
from . import actor_meshes, actors, meshes, rigging, versions
from .vertex_groups import write_vertex_group

HEAD, JAW = "head", "jaw"
LARGEST_SLIDER = 10.0  # Blender clamps shape key values to a range that ends here at most
CHUNK_FRAMES = 64


@dataclass
class BakedTake:
    """What bake.npz holds, in Blender units instead of millimetres.

    neutral (V, 3), keys (K, V, 3) offsets, key_names (K,) of which the first named_count are the actor's shapes,
    key_weights (F, K), skin_weight (V,) the jaw's share, jaw and head (F, 4, 4), hinge_centre and hinge_axis (3,),
    frames (F,), fps frames a second.
    A frame's mesh is head [(1 - skin_weight) + skin_weight jaw] (neutral + key_weights keys).
    """

    topology: Topology
    neutral: np.ndarray
    key_names: list[str]
    keys: np.ndarray
    named_count: int
    key_weights: np.ndarray
    skin_weight: np.ndarray
    jaw: np.ndarray
    head: np.ndarray
    hinge_centre: np.ndarray
    hinge_axis: np.ndarray
    frames: np.ndarray
    fps: float

    @classmethod
    def load(cls, path: Path, millimetres_per_unit: float) -> BakedTake:
        """Read bake.npz. Raises InputError if it is missing, damaged, or its arrays do not go together."""
        try:
            with open_archive(path) as archive:
                data = {name: archive[name] for name in archive.files}
            neutral = data["neutral"].astype(np.float64) / millimetres_per_unit
            baked = cls(
                Topology(data["corners"], data["sizes"], len(neutral)),
                neutral,
                [str(name) for name in data["key_names"]],
                data["keys"].astype(np.float64) / millimetres_per_unit,
                int(data["named_count"]),
                data["key_weights"].astype(np.float64),
                data["skin_weight"].astype(np.float64).reshape(-1),
                _in_units(data["jaw"], millimetres_per_unit),
                _in_units(data["head"], millimetres_per_unit),
                data["hinge_centre"].astype(np.float64) / millimetres_per_unit,
                data["hinge_axis"].astype(np.float64),
                data["frames"].astype(np.int64),
                float(data["fps"]),
            )
        except FileNotFoundError:
            raise InputError(f"the baked take {path} is gone; fit the performance again") from None
        except UNREADABLE as error:
            raise InputError(
                f"the baked take {path} is damaged ({reason(error)}); fit the performance again"
            ) from error
        frames, keys, vertices = len(baked.frames), len(baked.key_names), len(neutral)
        shapes = {
            "keys": (baked.keys, (keys, vertices, 3)),
            "key_weights": (baked.key_weights, (frames, keys)),
            "skin_weight": (baked.skin_weight, (vertices,)),
            "jaw": (baked.jaw, (frames, 4, 4)),
            "head": (baked.head, (frames, 4, 4)),
        }
        for name, (array, shape) in shapes.items():
            if array.shape != shape or not np.isfinite(array).all():
                raise InputError(f"the baked take {path} is damaged: {name} has shape {array.shape}; fit it again")
        if frames == 0:
            raise InputError(f"the baked take {path} has no frames; fit the performance again")
        return baked


def _in_units(matrices: np.ndarray, millimetres_per_unit: float) -> np.ndarray:
    """Rigid motions (F, 4, 4) of millimetres, for Blender units."""
    matrices = matrices.astype(np.float64)
    matrices[:, :3, 3] /= millimetres_per_unit
    return matrices


@dataclass
class Channel:
    """An F-curve to be: values (F,) of datablock's property `path` at an index.

    reach: how far the farthest point moves when the value changes by 1, in Blender units; only keys that are to be
    reduced need it.
    """

    datablock: bpy.types.ID
    path: str
    index: int
    group: str
    values: np.ndarray
    reach: float


def write_take(
    context: bpy.types.Context,
    actor: Any,
    baked: BakedTake,
    frame: np.ndarray,
    name: str,
    reduce_keys: float = 0.0,
) -> bpy.types.Collection:
    """Make the objects of a baked take in a new collection of the scene. Nothing that was there is changed.

    frame: (4, 4) rigid, where the actor's space lies in the scene. name: of the take. reduce_keys: keyframes are left
    out as long as no point of any frame moves by more than this, in Blender units; 0 keeps one at every frame.
    """
    title = name if name.startswith(actor.name) else f"{actor.name} {name}"
    collection = bpy.data.collections.new(title)
    context.scene.collection.children.link(collection)
    try:
        _fill_collection(context, actor, baked, frame, title, collection, reduce_keys)
    except BaseException:
        _remove_collection(collection)
        raise
    return collection


def _fill_collection(
    context: bpy.types.Context,
    actor: Any,
    baked: BakedTake,
    frame: np.ndarray,
    title: str,
    collection: bpy.types.Collection,
    reduce_keys: float,
) -> None:
    skin = _make_skin(actor, baked, title, collection)
    rests = rigging.place_bones(baked.neutral, baked.skin_weight, baked.hinge_centre, baked.hinge_axis, baked.jaw)
    armature = _make_armature(context, dict(zip((HEAD, JAW), rests, strict=True)), f"{title} rig", collection)
    armature.matrix_world = mathutils.Matrix(frame.tolist())
    _bind(skin, armature, baked.skin_weight)
    _add_bone_meshes(actor, baked, armature, collection)
    channels = _motion_channels(armature, baked, reduce_keys > 0)
    keys = _write_keys(skin, baked)
    for index, ((key, factor), weights) in enumerate(zip(keys, baked.key_weights.T, strict=True)):
        group = "Shapes" if index < baked.named_count else "Correctives"
        path = f'key_blocks["{bpy.utils.escape_identifier(key.name)}"].value'
        reach = float(np.linalg.norm(baked.keys[index], axis=1).max()) * factor if reduce_keys else 0.0
        channels.append(Channel(skin.data.shape_keys, path, 0, group, weights / factor, reach))
    needed = _needed_keys(channels, armature, baked, reduce_keys) if reduce_keys else None
    writer = versions.ActionWriter(title)
    for number, channel in enumerate(channels):
        kept = slice(None) if needed is None else needed[number]
        writer.write(
            channel.datablock, channel.path, channel.index, channel.group, baked.frames[kept], channel.values[kept]
        )
    # The new data shows the present frame at once, without the scene's frame being set again.
    context.view_layer.update()


def _remove_collection(collection: bpy.types.Collection) -> None:
    """Take back what was made so far."""
    for item in list(collection.objects):
        data = item.data
        bpy.data.objects.remove(item)
        if isinstance(data, bpy.types.Mesh):
            bpy.data.meshes.remove(data)
        elif isinstance(data, bpy.types.Armature):
            bpy.data.armatures.remove(data)
    bpy.data.collections.remove(collection)


# -- the skin ---------------------------------------------------------------------------------------------------------


def _make_skin(actor: Any, baked: BakedTake, title: str, collection: bpy.types.Collection) -> bpy.types.Object:
    """The result's mesh object: a copy of the neutral, with its UVs, materials and groups, at the baked neutral."""
    source = actor.neutral
    usable = actors.is_there(source) and len(source.data.vertices) == len(baked.neutral)
    usable = usable and np.array_equal(meshes.read_corners(source.data), baked.topology.corners)
    if usable:
        mesh = source.data.copy()
        mesh.name = title
        mesh.animation_data_clear()
        skin = bpy.data.objects.new(title, mesh)
        skin.shape_key_clear()
        meshes.write_positions(mesh, baked.neutral)
    else:  # the neutral was deleted or edited since: the result does not need it
        mesh = meshes.make_mesh(title, baked.neutral, baked.topology.corners, baked.topology.sizes)
        skin = bpy.data.objects.new(title, mesh)
    collection.objects.link(skin)
    if usable:
        for slot, original in zip(skin.material_slots, source.material_slots, strict=True):
            if original.link == "OBJECT":
                slot.link = "OBJECT"
                slot.material = original.material
    return skin


def _write_keys(skin: bpy.types.Object, baked: BakedTake) -> list[tuple[bpy.types.ShapeKey, float]]:
    """Add the shape keys. Returns each with the factor it was scaled by (1 unless its values would be clamped)."""
    versions.add_shape_key(skin, "Basis")
    keys = []
    columns = zip(baked.key_names, baked.keys, baked.key_weights.T, _factors(baked).tolist(), strict=True)
    for name, offsets, weights, factor in columns:
        key = versions.add_shape_key(skin, name)
        meshes.write_key_positions(key, baked.neutral + offsets * factor)
        key.slider_min = max(-LARGEST_SLIDER, min(0.0, float(np.floor(weights.min() / factor))))
        key.slider_max = min(LARGEST_SLIDER, max(1.0, float(np.ceil(weights.max() / factor))))
        keys.append((key, factor))
    return keys


def _factors(baked: BakedTake) -> np.ndarray:
    """(K,) by what each key is scaled so that its values fit into a slider's range."""
    return np.maximum(1.0, np.abs(baked.key_weights).max(0, initial=0.0) / LARGEST_SLIDER)


def _bind(skin: bpy.types.Object, armature: bpy.types.Object, skin_weight: np.ndarray) -> None:
    """Hang the skin on the armature: groups `head` and `jaw`, an Armature modifier, and the armature as parent."""
    for name, weights in ((HEAD, 1 - skin_weight), (JAW, skin_weight)):
        write_vertex_group(skin, name, weights)
    modifier = skin.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    modifier.use_deform_preserve_volume = False  # the model blends matrices, so must the rig
    modifier.use_vertex_groups = True
    modifier.use_bone_envelopes = False
    skin.parent = armature


def _add_bone_meshes(
    actor: Any, baked: BakedTake, armature: bpy.types.Object, collection: bpy.types.Collection
) -> None:
    """Copies of what moves with the head or the jaw, hung on the bones of these names.

    With the head: the actor's skull, and meshes that are parented to the neutral, such as eyes. With the jaw: the
    mandible and what the jaw's motion was taken from, such as lower teeth.
    """
    if not actors.is_there(actor.neutral):
        return
    to_frame = np.linalg.inv(meshes.rigid_part(meshes.matrix_array(actor.neutral.matrix_world)))
    hung = dict.fromkeys(_parented_to_neutral(actor), HEAD)
    hung |= {actor.skull: HEAD, actor.mandible: JAW, actor.jaw: JAW}
    for item, bone_name in hung.items():
        if not actors.is_there(item):
            continue
        points = actor_meshes.bone_points(item, to_frame, baked.neutral)
        mesh = meshes.mesh_of(item).copy()
        mesh.animation_data_clear()
        if item.matrix_world.determinant() < 0:  # mirrored, as eyes often are: its faces would look inwards
            mesh.flip_normals()
        copy = bpy.data.objects.new(f"{collection.name} {item.name}", mesh)
        copy.shape_key_clear()
        meshes.write_positions(mesh, points)
        collection.objects.link(copy)
        bone = armature.data.bones[bone_name]
        copy.parent = armature
        copy.parent_type = "BONE"
        copy.parent_bone = bone_name
        # A bone's children hang on its tail; the mesh lies in the armature's space.
        copy.matrix_parent_inverse = (bone.matrix_local @ mathutils.Matrix.Translation((0, bone.length, 0))).inverted()


def _parented_to_neutral(actor: Any) -> list[bpy.types.Object]:
    """The meshes that an artist parented to the neutral, other than faces like it."""
    count = len(actor.neutral.data.vertices)
    return [
        item
        for item in actor.neutral.children
        if item.type == "MESH" and len(item.data.polygons) > 0 and len(item.data.vertices) != count
    ]


# -- the armature -----------------------------------------------------------------------------------------------------


def _make_armature(
    context: bpy.types.Context, rests: dict[str, rigging.BoneRest], name: str, collection: bpy.types.Collection
) -> bpy.types.Object:
    """An armature object with the bones `rests`, each a child of the one before. Needs Object Mode."""
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    collection.objects.link(armature)
    armature.show_in_front = True
    armature.data.display_type = "STICK"  # seen through the face without hiding it
    layer = context.view_layer
    active_before = layer.objects.active
    selected_before = [item for item in layer.objects if item.select_get(view_layer=layer)]
    # Bones can only be made in Edit Mode, which takes every selected armature with it.
    for item in selected_before:
        item.select_set(False, view_layer=layer)
    layer.objects.active = armature
    armature.select_set(True, view_layer=layer)
    bpy.ops.object.mode_set(mode="EDIT")
    parent = None
    for bone_name, rest in rests.items():
        bone = armature.data.edit_bones.new(bone_name)
        bone.head, bone.tail = rest.head.tolist(), rest.tail.tolist()
        bone.align_roll(rest.z_axis.tolist())
        bone.parent = parent
        parent = bone
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.select_set(False, view_layer=layer)
    layer.objects.active = active_before
    for item in selected_before:
        item.select_set(True, view_layer=layer)
    return armature


def _motion_channels(armature: bpy.types.Object, baked: BakedTake, with_reach: bool) -> list[Channel]:
    """Of the bones: the head turns by quaternions, the jaw by angles whose X is its opening about the hinge.

    Three for the location and then those of the rotation, the head's first.
    """
    found = []
    for name, motion in ((HEAD, baked.head), (JAW, baked.jaw)):
        rest = meshes.matrix_array(armature.data.bones[name].matrix_local)
        local = rigging.local_motion(rest, motion)
        bone = armature.pose.bones[name]
        bone.rotation_mode = "QUATERNION" if name == HEAD else "XYZ"
        property_name = "rotation_quaternion" if name == HEAD else "rotation_euler"
        values = rigging.quaternions(local) if name == HEAD else rigging.euler_angles(local)
        # A quaternion turns by twice its change.
        lever = (
            np.linalg.norm(_box(baked) - rest[:3, 3], axis=1).max() * (2.0 if name == HEAD else 1.0)
            if with_reach
            else 0.0
        )
        for path, columns, reach in (("location", local[:, :3, 3], 1.0), (property_name, values, lever)):
            for index, column in enumerate(columns.T):
                found.append(Channel(armature, f'pose.bones["{name}"].{path}', index, name, column, reach))
    return found


def _needed_keys(
    channels: list[Channel], armature: bpy.types.Object, baked: BakedTake, tolerance: float
) -> list[np.ndarray]:
    """Which keyframes (F,) bool of each channel are needed so that no point of any frame moves by more than tolerance.

    A bound is kept instead of every frame's mesh: the shape keys' change of a point, which bones that blend rotations
    never make longer, plus how far the bones' change moves the corners of the box in which all points stay.
    """
    rests = [meshes.matrix_array(armature.data.bones[name].matrix_local) for name in (HEAD, JAW)]
    corners = np.concatenate([_box(baked), np.ones((8, 1))], axis=1)  # (8, 4)
    keys = (baked.keys * _factors(baked)[:, None, None]).reshape(len(baked.keys), -1).astype(np.float32)
    bones = [baked.head, baked.head @ baked.jaw]

    def distance(values: list[np.ndarray]) -> float:
        head_values, jaw_values, weights = values[:7], values[7:13], np.array(values[13:])  # (K, F)
        head = _motion_of(
            rests[0], np.stack(head_values[:3], 1), rigging.rotation_of_quaternions(_columns(head_values))
        )
        jaw = _motion_of(rests[1], np.stack(jaw_values[:3], 1), rigging.rotation_of_angles(_columns(jaw_values)))
        moved = np.zeros(len(baked.frames))
        for before, after in zip(bones, (head, head @ jaw), strict=True):
            apart = np.linalg.norm((corners @ (after - before).transpose(0, 2, 1))[..., :3], axis=-1)
            moved = np.maximum(moved, apart.max(1))
        change = (weights - np.array([channel.values for channel in channels[13:]])).T.astype(np.float32)  # (F, K)
        for first in range(0, len(change), CHUNK_FRAMES):
            part = slice(first, first + CHUNK_FRAMES)
            offsets = (change[part] @ keys).reshape(len(change[part]), -1, 3)
            moved[part] += np.sqrt(np.einsum("fvc,fvc->fv", offsets, offsets).max(1))
        return float(moved.max())

    curves, reach = [channel.values for channel in channels], [channel.reach for channel in channels]
    return keys_needed(baked.frames, curves, reach, distance, tolerance)


def _columns(values: list[np.ndarray]) -> np.ndarray:
    """(F, 3 or 4) the rotation behind the three columns of the location."""
    return np.stack(values[3:], axis=1)


def _motion_of(rest: np.ndarray, location: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(F, 4, 4) how what hangs on a bone moves, from its local location (F, 3) and rotation (F, 3, 3)."""
    local = np.tile(np.eye(4), (len(location), 1, 1))
    local[:, :3, :3], local[:, :3, 3] = rotation, location
    return rest @ local @ np.linalg.inv(rest)


def _box(baked: BakedTake) -> np.ndarray:
    """(8, 3) the corners of a box that all points stay in, whatever the keys do in this take."""
    largest = np.abs(baked.key_weights).max(0, initial=0.0)  # (K,)
    farthest = np.abs(baked.keys).max(1, initial=0.0).T @ largest  # (3,)
    ends = np.stack([baked.neutral.min(0) - farthest, baked.neutral.max(0) + farthest])
    return np.stack(np.meshgrid(*ends.T), axis=-1).reshape(-1, 3)


# -- bringing results in ----------------------------------------------------------------------------------------------


def record_take(
    scene: bpy.types.Scene,
    actor: Any,
    name: str,
    take_file: Path,
    figures: dict[str, Any],
    frames: np.ndarray,
    collection: bpy.types.Collection,
    bake_file: Path | None = None,
) -> Any:
    """List the take in the scene. bake_file: the bake.npz that it was made from, if it was."""
    take = scene.aim.takes.add()
    take.name = name
    take.actor = actor.identifier
    take.file_path = str(take_file)
    take.bake_path = str(bake_file) if bake_file is not None else ""
    take.figures = json.dumps(figures)
    take.frame_start, take.frame_end = int(frames.min()), int(frames.max())
    take.collection = collection
    scene.aim.active_take = len(scene.aim.takes) - 1
    return take
