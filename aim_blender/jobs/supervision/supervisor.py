# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a job's folder to a worker and watches it: polled by the panel, blocking in the background."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..folders.folder import STATUS_CANCELLED, JobFolder, State
from ..folders.sentences import one_line, sentence_for
from .workers import STOP_GRACE_S, Worker, Workers

GRACE_S = 10.0  # a worker that does not heed a cancellation for so long is killed
POLL_S = 0.1
RECORD_KEYS = ("time", "step", "task", "message", "done", "total", "remaining_s")


class JobFailed(Exception):
    """The job did not finish. Its text is the one sentence shown to the user."""


class JobCancelled(JobFailed):
    """The job was cancelled."""


@dataclass(frozen=True)
class Status:
    """What is known about a job at one moment.

    state: new, running, finished, failed, cancelled or interrupted.
    message: what is being done, or how it ended; one line.
    fraction: the share of the whole job that is done, 0 to 1; every step counts the same.
    remaining_s: seconds left of the present step, None while unknown.
    figures: the latest figures of the running task (such as error_mm); at the end those of all finished steps together.
    error: the sentence to show if the state is failed or interrupted, else empty.
    task, step, steps: the task at hand, its index, and the number of steps.
    """

    state: State
    message: str = ""
    fraction: float = 0.0
    remaining_s: float | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    task: str = ""
    step: int = 0
    steps: int = 1

    @property
    def ended(self) -> bool:
        """Whether the job has finished, failed or was stopped."""
        return self.state not in ("new", "running")


class Supervisor:
    """Watches the job in `folder`, and starts its worker under `interpreter`.

    grace_s: how long a worker may take to heed a cancellation before it is killed. trusted: which of
    registry.TRUSTED_TASKS the job may do. workers: where one may wait that did another job; None starts a process for
    this job alone, which comes to the same.

    The worker runs as long as this process does and holds the worker's standard input open; it ends by itself when this
    process dies, however it dies. A job whose worker was killed reads as `interrupted`, and start() goes on with it.
    """

    def __init__(
        self,
        folder: JobFolder,
        interpreter: str | Path,
        grace_s: float = GRACE_S,
        trusted: str | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.folder = folder
        self.trusted = trusted
        self.interpreter = Path(interpreter)
        self.grace_s = grace_s
        self._workers = workers
        self._worker: Worker | None = None
        self._offset = 0
        self._record: dict[str, Any] = {}
        self._steps = 1
        self._kill_at: float | None = None

    # -- acting -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the worker, or resume where an earlier one was cancelled, failed or was killed.

        Raises InputError if job.json is missing or damaged or another worker is at work in the folder, JobFailed if
        the interpreter cannot be started or the folder cannot be written.
        """
        if self._worker is not None and self._worker.at_work:
            raise self.folder.busy()
        self._release()
        self._steps = len(self.folder.read_job()["steps"])
        if self.folder.is_locked():
            raise self.folder.busy()
        try:
            self.folder.prepare_start()
            # What earlier workers reported is not this worker's progress.
            self._offset = self.folder.progress_file.stat().st_size if self.folder.progress_file.exists() else 0
            self._record = {}
            self._kill_at = None
            self._worker = self._begun()
        except OSError as error:
            if error.filename == str(self.interpreter):
                raise JobFailed(
                    f"the interpreter {self.interpreter} cannot be started ({error.strerror}); choose another one"
                ) from error
            raise JobFailed(sentence_for(error, self.folder.path)) from error

    def cancel(self) -> None:
        """Ask the worker to stop; it saves what it can resume from. poll() kills one that does not heed in time."""
        if self._worker is None and not self.folder.is_locked():
            return
        try:
            self.folder.request_cancel()
        except OSError:
            # A folder that takes no more files: the other way to ask the worker to end.
            if self._worker is not None:
                self._worker.ask_to_end()
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self.grace_s

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """End the worker now, for example because Blender quits; the job can be resumed later.

        It returns when the worker is gone, after `grace_s` seconds at most.
        """
        if self._worker is not None:
            self._worker.end(grace_s)  # it saves its checkpoint

    def _begun(self) -> Worker:
        """A worker that is at work on the folder. Raises OSError."""
        with open(self.folder.log_file, "ab") as log:
            log.write(f"-- {time.strftime('%Y-%m-%d %H:%M:%S')} {self.interpreter}\n".encode())
            log.flush()
            if self._workers is None:
                return Worker(self.interpreter, self.folder.path, self.trusted, log)
            return self._workers.begin(self.interpreter, self.folder.path, self.trusted, log)

    # -- watching -----------------------------------------------------------------------------------------------------

    @property
    def process_id(self) -> int | None:
        """The worker's process id, None when this supervisor has no living worker."""
        return self._worker.process_id if self._worker is not None and self._worker.at_work else None

    def poll(self) -> Status:
        """How the job stands. Never blocks, so a timer may call it."""
        worker = self._worker
        if worker is not None and worker.lost:
            # The worker that waited ended before it could begin.
            with contextlib.suppress(OSError):
                worker = self._worker = self._begun()
        if worker is None:
            state = self.folder.state()
        elif worker.at_work:
            if self._kill_at is not None and time.monotonic() > self._kill_at:
                worker.kill()
                # The user asked for it: a job killed for its deafness is a cancelled one.
                with contextlib.suppress(OSError):
                    self.folder.write_result({"state": "cancelled"})
                state = self.folder.state()
            else:
                state = "running"
        else:
            state = self.folder.state()
            if state == "new":
                state = "interrupted"
            if worker.free and self._workers is not None:
                self._worker = None
                self._workers.give_back(worker)
        records, self._offset = self.folder.read_progress(self._offset)
        if records:
            self._record = records[-1]
        return self._status(state)

    def wait(self, on_status: Callable[[Status], None] | None = None) -> dict[str, Any]:
        """Poll until the job has ended, and return the content of result.json.

        on_status: called with the status several times a second; what it raises stops the worker and is passed on.
        Raises JobFailed with one sentence if the job failed or was interrupted, JobCancelled if it was cancelled.
        """
        try:
            while True:
                status = self.poll()
                if on_status is not None:
                    on_status(status)
                if status.ended or self._worker is None:
                    break
                time.sleep(POLL_S)
        except BaseException:
            self.stop()
            raise
        if status.state == "finished":
            return self.folder.read_result()
        if status.state == "cancelled":
            raise JobCancelled("the job was cancelled; it can be resumed")
        raise JobFailed(status.error or f"the job in {self.folder.path} is not started")

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _status(self, state: State) -> Status:
        record = self._record
        step, total = int(record.get("step", 0)), record.get("total") or 0
        within = min(1.0, record.get("done", 0) / total) if total else 0.0
        common: dict[str, Any] = {
            "task": record.get("task", ""),
            "step": step,
            "steps": self._steps,
            "fraction": min(1.0, (step + within) / self._steps),
            "figures": {name: value for name, value in record.items() if name not in RECORD_KEYS},
        }
        if state == "running" and self._kill_at is not None:
            return Status(state, "Stopping", **{**common, "figures": {}})  # what is left would not be done any more
        if state == "running":
            return Status(state, record.get("message") or "Starting", remaining_s=record.get("remaining_s"), **common)
        self._release()
        if state == "finished":
            figures: dict[str, Any] = {}
            for each in self.folder.read_result().get("figures", []):
                figures.update(each)
            return Status(state, "Finished", **{**common, "fraction": 1.0, "figures": figures})
        if state == "failed":
            error = self.folder.read_result().get("message", "the job failed")
            return Status(state, error, error=error, **common)
        if state == "interrupted":
            error = self._interruption()
            return Status(state, error, error=error, **common)
        return Status(state, "Cancelled; it can be resumed" if state == "cancelled" else "Not started", **common)

    def _interruption(self) -> str:
        """Why a worker that left no result has ended, as far as can be told."""
        code = None if self._worker is None else self._worker.status
        if code is None:
            return "the job was interrupted; it can be resumed"
        if shutil.disk_usage(self.folder.path).free < 1024 * 1024:
            return f"the disk of {self.folder.path} is full; free some space on it, then resume"
        if code < 0:
            return f"the worker was ended by signal {-code}; the job can be resumed"
        if code == STATUS_CANCELLED:
            return "the worker was stopped; the job can be resumed"
        return f"the worker left no result (status {code}): {self._last_logged_line()} (see {self.folder.log_file})"

    def _last_logged_line(self) -> str:
        try:
            with open(self.folder.log_file, "rb") as log:
                log.seek(max(0, self.folder.log_file.stat().st_size - 4096))
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return "no reason given"
        return one_line(lines[-1]) if lines and not lines[-1].startswith("-- ") else "no reason given"

    def _release(self) -> None:
        """Close this side of an ended worker's standard input."""
        if self._worker is not None and not self._worker.at_work:
            self._worker.ask_to_end()
