# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking an expensive function once for the same arrays, or for a file that has not changed since.

What is remembered lasts as long as the process. One that does several jobs forgets the answers between them, because
whoever is asked may also tell what it did; what was read of files stays.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

from .errors import InputError
from .topology import Topology

MOST = 8  # answers of each function, the latest ones
MOST_FILES = 2  # a retarget needs two actors
LARGEST_FILE = 64 * 2**20  # bytes; what is made of a larger one takes longer than to read it
FORGETTING: list[Callable[[], None]] = []  # how each function forgets its answers
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def remembered(compute: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The function, with its latest answers kept: for equal arrays, topologies, numbers and words the
    same object, which nobody changes.

    A refusal, an InputError, is an answer too.
    """
    kept: OrderedDict[bytes, Answer | InputError] = OrderedDict()
    lock = threading.Lock()
    FORGETTING.append(kept.clear)

    @functools.wraps(compute)
    def ask(*given: Given.args, **named: Given.kwargs) -> Answer:
        key = _digest(*given, *(part for name in sorted(named) for part in (name, named[name])))
        with lock:
            answer = kept.get(key)
            if answer is not None:
                kept.move_to_end(key)
        if answer is None:
            try:
                answer = compute(*given, **named)
            except InputError as error:
                answer = error
            with lock:
                kept[key] = answer
                while len(kept) > MOST:
                    kept.popitem(last=False)
        if isinstance(answer, InputError):
            raise InputError(*answer.args)
        return answer

    return ask


def forget_answers() -> None:
    """Forget all answers, as in a new process."""
    for forget in FORGETTING:
        forget()


def read_once(read: Callable[[Path], Answer]) -> Callable[[Path], Answer]:
    """The function of a file, with what it read of the latest files kept: the same object, which nobody changes, as
    long as all that the file system tells of the file is the same."""
    kept: OrderedDict[str, tuple[tuple[int, ...], Answer]] = OrderedDict()
    lock = threading.Lock()

    @functools.wraps(read)
    def ask(path: Path) -> Answer:
        name, state = os.path.abspath(path), _state_of(path)
        with lock:
            before = kept.pop(name, None)
            if before is not None and before[0] == state:
                kept[name] = before
                return before[1]
        found = read(path)
        if state is not None and state == _state_of(path):
            with lock:
                kept[name] = state, found
                while len(kept) > MOST_FILES:
                    kept.popitem(last=False)
        return found

    return ask


def _state_of(path: Path) -> tuple[int, ...] | None:
    """Size, times and place of a file on its disk; None if it is not there, or too large to keep what it holds."""
    try:
        about = os.stat(path)
    except (OSError, ValueError):
        return None
    if about.st_size > LARGEST_FILE:
        return None
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_dev


def _digest(*given: object) -> bytes:
    found = hashlib.blake2b(digest_size=20)
    for each in given:
        if isinstance(each, np.ndarray):
            found.update(f"{each.dtype}{each.shape}".encode())
            found.update(np.ascontiguousarray(each).view(np.uint8).data)
        elif isinstance(each, Topology):
            found.update(each.digest.encode())
        elif each is None or isinstance(each, str | int | float):
            found.update(repr(each).encode())
        else:
            raise TypeError(f"{type(each).__name__} has no digest")
    return found.digest()
