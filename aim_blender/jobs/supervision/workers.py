# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that do jobs, and the one that stays when its job is done, so that the next one need not wait for
PyTorch to load."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from ..folders.folder import FREE, TAKEN
from .interpreter import PACKAGE_ROOT, start_worker, worker_environment

STAY_MINUTES = 5.0  # by default
STOP_GRACE_S = 2.0


class Worker:
    """A process that does the job of a folder, and, if it stays, one job after the other.

    at_work: whether the job that it has goes on. free: whether it waits for another. lost: whether it ended before it
    took the job that it was told of. start: what it was started with, for whoever compares.
    """

    def __init__(
        self, interpreter: str | Path, folder: Path, trusted: str | None, log: IO[bytes], stay_s: float = 0.0
    ) -> None:
        """log: what it prints goes there. stay_s: how long it then waits for another job; 0 starts one that ends with
        its job. Raises OSError if it cannot be started."""
        words = ["job", str(folder.absolute()), "--end-with-parent"]
        if trusted is not None:
            words += ["--trusted", trusted]
        if stay_s > 0:
            words += ["--stay", f"{stay_s:g}"]
        self.start: Any = None
        self.free, self._taken = False, True
        outputs = (subprocess.PIPE, log) if stay_s > 0 else (log, subprocess.STDOUT)
        self._process = start_worker(interpreter, words, *outputs)
        if stay_s > 0:
            # A pipe blocks; a thread that touches nothing of Blender's waits for it.
            threading.Thread(target=self._listen, name="worker's answers", daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError), cast(BinaryIO, self._process.stdout) as answers:
            for line in answers:
                if line == FREE:
                    self.free = True
                elif line == TAKEN:
                    self._taken = True

    @property
    def status(self) -> int | None:
        """Its exit status, None while it lives."""
        return self._process.poll()

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def at_work(self) -> bool:
        """See above."""
        return self.status is None and not self.free

    @property
    def lost(self) -> bool:
        """See above."""
        return self.status is not None and not self._taken

    def take(self, folder: Path, trusted: str | None) -> None:
        """Give a free worker another job. Raises OSError if it is gone."""
        self.free = self._taken = False
        stream = cast(BinaryIO, self._process.stdin)
        stream.write(json.dumps({"folder": str(folder.absolute()), "trusted": trusted}).encode() + b"\n")
        stream.flush()

    def ask_to_end(self) -> None:
        """Close its standard input: it saves what it can resume from, and ends."""
        with contextlib.suppress(OSError):
            cast(BinaryIO, self._process.stdin).close()

    def end(self, grace_s: float = STOP_GRACE_S) -> None:
        """Ask it to end, and return when it is gone, after `grace_s` seconds at most."""
        self.ask_to_end()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


class Workers:
    """Where workers come from, and where one that is free waits for the next job. Nothing here waits but close().

    stay_s: tells how long a worker stays; 0 lets every job have a process of its own.
    """

    def __init__(self, stay_s: Callable[[], float]) -> None:
        self._stay_s = stay_s
        self._kept: Worker | None = None
        self._leaving: list[Worker] = []

    @property
    def kept(self) -> Worker | None:
        """The worker that waits for a job, None if there is none."""
        return self._kept if self._kept is not None and self._kept.status is None else None

    def begin(self, interpreter: str | Path, folder: Path, trusted: str | None, log: IO[bytes]) -> Worker:
        """Let the worker that waits take the job, if all is as when it was started, or a new one. Raises OSError."""
        kept, self._kept = self.kept, None
        stay_s = self._stay_s()
        start = (str(interpreter), stay_s, worker_environment(PACKAGE_ROOT), _state_of(Path(interpreter)))
        if kept is not None:
            if kept.start == start:
                with contextlib.suppress(OSError):
                    kept.take(folder, trusted)
                    return kept
            self._dismiss(kept)
        worker = Worker(interpreter, folder, trusted, log, stay_s)
        worker.start = start
        return worker

    def give_back(self, worker: Worker) -> None:
        """Keep a worker that begin() gave and that is free; one that is kept already ends."""
        if self._kept is not None:
            self._dismiss(self._kept)
        self._kept = worker

    def close(self) -> None:
        """End the worker that waits; it is gone when this returns."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self._dismiss(kept)
        for worker in self._leaving:
            worker.end()
        self._leaving = []

    def _dismiss(self, worker: Worker) -> None:
        """Ask a worker to end, and look after those that were asked before."""
        worker.ask_to_end()
        self._leaving = [each for each in (*self._leaving, worker) if each.status is None]


def _state_of(interpreter: Path) -> list[tuple[str, int]]:
    """Changes when packages come into the interpreter's environment, or go."""
    base = interpreter.parent.parent
    places = [interpreter, base / "pyvenv.cfg", *base.glob("lib/python3*/site-packages"), base / "Lib/site-packages"]
    found = []
    for place in places:
        with contextlib.suppress(OSError):
            found.append((str(place), os.stat(place).st_mtime_ns))
    return found
