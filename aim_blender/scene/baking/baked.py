# SPDX-License-Identifier: GPL-3.0-or-later
"""A baked take as Blender data: a mesh with shape keys, an armature with head and jaw, an action, all of it new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import mathutils
import numpy as np

from ...core.shared.foundation.topology import Topology
from ..actors import actor_meshes, actors
from ..basics import meshes, rigging, versions
from ..basics.records import ActorRecord, TakeRecord
from ..basics.vertex_groups import write_vertex_group
from .baked_take import LARGEST_SLIDER, BakedTake
from .key_choice import HEAD, JAW, ROTATION_MODES, bone_names, motion_curves, place_bones


@dataclass
class Channel:
    """An F-curve to be: values (F,) of datablock's property `path` at an index."""

    datablock: bpy.types.ID
    path: str
    index: int
    group: str
    values: np.ndarray


def write_take(
    context: bpy.types.Context,
    actor: ActorRecord,
    baked: BakedTake,
    frame: np.ndarray,
    name: str,
    kept: Sequence[np.ndarray] | None = None,
) -> bpy.types.Collection:
    """Make the objects of a baked take in a new collection of the scene. Nothing that was there is changed.

    frame: (4, 4) rigid, where the actor's space lies in the scene. name: of the take. kept: which keyframes (F,) bool
    of each curve are written, as key_choice.needed_keys() finds them; None for one at every frame.
    """
    title = name if name.startswith(actor.name) else f"{actor.name} {name}"
    collection = bpy.data.collections.new(title)
    context.scene.collection.children.link(collection)
    try:
        _fill_collection(context, actor, baked, frame, title, collection, kept)
    except BaseException:
        _remove_collection(collection)
        raise
    return collection


def _fill_collection(
    context: bpy.types.Context,
    actor: ActorRecord,
    baked: BakedTake,
    frame: np.ndarray,
    title: str,
    collection: bpy.types.Collection,
    kept: Sequence[np.ndarray] | None,
) -> None:
    skin = make_skin(actor, baked.neutral, baked.topology, title, collection)
    rests = place_bones(baked)
    armature = _make_armature(context, dict(zip(bone_names(baked), rests, strict=True)), f"{title} rig", collection)
    armature.matrix_world = mathutils.Matrix(frame.tolist())
    _bind(skin, armature, baked)
    _add_bone_meshes(actor, baked, armature, collection)
    for bone_name in bone_names(baked):
        armature.pose.bones[bone_name].rotation_mode = ROTATION_MODES.get(bone_name, "XYZ")
    channels = motion_channels(armature, baked)
    keys = _write_keys(skin, baked)
    for index, ((key, factor), weights) in enumerate(zip(keys, baked.key_weights.T, strict=True)):
        group = "Shapes" if index < baked.named_count else "Correctives"
        path = f'key_blocks["{bpy.utils.escape_identifier(key.name)}"].value'
        channels.append(Channel(skin.data.shape_keys, path, 0, group, weights / factor))
    writer = versions.ActionWriter(title)
    for number, channel in enumerate(channels):
        part = slice(None) if kept is None else kept[number]
        writer.write(
            channel.datablock, channel.path, channel.index, channel.group, baked.frames[part], channel.values[part]
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


def make_skin(
    actor: ActorRecord, neutral: np.ndarray, topology: Topology, title: str, collection: bpy.types.Collection
) -> bpy.types.Object:
    """A new mesh object: a copy of the actor's neutral, with its UVs, materials and groups, at neutral (V, 3)."""
    source = actor.neutral
    usable = actors.is_there(source) and len(meshes.mesh_of(source).vertices) == len(neutral)
    usable = usable and np.array_equal(meshes.read_corners(meshes.mesh_of(source)), topology.corners)
    if usable:
        mesh = meshes.mesh_of(source).copy()
        mesh.name = title
        mesh.animation_data_clear()
        skin = bpy.data.objects.new(title, mesh)
        skin.shape_key_clear()
        meshes.write_positions(mesh, neutral)
    else:  # the neutral was deleted or edited since: the result does not need it
        mesh = meshes.make_mesh(title, neutral, topology.corners, topology.sizes)
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
    columns = zip(baked.key_names, baked.keys, baked.key_weights.T, baked.factors.tolist(), strict=True)
    for name, offsets, weights, factor in columns:
        key = versions.add_shape_key(skin, name)
        meshes.write_key_positions(key, baked.neutral + offsets * factor)
        key.slider_min = max(-LARGEST_SLIDER, min(0.0, float(np.floor(weights.min() / factor))))
        key.slider_max = min(LARGEST_SLIDER, max(1.0, float(np.ceil(weights.max() / factor))))
        keys.append((key, factor))
    return keys


def _bind(skin: bpy.types.Object, armature: bpy.types.Object, baked: BakedTake) -> None:
    """Hang the skin on the armature: groups `head` and `jaw`, and one for each eye, an Armature modifier, and the
    armature as parent. What is unbound is in no group, and stays."""
    bound = np.ones(len(baked.neutral)) if baked.unbound is None else (~baked.unbound).astype(np.float64)
    of_eye = np.full(len(baked.neutral), -1) if baked.eyes is None else baked.eyes.of
    write_vertex_group(skin, HEAD, bound * (of_eye < 0) * (1 - baked.skin_weight))
    write_vertex_group(skin, JAW, bound * (of_eye < 0) * baked.skin_weight)
    for eye, name in enumerate(bone_names(baked)[2:]):
        write_vertex_group(skin, name, (of_eye == eye).astype(np.float64))
    modifier = skin.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    modifier.use_deform_preserve_volume = False  # the model blends matrices, so must the rig
    modifier.use_vertex_groups = True
    modifier.use_bone_envelopes = False
    skin.parent = armature


def _add_bone_meshes(
    actor: ActorRecord, baked: BakedTake, armature: bpy.types.Object, collection: bpy.types.Collection
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
        copy = copy_at(item, actor_meshes.bone_points(item, to_frame, baked.neutral), collection)
        bone = armature.data.bones[bone_name]
        copy.parent = armature
        copy.parent_type = "BONE"
        copy.parent_bone = bone_name
        # A bone's children hang on its tail; the mesh lies in the armature's space.
        copy.matrix_parent_inverse = (bone.matrix_local @ mathutils.Matrix.Translation((0, bone.length, 0))).inverted()


def copy_at(item: bpy.types.Object, points: np.ndarray, collection: bpy.types.Collection) -> bpy.types.Object:
    """A copy of a mesh object in a take's collection, its vertices at points (n, 3)."""
    mesh = meshes.mesh_of(item).copy()
    mesh.animation_data_clear()
    if item.matrix_world.determinant() < 0:  # mirrored, as eyes often are: its faces would look inwards
        mesh.flip_normals()
    copy = bpy.data.objects.new(name_of_copy(item, collection), mesh)
    copy.shape_key_clear()
    meshes.write_positions(mesh, points)
    collection.objects.link(copy)
    return copy


def name_of_copy(item: bpy.types.Object, collection: bpy.types.Collection) -> str:
    """What the copy of an object is called in a take's collection."""
    return f"{collection.name} {item.name}"


def _parented_to_neutral(actor: ActorRecord) -> list[bpy.types.Object]:
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
    """An armature object with the bones `rests`, the others children of the first. Needs Object Mode."""
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    collection.objects.link(armature)
    armature.show_in_front = True
    armature.data.display_type = "STICK"  # seen through the face without hiding it
    add_bones(context, armature, rests)
    return armature


def add_bones(context: bpy.types.Context, armature: bpy.types.Object, rests: dict[str, rigging.BoneRest]) -> None:
    """Add bones to an armature: children of its first or, if it has none, of the first of them. Needs Object Mode."""
    layer = context.view_layer
    active_before = layer.objects.active
    selected_before = [item for item in layer.objects if item.select_get(view_layer=layer)]
    # Bones can only be made in Edit Mode, which takes every selected armature with it.
    for item in selected_before:
        item.select_set(False, view_layer=layer)
    layer.objects.active = armature
    armature.select_set(True, view_layer=layer)
    bpy.ops.object.mode_set(mode="EDIT")
    edited = armature.data.edit_bones
    parent = edited[0] if len(edited) else None
    for bone_name, rest in rests.items():
        bone = edited.new(bone_name)
        bone.head, bone.tail = rest.head.tolist(), rest.tail.tolist()
        bone.align_roll(rest.z_axis.tolist())
        bone.parent = parent
        parent = parent or bone
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.select_set(False, view_layer=layer)
    layer.objects.active = active_before
    for item in selected_before:
        item.select_set(True, view_layer=layer)


def motion_channels(armature: bpy.types.Object, baked: BakedTake) -> list[Channel]:
    """Of the bones of a take's armature, in the order of motion_curves()."""
    rests = [meshes.matrix_array(armature.data.bones[name].matrix_local) for name in bone_names(baked)]
    return [
        Channel(armature, f'pose.bones["{each.bone}"].{each.path}', each.index, each.bone, each.values)
        for each in motion_curves(baked, rests)
    ]


# -- bringing results in ----------------------------------------------------------------------------------------------


def record_take(
    scene: bpy.types.Scene,
    actor: ActorRecord,
    name: str,
    take_file: Path,
    figures: dict[str, Any],
    frames: np.ndarray,
    collection: bpy.types.Collection,
    bake_file: Path | None = None,
) -> TakeRecord:
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
