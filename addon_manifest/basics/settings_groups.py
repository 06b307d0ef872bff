# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers of settings that stand nowhere else: a group for each dataclass of them."""

from __future__ import annotations

import bpy

from ...aim_blender.core.shared.settings.fitting_settings import FittingSettings
from ...aim_blender.core.shared.settings.learning_settings import LearningSettings
from ...aim_blender.core.shared.settings.phone_settings import PhoneFittingSettings
from ...aim_blender.core.shared.settings.point_settings import ImageFittingSettings, PointFittingSettings
from ...aim_blender.core.shared.settings.retarget_settings import RetargetSettings
from ...aim_blender.core.shared.settings.video_settings import VideoFittingSettings
from ...aim_blender.scene.basics.options import scene_properties


class AimLearning(bpy.types.PropertyGroup):
    """How an actor is learned."""

    __annotations__ = scene_properties(LearningSettings)


class AimFitting(bpy.types.PropertyGroup):
    """How whole meshes are fitted."""

    __annotations__ = scene_properties(FittingSettings)


class AimPointFitting(bpy.types.PropertyGroup):
    """How points are fitted."""

    __annotations__ = scene_properties(PointFittingSettings)


class AimImageFitting(bpy.types.PropertyGroup):
    """How points of images are fitted."""

    __annotations__ = scene_properties(ImageFittingSettings)


class AimPhoneFitting(bpy.types.PropertyGroup):
    """How what a phone recorded is taken."""

    __annotations__ = scene_properties(PhoneFittingSettings)


class AimVideoFitting(bpy.types.PropertyGroup):
    """How a video is fitted."""

    __annotations__ = scene_properties(VideoFittingSettings)


class AimRetargeting(bpy.types.PropertyGroup):
    """How a take is carried to another actor."""

    __annotations__ = scene_properties(RetargetSettings)


CLASSES = (AimLearning, AimFitting, AimPointFitting, AimImageFitting, AimPhoneFitting, AimVideoFitting, AimRetargeting)
