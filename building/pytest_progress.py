# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of pytest that writes down which test runs and what came of it, for progress.py to read, and ends early.

A line is a word, a blank, and what it is about: `collected` and a number, `starts` or `ends` and a test, and `passed`,
`failed` or `skipped` and a test or a file of tests.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

import pytest

from .progress import VARIABLE

_file = open(os.environ[VARIABLE], "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - written to until pytest ends


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let Ctrl-C end all tests, also where Blender makes a failed operator of it."""

    def interrupted(*_: object) -> NoReturn:
        session.shouldstop = "interrupted"
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupted)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write how many tests were chosen."""
    _file.write(f"collected {len(session.items)}\n")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Write which file of tests could not be read."""
    if not report.passed:
        _file.write(f"{report.outcome} {report.nodeid}\n")


def pytest_runtest_logstart(nodeid: str) -> None:
    """Write which test starts."""
    _file.write(f"starts {nodeid}\n")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write what came of a test."""
    if report.when == "call" or not report.passed:
        _file.write(f"{report.outcome} {report.nodeid}\n")


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Write which test has ended."""
    _file.write(f"ends {nodeid}\n")


def pytest_unconfigure() -> None:
    """Close the file."""
    _file.close()
