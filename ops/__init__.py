# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin operators: they check the context, call aim_blender.scene and aim_blender.jobs, and report."""

from .actors import actors, anatomy, characters, landmarks, learning, parts
from .baking import baking, engines, gaze, layers, pose_assets, rig_controls
from .basics import results
from .fitting import errors, fitting, live, sources
from .jobs import batch, environment, jobs, presets
from .retargeting import retarget_lists, retarget_pairs, retargeting

CLASSES = (
    *actors.CLASSES,
    *characters.CLASSES,
    *landmarks.CLASSES,
    *anatomy.CLASSES,
    *learning.CLASSES,
    *parts.CLASSES,
    *sources.CLASSES,
    *fitting.CLASSES,
    *live.CLASSES,
    *errors.CLASSES,
    *retargeting.CLASSES,
    *retarget_pairs.CLASSES,
    *retarget_lists.CLASSES,
    *baking.CLASSES,
    *gaze.CLASSES,
    *engines.CLASSES,
    *rig_controls.CLASSES,
    *layers.CLASSES,
    *pose_assets.CLASSES,
    *batch.CLASSES,
    *jobs.CLASSES,
    *presets.CLASSES,
    *results.CLASSES,
    *environment.CLASSES,
)
