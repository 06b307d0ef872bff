# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that stays when its job is done: the next job finds PyTorch loaded, and the actor that was read last.

On standard input it is told of each further job in a line of JSON, {"folder": path, "trusted": task or null}; on the
stream of answers it says FREE when it can take one, and TAKEN when it has. It stays only after a job that went well,
and only if it is small: whatever else happens ends it as it ends a worker of one job.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import sys
from pathlib import Path
from typing import BinaryIO

from ...core.shared.sources.sources import look_again
from ..folders.folder import FREE, STATUS_DONE, TAKEN, JobFolder
from .held_memory import give_back_freed, held_bytes
from .worker import StopRequest, do_job

MOST_HELD = 1024 * 2**20  # bytes; a worker that holds more ends


def run_jobs(path: str | Path, trusted: str | None, stay_s: float, answers: BinaryIO) -> int:
    """Do the job in the folder `path` as run_job does with its parent, then those that standard input tells of.

    stay_s: how long to wait for the next one. Returns the exit status of the last.
    """
    stop = StopRequest()
    stop.watch_signals()
    stop.watch_parent()
    while True:
        status = do_job(path, stop, trusted)
        if status != STATUS_DONE or stop() or not _may_stay():
            return status
        _print_into(Path(os.devnull))
        answers.write(FREE)
        answers.flush()
        asked = _next_line(stop, stay_s)
        if asked is None:
            os._exit(STATUS_DONE)  # nothing is unsaved; to unload PyTorch takes a second, for which Blender would wait
        answers.write(TAKEN)
        answers.flush()
        job = json.loads(asked)
        path, trusted = job["folder"], job["trusted"]
        _print_into(JobFolder(path).log_file)


def _may_stay() -> bool:
    """Forget what the job leaves, and say whether that is little enough to stay."""
    if "torch" in sys.modules:
        from ...core.model.devices import holds_graphics_memory

        if holds_graphics_memory():
            return False  # it belongs to whoever draws
    from ...core.shared.foundation.remembering import forget_answers

    forget_answers()
    look_again()
    gc.collect()
    give_back_freed()
    held = held_bytes()
    return held is not None and held <= MOST_HELD


def _next_line(stop: StopRequest, stay_s: float) -> bytes | None:
    """What the parent asks for next, None if it asks for nothing in time, or for the end."""
    try:
        return stop.lines.get(timeout=stay_s)
    except queue.Empty:
        return None


def _print_into(file: Path) -> None:
    """Let all that this process prints go to the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        for stream in (1, 2):
            os.dup2(opened, stream)
    finally:
        os.close(opened)
