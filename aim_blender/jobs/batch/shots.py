# SPDX-License-Identifier: GPL-3.0-or-later
"""Doing one shot: whatever of it is not done yet, by one process at a time; another waits and then finds it done."""

from __future__ import annotations

import contextlib
import functools
import shutil
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import Cancelled, InputError
from ...core.shared.foundation.whole_files import remove_parts
from ..folders.folder import FolderBusy, JobFolder
from ..folders.sentences import sentence_for
from ..tasks.arguments import Report, Task
from ..tasks.baking import bake, evaluate
from ..tasks.fitting import fit
from ..tasks.retargeting import retarget
from .batch_table import Shot
from .shot_record import Record
from .shot_steps import RETARGETING_FILES, Step, steps_of

LOG = "batch.log"
DONE, KEPT, FAILED = "done", "already done", "failed"
CHECKPOINT = "checkpoint"
WAIT_S = 0.5
TASKS_OF_STEPS: dict[str, Task] = {"fit": fit, "retarget": retarget, "bake": bake, "evaluate": evaluate}


def run_shot(shot: Shot, out: Path, report: Report) -> dict[str, Any]:
    """Do what is left of a shot.

    Returns its row: shot, targets, state, made and kept (numbers of steps), seconds, message, worst_mm, notes (the
    sentences of all its steps). Nothing that goes wrong in it is raised; what nobody foresaw has its traceback in the
    shot's batch.log. Raises Cancelled.
    """
    started, folder = time.monotonic(), out / shot.folder
    row: dict[str, Any] = {"shot": shot.name, "targets": len(shot.targets), "state": KEPT, "made": 0, "kept": 0}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder, report):
            remove_parts(folder)
            _check_inputs(shot)
            record, steps = Record(folder), steps_of(shot, folder)
            for number, step in enumerate(steps):
                reporting = within(report, number, len(steps), "")
                if record.do(step, functools.partial(_perform, step, reporting, folder / CHECKPOINT / step.key)):
                    row["state"] = DONE
                    row["made"] += 1
                else:
                    row["kept"] += 1
            record.save()
            shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
            worst = [f.get("worst_mm") for step in steps if step.task == "bake" and (f := record.figures(step))]
            row["worst_mm"] = max((value for value in worst if value is not None), default=None)
            row["notes"] = [f"{step.key}: {note}" for step in steps for note in record.figures(step).get("notes") or []]
        row["message"] = ""
    except Cancelled:
        raise
    except Exception as error:
        if not isinstance(error, (InputError, OSError)):
            with contextlib.suppress(OSError):
                (folder / LOG).write_text(traceback.format_exc(), encoding="utf-8")
        told = _told(shot, sentence_for(error, folder, folder / LOG))
        row |= {"state": FAILED, "worst_mm": None, "message": told, "notes": []}
    row["seconds"] = round(time.monotonic() - started, 2)
    return row


@contextlib.contextmanager
def alone_in(folder: Path, report: Report) -> Iterator[None]:
    """Hold the folder; while another process holds it, wait."""
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(JobFolder(folder).locked(patience_s=0.0))
                break
            except FolderBusy:
                report({"message": f"Waiting for another process that is at work in {folder}"})
                time.sleep(WAIT_S)
        yield


def _perform(step: Step, report: Report, checkpoint: Path) -> dict[str, Any]:
    """Do a step, from its checkpoint if one was left by a run that was stopped."""
    checkpoint.mkdir(parents=True, exist_ok=True)
    figures = TASKS_OF_STEPS[step.task](step.arguments, report, checkpoint)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return figures


def _check_inputs(shot: Shot) -> None:
    """Raise InputError, naming the column, if a file that the row names is not there."""
    named = [("actor", shot.actor), ("performance", shot.performance), ("take", shot.take)]
    for target in shot.targets:
        named.append(("targets", target.actor))
        named += [(name, target.choices[name]) for name in RETARGETING_FILES if name in target.choices]
    named += [(name, shot.fit[name]) for name in ("camera", "landmarks") if name in shot.fit]
    for column, path in named:
        if isinstance(path, str) and path and not Path(path).exists():
            raise InputError(f"{shot.where}, column {column}: {path} does not exist")


def _told(shot: Shot, sentence: str) -> str:
    """The sentence with the row that it is about."""
    return sentence if sentence.startswith(shot.where) else f"{shot.where}: {sentence}"


def within(report: Report, number: int, count: int, name: str) -> Report:
    """Reports of one of `count` pieces of work as reports of all of them, which only ever go on."""
    share = 0.0

    def shown(record: dict[str, Any]) -> None:
        nonlocal share
        if record.get("total"):
            share = max(share, min((record.get("done") or 0) / record["total"], 1.0))
        message = record.get("message", "")
        report({"message": f"{name}: {message}" if name else message, "done": number + share, "total": count})

    return shown
