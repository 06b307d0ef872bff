# SPDX-License-Identifier: GPL-3.0-or-later
"""What may take a while and touches nothing of Blender's, done while its window goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import TypeVar

THREAD_STRETCH_S = 0.005

T = TypeVar("T")


def meanwhile(message: str, work: Callable[[], T]) -> Generator[tuple[str, float], None, T]:
    """Do what touches nothing of Blender's in a thread, while the window goes on. Returns what it returns."""
    done: list[T] = []
    failed: list[Exception] = []

    def attempt() -> None:
        try:
            done.append(work())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=attempt, name=message)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(THREAD_STRETCH_S)
            yield message, 1.0
    finally:
        thread.join()
    if failed:
        raise failed[0]
    return done[0]
