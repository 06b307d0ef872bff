# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker that stays up and fits one frame after the other, while an artist moves things: see live_messages.py."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..core.errors import InputError
from .folder import STATUS_DONE, STATUS_INPUT
from .live_messages import MessageError, read_message, write_message
from .sentences import sentence_for
from .worker import plain

if TYPE_CHECKING:
    from ..core.live import LiveFit

Request = tuple[dict[str, Any], bytes]


def run_live(arguments: dict[str, Any], requests: BinaryIO, answers: BinaryIO) -> int:
    """Answer requests until they end, and return the exit status. arguments: actor, and optionally modes, device."""
    path = Path(arguments["actor"])
    try:
        from ..core.files import load_actor
        from ..core.fitting_cache import cache_beside
        from ..core.fitting_settings import FittingSettings
        from ..core.live import LiveFit

        start = time.perf_counter()
        chosen = {name: arguments[name] for name in ("modes", "device") if arguments.get(name) is not None}
        fit = LiveFit(load_actor(path), FittingSettings(**chosen), cache_beside(path))
    except Exception as error:
        write_message(answers, {"error": sentence_for(error, path.parent)})
        return STATUS_INPUT
    ready = {"ready": True, "points": len(fit.actor.neutral), "expressions": list(fit.actor.names)}
    write_message(answers, {**ready, "setup_s": time.perf_counter() - start})
    waiting: queue.Queue[Request | Exception | None] = queue.Queue()
    threading.Thread(target=_read_all, args=(requests, waiting), name="requests", daemon=True).start()
    try:
        while (request := _newest(waiting, answers)) is not None:
            if isinstance(request, Exception):
                write_message(answers, {"error": str(request)})
                return STATUS_INPUT
            write_message(answers, *_answer(fit, *request))
    except BrokenPipeError:
        pass  # nobody listens any more
    return STATUS_DONE


def _read_all(stream: BinaryIO, waiting: queue.Queue[Request | Exception | None]) -> None:
    """Put all requests into the queue, and None or what went wrong at the end."""
    try:
        while (request := read_message(stream)) is not None:
            waiting.put(request)
        waiting.put(None)
    except (MessageError, OSError) as error:
        waiting.put(error)


def _newest(waiting: queue.Queue[Request | Exception | None], answers: BinaryIO) -> Request | Exception | None:
    """The latest request, once there is one; those before it are told that they were skipped."""
    request = waiting.get()
    while isinstance(request, tuple):
        try:
            later = waiting.get_nowait()
        except queue.Empty:
            break
        if not isinstance(later, tuple):
            waiting.put(later)  # the end comes after the last answer
            break
        write_message(answers, {"id": request[0].get("id"), "skipped": True})
        request = later
    return request


def _answer(fit: LiveFit, header: dict[str, Any], payload: bytes) -> Request:
    start = time.perf_counter()
    name = {"id": header.get("id")}
    try:
        frame = _fitted(fit, header, payload)
    except (InputError, ValueError, TypeError, KeyError) as error:
        return {**name, "error": str(error)}, b""
    figures = {"mean_mm": frame.mean_mm, "worst_mm": frame.worst_mm, "weights": frame.weights}
    motion = {"jaw": frame.jaw, "head": frame.head, "seconds": time.perf_counter() - start}
    return {**name, **plain({**figures, **motion})}, frame.vertices.astype("<f4").tobytes()


def _fitted(fit: LiveFit, header: dict[str, Any], payload: bytes) -> Any:
    import numpy as np

    kinds: dict[str, Callable[..., Any]] = {"mesh": fit.mesh, "handles": fit.handles}
    kind = header.get("kind")
    if kind not in kinds:
        raise InputError(f"a request is of the kind {kind!r}; it must be {' or '.join(kinds)}")
    if len(payload) % 12:
        raise InputError(f"a request brings {len(payload)} bytes; 12 for each position are needed")
    positions = np.frombuffer(payload, "<f4").reshape(-1, 3)
    more = {"head": header["head"]} if "head" in header else {}
    if kind == "mesh":
        return fit.mesh(positions, **more)
    return fit.handles(np.asarray(header["vertices"], dtype=np.int64), positions, **more)
