# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the scene while an artist works: a face that is computed again whenever something changes.

One at a time. A worker stays up; handlers note that something changed, and a timer reads it, sends it, and shows the
answer on an object of its own. One request is under way at most, so that what is shown is never more than one old.
Subclasses of Live say what is asked: live_fitting.py, live_correcting.py, live_retargeting.py.
"""

from __future__ import annotations

import atexit
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...jobs.folders.sentences import sentence_for
from ...jobs.live.live_worker import LiveWorker
from ...jobs.supervision.supervisor import JobFailed
from ..basics import folders, meshes
from ..fitting.performances import scene_in_context
from ..jobs import jobs
from . import live_objects

WAITING_S, IDLE_S = 0.004, 0.02
REMEMBERED = 25  # latencies, of which the median is told
LONGEST_WAIT_S = 60.0


class Live:
    """A face that follows the scene. shown: the name of the object that shows it. covered: names of objects that would
    be seen through it, and are hidden meanwhile. scale: millimetres in a Blender unit of the actor whose face it is."""

    title = "live fitting"

    def __init__(self, scene: str, shown: str, covered: list[str], scale: float, worker: LiveWorker) -> None:
        self.scene, self.shown, self.covered, self.scale, self.worker = scene, shown, covered, scale, worker
        self.changed = True
        self.problem = ""
        self.doing = ""
        self.figures: dict[str, Any] = {}  # of the latest answer
        self.worker_s = 0.0
        self.fits = 0
        self._number = 0
        self._asked_at: float | None = None
        self._latest: bytes | None = None
        self._latencies: deque[float] = deque(maxlen=REMEMBERED)
        self._awaited: dict[int, tuple[dict[str, Any], bytes] | None] = {}  # answers that ask() waits for
        self._stopped = False
        self.cover(True)

    # What subclasses say.

    def request(self, scene: bpy.types.Scene) -> tuple[dict[str, Any], np.ndarray]:
        """What is to be asked now: a header and numbers. Raises InputError if that cannot be told."""
        raise NotImplementedError

    def succeeded(self) -> str:
        """How it goes, in one sentence, once something is shown."""
        raise NotImplementedError

    def taken(self, header: dict[str, Any], vertices: np.ndarray) -> None:
        """Called when an answer is shown: its header and vertices (V, 3) in mm."""

    def poll(self, scene: bpy.types.Scene) -> None:
        """Called every time before something is asked, to look for changes that no handler tells."""

    def noted(self, graph: bpy.types.Depsgraph) -> None:
        """Called by the handlers: something of the scene changed."""
        self.changed = True

    def successor(self, scene: bpy.types.Scene) -> Callable[[], Live] | None:
        """What is to begin in its place, None while it can go on."""
        return None

    def leave(self) -> None:
        """Called when it ends, after the worker has."""

    # What is common.

    @property
    def latency_ms(self) -> float:
        """Milliseconds from reading what changed to having shown the answer; the median of the latest."""
        return 1000.0 * statistics.median(self._latencies) if self._latencies else 0.0

    @property
    def message(self) -> str:
        """How it goes, in one sentence."""
        if self.problem:
            return self.problem
        if not self.worker.ready:
            return "starting the worker"
        if self.doing:
            return self.doing
        return self.succeeded() if self.fits else "waiting for the first answer"

    @property
    def waiting(self) -> bool:
        """Whether an answer is under way, or the worker is not up yet."""
        return self._asked_at is not None or not self.worker.ready or bool(self._awaited)

    def advance(self) -> None:
        """Show the answer that came, and ask again if something changed.

        Raises InputError or JobFailed if it cannot go on.
        """
        self._hear()
        scene = bpy.data.scenes.get(self.scene)
        if scene is None:
            raise InputError(f"the scene of {self.title} is gone")
        self.poll(scene)
        if self.changed and not self.waiting:
            self.changed = False
            self._ask(scene)

    def settle(self) -> None:
        """Wait until what is shown is of now. Raises InputError if it cannot be, or takes too long, JobFailed."""
        until = time.monotonic() + LONGEST_WAIT_S
        self.changed = True
        while self.changed or self.waiting:
            self.advance()
            if self.problem:
                raise InputError(self.problem)
            if time.monotonic() > until:
                raise InputError(f"the worker of {self.title} does not answer; switch it off and on again")
            time.sleep(WAITING_S / 2)

    def ask(self, header: dict[str, Any]) -> Callable[[], tuple[dict[str, Any], bytes]]:
        """Ask for something else than a face. Returns what waits for the answer: in a thread, while the timer hears it,
        or in Blender's own, which then hears for itself. What it returns raises InputError, JobFailed."""
        self._number += 1
        number = self._number
        self._awaited[number] = None
        self.worker.send({"id": number, **header}, b"")

        def answer() -> tuple[dict[str, Any], bytes]:
            until = time.monotonic() + LONGEST_WAIT_S
            while self._awaited[number] is None and not self._stopped and time.monotonic() < until:
                if threading.current_thread() is threading.main_thread():
                    self._hear()
                time.sleep(WAITING_S / 2)
            found = self._awaited.pop(number)
            if found is None:
                failed = "was switched off meanwhile" if self._stopped else "does not answer"
                raise InputError(f"the worker of {self.title} {failed}; switch it on again, and try again")
            if "error" in found[0]:
                raise InputError(str(found[0]["error"]))
            return found

        return answer

    def forget(self) -> None:
        """Ask again even for what was shown already: an undo may have changed the object that shows it."""
        self._latest = None
        self.changed = True
        self.cover(True)

    def cover(self, hide: bool) -> None:
        """Hide what would be seen through the face, or show it again."""
        for name in self.covered:
            item = bpy.data.objects.get(name)
            if item is not None and item.name in bpy.context.view_layer.objects:
                item.hide_set(hide)

    def stop(self) -> None:
        """End the worker, for which a window does not wait, and leave the scene as it was."""
        self._stopped = True
        if bpy.app.background:
            self.worker.stop()
        else:
            threading.Thread(target=self.worker.stop, name=f"end of {self.title}").start()
        self.cover(False)
        self.leave()

    def _hear(self) -> None:
        """Take what the worker has answered since."""
        for header, payload in self.worker.received():
            if header["id"] in self._awaited:
                if "message" not in header:
                    self._awaited[header["id"]] = header, payload
            elif header["id"] == self._number:
                self._take(header, payload)

    def _ask(self, scene: bpy.types.Scene) -> None:
        start = time.perf_counter()
        try:
            with scene_in_context(scene):
                header, numbers = self.request(scene)
        except InputError as error:  # the artist may go on and mend it
            self.problem = str(error)
            return
        payload = numbers.astype("<f4").tobytes()
        content = str(header).encode() + payload
        if content == self._latest:
            self.problem = ""
            return
        self._latest = content
        self._number += 1
        self.worker.send({"id": self._number, **header}, payload)
        self._asked_at = start

    def _take(self, header: dict[str, Any], payload: bytes) -> None:
        self.doing = str(header.get("message", ""))
        if self.doing:
            return
        asked, self._asked_at = self._asked_at, None
        if "error" in header:
            self.problem = str(header["error"])
            return
        if header.get("skipped"):
            return
        item = bpy.data.objects.get(self.shown)
        if item is None or not isinstance(item.data, bpy.types.Mesh):
            raise InputError(f"the object of {self.title} was removed; switch it on again to get another")
        if item.mode == "EDIT":
            self.problem = f"{item.name!r} is in Edit Mode; leave it to see the face"
            return
        vertices = np.frombuffer(payload, "<f4").reshape(-1, 3)
        if len(vertices) != len(item.data.vertices):
            raise InputError(f"the mesh of {item.name!r} was changed; switch {self.title} on again to get another")
        meshes.write_positions(item.data, vertices / self.scale)
        item.data.update_tag()
        self.problem = ""
        self.figures = header
        self.worker_s = float(header.get("seconds", 0.0))
        self.fits += 1
        if asked is not None:
            self._latencies.append(time.perf_counter() - asked)
        self.taken(header, vertices)


CURRENT: Live | None = None
LATEST_PROBLEM = ""
LATEST_KIND: type[Live] | None = None  # of what had the latest problem


def start_worker(interpreter: Path, file: Path, device: str) -> LiveWorker:
    """A worker for the actor in a file. Raises JobFailed."""
    return LiveWorker(interpreter, file, device)


def begin(make: Callable[[], Live]) -> Live:
    """Start what `make` makes; another ends before. Raises InputError, JobFailed."""
    global CURRENT, LATEST_PROBLEM
    end()
    LATEST_PROBLEM = ""
    CURRENT = make()
    bpy.app.handlers.depsgraph_update_post.append(_note)
    bpy.app.handlers.frame_change_post.append(_note)
    if not bpy.app.background:
        bpy.app.timers.register(_tick, first_interval=IDLE_S, persistent=True)
    return CURRENT


def end(problem: str = "") -> None:
    """Stop what follows, if anything does. problem: why, for the panel."""
    global CURRENT, LATEST_PROBLEM, LATEST_KIND
    ended, CURRENT = CURRENT, None
    for handlers in (bpy.app.handlers.depsgraph_update_post, bpy.app.handlers.frame_change_post):
        if _note in handlers:
            handlers.remove(_note)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if ended is not None:
        LATEST_PROBLEM, LATEST_KIND = problem, type(ended)
        ended.stop()


def advance() -> None:
    """Do what can be done now; the timer calls it, and in the background a script may."""
    if CURRENT is None:
        return
    try:
        scene = bpy.data.scenes.get(CURRENT.scene)
        successor = CURRENT.successor(scene) if scene is not None else None
        if successor is not None:
            begin(successor)
        CURRENT.advance()
    except (InputError, JobFailed) as error:
        end(str(error))
    except Exception as error:  # a timer that raises is dropped by Blender, and the worker with it
        end(sentence_for(error, folders.user_folder()))


def _tick() -> float | None:
    before = CURRENT.message if CURRENT is not None else ""
    advance()
    if CURRENT is None or CURRENT.message != before:
        jobs.redraw()
    if CURRENT is None:
        return None
    return WAITING_S if CURRENT.waiting else IDLE_S


@bpy.app.handlers.persistent
def _note(_: bpy.types.Scene, graph: bpy.types.Depsgraph) -> None:
    if CURRENT is not None:
        CURRENT.noted(graph)


@bpy.app.handlers.persistent
def _after_undo(*_: Any) -> None:
    live_objects.after_undo(CURRENT.shown if CURRENT is not None else "")
    if CURRENT is not None:
        CURRENT.forget()


@bpy.app.handlers.persistent
def _before_load(*_: Any) -> None:
    end()


@bpy.app.handlers.persistent
def _before_save(*_: Any) -> None:
    if CURRENT is not None:
        CURRENT.cover(False)  # else the file would be opened with hidden faces


@bpy.app.handlers.persistent
def _after_save(*_: Any) -> None:
    if CURRENT is not None:
        CURRENT.cover(True)


def _at_exit() -> None:
    if CURRENT is not None:  # Blender's data may be gone by now
        CURRENT.worker.stop()


HANDLERS = {
    "load_pre": _before_load,
    "save_pre": _before_save,
    "save_post": _after_save,
    "undo_post": _after_undo,
    "redo_post": _after_undo,
}


def register() -> None:
    """Watch for files that are opened and saved, and for undo."""
    for name, handler in HANDLERS.items():
        getattr(bpy.app.handlers, name).append(handler)
    atexit.register(_at_exit)


def unregister() -> None:
    """Stop and leave nothing behind."""
    end()
    atexit.unregister(_at_exit)
    for name, handler in HANDLERS.items():
        if handler in getattr(bpy.app.handlers, name):
            getattr(bpy.app.handlers, name).remove(handler)
