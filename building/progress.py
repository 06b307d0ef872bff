# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a step while it runs, for somebody who waits for its report."""

from __future__ import annotations

import time
from pathlib import Path

from .basics import say

EVERY = 20.0  # seconds between two lines about a step
VARIABLE = "AIM_BUILD_PROGRESS"  # tells pytest_progress.py which file to write


class Progress:
    """Says now and then how long a step has run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = self.said = time.monotonic()

    def tell(self) -> None:
        """Say a line if it is time for one. To be called again and again."""
        now = time.monotonic()
        if now - self.said >= EVERY:
            self.said = now
            say(f"{self.name}: {self.state(now)}")

    def state(self, now: float) -> str:
        """How far the step is."""
        return f"runs for {now - self.started:.0f} s"


class PytestProgress(Progress):
    """Says which tests have failed, at once, and now and then how many have run and which one runs.

    file: what pytest_progress.py writes.
    collected: the number of tests that were chosen; None before pytest has found them.
    outcomes: of each test that has ended, and of each file that could not be read: passed, failed or skipped.
    running: the test that runs, or that pytest ended in; empty between two tests.
    """

    def __init__(self, name: str, file: Path) -> None:
        super().__init__(name)
        self.file = file
        self.collected: int | None = None
        self.outcomes: dict[str, str] = {}
        self.running = ""
        self._since = self.started  # when `running` was found to run
        self._read = 0  # bytes of the file

    def read(self) -> list[str]:
        """Take in what is new in the file. Returns the tests that have failed since the last time."""
        if not self.file.exists():
            return []
        with open(self.file, "rb") as file:
            file.seek(self._read)
            new = file.read().rpartition(b"\n")[0]
        self._read += len(new) + 1 if new else 0
        failed = []
        for line in new.decode().splitlines():
            word, _, what = line.partition(" ")
            if word == "collected":
                self.collected = int(what)
            elif word == "starts":
                self.running, self._since = what, time.monotonic()
            elif word == "ends":
                self.running = ""
            else:
                self.outcomes[what] = word
                failed += [what] if word == "failed" else []
        return failed

    def tell(self) -> None:
        """Say which tests have failed since the last time, and now and then how far all are."""
        for test in self.read():
            say(f"{self.name}: FAILED {test}")
        super().tell()

    def state(self, now: float) -> str:
        """How many tests have run and failed, and which one runs."""
        if self.collected is None:
            return f"looks for tests, for {now - self.started:.0f} s"
        failed = list(self.outcomes.values()).count("failed")
        line = f"{len(self.outcomes)} of {self.collected} tests after {now - self.started:.0f} s, {failed} failed"
        return line + (f"; {self.running} runs for {now - self._since:.0f} s" if self.running else "")

    def counts(self) -> dict[str, int]:
        """How many tests passed and failed and, if any, were skipped; empty if pytest never came to them.

        To be asked when pytest has ended: a test that it ended in has failed.
        """
        self.read()
        if self.collected is None:
            return {}
        if self.running:
            self.outcomes[self.running] = "failed"
        outcomes = list(self.outcomes.values())
        counts = {what: outcomes.count(what) for what in ("passed", "failed", "skipped")}
        return {what: number for what, number in counts.items() if number or what != "skipped"}
