# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings as Blender has them: properties of operators and of the scene that are made of the options, and what they
choose, as the tasks take it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ...core.shared.settings.baking_settings import BakingSettings
from ...core.shared.settings.fitting_settings import FittingSettings
from ...core.shared.settings.learning_settings import LearningSettings
from ...core.shared.settings.option import Option, options_of
from ...core.shared.settings.phone_settings import PhoneFittingSettings
from ...core.shared.settings.point_settings import ImageFittingSettings, PointFittingSettings
from ...core.shared.settings.retarget_settings import RetargetSettings
from ...core.shared.settings.rig_settings import LayerSettings, RigSettings
from ...core.shared.settings.timing_settings import Timing
from ...core.shared.settings.video_settings import VideoFittingSettings
from .records import SceneRecord

LARGEST_WHOLE = 2**31 - 1  # of Blender's numbers
DIGITS = 6  # of numbers that Blender keeps in single precision: 0.1, not what is nearest to it there
DEVICE, FACE_MODEL = "preferences.device", "preferences.face_model"

# The group below the scene's `aim` that holds the settings of a dataclass.
GROUPS: Mapping[type[Any], str] = {
    LearningSettings: "learning",
    FittingSettings: "fitting",
    PointFittingSettings: "point_fitting",
    ImageFittingSettings: "image_fitting",
    PhoneFittingSettings: "phone_fitting",
    VideoFittingSettings: "video_fitting",
    RetargetSettings: "retargeting",
    BakingSettings: "baking",
    Timing: "baking",
    RigSettings: "rig",
    LayerSettings: "rig",
}
# Settings that stand elsewhere, under names that .blend files and presets know.
PLACES: Mapping[type[Any], Mapping[str, str]] = {
    LearningSettings: {"iterations": "iterations", "hidden": "hidden", "device": DEVICE, "parts": "actors.parts"},
    FittingSettings: {"solver": "solver", "largest_weight": "sources.largest_weight", "device": DEVICE},
    PointFittingSettings: {"rest_frame": "sources.rest"},
    ImageFittingSettings: {"rest_frame": "sources.rest"},
    PhoneFittingSettings: {"rest_frame": "sources.phone_rest"},
    VideoFittingSettings: {"rest_frame": "sources.rest", "face_model": FACE_MODEL},
    RetargetSettings: {
        "strength": "retarget_strength",
        "jaw_strength": "retarget_jaw_strength",
        "head": "retarget_head",
        "neutral_frame": "retarget_neutral_frame",
        "pairs": "retarget.pairs",
        "region_strength": "retarget.regions",
    },
    BakingSettings: {"tolerance_mm": "tolerance_mm"},
    Timing: {"fps": "baking.convert_rate"},
}
# Those of them that have a switch beside them, or mean more than their value: panels and operators know how.
BY_HAND = (
    "rest_frame",
    "take_fps",
    "neutral_frame",
    "pairs",
    "region_strength",
    "parts",
    "device",
    "face_model",
    *options_of(Timing),
)


def place_of(settings: type[Any], name: str) -> str:
    """Where a setting stands: a path from the scene's `aim`, or from the extension's preferences."""
    return PLACES.get(settings, {}).get(name) or f"{GROUPS[settings]}.{name}"


def places_of(*settings: type[Any]) -> tuple[str, ...]:
    """Where all settings stand that are a property of the scene and mean no more than their value."""
    return tuple(dict.fromkeys(place_of(each, name) for each in settings for name in plain_options(each)))


def plain_options(settings: type[Any]) -> dict[str, Option]:
    """The options whose property means no more than its value, by name."""
    return {name: option for name, option in options_of(settings).items() if name not in BY_HAND}


def owner_of(state: SceneRecord, settings: type[Any], name: str) -> tuple[Any, str]:
    """The group that holds a setting, and its name there. state: the scene's `aim`."""
    *groups, last = place_of(settings, name).split(".")
    owner = state
    for group in groups:
        owner = getattr(owner, group)
        if group == "actors":  # of the actor that is chosen
            owner = owner[state.active_actor]
    return owner, last


# -- properties -------------------------------------------------------------------------------------------------------


def scene_property(settings: type[Any], name: str, left_out: bool = False, default: Any = None) -> Any:
    """The property of the scene for a setting. left_out: it is 0 at first, which leaves it to the method. default: what
    it is at first, where a switch beside it says whether it counts."""
    option = options_of(settings)[name]
    if default is not None:
        option = replace(option, default=default)
    return _property(option, ". 0 leaves it to the method" if left_out else "", left_out)


def scene_properties(settings: type[Any]) -> dict[str, Any]:
    """The properties of the group of these settings, but for those that stand elsewhere: its annotations."""
    return {
        name: scene_property(settings, name)
        for name in plain_options(settings)
        if place_of(settings, name) == f"{GROUPS[settings]}.{name}"
    }


def operator_properties(*settings: type[Any], leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The properties of an operator for all these settings: its annotations. Left out, the scene's setting counts.

    leave_out: settings that 0 leaves out although they may be 0.
    """
    found: dict[str, Any] = {}
    for each in settings:
        for name, option in options_of(each).items():
            if option.kind != "file" and name not in found:
                zero = _zero_leaves_out(option, leave_out)
                text = ". 0 takes the scene's setting" if zero else ". Left out, the scene's setting counts"
                found[name] = _property(option, text, zero, limited=False)
    return found


def operator_property(settings: type[Any], name: str) -> Any:
    """One of operator_properties."""
    return operator_properties(settings)[name]


def _zero_leaves_out(option: Option, leave_out: tuple[str, ...]) -> bool:
    return option.kind in ("number", "whole") and (option.name in leave_out or not option.allows(0))


def _property(option: Option, text: str, left_out: bool, limited: bool = True) -> Any:
    """A property of Blender. text: what its tooltip says besides. left_out: it begins at 0, which is none of its
    values. limited: Blender cuts what is too large; else it is refused when it is used, which a script should see."""
    said: dict[str, Any] = {"name": option.label, "description": option.help + text}
    if option.kind == "flag":
        return BoolProperty(**said, default=option.default)
    if option.kind == "text":
        return StringProperty(**said)
    if option.kind == "frame":
        said["description"] = f"{option.help}: its number, or {' or '.join(option.names)}{text}"
        return StringProperty(**said)
    if option.kind in ("choice", "several"):
        items = tuple((each.name, each.label, each.help) for each in option.choices)
        if option.kind == "several":
            return EnumProperty(**said, items=items, options={"ENUM_FLAG"}, default=set(option.default))
        return EnumProperty(**said, items=items, default=option.default)
    default = 0 if left_out or option.default is None else option.default
    least = 0 if left_out or option.zero else option.least
    most: dict[str, Any] = {"soft_max": min(option.soft, option.most)} | ({"max": option.most} if limited else {})
    if option.kind == "whole":
        limits = {"min": least, **most}
        whole: dict[str, Any] = {
            name: int(min(max(value, -LARGEST_WHOLE - 1), LARGEST_WHOLE)) for name, value in limits.items()
        }
        return IntProperty(**said, default=default, **whole)
    if option.unit == "mm":
        said["description"] = f"{option.help}. In millimetres{text}"
    digits = 4 if 0 < default < 0.01 else 3 if option.unit == "mm" else 2
    limits = {"min": 10.0**-digits if option.above and not left_out else least, **most}
    finite: dict[str, Any] = {name: value for name, value in limits.items() if math.isfinite(value)}
    return FloatProperty(**said, default=default, precision=digits, **finite)


# -- what is chosen ---------------------------------------------------------------------------------------------------


def chosen(state: SceneRecord, settings: type[Any], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the scene chooses of these settings, by the names of a task's arguments: whatever is not as it is without
    being chosen, of what counts; over it what is given. state: the scene's `aim`."""
    given = given or {}
    found = {}
    for name, option in plain_options(settings).items():
        value = _value(*owner_of(state, settings, name))
        left_out = value == option.default or (_zero_leaves_out(option, ()) and value == 0)
        if not left_out and _counts(state, settings, option, given):
            found[option.argument] = _as_argument(option, value)
    return {**found, **given}


def operator_choices(operator: Any, *settings: type[Any], leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """What an operator was told of its operator_properties, by the names of the task's arguments; frames that may be
    words are left to the operator."""
    found = {}
    for each in settings:
        for name, option in options_of(each).items():
            if option.kind not in ("file", "frame") and operator.properties.is_property_set(name):
                value = _value(operator, name)
                if value or not _zero_leaves_out(option, leave_out):
                    found[option.argument] = _as_argument(option, value)
    return found


def is_shown(state: SceneRecord, settings: type[Any], option: Option, advanced: bool) -> bool:
    """Whether a panel shows a setting: in its part Advanced or not, and as long as it counts."""
    return option.advanced == advanced and option.name not in BY_HAND and _counts(state, settings, option, {})


def _counts(state: SceneRecord, settings: type[Any], option: Option, given: Mapping[str, Any]) -> bool:
    if option.needs is None:
        return True
    other, wanted = option.needs
    return bool((given[other] if other in given else _value(*owner_of(state, settings, other))) == wanted)


def _value(owner: Any, name: str) -> Any:
    value = getattr(owner, name)
    if isinstance(value, float):
        return round(value, DIGITS)
    return tuple(sorted(value)) if isinstance(value, set) else value


def _as_argument(option: Option, value: Any) -> Any:
    if option.words:
        return option.words[not value]
    return list(value) if option.kind == "several" else value
