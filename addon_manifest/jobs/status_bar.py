# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs in Blender's status bar: how far the one at work is, how many wait, and for a while how one ended."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.jobs.folders.progress import duration
from ...aim_blender.scene.basics import versions
from ...aim_blender.scene.jobs import jobs
from ..basics.parts import doing

BAR_UNITS = 5
LONGEST = 110  # characters of an error; the whole of it stands in the panel


def draw(self: Any, context: bpy.types.Context) -> None:
    """Called by Blender after it has drawn its own status bar; without jobs nothing is drawn."""
    runs = jobs.told()
    at_work = next((run for run in runs if run.active and not run.waiting), None)
    ended = [run for run in runs if not run.active]
    if ended:
        self.layout.separator()
        text, icon = how_it_ended(ended[-1])
        self.layout.label(text=f"AIM: {text}", icon=icon)
    if at_work is not None:
        self.layout.separator()
        self.layout.label(text=progress(at_work, sum(run.waiting for run in runs)))
        row = self.layout.row()
        row.ui_units_x = BAR_UNITS
        versions.draw_progress(row, at_work.status.fraction, f"{at_work.status.fraction:.0%}")


def progress(run: jobs.Run, waiting: int) -> str:
    """What is being done, how long it takes, and how many jobs wait."""
    left = run.status.remaining_s
    parts = [f"AIM: {doing(run)}"]
    if left is not None:
        parts.append(f"{duration(left)} left")
    if waiting:
        parts.append(f"{waiting} waiting")
    return ", ".join(parts)


def how_it_ended(run: jobs.Run) -> tuple[str, Any]:
    """A sentence and its icon."""
    if run.status.error:
        error = run.status.error
        return (error if len(error) <= LONGEST else f"{error[: LONGEST - 3]}..."), "ERROR"
    if run.status.state == "cancelled":
        return f"cancelled {doing(run)}", "PAUSE"
    return f"finished {doing(run)}", "CHECKMARK"


_drawn = False


def register() -> None:
    """Draw from now on."""
    global _drawn
    bpy.types.STATUSBAR_HT_header.append(draw)
    _drawn = True


def unregister() -> None:
    """Draw no more, if anything was drawn."""
    global _drawn
    if _drawn:
        bpy.types.STATUSBAR_HT_header.remove(draw)
    _drawn = False
