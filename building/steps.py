# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps: commands that pass or fail, where their words go, and the summary."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .basics import ROOT, clean_environment, say
from .progress import Progress

LOOK = 0.5  # seconds between two looks at a command that runs
GRACE = 10.0  # seconds that a command has to end by itself


class StoppedError(Exception):
    """The steps were to stop before this one had ended."""


@dataclass
class Step:
    """One line of the summary."""

    name: str
    passed: bool = False
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)  # of tests: passed, failed, skipped

    def __str__(self) -> str:
        detail = ", ".join(f"{number} {what}" for what, number in self.counts.items())
        return f"{'passed' if self.passed else 'FAILED'}  {self.seconds:6.1f} s  {self.name:<28} {detail}".rstrip()


@dataclass
class Output:
    """Where the words of steps go.

    file: what is shown in one piece when the steps have ended, and their progress until then. None: the words go onto
        the screen as they come.
    stop: set when the steps are to stop.
    """

    file: IO[bytes] | None = None
    stop: threading.Event = field(default_factory=threading.Event)


def run_step(
    name: str,
    command: list[object],
    output: Output,
    folder: Path = ROOT,
    progress: Progress | None = None,
    **variables: str,
) -> Step:
    """Run the command in the folder, with these environment variables beside ours.

    Raises StoppedError when `output` was told to stop; the command and what it has started have then ended.
    """
    heading, progress = f"\n=== {name}", progress or Progress(name)
    if output.stop.is_set():
        raise StoppedError
    if output.file is None:
        say(heading)
    else:
        output.file.write(f"{heading}\n".encode())
        output.file.flush()
        say(f"{name}: starts")
    started = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env=clean_environment(**variables),
        stdin=None if output.file is None else subprocess.DEVNULL,
        stdout=output.file,
        stderr=output.file,
        # Apart from what a terminal's Ctrl-C ends, so that it is ended once, by end(), with all that belongs to it.
        process_group=None if output.file is None or sys.platform == "win32" else 0,
    )
    try:
        while (status := ended_within(process, LOOK)) is None:
            if output.file is not None:
                progress.tell()
            if output.stop.is_set():
                raise StoppedError
    except BaseException as error:
        # Ctrl-C of a terminal has reached it already where it is not in a group of its own.
        end(process, ask=not (isinstance(error, KeyboardInterrupt) and output.file is None))
        raise
    return Step(name, status == 0, time.monotonic() - started)


def ended_within(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit status of a process that ends in that time; None if it does not."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def end(process: subprocess.Popen[bytes], ask: bool = True) -> None:
    """End a process and its group. It has a while to end by itself, as after Ctrl-C, so that tests can tidy up."""
    if ask:
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
    if ended_within(process, GRACE) is None:
        process.kill()
        process.wait()
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left of it
            os.killpg(process.pid, signal.SIGKILL)


def summarise(steps: list[Step]) -> int:
    """Print a line for each step and the number of tests; returns the exit status."""
    say("\n=== summary")
    for step in steps:
        say(str(step))
    if any(step.counts for step in steps):
        total = {what: sum(step.counts.get(what, 0) for step in steps) for what in ("passed", "failed", "skipped")}
        say(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 0 if all(step.passed for step in steps) else 1
