# SPDX-License-Identifier: GPL-3.0-or-later
"""A baked take onto a character of one's own: chosen shape keys and bones are keyed, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import bpy
import numpy as np
from mathutils import Matrix

from ...core.shared.faces.expression_names import pair_expressions
from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.wording import listed
from ...core.shared.settings.rig_settings import LayerSettings
from ..actors import actors
from ..basics import folders, meshes, nla_strips, versions
from ..basics.records import ActorRecord, TakeRecord
from .baked_take import BakedTake

BESIDE_SUFFIX = " take"  # of the copy of a driven shape key


@dataclass(frozen=True)
class Rig:
    """What of a character is keyed.

    pairs: {the take's expression: the mesh's shape key}. jaw_bone, head_bone: of the armature; empty keys none.
    jaw_location, head_location: whether these bones' locations are keyed beside their rotations.
    new_action: key copies of the present actions, which are kept, instead of these.
    drivers: leave shape keys that are driven as they are, mute their drivers and key them, or key copies beside them,
    whose shapes add up with what the drivers do.
    """

    mesh: bpy.types.Object | None
    pairs: dict[str, str] = field(default_factory=dict)
    armature: bpy.types.Object | None = None
    jaw_bone: str = ""
    head_bone: str = ""
    jaw_location: bool = True
    head_location: bool = False
    new_action: bool = True
    drivers: Literal["KEEP", "MUTE", "BESIDE"] = "KEEP"


def load_bake(take: TakeRecord, actor: ActorRecord) -> BakedTake:
    """What a take of the scene was baked to. Raises InputError if it was not baked as keys or its file is gone."""
    return bake_of(take, actor)()


def bake_of(take: TakeRecord, actor: ActorRecord) -> Callable[[], BakedTake]:
    """What reads what a take was baked to, without touching Blender's data. Raises InputError, as load_bake does."""
    if not take.bake_path:
        raise InputError(f"{take.name!r} is not baked as shape keys; bake it as shape keys first")
    path = folders.found_again(take.bake_path)
    if not path.is_file():
        raise InputError(f"the bake {path} is gone; bake {take.name!r} again")
    scale = actor.millimetres_per_unit
    return lambda: BakedTake.load(path, scale)


def suggest_pairs(baked: BakedTake, mesh: bpy.types.Object | None) -> dict[str, str]:
    """Each expression of the take with the mesh's shape key of the same meaning; an empty one where there is none.

    Raises InputError if no mesh with shape keys is chosen or none pairs.
    """
    names = baked.key_names[: baked.named_count]
    found = pair_expressions(names, list(_keys_of(mesh))[1:])
    return {name: found.get(name, "") for name in names}


def bake_to_rig(baked: BakedTake, actor: ActorRecord, rig: Rig, title: str, layer: LayerSettings | None = None) -> str:
    """Key the rig at the take's frames. layer: where its keys go, and which frames. Returns what to tell the user.

    Keys outside of these frames stay, and so does every other curve. A bone turns about its own rest as the jaw or head
    turns about its pivot, in the directions of the scene: actor and character face the same way there. Bones with
    drivers, and such shape keys unless the rig says otherwise, are left out and said. Raises InputError before anything
    is changed.
    """
    layer = layer or LayerSettings()
    baked = baked.wanted(layer)
    chosen = _key_curves(baked, rig)
    bones, driven_bones = _without_driven(_bone_curves(baked, actor, rig))
    curves, left_out = chosen.curves + bones, chosen.told
    if driven_bones:
        left_out.append(f"{listed(driven_bones)} kept the drivers of what they were not keyed in")
    if not curves and chosen.kept:
        raise InputError(
            f"drivers move all {len(chosen.kept)} paired shape keys of {rig.mesh.name!r}, such as {chosen.kept[0]!r}, "
            "so keys on them would do nothing; let Drivers mute them, or add keys beside them"
        )
    if not curves:
        raise InputError("nothing is chosen to be keyed; pair an expression with a shape key, or choose a bone")
    for curve in curves:
        if curve.datablock.library is not None or (
            curve.datablock.override_library and not curve.datablock.is_editable
        ):
            raise InputError(
                f"{curve.datablock.name!r} is linked from another file; make it local or override it first"
            )
    writer = nla_strips.writer_for(title, rig.new_action, layer)
    writer.check([(curve.datablock, curve.path, curve.index) for curve in curves])
    for path in chosen.muted:
        for driver in versions.drivers_of(rig.mesh.data.shape_keys, path):
            driver.mute = True
    for name, beside in chosen.copied.items():
        _copy_key(rig.mesh, name, beside)
    for curve in curves:
        writer.write(curve.datablock, curve.path, curve.index, curve.group, baked.frames, curve.values)
    writer.close()
    bpy.context.view_layer.update()
    names = [curve for curve in curves if curve.path.startswith("key_blocks")]
    told = f"keyed {len(names)} shape keys"
    turned = list(dict.fromkeys(curve.group for curve in bones))
    if turned:
        told += f" and {listed(turned)}"
    told += f" on frames {int(baked.frames[0])} to {int(baked.frames[-1])}"
    correctives = len(baked.key_names) - baked.named_count
    if correctives:
        told += f"; the {correctives} correctives belong to the actor's own mesh and were left out"
    return told + "".join(f"; {each}" for each in left_out)


@dataclass(frozen=True)
class Curve:
    """An F-curve to be: values (F,) of datablock's property `path` at an index."""

    datablock: bpy.types.ID
    path: str
    index: int
    group: str
    values: np.ndarray


# -- shape keys -------------------------------------------------------------------------------------------------------


def _keys_of(mesh: bpy.types.Object | None) -> dict[str, bpy.types.ShapeKey]:
    if not actors.is_there(mesh):
        raise InputError("no character is chosen; choose the mesh whose shape keys shall be keyed")
    keys = meshes.mesh_of(mesh).shape_keys
    if keys is None or len(keys.key_blocks) < 2:
        raise InputError(f"{mesh.name!r} has no shape keys; choose a mesh that has some")
    return dict(keys.key_blocks.items())


@dataclass(frozen=True)
class ChosenKeys:
    """curves: of the paired shape keys. told: what is to be said about those that are left out or cut off. kept: keys
    that are left to their drivers. muted: paths whose drivers are to be muted. copied: {key: its copy to be}."""

    curves: list[Curve] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    muted: list[str] = field(default_factory=list)
    copied: dict[str, str] = field(default_factory=dict)


def _key_curves(baked: BakedTake, rig: Rig) -> ChosenKeys:
    """What is to be keyed of the mesh. Raises InputError if it cannot be as the rig says."""
    chosen = ChosenKeys()
    if not rig.pairs:
        return chosen
    keys, names = _keys_of(rig.mesh), baked.key_names[: baked.named_count]
    pairs = pair_expressions(names, list(keys)[1:], rig.pairs)
    datablock = rig.mesh.data.shape_keys
    cut = []
    for name, target in pairs.items():
        key, values = keys[target], baked.key_weights[:, names.index(name)]
        path = _value_path(target)
        if versions.is_driven(datablock, path):
            if rig.drivers == "KEEP":
                chosen.kept.append(target)
                continue
            if rig.drivers == "MUTE":
                chosen.muted.append(path)
            else:
                chosen.copied[target] = target + BESIDE_SUFFIX
                path = _value_path(chosen.copied[target])
        if values.max() > key.slider_max + 1e-6 or values.min() < key.slider_min - 1e-6:
            cut.append(target)
        chosen.curves.append(Curve(datablock, path, 0, "Shapes", values))
    if chosen.copied and rig.mesh.data.override_library is not None:
        raise InputError(
            f"{rig.mesh.name!r} is a library override, to which no shape key can be added; mute the drivers, or make "
            "it local"
        )
    if chosen.kept:
        chosen.told.append(f"{listed(chosen.kept)} kept their drivers")
    if chosen.muted:
        chosen.told.append(f"the drivers of {len(chosen.muted)} shape keys are muted now")
    if chosen.copied:
        copies = listed(list(chosen.copied.values()))
        chosen.told.append(f"{copies} add to what the drivers of {len(chosen.copied)} shape keys do")
    if cut:
        chosen.told.append(
            f"the sliders of {listed(cut)} end before the performance does, so Blender cuts it off there"
        )
    return chosen


def _value_path(key: str) -> str:
    return f'key_blocks["{bpy.utils.escape_identifier(key)}"].value'


def _copy_key(mesh: bpy.types.Object, name: str, copy: str) -> None:
    """Give a mesh a copy of one of its shape keys, unless it has it from a bake before."""
    keys = mesh.data.shape_keys.key_blocks
    if copy in keys:
        return
    source, made = keys[name], versions.add_shape_key(mesh, copy)
    places = np.empty(3 * len(source.data), dtype=np.float32)
    source.data.foreach_get("co", places)
    made.data.foreach_set("co", places)
    made.relative_key, made.vertex_group = source.relative_key, source.vertex_group
    made.slider_min, made.slider_max = source.slider_min, source.slider_max


# -- bones ------------------------------------------------------------------------------------------------------------


def head_curves(baked: BakedTake, actor: ActorRecord, rig: Rig) -> tuple[list[Curve], list[str]]:
    """Curves of the head's bone, without what drivers have, and the bones of that. Raises InputError."""
    return _without_driven(_bone_curves(baked, actor, rig))


def _bone_curves(baked: BakedTake, actor: ActorRecord, rig: Rig) -> list[Curve]:
    if not (rig.jaw_bone or rig.head_bone):
        return []
    if not actors.is_there(rig.armature):
        raise InputError("no armature is chosen; choose the one that has the bones, or choose no bones")
    bones = {}
    for name in (rig.jaw_bone, rig.head_bone):
        if name and name not in rig.armature.pose.bones:
            raise InputError(f"{rig.armature.name!r} has no bone {name!r}; choose one of its bones")
        bones[name] = rig.armature.pose.bones[name] if name else None
    jaw, head = bones[rig.jaw_bone], bones[rig.head_bone]
    if jaw is not None and jaw == head:
        raise InputError(f"the bone {jaw.name!r} is chosen for jaw and head; choose two bones, or only one of them")
    to_scene = np.eye(4)
    if actors.is_there(actor.neutral):
        to_scene = meshes.rigid_part(meshes.matrix_array(actor.neutral.matrix_world))
    place = meshes.matrix_array(rig.armature.matrix_world)
    scale = float(np.cbrt(abs(np.linalg.det(place[:3, :3]))))
    turn = meshes.rigid_part(place)[:3, :3].T @ to_scene[:3, :3]  # from the actor's directions to the armature's
    curves = []
    if jaw is not None:
        # A jaw that does not hang on the head's bone has to go along with the head by itself.
        alone = head is not None and head not in jaw.parent_recursive
        motion = baked.head @ baked.jaw if alone else baked.jaw
        curves += _curves_of(rig.armature, jaw, motion, baked.hinge_centre, turn, scale, rig.jaw_location)
    if head is not None:
        pivot = baked.hinge_centre
        if jaw is not None:  # the jaw's bone begins at the hinge, so this is where the head's begins
            apart = np.array(head.bone.head_local) - np.array(jaw.bone.head_local)
            pivot = pivot + turn.T @ apart * scale
        curves += _curves_of(rig.armature, head, baked.head, pivot, turn, scale, rig.head_location)
    return curves


def _without_driven(curves: list[Curve]) -> tuple[list[Curve], list[str]]:
    """Curves of bones without those of properties that are driven, and the bones that these are of."""
    driven = [curve for curve in curves if versions.is_driven(curve.datablock, curve.path)]
    return [curve for curve in curves if not versions.is_driven(curve.datablock, curve.path)], list(
        dict.fromkeys(curve.group for curve in driven)
    )


def _curves_of(
    armature: bpy.types.Object,
    bone: bpy.types.PoseBone,
    motion: np.ndarray,
    pivot: np.ndarray,
    turn: np.ndarray,
    scale: float,
    with_location: bool,
) -> list[Curve]:
    """Curves of a pose bone that moves about its rest as `motion` (F, 4, 4) moves about pivot (3,).

    turn: (3, 3) from the actor's directions to the armature's. scale: of the armature in the scene.
    """
    to_bone = np.array(bone.bone.matrix_local.to_3x3()).T @ turn
    rotation = to_bone @ motion[:, :3, :3] @ to_bone.T
    found = _rotation_columns(bone, rotation)
    if with_location and not bone.bone.use_connect:  # Blender takes no location from a connected bone
        moved = (motion[:, :3, :3] @ pivot + motion[:, :3, 3] - pivot) / scale  # (F, 3)
        axes = to_bone if bone.bone.use_local_location else turn
        found += [("location", index, column) for index, column in enumerate((moved @ axes.T).T)]
    escaped = bpy.utils.escape_identifier(bone.name)
    return [
        Curve(armature, f'pose.bones["{escaped}"].{path}', index, bone.name, values) for path, index, values in found
    ]


def _rotation_columns(bone: bpy.types.PoseBone, rotation: np.ndarray) -> list[tuple[str, int, np.ndarray]]:
    """The property, index and values (F,) that turn a bone by rotation (F, 3, 3), in the bone's own rotation mode."""
    matrices = [Matrix(each.tolist()) for each in rotation]
    mode = bone.rotation_mode
    if mode in ("QUATERNION", "AXIS_ANGLE"):
        turns = [matrix.to_quaternion() for matrix in matrices]
        for before, after in pairwise(turns):
            after.make_compatible(before)
        if mode == "QUATERNION":
            return [("rotation_quaternion", index, column) for index, column in enumerate(np.array(turns).T)]
        values = np.array([(angle, *axis) for axis, angle in (each.to_axis_angle() for each in turns)])
        for index in range(1, len(values)):  # an axis and its opposite are one turn: keep to the nearer
            if values[index, 1:] @ values[index - 1, 1:] < 0:
                values[index] *= -1
        return [("rotation_axis_angle", index, column) for index, column in enumerate(values.T)]
    angles = [matrix.to_euler(mode) for matrix in matrices]
    for previous, following in pairwise(angles):
        following.make_compatible(previous)
    return [("rotation_euler", index, column) for index, column in enumerate(np.array(angles).T)]
