# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the file a mesh's rig is made of, found along modifiers, parents, constraints and drivers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import bpy

from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.wording import listed

COLLECTIONS = {
    "OBJECT": "objects",
    "ARMATURE": "armatures",
    "MESH": "meshes",
    "CURVE": "curves",
    "LATTICE": "lattices",
    "KEY": "shape_keys",
    "SCENE": "scenes",
    "MATERIAL": "materials",
    "WORLD": "worlds",
    "COLLECTION": "collections",
    "CAMERA": "cameras",
    "LIGHT": "lights",
}
Where = tuple[str, str]  # a data-block's kind and full name, which outlive an undo


def where(datablock: bpy.types.ID) -> Where:
    """What data_at() finds a data-block by."""
    return datablock.id_type, datablock.name_full


def data_at(place: Where) -> bpy.types.ID:
    """The data-block. Raises InputError if it is gone."""
    kind, name = place
    for each in getattr(bpy.data, COLLECTIONS[kind]):
        if each.name_full == name:
            return each
    raise InputError(f"{name!r} was removed or renamed meanwhile; undo that, and press the button again")


def related(mesh: bpy.types.Object) -> list[bpy.types.ID]:
    """The objects, their data, shape keys and scenes that what is shown of a mesh object depends on, itself first."""
    found: dict[Where, bpy.types.ID] = {}
    waiting: list[bpy.types.ID] = [mesh]
    while waiting:
        each = waiting.pop(0)
        if each is None or not _is_reached(each) or where(each) in found:
            continue
        found[where(each)] = each
        waiting += _depends_on(each)
    return list(found.values())


def _depends_on(datablock: bpy.types.ID) -> Iterator[bpy.types.ID]:
    for driver in drivers(datablock):
        for variable in driver.driver.variables:
            yield from (target.id for target in variable.targets if target.id is not None)
            if variable.type == "CONTEXT_PROP":
                yield bpy.context.scene
    if isinstance(keys := getattr(datablock, "shape_keys", None), bpy.types.Key):
        yield keys
    if not isinstance(datablock, bpy.types.Object):
        return
    yield from (each for each in (datablock.parent, datablock.data) if each is not None)
    for modifier in datablock.modifiers:
        yield from _named_by(modifier)
    for each in [datablock, *(datablock.pose.bones if datablock.pose is not None else ())]:
        for constraint in each.constraints:
            yield from _named_by(constraint)


def _named_by(following: bpy.types.Modifier | bpy.types.Constraint) -> Iterator[bpy.types.Object]:
    """The objects that a modifier or a constraint names, as what it follows, aims at or is bound to."""
    for each in following.bl_rna.properties:
        if each.type == "POINTER" and isinstance(item := getattr(following, each.identifier), bpy.types.Object):
            yield item
    yield from (each.target for each in getattr(following, "targets", ()) if each.target is not None)


def drivers(datablock: bpy.types.ID) -> list[bpy.types.FCurve]:
    """The drivers of a data-block that are at work."""
    animation = datablock.animation_data
    return [] if animation is None else [each for each in animation.drivers if not each.mute]


def failing_drivers(datablocks: Sequence[bpy.types.ID]) -> str:
    """What to tell of drivers that Blender could not evaluate among what a mesh object depends on, empty if all work:
    a missing target, a wrong expression, or one of Python's that the file is not trusted to run. What they drive stands
    still without a word."""
    found = [
        f"{curve.data_path} of {_called(each)}"
        for each in datablocks
        for curve in drivers(each)
        if not curve.driver.is_valid
    ]
    if not found:
        return ""
    return (
        f"drivers that do not work hold {listed(list(dict.fromkeys(found)))} still; if the file's scripts are blocked, "
        "allow them (File > Open > Trusted Source), else mend them in the Drivers editor, and read it again"
    )


def _is_reached(datablock: bpy.types.ID) -> bool:
    """Whether properties of its own are controls; a scene's own collection and nodes are in no list of the file."""
    return datablock.id_type in COLLECTIONS and not datablock.is_embedded_data


def unreached(datablocks: Sequence[bpy.types.ID]) -> str:
    """What to tell of drivers that follow what is never proposed as a control, such as a view layer's properties; empty
    if there are none."""
    found = []
    for each in datablocks:
        for curve in drivers(each):
            for variable in curve.driver.variables:
                path = variable.targets[0].data_path if len(variable.targets) else ""
                if variable.type == "CONTEXT_PROP" and variable.targets[0].context_property == "ACTIVE_VIEW_LAYER":
                    found.append(f"{path} of the view layer")
                if variable.type == "SINGLE_PROP":
                    found += [
                        f"{target.data_path} of {target.id.name!r}"
                        for target in variable.targets
                        if target.id is not None and not _is_reached(target.id)
                    ]
    if not found:
        return ""
    return (
        f"{listed(list(dict.fromkeys(found)))} {'drives' if len(set(found)) == 1 else 'drive'} the rig, but cannot be "
        "controls; put such properties on a bone, an object or the scene"
    )


def check_no_cycle(datablocks: list[bpy.types.ID]) -> None:
    """Raise InputError if a property drives itself, by way of others or not: what it does then is not defined."""
    arrows: dict[str, set[str]] = {}
    for datablock in datablocks:
        for curve in drivers(datablock):
            driven = _named(datablock, f"{curve.data_path}[{curve.array_index}]")
            arrows.setdefault(driven, set()).update(_drive(curve))
    finished: set[str] = set()

    def follow(name: str, way: list[str]) -> None:
        if name in way:
            raise InputError(
                f"drivers go round in a circle: {listed(way[way.index(name) :])}; take one of them away, since what "
                "they do together is not defined"
            )
        if name not in finished:
            for other in sorted(arrows.get(name, ())):
                follow(other, [*way, name])
            finished.add(name)

    for name in sorted(arrows):
        follow(name, [])


def _drive(curve: bpy.types.FCurve) -> Iterator[str]:
    for variable in curve.driver.variables:
        for target in variable.targets:
            if target.id is None:
                continue
            if variable.type == "SINGLE_PROP":
                path = target.data_path
                yield _named(target.id, path if re.search(r"\[\d+\]$", path) else f"{path}[0]")
            elif variable.type == "TRANSFORMS":
                owner = f'pose.bones["{target.bone_target}"].' if target.bone_target else ""
                kind, axis = target.transform_type.split("_")[:2] if "_" in target.transform_type else ("", "")
                path = {"LOC": "location", "ROT": "rotation_euler", "SCALE": "scale"}.get(kind, "")
                if path and axis in ("X", "Y", "Z"):
                    yield _named(target.id, f"{owner}{path}[{'XYZ'.index(axis)}]")


def _named(datablock: bpy.types.ID, path: str) -> str:
    return f"{path.removesuffix('[0]')} of {datablock.name!r}"


def _called(datablock: bpy.types.ID) -> str:
    """Its name in a sentence; shape keys are overridden with their mesh."""
    if isinstance(datablock, bpy.types.Key):
        return f"the mesh data {datablock.user.name!r}"
    return repr(datablock.name)


def check_editable(datablocks: list[bpy.types.ID]) -> None:
    """Raise InputError naming what of a rig may not be keyed."""
    linked = [each for each in datablocks if each.library is not None]
    if linked:
        names = listed(sorted({_called(each) for each in linked}))
        raise InputError(
            f"{names} {'is' if len(linked) == 1 else 'are'} linked from {linked[0].library.filepath}; make a library "
            "override of them (Object > Library Override > Make), and choose that"
        )
    locked = [
        each for each in datablocks if each.override_library is not None and each.override_library.is_system_override
    ]
    if locked:
        names = listed(sorted({_called(each) for each in locked}))
        raise InputError(f"the library override of {names} is not editable; make it so in the Outliner first")
