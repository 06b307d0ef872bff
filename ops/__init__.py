# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin operators: they check the context, call aim_blender.scene and aim_blender.jobs, and report."""

from . import (
    actors,
    anatomy,
    baking,
    batch,
    characters,
    environment,
    errors,
    fitting,
    jobs,
    landmarks,
    learning,
    live,
    presets,
    results,
    retarget_lists,
    retargeting,
    sources,
)

CLASSES = (
    *actors.CLASSES,
    *characters.CLASSES,
    *landmarks.CLASSES,
    *anatomy.CLASSES,
    *learning.CLASSES,
    *sources.CLASSES,
    *fitting.CLASSES,
    *live.CLASSES,
    *errors.CLASSES,
    *retargeting.CLASSES,
    *retarget_lists.CLASSES,
    *baking.CLASSES,
    *batch.CLASSES,
    *jobs.CLASSES,
    *presets.CLASSES,
    *results.CLASSES,
    *environment.CLASSES,
)
