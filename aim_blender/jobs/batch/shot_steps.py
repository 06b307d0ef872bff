# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a shot: which task makes which file from what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import UNREADABLE, InputError
from ...core.shared.results.kept_files import kept_correspondence
from ...core.shared.settings.option import options_of
from ...core.shared.settings.retarget_settings import RetargetSettings
from ...core.shared.sources.sources import OTHER_FILES, source_of
from ..tasks.arguments import TAKE_SUFFIX
from .batch_columns import WITH_UNIT
from .batch_table import Shot, Target

RETARGETING = {option.column: option for option in options_of(RetargetSettings).values()}
RETARGETING_FILES = (*(name for name, option in RETARGETING.items() if option.kind == "file"), "correspondence")


@dataclass(frozen=True)
class Step:
    """One file of a shot: what task makes it, from what.

    key: its name in the shot's record. arguments: the task's, `out` included. inputs: which of them are files whose
    contents count; the other arguments count as they are. beside: files that the task finds or makes by itself, which
    count too where they are there.
    """

    key: str
    task: str
    arguments: dict[str, Any]
    inputs: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @property
    def out(self) -> Path:
        """What the step writes."""
        return Path(self.arguments["out"])


def steps_of(shot: Shot, folder: Path) -> list[Step]:
    """The steps of a shot in their order, each for one file in its folder. Those of .blend files are Blender's."""
    steps: list[Step] = []
    take = shot.take
    if shot.performance:
        take = str(folder / f"{shot.name}{TAKE_SUFFIX}")
        fit = {"actor": shot.actor, "performance": shot.performance, "out": take, **shot.fit}
        source = source_of(shot.performance, fit)  # most are fitted whole
        fit |= {name: shot.timing[name] for name in ("start", "end") if name in shot.timing and source.takes(name)}
        files = tuple(name for name in OTHER_FILES if name in fit)
        steps.append(Step("fit", "fit", fit, ("actor", "performance", *files)))
    for target in shot.targets:
        steps += _steps_of_target(shot, target, take, folder)
    return steps


def bake_file(shot: Shot, target: Target, folder: Path) -> Path:
    """Where a target's bake lies."""
    return folder / f"{shot.name}.{target.name}.bake.npz"


def _steps_of_target(shot: Shot, target: Target, take: str, folder: Path) -> list[Step]:
    steps = []
    if target.actor != shot.actor:
        carried = str(folder / f"{shot.name}.{target.name}{TAKE_SUFFIX}")
        files = tuple(name for name in RETARGETING_FILES if isinstance(target.choices.get(name), str))
        choices = {
            RETARGETING[name].argument if name in RETARGETING else name: value for name, value in target.choices.items()
        }
        retarget = {"take": take, "source": shot.actor, "target": target.actor, "out": carried, **choices}
        inputs = ("take", "source", "target", *files)
        beside = () if "correspondence" in choices else (str(correspondence_kept_for(shot.actor, target.actor)),)
        steps.append(Step(f"retarget {target.name}", "retarget", retarget, inputs, beside))
        take = carried
    performed = {"actor": target.actor, "take": take, **shot.timing}
    if "bake" in shot.write or "blend" in shot.write:
        # Engines' keys have no correctives, and so no tolerance.
        kept = shot.tolerance_mm is not None and shot.bake.get("keys", "own") == "own"
        tolerance = {"tolerance_mm": shot.tolerance_mm} if kept else {}
        bake = {**performed, "out": str(bake_file(shot, target, folder)), **tolerance, **shot.bake}
        steps.append(Step(f"bake {target.name}", "bake", bake, ("actor", "take")))
    for suffix in ("npz", "pc2", "mdd"):
        if suffix in shot.write:
            frames = {**performed, "out": str(folder / f"{shot.name}.{target.name}.{suffix}")}
            if suffix in WITH_UNIT and shot.millimetres_per_unit is not None:
                frames["millimetres_per_unit"] = shot.millimetres_per_unit
            steps.append(Step(f"{suffix} {target.name}", "evaluate", frames, ("actor", "take")))
    return steps


def correspondence_kept_for(source: str, target: str) -> Path:
    """Where `retarget` keeps the correspondence of two actors of different topologies.

    Raises InputError if the source is no actor file.
    """
    from ...core.shared.foundation.tensor_files import read_metadata

    try:
        topology = json.loads(read_metadata(Path(source))["aim"])["topology"]
    except FileNotFoundError:
        topology = "none"  # which is said where all files are looked for
    except UNREADABLE as error:
        raise InputError(f"{source} is not an actor file, or it is damaged") from error
    return kept_correspondence(Path(target), str(topology))
