# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections Advanced: all settings that few people need, closed at first."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.core.shared.settings.learning_settings import LearningSettings
from ...aim_blender.core.shared.settings.option import options_of
from ...aim_blender.core.shared.settings.retarget_settings import RetargetSettings
from ...aim_blender.scene.basics import options
from ...aim_blender.scene.basics.records import SceneRecord
from ...aim_blender.scene.jobs.job_making import chosen_settings
from .parts import AimPanel, OfActor, settings_column


def draw_settings(column: bpy.types.UILayout, state: SceneRecord, settings: type[Any], advanced: bool = False) -> None:
    """Draw those settings that matter, or the advanced ones, as far as they count. state: the scene's `aim`."""
    for name, option in options_of(settings).items():
        if options.is_shown(state, settings, option, advanced):
            column.prop(*options.owner_of(state, settings, name), slider=option.slider)


class _Advanced(AimPanel):
    """What these sections share."""

    bl_label = "Advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def settings(self, state: SceneRecord) -> type[Any]:
        """The dataclass whose settings are shown."""
        raise NotImplementedError

    def draw(self, context: bpy.types.Context) -> None:
        state = context.scene.aim
        draw_settings(settings_column(self.layout), state, self.settings(state), advanced=True)


class AIM_PT_learn_advanced(_Advanced, bpy.types.Panel):
    bl_parent_id = "AIM_PT_learn_settings"

    def settings(self, state: SceneRecord) -> type[Any]:
        """Of learning."""
        return LearningSettings


class AIM_PT_fit_advanced(_Advanced, OfActor, bpy.types.Panel):
    bl_parent_id = "AIM_PT_performance"

    def settings(self, state: SceneRecord) -> type[Any]:
        """Of what the performance is."""
        return chosen_settings(state)


class AIM_PT_retarget_advanced(_Advanced, OfActor, bpy.types.Panel):
    bl_parent_id = "AIM_PT_retarget"

    def settings(self, state: SceneRecord) -> type[Any]:
        """Of retargeting."""
        return RetargetSettings
