# SPDX-License-Identifier: GPL-3.0-or-later
"""The records that the code below the panels takes are what Blender remembers: the same fields, of the same kinds."""

from typing import get_args, get_origin, get_type_hints

import bpy
import headless
import pytest

KINDS = {"STRING": str, "FLOAT": float, "INT": int, "BOOLEAN": bool}
ALL_SETTINGS: tuple[str, ...] = (
    "BakingRecord",
    "LearningRecord",
    "FittingRecord",
    "PointFittingRecord",
    "ImageFittingRecord",
)
ALL_SETTINGS = (*ALL_SETTINGS, "PhoneFittingRecord", "VideoFittingRecord", "RetargetingRecord", "LayerRecord")
IN_PART = ("AimScene",)  # its settings are read by options.py


def groups() -> dict[str, type]:
    """The extension's groups of properties, by the name that their record has."""
    classes = headless.extension_module("addon_manifest.registry").CLASSES
    found = [each for each in classes if issubclass(each, bpy.types.PropertyGroup) and each.__annotations__]
    return {each.__name__.replace("Aim", "") + "Record": each for each in found}


def kind_of(rule: object) -> object:
    """What a property holds, as the records say it."""
    if rule.type == "ENUM":
        return set[str] if rule.is_enum_flag else str
    if rule.type in ("POINTER", "COLLECTION"):
        return rule.type, rule.fixed_type.identifier
    return KINDS[rule.type]


def said(hint: object) -> object:
    """What a record says of a field, likewise."""
    if get_origin(hint) is not None and get_origin(hint).__name__ == "Records":
        return "COLLECTION", get_args(hint)[0].__name__.replace("Record", "")
    inner = [each for each in get_args(hint) if each is not type(None)] if type(None) in get_args(hint) else [hint]
    if inner[0] in (str, float, int, bool, set[str]):
        return inner[0]
    return "POINTER", inner[0].__name__.replace("Record", "")


@pytest.mark.usefixtures("extension")
def test_records_are_the_groups_of_blender():
    records = headless.extension_module("aim_blender.scene.basics.records")
    compared = 0
    for name, group in groups().items():
        record = getattr(records, name, None)
        if record is None:
            assert name in ALL_SETTINGS, name
            continue
        hints = {field: said(hint) for field, hint in get_type_hints(record).items()}
        held = {field: kind_of(group.bl_rna.properties[field]) for field in group.__annotations__}
        held = {
            field: (kind[0], kind[1].replace("Aim", "")) if type(kind) is tuple else kind
            for field, kind in held.items()
        }
        if group.__name__ in IN_PART:
            held = {field: kind for field, kind in held.items() if field in hints}
        assert hints == held, name
        compared += 1
    assert compared > 14
