# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyeballs, teeth, lashes and glasses that are objects of their own: copies of them go with a take.

What turns hangs on an eye bone, which is added if the take has none there, teeth and tongue on head and jaw, lashes and
brows are bound to the skin by Surface Deform. The objects themselves are left as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import bpy
import numpy as np

from ...core.shared.faces.object_kinds import ObjectParts, object_parts
from ...core.shared.faces.part_kinds import JOINED
from ...core.shared.foundation.errors import InputError
from ..actors import actor_meshes, actors
from ..basics import meshes, rigging
from ..basics.records import ActorRecord, TakeRecord
from ..basics.vertex_groups import write_vertex_group
from . import gaze
from .baked import add_bones, copy_at, name_of_copy
from .key_choice import HEAD, JAW

BINDING = "AIM Skin"
OUTSIDE = 0.02  # of the neutral's size, that an object near the head may stick out of its box
OF_RIGS = ("ARMATURE", "SURFACE_DEFORM", "MESH_DEFORM", "LATTICE", "HOOK")


@dataclass
class Hanging:
    """What became of objects. hung: their names, by the bone or "skin" that each hangs on. left: sentences on those
    that were left alone."""

    hung: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """All of it."""
        told = [f"{name} hangs on {what}" for name, what in self.hung.items()]
        return "; ".join([*told, *self.left])


def objects_near(scene: bpy.types.Scene, actor: ActorRecord) -> list[bpy.types.Object]:
    """The visible meshes that lie wholly in the box of an actor's neutral and are nothing of AIM's. Raises InputError
    if the neutral is gone."""
    neutral = actors.neutral_of(actor)
    low, high = _box(neutral)
    slack = OUTSIDE * float((high - low).max())
    known = {neutral, *(each for one in scene.aim.actors for each in _of_actor(one))}
    known |= {each for take in scene.aim.takes if take.collection for each in take.collection.all_objects}
    found = []
    for item in scene.objects:
        if item.type == "MESH" and item not in known and item.visible_get() and len(item.data.polygons):
            least, most = _box(item)
            if (least >= low - slack).all() and (most <= high + slack).all():
                found.append(item)
    return found


def hang(
    context: bpy.types.Context,
    take: TakeRecord,
    actor: ActorRecord,
    items: Sequence[bpy.types.Object],
    beside: Sequence[bpy.types.Object] = (),
) -> Hanging:
    """Hang copies of objects that stand at an actor's neutral on the bones or the skin of a take; those of before are
    replaced. beside: other objects there, by which they are judged. Raises InputError if the take has no bones, or the
    neutral shows no face. Needs Object Mode."""
    armature = gaze.armature_of(take)
    skin = _skin_of(armature)
    if armature is None or skin is None or take.collection is None:
        raise InputError(f"the take {take.name!r} has no bones to hang anything on; bake it as Keys and Bones")
    neutral, scale = _rest_of(skin), actor.millimetres_per_unit
    to_frame = np.linalg.inv(meshes.rigid_part(meshes.matrix_array(actors.neutral_of(actor).matrix_world)))
    every = list(dict.fromkeys([*items, *beside]))
    points = [actor_meshes.bone_points(item, to_frame, neutral) for item in every]
    shown = [
        (each.astype(np.float64) * scale, meshes.read_topology(meshes.mesh_of(item), item.name))
        for each, item in zip(points, every, strict=True)
    ]
    judged = object_parts(neutral * scale, meshes.read_topology(meshes.mesh_of(skin), skin.name), shown)
    found = Hanging()
    for item, own, parts in list(zip(every, points, judged, strict=True))[: len(items)]:
        why = _left_alone(item, actor)
        if why:
            found.left.append(f"{item.name} is left alone: {why}")
            continue
        _remove_copy(item, take.collection)
        copy = copy_at(item, own, take.collection)
        copy.parent = armature
        if parts.follows and _bind_to_skin(context, copy, skin, armature):
            found.hung[item.name] = "the skin"
            continue
        found.hung[item.name] = JOINED.join(_bind_to_bones(context, copy, armature, own, parts, scale))
        if parts.follows:
            found.left.append(f"{item.name} could not be bound to the skin, whose faces Surface Deform does not take")
    context.view_layer.update()
    return found


def _left_alone(item: bpy.types.Object, actor: ActorRecord) -> str:
    """Why an object is not to be hung, empty if it may be."""
    if item in _of_actor(actor):
        return f"it is a face or a bone of {actor.name}"
    if len(item.constraints):
        return f"it has the constraint {item.constraints[0].name}"
    rig = next((each for each in item.modifiers if each.type in OF_RIGS), None)
    if rig is not None:
        return f"it is moved by its modifier {rig.name}"
    if item.parent is not None and (item.parent.type == "ARMATURE" or item.parent_type in ("BONE", "VERTEX")):
        return f"it hangs on {item.parent.name}"
    return ""


def _of_actor(actor: ActorRecord) -> set[bpy.types.Object]:
    """The objects that an actor consists of."""
    items = [actor.neutral, actor.skull, actor.mandible, actor.jaw, *(shape.object for shape in actor.shapes)]
    return {item for item in items if item is not None}


def _box(item: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest coordinates (3,) of an object in the scene."""
    corners = meshes.transform(
        meshes.matrix_array(item.matrix_world), np.array([list(each) for each in item.bound_box])
    )
    return corners.min(0), corners.max(0)


def _skin_of(armature: bpy.types.Object | None) -> bpy.types.Object | None:
    """The mesh of a take that its armature moves and that has shape keys."""
    if armature is None:
        return None
    return next((each for each in armature.children if each.type == "MESH" and each.data.shape_keys), None)


def _rest_of(skin: bpy.types.Object) -> np.ndarray:
    """(V, 3) the skin at rest, in the armature's space."""
    return meshes.read_key_positions(skin.data.shape_keys.key_blocks[0]).astype(np.float64)


def _remove_copy(item: bpy.types.Object, collection: bpy.types.Collection) -> None:
    """Take away the copy of an object that a take's collection has from before."""
    old = collection.objects.get(name_of_copy(item, collection))
    if old is not None and old is not item:
        mesh = meshes.mesh_of(old)
        bpy.data.objects.remove(old)
        if mesh.users == 0:
            bpy.data.meshes.remove(mesh)


# -- on bones ---------------------------------------------------------------------------------------------------------


def _bind_to_bones(
    context: bpy.types.Context,
    copy: bpy.types.Object,
    armature: bpy.types.Object,
    points: np.ndarray,
    parts: ObjectParts,
    scale: float,
) -> list[str]:
    """Groups of a copy's vertices for the bones that its pieces go with, and an Armature modifier. Returns those."""
    bones = {}
    for piece, kind in enumerate(parts.kinds):
        bones[piece] = {"skull": HEAD, "jaw": JAW}.get(kind, "")
        if kind == "turns":
            sphere, chosen = parts.spheres[piece], parts.piece_of == piece
            bones[piece] = _eye_bone(
                context, armature, sphere.centre / scale, sphere.radius / scale, points[chosen], (parts.left, parts.up)
            )
    for bone in dict.fromkeys(bones.values()):
        own = [piece for piece, name in bones.items() if name == bone]
        write_vertex_group(copy, bone, np.isin(parts.piece_of, own).astype(np.float64))
    modifier = copy.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    modifier.use_deform_preserve_volume = False
    return list(dict.fromkeys(bones.values()))


def _eye_bone(
    context: bpy.types.Context,
    armature: bpy.types.Object,
    centre: np.ndarray,
    radius: float,
    points: np.ndarray,
    axes: tuple[np.ndarray, np.ndarray],
) -> str:
    """The name of the eye bone at a centre (3,), which is added where there is none. axes: the face's left and up."""
    for bone in gaze.eye_bones(armature):
        if np.linalg.norm(np.array(bone.bone.head_local) - centre) < radius / 2:
            return str(bone.name)
    left, up = axes
    middle = np.array(armature.data.bones[JAW].head_local)
    name = "eye.L" if (centre - middle) @ left > 0 else "eye.R"
    number = 1
    while name in armature.data.bones:
        name, number = f"eye_{number}", number + 1
    add_bones(context, armature, {name: rigging.place_eye(centre, points, np.cross(left, up), up)})
    armature.pose.bones[name].rotation_mode = "XYZ"
    return name


# -- on the skin ------------------------------------------------------------------------------------------------------


def _bind_to_skin(
    context: bpy.types.Context, copy: bpy.types.Object, skin: bpy.types.Object, armature: bpy.types.Object
) -> bool:
    """Bind a copy to the skin at rest by Surface Deform. Returns whether Blender could."""
    modifier = copy.modifiers.new(BINDING, "SURFACE_DEFORM")
    modifier.target = skin
    before = (armature.data.pose_position, skin.show_only_shape_key, skin.active_shape_key_index)
    armature.data.pose_position, skin.show_only_shape_key, skin.active_shape_key_index = "REST", True, 0
    try:
        context.view_layer.update()
        with context.temp_override(object=copy, active_object=copy, selected_objects=[copy]):
            bpy.ops.object.surfacedeform_bind(modifier=BINDING)
        context.view_layer.update()
        bound = bool(modifier.is_bound)
    except RuntimeError:
        bound = False
    finally:
        armature.data.pose_position, skin.show_only_shape_key, skin.active_shape_key_index = before
    if not bound:
        copy.modifiers.remove(modifier)
    return bound
