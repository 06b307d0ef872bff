# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in the folder of a job, and the state it is in.

job.json         {"version": 1, "name": ..., "steps": [{"task": "fit", "arguments": {...}}, ...], "created": iso time}
progress.jsonl   one JSON object a line: time, step, task, message, done, total, remaining_s and figures (error_mm ...)
checkpoint/K/    what step K resumes from
step_K.json      the figures of the finished step K; a resumed job skips it
result.json      {"state": "finished", "figures": [one object a step]}, {"state": "failed", "message": sentence} or
                 {"state": "cancelled"}
cancel           an empty file: please stop
worker.lock      locked by the worker as long as it lives, so the operating system itself tells who is alive
worker.log       what the worker printed, tracebacks included
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from ...core.shared.foundation.errors import UNREADABLE, InputError, reason
from ...core.shared.foundation.whole_files import remove_parts, written_whole

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

VERSION = 1
# Characters that no file name has on any system.
FORBIDDEN_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
# Exit statuses of a worker and of the command line.
STATUS_DONE, STATUS_ERROR, STATUS_INPUT, STATUS_CANCELLED = 0, 1, 2, 130
FREE, TAKEN = b"free\n", b"taken\n"  # what a worker that stays answers
State = Literal["new", "running", "finished", "failed", "cancelled", "interrupted"]


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, a crash or a full disk never leaves half of it.

    Raises OSError; the file then is what it was before.
    """
    with written_whole(path) as temporary:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


class FolderBusy(InputError):
    """Another worker works in the folder."""


class JobFolder:
    """The folder of one job. Nothing is read or written before a method is called."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    # -- making and starting a job ------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, name: str, steps: Sequence[dict[str, Any]]) -> JobFolder:
        """Describe a new job in the folder `path`, which is made if need be. An earlier job there gives way.

        steps: one {"task": name, "arguments": {...}} a step; paths in the arguments are absolute.
        Raises FolderBusy if a worker is at work there, InputError if there are no steps, OSError if the
        folder cannot be written.
        """
        if not steps:
            raise InputError(f"the job {name} has no steps; it needs at least one")
        folder = cls(path)
        folder.path.mkdir(parents=True, exist_ok=True)
        if folder.is_locked():
            raise folder.busy()
        folder._remove_job()
        job = {
            "version": VERSION,
            "name": name,
            "steps": [{"task": step["task"], "arguments": dict(step.get("arguments", {}))} for step in steps],
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        folder._write_json("job.json", job)
        return folder

    def prepare_start(self) -> None:
        """Forget a cancellation and a result other than `finished`, so that a worker goes on with the job."""
        self.cancel_file.unlink(missing_ok=True)
        if self.read_result().get("state") != "finished":
            self.result_file.unlink(missing_ok=True)

    def _remove_job(self) -> None:
        for known in ("job.json", "progress.jsonl", "result.json", "cancel", "worker.log", "worker.lock"):
            (self.path / known).unlink(missing_ok=True)
        for step in self.path.glob("step_*.json"):
            step.unlink(missing_ok=True)
        shutil.rmtree(self.path / "checkpoint", ignore_errors=True)
        self.remove_temporary_files()

    def remove_temporary_files(self) -> None:
        """Remove what a killed worker was writing."""
        remove_parts(self.path)

    # -- files --------------------------------------------------------------------------------------------------------

    @property
    def result_file(self) -> Path:
        """What the worker writes when the job has ended."""
        return self.path / "result.json"

    @property
    def cancel_file(self) -> Path:
        """The file that asks the worker to stop, by being there."""
        return self.path / "cancel"

    @property
    def progress_file(self) -> Path:
        """Lines of JSON, one for each report."""
        return self.path / "progress.jsonl"

    @property
    def log_file(self) -> Path:
        """What the worker prints."""
        return self.path / "worker.log"

    @property
    def lock_file(self) -> Path:
        """The file that a worker holds locked as long as it lives."""
        return self.path / "worker.lock"

    def checkpoint_folder(self, step: int) -> Path:
        """Where a step of the job saves its checkpoints."""
        return self.path / "checkpoint" / str(step)

    # -- the job's description ----------------------------------------------------------------------------------------

    def read_job(self) -> dict[str, Any]:
        """The content of job.json. Raises InputError if it is missing, damaged or of another version."""
        file = self.path / "job.json"
        try:
            job = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{self.path} is not the folder of a job: it has no job.json") from None
        except UNREADABLE as error:
            raise InputError(f"{file} is damaged ({reason(error)}); start the job again") from error
        if not isinstance(job, dict) or job.get("version") != VERSION:
            raise InputError(f"{file} is not of version {VERSION}, which this AIM reads; start the job again")
        steps = job.get("steps")
        if not isinstance(steps, list) or not steps or not all(_is_step(step) for step in steps):
            raise InputError(f"{file} lists no steps with a task and arguments each; start the job again")
        return job

    # -- results ------------------------------------------------------------------------------------------------------

    def read_result(self) -> dict[str, Any]:
        """The content of result.json, or an empty dict while there is none."""
        return self._read_json("result.json") or {}

    def write_result(self, result: dict[str, Any]) -> None:
        """Write result.json, whole or not at all."""
        self._write_json("result.json", result)

    def read_figures(self, step: int) -> dict[str, Any] | None:
        """The figures of a finished step, None while it is not finished."""
        return self._read_json(f"step_{step}.json")

    def write_figures(self, step: int, figures: dict[str, Any]) -> None:
        """Record that a step is finished, with its figures."""
        self._write_json(f"step_{step}.json", figures)

    def finished_figures(self) -> list[dict[str, Any]]:
        """The figures of the leading finished steps."""
        finished: list[dict[str, Any]] = []
        while (figures := self.read_figures(len(finished))) is not None:
            finished.append(figures)
        return finished

    # -- state --------------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """new, running, finished, failed, cancelled, or interrupted (started, no result, and no worker lives)."""
        if self.is_locked():
            return "running"
        state = self.read_result().get("state")
        if state in ("finished", "failed", "cancelled"):
            return state
        return "interrupted" if self.lock_file.exists() or self.log_file.exists() else "new"

    def busy(self) -> FolderBusy:
        """The error that says that another worker is at work here."""
        return FolderBusy(f"another worker is already at work in {self.path}; wait for it or cancel it first")

    def request_cancel(self) -> None:
        """Ask the worker to save its work and stop."""
        self.cancel_file.touch()

    def cancel_requested(self) -> bool:
        """Whether the worker is asked to stop."""
        return self.cancel_file.exists()

    # -- progress -----------------------------------------------------------------------------------------------------

    def read_progress(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The records written since `offset` (bytes), and the offset to go on from.

        A last line still being written is left for the next call; a line that a killed worker left behind is skipped.
        """
        try:
            with open(self.progress_file, "rb") as file:
                file.seek(offset)
                content = file.read()
        except FileNotFoundError:
            return [], 0
        complete = content[: content.rfind(b"\n") + 1]
        records = []
        for line in complete.split(b"\n"):
            with contextlib.suppress(*UNREADABLE):
                record = json.loads(line)
                if isinstance(record, dict):
                    records.append(record)
        return records, offset + len(complete)

    def open_progress(self) -> IO[bytes]:
        """progress.jsonl, unbuffered and ready to append whole lines to; the caller closes it."""
        file = open(self.progress_file, "a+b", buffering=0)  # noqa: SIM115
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # ends the half line of a worker that was killed
        return file

    # -- one worker at a time -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, patience_s: float = 1.0) -> Iterator[None]:
        """Hold the folder's lock. Raises FolderBusy if another process holds it.

        patience_s: how long to try, because a look at the state holds the lock for an instant too.
        """
        with open(self.lock_file, "a+b") as file:
            patient_until = time.monotonic() + patience_s
            while not _lock(file, exclusive=True):
                if time.monotonic() > patient_until:
                    raise self.busy()
                time.sleep(0.05)
            try:
                yield
            finally:
                _unlock(file)

    def is_locked(self) -> bool:
        """True while a worker lives in this folder."""
        try:
            with open(self.lock_file, "r+b") as file:
                free = _lock(file, exclusive=False)
                if free:
                    _unlock(file)
                return not free
        except FileNotFoundError:
            return False

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _read_json(self, name: str) -> dict[str, Any] | None:
        """The object in a file of the folder; None if there is no such file, or nothing that a worker wrote."""
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            if isinstance(error, OSError):
                raise
            return None
        return content if isinstance(content, dict) else None

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        write_atomically(self.path / name, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _is_step(step: Any) -> bool:
    return isinstance(step, dict) and isinstance(step.get("task"), str) and isinstance(step.get("arguments"), dict)


def _lock(file: IO[bytes], exclusive: bool) -> bool:
    """Try once to lock the file; False if another process holds it. The lock ends with the process that holds it.

    On a file system without locks every try succeeds: better two workers by mistake than none at all.
    """
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _unlock(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_UN)
