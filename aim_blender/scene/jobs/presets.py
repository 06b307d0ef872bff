# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets of the settings: some come with the extension, others a user saves. A file is JSON and runs no code.

A file X.json of the preset X holds {"aim_preset": "learn", "settings": {name: value}}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy

from ...core.shared.foundation.errors import UNREADABLE, InputError
from ...core.shared.settings.baking_settings import BakingSettings
from ...core.shared.settings.learning_settings import LearningSettings
from ...core.shared.settings.point_settings import FITS
from ...core.shared.settings.retarget_settings import RetargetSettings
from ...core.shared.settings.rig_settings import LayerSettings, RigSettings
from ...jobs.folders.folder import write_atomically
from ..basics import folders, options

# For what there are presets, and the settings they hold: paths from the scene's `aim`.
SETTINGS = {
    "learn": options.places_of(LearningSettings),
    "fit": (*options.places_of(*FITS), "tolerance_mm", "beside"),
    "retarget": options.places_of(RetargetSettings),
    "bake": ("baking.kind", *options.places_of(BakingSettings), "baking.step", "baking.convert_rate"),
    "rig": options.places_of(RigSettings, LayerSettings),
}
SHIPPED: dict[str, dict[str, dict[str, Any]]] = {
    "learn": {
        "Default": {},
        "Quick Look": {"iterations": 300, "hidden": 0},
        "As in the Paper": {"iterations": 10000, "hidden": 256},
    },
    "fit": {
        "Default": {},
        "Fewer Correctives": {"solver": "closed-form", "tolerance_mm": 0.5},
        "The Paper's Networks": {"solver": "neural", "tolerance_mm": 0.1},
    },
    "retarget": {
        "Default": {},
        "Still Head": {"retarget_strength": 1.0, "retarget_jaw_strength": 1.0, "retarget_head": False},
    },
    "bake": {
        "Default": {},
        "Draft": {"baking.kind": "KEYS", "baking.step": 2, "baking.reduce_keys_mm": 0.2, "tolerance_mm": 0.5},
        "Film": {"baking.kind": "KEYS", "baking.step": 1, "baking.reduce_keys_mm": 0.0, "tolerance_mm": 0.05},
    },
    "rig": {
        "Default": {},
        "As Near as Can Be": {"rig.loss": 0.0, "rig.smoothing": 0.0, "rig.rounds": 4},
        "Few Controls": {"rig.loss": 0.2, "rig.smoothing": 0.01},
    },
}
DEFAULT = "Default"  # what it holds, all settings as they are at first, Blender knows
LARGEST_BYTES = 100_000  # of a preset's file; what is larger is none


def folder_of(kind: str) -> Path:
    """Where a user's presets lie; it need not exist yet."""
    return folders.user_folder() / "presets" / kind


def saved(kind: str) -> list[str]:
    """The names of the user's presets, in order."""
    try:
        return sorted((file.stem for file in folder_of(kind).glob("*.json")), key=str.casefold)
    except OSError:
        return []


def load(scene: bpy.types.Scene, kind: str, name: str) -> None:
    """Set the scene's settings as the preset has them: all of them, or none if one cannot be.

    Raises InputError if there is no such preset, or it is damaged.
    """
    if name == DEFAULT:
        for path in SETTINGS[kind]:
            _reset(*_place(scene, path))
        return
    if name in SHIPPED[kind]:
        settings = SHIPPED[kind][name]
    elif name in saved(kind):
        settings = _read(folder_of(kind) / f"{name}.json", kind)
    else:
        raise InputError(
            f"there is no preset {name!r} for {kind}; there are {', '.join([*SHIPPED[kind], *saved(kind)])}"
        )
    places = {path: _place(scene, path) for path in settings}
    for path, value in settings.items():
        _check(f"the preset {name!r}", *places[path], value)
    for path, value in settings.items():
        setattr(*places[path], set(value) if isinstance(value, list) else value)


def save(scene: bpy.types.Scene, kind: str, name: str) -> Path:
    """Keep the scene's settings as a preset of the user. Returns its file, which replaces one of the same name.

    Raises InputError if the name is empty or a shipped preset's, or the folder cannot be written.
    """
    stem = folders.safe_name(name) if name.strip() else ""
    if not stem:
        raise InputError("a preset needs a name; type one")
    if stem.casefold() in (shipped.casefold() for shipped in SHIPPED[kind]):
        raise InputError(f"{stem!r} comes with the extension and stays as it is; choose another name")
    settings = {}
    for path in SETTINGS[kind]:
        value = getattr(*_place(scene, path))
        settings[path] = sorted(value) if isinstance(value, set) else value
        if isinstance(value, float):
            settings[path] = round(value, options.DIGITS)
    file = folder_of(kind) / f"{stem}.json"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps({"aim_preset": kind, "settings": settings}, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"the preset {file} cannot be written ({error.strerror})") from error
    return file


def remove(kind: str, name: str) -> None:
    """Remove a preset of the user. Raises InputError if there is none of this name, or it cannot be removed."""
    if name not in saved(kind):
        raise InputError(f"there is no preset {name!r} of yours for {kind}")
    try:
        (folder_of(kind) / f"{name}.json").unlink()
    except OSError as error:
        raise InputError(f"the preset {name!r} cannot be removed ({error.strerror})") from error


def described(scene: bpy.types.Scene, settings: dict[str, Any]) -> list[str]:
    """What settings say, one by one, as the panel names them."""
    told = []
    for path, value in settings.items():
        owner, name = _place(scene, path)
        setting = owner.bl_rna.properties[name]
        if setting.type == "ENUM":
            value = setting.enum_items[value].name
        told.append(f"{setting.name} to {'off' if value is False else 'on' if value is True else value}")
    return told


def _read(file: Path, kind: str) -> dict[str, Any]:
    """The settings of a file. Raises InputError if it is no preset of this kind, or has settings that do not exist."""
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise ValueError("too large")
        found = json.loads(file.read_text(encoding="utf-8"))
        settings = found["settings"]
        if found["aim_preset"] != kind or not isinstance(settings, dict):
            raise ValueError("of another kind")
    except UNREADABLE as error:
        raise InputError(f"{file} is no preset for {kind}, or it is damaged; remove it") from error
    strange = [path for path in settings if path not in SETTINGS[kind]]
    if strange:
        raise InputError(f"{file} sets {strange[0]!r}, which {kind} does not have; remove it from the file")
    return settings


def _place(scene: bpy.types.Scene, path: str) -> tuple[Any, str]:
    """The group of settings that holds one, and its name there."""
    *groups, name = path.split(".")
    owner = scene.aim
    for group in groups:
        owner = getattr(owner, group)
    return owner, name


def _reset(owner: Any, name: str) -> None:
    owner.property_unset(name)


def _check(source: str, owner: Any, name: str, value: Any) -> None:
    """Raise InputError unless the setting can have this value as it is."""
    setting = owner.bl_rna.properties[name]
    if setting.type == "ENUM":
        possible = [item.identifier for item in setting.enum_items]
        if setting.is_enum_flag:
            fits = isinstance(value, list) and all(each in possible for each in value)
            wanted = f"a list of any of {', '.join(possible)}"
        else:
            fits, wanted = value in possible, f"one of {', '.join(possible)}"
    elif setting.type == "BOOLEAN":
        fits, wanted = isinstance(value, bool), "true or false"
    elif setting.type == "STRING":
        fits, wanted = isinstance(value, str), "a text"
    else:
        number = isinstance(value, (int,) if setting.type == "INT" else (int, float)) and not isinstance(value, bool)
        fits = number and setting.hard_min <= value <= setting.hard_max
        wanted = (
            f"a {'whole ' if setting.type == 'INT' else ''}number from {setting.hard_min:g} to {setting.hard_max:g}"
        )
    if not fits:
        raise InputError(f"{source} sets {setting.name} to {value!r}; it must be {wanted}")
