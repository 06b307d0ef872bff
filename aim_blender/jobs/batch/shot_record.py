# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a shot is done, known by content.

Beside a shot's files stands batch.json: for each step the digest of its settings and of the contents of its inputs, and
the digest of what it wrote. A step is skipped if both are still the same; an output that is gone or was changed is made
again, and so is what follows from it if it comes out differently. Every step that is done adds a line to runs.jsonl.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import UNREADABLE
from ..folders.folder import write_atomically
from ..folders.plain_values import plain
from .shot_steps import Step

VERSION = 1
RECORD, RUNS = "batch.json", "runs.jsonl"
BLOCK_BYTES = 1 << 20


class Record:
    """What a shot's folder holds that is done: batch.json and runs.jsonl. To be used by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / RECORD
        content: Any = None
        with contextlib.suppress(*UNREADABLE):
            content = json.loads(self._file.read_text(encoding="utf-8"))
        good = isinstance(content, dict) and content.get("version") == VERSION
        self._steps: dict[str, Any] = _objects(content, "steps") if good else {}
        self._seen: dict[str, Any] = _objects(content, "seen") if good else {}
        self._saved = json.dumps([self._steps, self._seen])

    def do(self, step: Step, perform: Callable[[], dict[str, Any]]) -> bool:
        """Perform a step, which returns its figures, unless it is done. Returns whether it had to be done."""
        digest = self.digest_of_step(step)
        if self.is_done(step, digest):
            return False
        started = time.monotonic()
        figures = plain(perform())
        self.note(step, digest, figures, time.monotonic() - started)
        return True

    def is_done(self, step: Step, digest: str) -> bool:
        """Whether the step was done with these inputs and settings, and what it wrote is still there as it was."""
        known = self._steps.get(step.key)
        if not isinstance(known, dict) or known.get("digest") != digest or known.get("out") != step.out.name:
            return False
        return step.out.is_file() and known.get("out_digest") == self.digest_of_path(step.out)

    def note(self, step: Step, digest: str, figures: dict[str, Any], seconds: float) -> None:
        """Remember that a step is done."""
        figures = {name: value for name, value in figures.items() if name != "out"}
        ran = {
            # Anew where the step itself made a file that counts.
            "digest": self.digest_of_step(step) if step.beside else digest,
            "out": step.out.name,
            "out_digest": self.digest_of_path(step.out),
            "seconds": round(seconds, 3),
            "host": platform.node(),
            "process": os.getpid(),
            "time": round(time.time(), 3),
        }
        self._steps[step.key] = {**ran, "figures": figures}
        self.save()
        with open(self.folder / RUNS, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step.key, **ran}) + "\n")

    def figures(self, step: Step) -> dict[str, Any]:
        """The figures of a step that is done."""
        return self._steps.get(step.key, {}).get("figures", {})

    def save(self) -> None:
        """Write batch.json if anything in it is new."""
        text = json.dumps([self._steps, self._seen])
        if text != self._saved:
            content = {"version": VERSION, "steps": self._steps, "seen": self._seen}
            write_atomically(self._file, json.dumps(content, indent=1) + "\n")
            self._saved = text

    def digest_of_step(self, step: Step) -> str:
        """Of the task, its settings, and the contents of its inputs; where files lie and what they are called is not in
        it, so that a project may be moved."""
        settings = {name: value for name, value in step.arguments.items() if name not in ("out", *step.inputs)}
        contents = {name: self.digest_of_path(Path(step.arguments[name])) for name in step.inputs}
        found = [self.digest_of_path(Path(path)) if Path(path).is_file() else None for path in step.beside]
        text = json.dumps([VERSION, step.task, settings, contents, found], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def digest_of_path(self, path: Path) -> str:
        """Of the contents of a file, or of all files of a folder. Read again only if the file system says that it may
        have changed: its size, times or place on the disk. Raises OSError."""
        signature = _signature(path)
        known = self._seen.get(str(path)) or _SEEN.get(str(path))
        if not (isinstance(known, list) and len(known) == 2 and known[0] == signature):
            known = [signature, _digest(path)]
        self._seen[str(path)] = _SEEN[str(path)] = known
        return known[1]


def _objects(content: dict[str, Any], name: str) -> dict[str, Any]:
    """What batch.json has of this name; nothing if it is no object."""
    found = content.get(name)
    return found if isinstance(found, dict) else {}


_SEEN: dict[str, list[Any]] = {}  # actors are inputs of many shots


def _files_of(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _signature(path: Path) -> str:
    """Changes whenever a file does, by all that the file system knows of it."""
    found = hashlib.sha256()
    for file in _files_of(path):
        about = file.stat()
        found.update(f"{file.name} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}\n".encode())
    return found.hexdigest()


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    for file in _files_of(path):
        if path.is_dir():
            found.update(f"{file.relative_to(path).as_posix()} {file.stat().st_size}\n".encode())
        with open(file, "rb") as content:
            while block := content.read(BLOCK_BYTES):
                found.update(block)
    return found.hexdigest()
