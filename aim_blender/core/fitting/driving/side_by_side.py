# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on frames by several cores, each on frames of its own: sums within a frame are too short to be shared out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

FEWEST_FRAMES = 16  # that a core is given at once, where there is more than one core
Part = TypeVar("Part")
Found = TypeVar("Found")


def threads_for(frames: int, device: torch.device) -> int:
    """How many cores share so many frames, each with chunks of its own."""
    if device.type != "cpu":
        return 1
    return max(1, min(frames // FEWEST_FRAMES, torch.get_num_threads()))


def side_by_side(work: Callable[[Part], Found], parts: Iterable[Part], threads: int) -> Iterator[tuple[Part, Found]]:
    """Each of the parts, as numbers of frames (f,), and what `work` finds of it, in their order.

    threads: as many parts are at work at once, each on one core, and no more lie about finished. Raises what `work`
    raises; what was not begun then is left.
    """
    if threads < 2:
        for part in parts:
            yield part, work(part)
        return
    before = torch.get_num_threads()
    waiting: deque[tuple[Part, Future[Found]]] = deque()
    with ThreadPoolExecutor(threads, "frames", torch.set_num_threads, (1,)) as pool:
        try:
            for part in parts:
                waiting.append((part, pool.submit(work, part)))
                if len(waiting) > threads:
                    first, found = waiting.popleft()
                    yield first, found.result()
            while waiting:
                first, found = waiting.popleft()
                yield first, found.result()
        finally:
            for _, left in waiting:
                left.cancel()
            torch.set_num_threads(before)  # the number holds for a thread, but is also what new ones begin with
