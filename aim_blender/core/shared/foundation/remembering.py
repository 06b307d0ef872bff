# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking an expensive function of arrays once for the same arrays."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

from .errors import InputError
from .topology import Topology

MOST = 8  # answers of each function, the latest ones
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def remembered(compute: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The function, with its latest answers kept: for equal arrays, topologies, numbers and words the
    same object, which nobody changes.

    A refusal, an InputError, is an answer too.
    """
    kept: OrderedDict[bytes, Answer | InputError] = OrderedDict()
    lock = threading.Lock()

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
