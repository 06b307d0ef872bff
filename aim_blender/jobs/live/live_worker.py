# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's side of the worker that stays up (live.py): nothing here waits, so a window's timer may call it."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..supervision.interpreter import start_worker
from ..supervision.supervisor import JobFailed
from .live_messages import MessageError, read_message, write_message

STOP_GRACE_S = 2.0

Message = tuple[dict[str, Any], bytes]


class LiveWorker:
    """A worker that fits frames of one actor as they come.

    It ends when its standard input does: by stop(), or because this process is gone, however it ended.
    """

    def __init__(self, interpreter: str | Path, actor: Path, device: str = "auto") -> None:
        """Raises JobFailed if the interpreter cannot be started."""
        try:
            words = ("live", str(actor.absolute()), "--device", device)
            self._process = start_worker(interpreter, words, subprocess.PIPE, subprocess.DEVNULL)
        except OSError as error:
            raise JobFailed(
                f"the interpreter {interpreter} cannot be started ({error.strerror}); choose another one"
            ) from error
        self.ready = False
        self._answers: queue.Queue[Message] = queue.Queue()
        self._requests: queue.Queue[Message | None] = queue.Queue()
        # Pipes block; threads that touch nothing of Blender's wait for them.
        for work in (self._read, self._write):
            threading.Thread(target=work, name="live fitting", daemon=True).start()

    @property
    def process_id(self) -> int | None:
        """The worker's process id, None when it has ended."""
        return self._process.pid if self._process.poll() is None else None

    def send(self, header: dict[str, Any], payload: bytes) -> None:
        """Ask for a fit; the answer comes later."""
        self._requests.put((header, payload))

    def received(self) -> list[Message]:
        """The answers that have come since. Raises JobFailed with one sentence if the worker ended by itself."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._answers.get_nowait())
        for header, _ in found:
            if header.get("ready"):
                self.ready = True
            elif "error" in header and "id" not in header:
                raise JobFailed(str(header["error"]))
        if not found and self._process.poll() is not None and self._answers.empty():
            raise JobFailed(
                f"the worker of live fitting ended with status {self._process.returncode}; switch it on again"
            )
        return [message for message in found if "id" in message[0]]

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """End the worker; it is gone when this returns, after `grace_s` seconds at most."""
        self._requests.put(None)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        stream = cast(BinaryIO, self._process.stdout)
        try:
            while (message := read_message(stream)) is not None:
                self._answers.put(message)
        except (MessageError, OSError, ValueError) as error:
            self._answers.put(({"error": f"the worker of live fitting said what is no answer: {error}"}, b""))
        finally:
            stream.close()

    def _write(self) -> None:
        stream = cast(BinaryIO, self._process.stdin)
        with contextlib.suppress(OSError, ValueError):
            while (request := self._requests.get()) is not None:
                write_message(stream, *request)
        with contextlib.suppress(OSError):
            stream.close()
