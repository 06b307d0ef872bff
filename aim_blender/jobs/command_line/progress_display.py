# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line shows: progress on standard error while it works, figures as a table when it is done."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ...core.shared.foundation.errors import Cancelled
from ..folders.plain_values import plain
from ..folders.progress import RemainingTime, completed, duration
from ..tasks.arguments import Report

FIRST_LINE_S = 2.0  # quick work prints no progress
LINE_EVERY_S = 5.0
LONG = 60  # characters: sentences stand on lines of their own


def table(figures: dict[str, Any]) -> str:
    """The figures as two columns."""
    width = max((len(name) for name in figures), default=0)
    return "\n".join(f"{name.replace('_', ' '):{width}}  {_shown(value)}" for name, value in figures.items())


def _shown(value: Any) -> str:
    if isinstance(value, list):
        lines = any(isinstance(each, dict) or (isinstance(each, str) and len(each) > LONG) for each in value)
        return "".join(f"\n  {_shown(each)}" for each in value) if lines else ", ".join(map(_shown, value))
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_shown(each)}" for name, each in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class _Display(Protocol):
    def show(self, record: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


@contextlib.contextmanager
def progress_shown(stopped: Callable[[], bool]) -> Iterator[Report]:
    """A report function that shows progress on standard error, and raises Cancelled once `stopped` says so."""
    display: _Display = _bar() or _Lines()
    remaining = RemainingTime()

    def report(record: dict[str, Any]) -> None:
        if stopped():
            raise Cancelled
        display.show(completed(record, remaining, time.monotonic()))

    try:
        yield report
    finally:
        display.close()


def _bar() -> _Display | None:
    """A bar, if standard error is a terminal and tqdm is there."""
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return _Bar(tqdm)


class _Bar:
    """A tqdm bar that starts again with every stretch of work and leaves nothing behind."""

    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._bar: Any = None
        self._stretch: tuple[str, float] | None = None

    def show(self, record: dict[str, Any]) -> None:
        stretch = (record["message"], record["total"])
        if stretch != self._stretch:
            self.close()
            self._stretch = stretch
            total = record["total"] or None
            layout = None if total else "{desc} ..."
            self._bar = self._tqdm(
                total=total, desc=record["message"], leave=False, dynamic_ncols=True, bar_format=layout
            )
        self._bar.set_postfix_str(_figures_shown(record), refresh=False)
        self._bar.update(record["done"] - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Lines:
    """A plain line now and then, for logs.

    Only once work is under way: until then the one line to read may be what is wrong with the input.
    """

    def __init__(self) -> None:
        self._next_at = time.monotonic() + FIRST_LINE_S

    def show(self, record: dict[str, Any]) -> None:
        if not record["done"] or time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + LINE_EVERY_S
        parts = [record["message"] or "Working", f"{int(record['done'])} of {record['total']}"]
        if figures := _figures_shown(record):
            parts.append(figures)
        if record["remaining_s"] is not None:
            parts.append(f"{duration(record['remaining_s'])} left")
        print(", ".join(parts), file=sys.stderr, flush=True)

    def close(self) -> None:
        pass


def _figures_shown(record: dict[str, Any]) -> str:
    known = ("message", "done", "total", "remaining_s")
    return ", ".join(
        f"{name.replace('_', ' ')} {_shown(value)}" for name, value in plain(record).items() if name not in known
    )
