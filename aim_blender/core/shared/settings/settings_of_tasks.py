# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings each task has, in how many ways of use they can be set, and why one of them lacks a setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .baking_settings import BakingSettings
from .learning_settings import LearningSettings
from .option import Option, options_of
from .phone_settings import PhoneFittingSettings
from .point_settings import FITS
from .retarget_settings import RetargetSettings
from .rig_settings import LayerSettings, RigSettings
from .timing_settings import Timing
from .video_settings import VideoFittingSettings

SETTINGS: Mapping[str, tuple[type[Any], ...]] = {
    "learn": (LearningSettings,),
    "fit": FITS,
    "retarget": (RetargetSettings,),
    "bake": (BakingSettings, Timing),
    "rig": (RigSettings, LayerSettings),
}
# Where the settings of a task differ by what it is given: of what each dataclass is.
OF_WHAT = dict(zip(FITS, ("meshes", "points", "points of images", "a phone's recording", "a video"), strict=True))
# Every way to use the product. A preset is of the panel's settings.
SURFACES = ("command line", "batch", "operator", "panel", "preset")

_OF_A_TAKE = "it is of one take, a preset is for any"
# {(task, setting or * for all of them, surface): why it is not there}
MISSING: Mapping[tuple[str, str, str], str] = {
    ("learn", "*", "batch"): "a batch takes actors that are learned",
    ("learn", "device", "preset"): "it is of the computer: the preferences of the extension hold it for all files",
    ("learn", "parts", "preset"): "it is of one mesh, a preset is for any",
    ("fit", "device", "preset"): "it is of the computer: the preferences of the extension hold it for all files",
    ("fit", "rest_frame", "preset"): "it is of one performance, a preset is for any",
    ("fit", "face_model", "preset"): "it is of the computer: the preferences of the extension hold it for all files",
    ("fit", "take_fps", "panel"): "the scene's frame rate counts, so that the take stays as long as it was",
    ("fit", "take_fps", "preset"): "the scene's frame rate counts",
    ("retarget", "pairs", "operator"): "it is a list: the scene's, in the section *Expressions*, counts",
    ("retarget", "region_strength", "operator"): "it is a list: the scene's, in the section *Regions*, counts",
    ("retarget", "pairs", "preset"): "it is of two actors, a preset is for any",
    ("retarget", "region_strength", "preset"): "it is of one mesh, a preset is for any",
    ("retarget", "neutral_frame", "preset"): _OF_A_TAKE,
    (
        "bake",
        "reduce_keys_mm",
        "command line",
    ): "it is about keyframes in Blender, of which the command line makes none",
    ("bake", "start", "preset"): _OF_A_TAKE,
    ("bake", "end", "preset"): _OF_A_TAKE,
    ("bake", "first", "preset"): _OF_A_TAKE,
    ("rig", "*", "command line"): "it asks a rig, which is in Blender's file: scripts call the operators there",
    ("rig", "*", "batch"): "it asks a rig, which is in Blender's file: scripts call the operators there",
    ("rig", "start", "preset"): _OF_A_TAKE,
    ("rig", "end", "preset"): _OF_A_TAKE,
}
_RANGE = "it stands beside the settings, for every source of which some frames can be left out"
# Fields of settings that are no options: for Python alone.
FOR_PYTHON = {
    (LearningSettings, "weights"): "the losses' weights belong to the method: `without` leaves a loss out, and only "
    "who measures the method needs other weights",
    (PhoneFittingSettings, "start"): _RANGE,
    (PhoneFittingSettings, "end"): _RANGE,
    (VideoFittingSettings, "start"): _RANGE,
    (VideoFittingSettings, "end"): _RANGE,
}


def options_of_task(task: str) -> Mapping[str, Option]:
    """All options of a task by name; of one that several of its dataclasses have, the first one's."""
    found: dict[str, Option] = {}
    for settings in SETTINGS[task]:
        for name, option in options_of(settings).items():
            found.setdefault(name, option)
    return found


def arguments_of(*settings: type[Any]) -> tuple[str, ...]:
    """What a task may be given of these settings, by the names of its arguments, in their order."""
    return tuple(dict.fromkeys(option.argument for each in settings for option in options_of(each).values()))


def missing(task: str, name: str, surface: str) -> str:
    """Why a setting is not there in one of SURFACES; empty if it is."""
    return MISSING.get((task, name, surface)) or MISSING.get((task, "*", surface), "")
