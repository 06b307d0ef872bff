# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file is to be fitted, and how: what the module of every source takes in its function fit_file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...shared.captured.performances import Performance
from ...shared.results.takes import Take

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class FitRequest:
    """path: the file or folder. actor_path: the actor's file, beside which lies what its next fit can use. settings: of
    the class that the source's row names, in shared/sources/sources.py. fps: frames a second of the file, instead of
    what it says. millimetres_per_unit: of the file, instead of what its size tells. start, end: the frames that are
    wanted, both included, of sources that can leave some out. files: others that the source needs, by the names in its
    row. checkpoint_folder: where long work is saved, and goes on. reading: waits for the file's performance, where
    somebody has begun to read it.
    """

    path: Path
    actor_path: Path
    settings: Any
    report: Report
    fps: float | None = None
    millimetres_per_unit: float | None = None
    start: int | None = None
    end: int | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    checkpoint_folder: Path | None = None
    reading: Callable[[], Performance] | None = None


@dataclass(frozen=True)
class Fitted:
    """What comes of it. performance: the meshes that were fitted, where the take can be shown beside them.
    only_in_take: names of figures that are too long to be told, and stand in the take's file alone. pictures: functions
    that write one, by what is shown; the `sheet` instead of the one of meshes."""

    take: Take
    performance: Performance | None = None
    only_in_take: tuple[str, ...] = ()
    pictures: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
