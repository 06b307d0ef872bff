# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the steps of a job's folder, one after the other, in a process of its own."""

from __future__ import annotations

import json
import math
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import Cancelled, InputError
from ..folders.folder import STATUS_CANCELLED, STATUS_DONE, STATUS_ERROR, STATUS_INPUT, FolderBusy, JobFolder
from ..folders.plain_values import plain
from ..folders.progress import RemainingTime, completed
from ..folders.sentences import is_bad_input, sentence_for
from .registry import TRUSTED_TASKS, task_named

REPORT_EVERY_S = 0.1
PARENT_GRACE_S = 5.0  # how long a worker whose parent is gone may take to save its checkpoint


class StopRequest:
    """Whether this process was asked to end at once without an answer: its parent is gone, or it got a signal."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()  # that the parent wrote; None at the end

    def __call__(self) -> bool:
        """Whether a cancel was requested."""
        return self._event.is_set()

    def watch_signals(self) -> None:
        """Take SIGTERM (and SIGINT) as the request, so that a checkpoint is saved first."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self._ask())

    def watch_parent(self) -> None:
        """Take the end of standard input as the request, and end this process for good if it is not heeded.

        The parent holds the other end of the pipe. However it dies, the operating system closes that end.
        """
        threading.Thread(target=self._wait_for_parent, name="parent watch", daemon=True).start()

    def _wait_for_parent(self) -> None:
        # os.read and not sys.stdin: a daemon thread inside a buffered reader upsets the interpreter's exit.
        begun = b""
        while read := os.read(0, 4096):
            *lines, begun = (begun + read).split(b"\n")
            for line in lines:
                self.lines.put(line)
        self._ask()
        time.sleep(PARENT_GRACE_S)
        os._exit(STATUS_ERROR)

    def _ask(self) -> None:
        self._event.set()
        self.lines.put(None)  # wakes who waits for a line


class Reporter:
    """Writes what a task reports to progress.jsonl, and raises Cancelled when the job is to stop.

    Of reports in quick succession only one each tenth of a second is written, but always the last of a stretch.
    """

    def __init__(self, folder: JobFolder, stop: StopRequest) -> None:
        self._folder = folder
        self._stop = stop
        self._file = folder.open_progress()
        self._remaining = RemainingTime()
        self._written_at = -math.inf
        self._step = 0
        self._task = ""
        self._message: Any = None

    def begin(self, step: int, task: str) -> None:
        """The reports to come are about this step of the job."""
        self._step, self._task = step, task
        self._remaining = RemainingTime()
        self._message = None

    def __call__(self, report: dict[str, Any]) -> None:
        """Raises Cancelled if the job was cancelled or its process is asked to end."""
        now = time.monotonic()
        record = completed(report, self._remaining, now)
        last = record["total"] and record["done"] >= record["total"]
        if last or record["message"] != self._message or now - self._written_at >= REPORT_EVERY_S:
            record = {"time": round(time.time(), 3), "step": self._step, "task": self._task, **record}
            self._file.write(json.dumps(plain(record)).encode() + b"\n")
            self._message, self._written_at = record["message"], now
        if self._stop() or self._folder.cancel_requested():
            raise Cancelled

    def close(self) -> None:
        """Close the progress file."""
        self._file.close()


def run_job(path: str | Path, end_with_parent: bool = False, trusted: str | None = None) -> int:
    """Do what is left of the job in the folder `path`; the answer is result.json and the exit status returned.

    end_with_parent: end when standard input ends, for a worker whose parent holds a pipe to it. trusted: which of
    TRUSTED_TASKS the job may do, because whoever starts it has described it.

    Exit status: 0 finished, 2 the input cannot be used, 130 cancelled or asked to end, 1 anything else.
    """
    stop = StopRequest()
    stop.watch_signals()
    if end_with_parent:
        stop.watch_parent()
    return do_job(path, stop, trusted)


def do_job(path: str | Path, stop: StopRequest, trusted: str | None) -> int:
    """As run_job, until `stop`."""
    folder = JobFolder(path)
    try:
        job = folder.read_job()
        with folder.locked():
            return _run_locked(folder, job, stop, trusted)
    except (InputError, OSError) as error:
        # Not this worker's folder: what lies there belongs to the other worker, or is no job at all.
        print(sentence_for(error, folder.path), file=sys.stderr)
        if isinstance(error, InputError) and not isinstance(error, FolderBusy) and folder.path.is_dir():
            _write_result(folder, {"state": "failed", "message": sentence_for(error, folder.path)})
        return STATUS_INPUT if isinstance(error, InputError) else STATUS_ERROR


def _run_locked(folder: JobFolder, job: dict[str, Any], stop: StopRequest, trusted: str | None) -> int:
    try:
        folder.remove_temporary_files()
        if folder.read_result().get("state") == "finished":
            return STATUS_DONE
        folder.result_file.unlink(missing_ok=True)
        figures = _do_steps(folder, job["steps"], stop, trusted)
        folder.write_result({"state": "finished", "figures": figures})
        return STATUS_DONE
    except Cancelled:
        if folder.cancel_requested():
            _write_result(folder, {"state": "cancelled"})
        return STATUS_CANCELLED  # without an answer the folder reads as interrupted
    except Exception as error:
        if not isinstance(error, InputError):
            traceback.print_exc()
        sentence = sentence_for(error, folder.path, folder.log_file)
        print(sentence, file=sys.stderr)
        _write_result(folder, {"state": "failed", "message": sentence})
        return STATUS_INPUT if is_bad_input(error) else STATUS_ERROR


def _do_steps(
    folder: JobFolder, steps: list[dict[str, Any]], stop: StopRequest, trusted: str | None
) -> list[dict[str, Any]]:
    functions = [task_named(step["task"]) for step in steps]
    for step in steps:
        if step["task"] in TRUSTED_TASKS and step["task"] != trusted:
            raise InputError(
                f"the job in {folder.path} asks for the task {step['task']}, which is done for nobody who has not "
                "asked for it; start it by its own button or verb"
            )
    finished = folder.finished_figures()[: len(steps)]
    reporter = Reporter(folder, stop)
    try:
        for index in range(len(finished), len(steps)):
            reporter.begin(index, steps[index]["task"])
            reporter({"message": "Starting"})
            checkpoint = folder.checkpoint_folder(index)
            checkpoint.mkdir(parents=True, exist_ok=True)
            figures = plain(functions[index](steps[index]["arguments"], reporter, checkpoint))
            folder.write_figures(index, figures)
            finished.append(figures)
            shutil.rmtree(checkpoint, ignore_errors=True)
    finally:
        reporter.close()
    return finished


def _write_result(folder: JobFolder, result: dict[str, Any]) -> None:
    try:
        folder.write_result(result)
    except OSError as error:
        # On a full disk the answer itself does not fit; the supervisor looks at the disk when there is none.
        print(sentence_for(error, folder.path), file=sys.stderr)
