# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker that stays up and answers for one frame after the other, while an artist changes things: see
live_messages.py."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...core.shared.foundation.errors import InputError
from ..folders.folder import STATUS_DONE, STATUS_INPUT
from ..folders.sentences import sentence_for
from .live_messages import MessageError, read_message, write_message

if TYPE_CHECKING:
    from .live_answers import LiveAnswers, Request


def run_live(arguments: dict[str, Any], requests: BinaryIO, answers: BinaryIO) -> int:
    """Answer requests until they end, and return the exit status. arguments: actor, and optionally modes, device."""
    path = Path(arguments["actor"])
    try:
        from .live_answers import LiveAnswers

        start = time.perf_counter()
        chosen = {name: arguments[name] for name in ("modes", "device") if arguments.get(name) is not None}
        able = LiveAnswers(path, chosen)
    except Exception as error:
        write_message(answers, {"error": sentence_for(error, path.parent)})
        return STATUS_INPUT
    ready = {"ready": True, "points": len(able.actor.neutral), "expressions": list(able.actor.names)}
    write_message(answers, {**ready, "setup_s": time.perf_counter() - start})
    waiting: queue.Queue[Request | Exception | None] = queue.Queue()
    threading.Thread(target=_read_all, args=(requests, waiting), name="requests", daemon=True).start()
    try:
        while (request := _newest(waiting, answers)) is not None:
            if isinstance(request, Exception):
                write_message(answers, {"error": str(request)})
                return STATUS_INPUT
            write_message(answers, *_answer(able, *request, answers))
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


def _answer(able: LiveAnswers, header: dict[str, Any], payload: bytes, answers: BinaryIO) -> Request:
    start = time.perf_counter()
    name = {"id": header.get("id")}

    def report(record: dict[str, Any]) -> None:
        write_message(answers, {**name, "message": record.get("message", "")})

    try:
        found, sent = able.answer(header, payload, report)
    except (InputError, ValueError, TypeError, KeyError, OSError) as error:
        return {**name, "error": sentence_for(error, able.path.parent)}, b""
    return {**name, **found, "seconds": time.perf_counter() - start}, sent
