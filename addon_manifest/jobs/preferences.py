# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user sets once: which Python does the work, and on what device."""

from __future__ import annotations

import bpy
from bpy.props import FloatProperty, StringProperty

from ...aim_blender.core.shared.settings.learning_settings import LearningSettings
from ...aim_blender.jobs.folders.progress import duration
from ...aim_blender.jobs.supervision.workers import STAY_MINUTES
from ...aim_blender.scene import ROOT_PACKAGE
from ...aim_blender.scene.basics import versions
from ...aim_blender.scene.basics.options import scene_property
from ...aim_blender.scene.jobs import environment
from ...aim_blender.scene.jobs.environment import ENVIRONMENT
from ..basics.text import draw_problem, draw_text


class AimPreferences(bpy.types.AddonPreferences):
    """The extension's preferences."""

    bl_idname = ROOT_PACKAGE

    interpreter: StringProperty(
        name="Python",
        description="The Python interpreter that learns and fits: one that has torch. Leave it empty to use the "
        "environment beside the extension",
        subtype="FILE_PATH",
    )
    pip_options: StringProperty(
        name="Pip Options",
        description="More options for pip when the environment is set up. PyTorch's own page Get Started names those "
        "of every build, such as --index-url with an address; --no-index --find-links with a folder needs no network",
    )
    device: scene_property(LearningSettings, "device")
    face_model: StringProperty(
        name="Face Model",
        description="MediaPipe's file face_landmarker.task, which finds the face in a video. Leave it empty to use the "
        "one that Install Video installs",
        subtype="FILE_PATH",
    )

    stay_minutes: FloatProperty(
        name="Keep Worker",
        description="For so many minutes after a job its process waits for the next one, which then begins at once. It "
        "holds up to 1 GB of memory; 0 lets every job have a process of its own",
        default=STAY_MINUTES,
        min=0.0,
        max=1440.0,
        soft_max=60.0,
        precision=1,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The preferences' own panel."""
        column = self.layout.column()
        column.use_property_split = True
        column.prop(self, "interpreter")
        column.prop(self, "device")
        column.prop(self, "stay_minutes")
        column.prop(self, "pip_options")
        column.prop(self, "face_model")
        draw_environment(column, self.interpreter)
        row = column.row(align=True)
        row.operator("aim.environment_install", icon="IMPORT")
        row.operator("aim.environment_check", icon="CHECKMARK")
        if environment.is_there():
            row.operator("aim.environment_remove", text="Remove", icon="TRASH")
        column.operator("aim.video_install", icon="FILE_MOVIE")


def draw_environment(layout: bpy.types.UILayout, chosen: str) -> None:
    """How the worker's environment stands: being set up, tried, ready, or why there is none."""
    if ENVIRONMENT.state == "making":
        column = layout.column(align=True)
        versions.draw_progress(column, ENVIRONMENT.status.fraction, f"{ENVIRONMENT.status.fraction:.0%}")
        left = ENVIRONMENT.status.remaining_s
        draw_text(layout, ENVIRONMENT.text + (f", {duration(left)} left" if left is not None else ""))
        layout.operator("aim.environment_cancel", icon="CANCEL")
    elif ENVIRONMENT.active:
        draw_text(layout, ENVIRONMENT.text, "SORTTIME")
    elif ENVIRONMENT.state == "failed":
        draw_problem(layout, ENVIRONMENT.text)
    elif ENVIRONMENT.state in ("ready", "cancelled", "removed"):
        draw_text(layout, ENVIRONMENT.text, "CHECKMARK" if ENVIRONMENT.state == "ready" else "INFO")
    elif sentence := ENVIRONMENT.missing(chosen):
        draw_text(layout, sentence, "INFO")


CLASSES = (AimPreferences,)
