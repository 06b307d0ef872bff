# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device to compute on, and with how many threads."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import torch

from ..shared.foundation.errors import InputError
from ..shared.settings.learning_settings import LearningSettings
from ..shared.settings.option import options_of


def choose_device(name: str, apple: bool = False) -> torch.device:
    """The device called auto, cpu or cuda. auto takes CUDA where there is one.

    apple: whether Apple's GPU (mps), which knows no float64, would do too where there is no CUDA.
    Raises InputError if it is none of these, or CUDA is asked for and not there.
    """
    options_of(LearningSettings)["device"].check(name)
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no CUDA device that this torch can use; choose cpu, or auto to take what there is")
    if name == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if apple and torch.backends.mps.is_available() else "cpu")


def holds_graphics_memory() -> bool:
    """Whether this process has used a GPU, part of whose memory it then keeps until it ends."""
    apple = torch.backends.mps.is_available() and torch.mps.driver_allocated_memory() > 0
    return torch.cuda.is_initialized() or apple


def choose_threads(work: Callable[[], object], repeats: int = 3) -> int:
    """Set torch to the thread count that does `work` fastest on this machine as busy as it is now, and return it.

    Beside a busy Blender one thread can be faster than two.
    """
    most = torch.get_num_threads()
    best, best_seconds = most, float("inf")
    for count in sorted({most, max(1, most - 1), max(1, most // 2)}):
        torch.set_num_threads(count)
        work()
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        seconds = time.perf_counter() - start
        if seconds < best_seconds:
            best, best_seconds = count, seconds
    torch.set_num_threads(best)
    return best


@contextlib.contextmanager
def threads_kept() -> Iterator[None]:
    """What chooses torch's thread count within chooses it for itself: what this process does next has its own again."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def tensor_float_32(allowed: bool) -> Iterator[None]:
    """Let CUDA's matrix products round their factors to TF32, or not; on the CPU it changes nothing.

    A position of 100 mm rounded so is off by up to 0.07 mm, an offset of a few mm by a thousandth of itself.
    """
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "tf32" if allowed else "ieee"
    try:
        yield
    finally:
        products.fp32_precision = before
