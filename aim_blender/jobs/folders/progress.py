# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the work still takes, estimated from the progress so far."""

from __future__ import annotations

from collections import deque
from typing import Any

WINDOW_S = 20.0
SHORTEST_S = 1.0


class RemainingTime:
    """Estimates the seconds left from the pace of the last 20 seconds.

    A recent window, because a first step (compiling, caching) is slower than the rest, and because a machine shared
    with other work changes its pace.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()  # (time in s, done)
        self._total = 0.0

    def update(self, time_s: float, done: float, total: float) -> float | None:
        """Seconds left after `done` of `total`, or None while too little has been seen to say."""
        if total != self._total or (self._samples and done < self._samples[-1][1]):
            self._samples.clear()  # another stretch of work: its pace is unknown yet
            self._total = total
        self._samples.append((time_s, done))
        # The oldest sample kept is the last one outside the window, so that slow steps still give an estimate.
        while len(self._samples) > 2 and time_s - self._samples[1][0] >= WINDOW_S:
            self._samples.popleft()
        if total > 0 and done >= total:
            return 0.0
        first_time, first_done = self._samples[0]
        if done <= first_done or time_s - first_time < SHORTEST_S:
            return None
        return (total - done) * (time_s - first_time) / (done - first_done)


def completed(record: dict[str, Any], remaining: RemainingTime, time_s: float) -> dict[str, Any]:
    """The task's report with message, done, total and remaining_s always there; a task's own remaining_s is kept."""
    done, total = record.get("done") or 0, record.get("total") or 0
    estimate = remaining.update(time_s, done, total)
    full = {"message": "", **record, "done": done, "total": total}
    if full.get("remaining_s") is None:
        full["remaining_s"] = None if estimate is None else round(estimate, 1)
    return full


def duration(seconds: float) -> str:
    """A span of time as people say it: `8 s`, `3 min 20 s`, `1 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
