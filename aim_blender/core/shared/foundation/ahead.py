# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that is begun before its results are asked for, beside other work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Found = TypeVar("Found")


def begun(work: Callable[[], Found]) -> Callable[[], Found]:
    """Begin work in a thread of its own. Returns a function that waits for what it returns, or raises."""
    pool = ThreadPoolExecutor(1, "begun")
    found = pool.submit(work)
    pool.shutdown(wait=False)
    return found.result
