# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of this session: one an actor at a time, polled by a timer in a window, waited for in the background.

In a window one worker is at work at a time; the jobs of other actors wait for it, in the order they were begun.
What is known about a running job lives here and not in the scene, so that undo and saving have nothing to do with it.
The scene's actor only records the folder of its job, by which it is found again after loading a file.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import bpy

from ...core.shared.foundation.errors import InputError
from ...jobs.folders.folder import JobFolder
from ...jobs.folders.sentences import sentence_for
from ...jobs.supervision.interpreter import InterpreterError
from ...jobs.supervision.supervisor import JobCancelled, JobFailed, Status, Supervisor
from ..actors import actors
from ..basics import folders
from ..basics.records import ActorRecord
from . import read_ahead
from .environment import ENVIRONMENT, WORKERS
from .job_making import Preparation

READING_S = 0.01
POLLING_S = 0.25
SHOWING_S = 1.0
ENDED_IS_TOLD_S = 15.0


@dataclass
class Run:
    """A job of an actor in this session.

    actor: the identifier of the actor. kind: `learn`, `fit` or `retarget`. interpreter: what does the work.
    preparation: what still has to be read from the scene; it ends with the job's folder.
    deliver: brings the finished result into the scene; raises RuntimeError with the sentence to show.
    reading: what still has to be read of the result before it is delivered.
    waiting: whether its worker starts when those of other actors have ended.
    ended_at: when it ended in this session, of the monotonic clock.
    trusted: which of registry.TRUSTED_TASKS it may do.
    """

    trusted: ClassVar[str | None] = None

    actor: str
    kind: str
    interpreter: Path
    deliver: Callable[[Run], None]
    preparation: Preparation | None = None
    folder: JobFolder | None = None
    supervisor: Supervisor | None = None
    status: Status = field(default_factory=lambda: Status("new", "starting"))
    reading: Iterator[tuple[str, float]] | None = None
    delivered: bool = False
    waiting: bool = False
    ended_at: float | None = None

    @property
    def active(self) -> bool:
        """Whether something still happens by itself."""
        return not self.status.ended or (self.status.state == "finished" and not self.delivered)

    @property
    def resumable(self) -> bool:
        """Whether the worker can go on from what it saved."""
        return self.folder is not None and self.status.state in ("failed", "cancelled", "interrupted")

    def advance(self) -> None:
        """Do what can be done now without waiting."""
        try:
            if self.preparation is not None:
                self._prepare()
            elif self.waiting:
                self._wait_or_start()
            elif self.supervisor is not None and not self.status.ended:
                status = self.supervisor.poll()
                # A stretch of work that cannot tell its share (reading, writing) must not throw the bar back.
                self.status = replace(status, fraction=max(status.fraction, self.status.fraction))
            if self.status.state == "finished" and not self.delivered:
                self._try_to_deliver()
        except (InputError, JobFailed, InterpreterError) as error:
            self._fail(str(error))
        except Exception as error:  # a timer that raises is dropped by Blender, and the job with it
            self._fail(sentence_for(error, self.folder.path if self.folder else folders.user_folder()))

    def finish(self, on_status: Callable[[Status], None] | None = None) -> None:
        """Do all of it, waiting. Raises InputError, JobFailed, InterpreterError, OSError."""
        try:
            while self.preparation is not None:
                self._prepare()
            if self.waiting:
                self.start_now()
            if self.supervisor is not None and not self.status.ended:
                self.supervisor.wait(on_status)
                self.status = self.supervisor.poll()
        except JobCancelled:
            self.status = Status("cancelled", "cancelled; it can be resumed")
            raise
        except Exception as error:
            self._fail(str(error))
            raise
        self.deliver(self)
        self.delivered = True

    def start(self, folder: JobFolder) -> None:
        """Start the worker on a folder, or resume it, when no other worker is at work. Raises InputError, JobFailed."""
        self.folder = folder
        self.supervisor = Supervisor(folder, self.interpreter, trusted=self.trusted, workers=WORKERS)
        self._wait_or_start()
        found = actors.find_actor(self.actor)
        if found is not None:
            found[1].job_folder = str(folder.path)

    def start_now(self) -> None:
        """Start the worker, whatever else is at work. Raises InputError, JobFailed."""
        assert self.supervisor is not None
        self.waiting = False
        self.supervisor.start()
        self.status = Status("running", "starting")

    def _wait_or_start(self) -> None:
        others = [other for other in RUNS.values() if other is not self and other.at_work]
        if not others:
            self.start_now()
            return
        self.waiting = True
        self.status = Status("new", f"waits for {' and '.join(other.owner for other in others)}")

    @property
    def at_work(self) -> bool:
        """Whether its worker is running."""
        return self.supervisor is not None and self.supervisor.process_id is not None

    @property
    def owner(self) -> str:
        """The name of what it works for."""
        found = actors.find_actor(self.actor)
        return found[1].name if found is not None else self.kind

    def cancel(self) -> None:
        """Ask the worker to stop; what is only prepared, or waits, stops at once."""
        if self.preparation is not None:
            self.preparation.close()
            self.preparation = None
            self.status = Status("cancelled", "cancelled")
        elif self.waiting:
            self.waiting = False
            self.status = Status("cancelled", "cancelled; it can be resumed")
        elif self.supervisor is not None:
            self.supervisor.cancel()

    def stop(self) -> None:
        """End everything now."""
        if self.preparation is not None:
            self.preparation.close()
            self.preparation = None
        if self.supervisor is not None:
            self.supervisor.stop()

    def _prepare(self) -> None:
        assert self.preparation is not None
        try:
            message, share = next(self.preparation)
            self.status = Status("new", message, fraction=share)
        except StopIteration as end:
            self.preparation = None
            self.start(end.value)
        except BaseException:
            self.preparation = None
            raise

    def _try_to_deliver(self) -> None:
        found = actors.find_actor(self.actor)
        if found is None:
            # Undone, or another file is open: the folder keeps the result, and the file offers it when it is opened.
            self.delivered = True
            return
        if bpy.context.mode != "OBJECT":
            self.status = replace(self.status, message="done; the result comes when you return to Object Mode")
            return
        if self.reading is None and self.folder is not None:
            self.reading = read_ahead.begin(self.folder.path)
        if self.reading is not None and next(self.reading, None) is not None:
            return
        self.delivered = True  # tried once: an error is shown and not repeated four times a second
        self.deliver(self)

    def _fail(self, sentence: str) -> None:
        if self.preparation is not None:
            self.preparation.close()
            self.preparation = None
        self.status = replace(self.status, state="failed", message=sentence, error=sentence)


RUNS: dict[str, Run] = {}  # by the actor's identifier; ended ones stay until the next, so that the panel can tell
_shown: list[tuple[str, str, int]] = []  # what was drawn last, and when
_shown_at = 0.0


def of(actor: ActorRecord) -> Run | None:
    """The latest job of an actor in this session."""
    return RUNS.get(actor.identifier)


def begin(run: Run) -> None:
    """Let a job go on by itself in a window, or do all of it in the background.

    Raises InputError, JobFailed, InterpreterError or OSError; in a window only what shows at once.
    """
    RUNS.pop(run.actor, None)  # so that it stands last, and is the last in turn
    RUNS[run.actor] = run
    if bpy.app.background:
        run.finish(_print_status())
        return
    if run.preparation is not None:
        run.advance()
        if run.status.state == "failed":
            raise JobFailed(run.status.error)
    watch()


def watch() -> None:
    """Make sure that the timer runs while there is something to watch."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=READING_S, persistent=True)


def _tick() -> float | None:
    """Advance every job; the seconds until the next tick, None when nothing is left to watch."""
    for run in list(RUNS.values()):
        if run.active:
            run.advance()
            if not run.active:
                run.ended_at = time.monotonic()
    ENVIRONMENT.advance()
    _show()
    if any(run.preparation is not None or (run.active and run.reading is not None) for run in RUNS.values()):
        return READING_S
    return POLLING_S if ENVIRONMENT.active or told() else None


def _show() -> None:
    """Draw what tells of jobs: at once when one begins, ends or comes to its next step, else every SHOWING_S.

    Drawing takes the processor from the worker, most of all where no graphics card draws.
    """
    global _shown, _shown_at
    states: list[tuple[str, str, int]] = [(run.actor, run.status.state, run.status.step) for run in told()]
    states.append(("", ENVIRONMENT.status.state, ENVIRONMENT.status.step))
    if states != _shown or time.monotonic() - _shown_at >= SHOWING_S:
        _shown, _shown_at = states, time.monotonic()
        redraw()
        redraw_status_bars()


def told() -> list[Run]:
    """The jobs that go on, and those that ended so lately that the status bar tells it, the first begun first."""
    now = time.monotonic()
    return [
        run
        for run in RUNS.values()
        if run.active or (run.ended_at is not None and now - run.ended_at < ENDED_IS_TOLD_S)
    ]


def redraw_status_bars() -> None:
    """Draw the windows' status bars again.

    Blender offers no other way than to set a status text, here to none; a tool that is at work may have one of its own.
    """
    for window in bpy.context.window_manager.windows:
        if not len(window.modal_operators):
            with bpy.context.temp_override(window=window):
                window.workspace.status_text_set_internal(None)


def redraw(part: str = "UI") -> None:
    """Draw the side bars of all 3D views again, or another part of them, such as the view itself, WINDOW."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == part:
                        region.tag_redraw()


def find_interrupted(deliver: Callable[[Run], None]) -> None:
    """Look after the jobs that the actors of a loaded file recorded: interrupted, ended unseen, or still running."""
    for scene in bpy.data.scenes:
        for actor in scene.aim.actors:
            known = RUNS.get(actor.identifier)
            if not actor.job_folder or (known is not None and known.active):
                continue
            folder = JobFolder(folders.found_again(actor.job_folder))
            if not folder.path.is_dir():
                continue
            run = Run(actor.identifier, folder.path.name.split("_")[0], Path(), deliver, folder=folder)
            run.supervisor = Supervisor(folder, Path())  # only watches: the worker may belong to another Blender
            with contextlib.suppress(InputError, OSError):
                run.status = run.supervisor.poll()
                # A result that came while the file was closed is offered, not forced into the opened file.
                run.delivered = run.status.state == "finished"
                if run.status.state == "new":  # it waited for others when Blender was closed
                    run.status = Status("cancelled", "the job has not begun; it can be resumed")
                RUNS[actor.identifier] = run
                if run.active:
                    watch()


def offers_result(run: Run, actor: ActorRecord) -> bool:
    """Whether a finished job's result has not come into the file."""
    return run.status.state == "finished" and run.delivered and bool(actor.job_folder)


def stop_all() -> None:
    """End all jobs and the timer; what their workers saved can be resumed."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    for run in RUNS.values():
        run.stop()
    RUNS.clear()
    ENVIRONMENT.stop()


def leave() -> None:
    """End all jobs, and the worker that waits for the next."""
    stop_all()
    WORKERS.close()


@bpy.app.handlers.persistent
def _after_load(*_: Any) -> None:
    if _deliver_later is not None:
        find_interrupted(_deliver_later)


_deliver_later: Callable[[Run], None] | None = None


def register(deliver: Callable[[Run], None]) -> None:
    """Watch for loaded files; `deliver` brings a result into the scene."""
    global _deliver_later
    _deliver_later = deliver
    bpy.app.handlers.load_post.append(_after_load)
    atexit.register(leave)


def unregister() -> None:
    """Stop everything and leave nothing behind."""
    global _deliver_later
    leave()
    atexit.unregister(leave)
    if _after_load in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_after_load)
    _deliver_later = None


def _print_status() -> Callable[[Status], None]:
    """Prints what is being done to standard error, at most once every ten percent."""
    last = ("", -1)

    def show(status: Status) -> None:
        nonlocal last
        now = (status.task, int(status.fraction * 10))
        if now != last and status.message:
            last = now
            error = status.figures.get("error_mm")
            detail = f", {error:.3f} mm" if isinstance(error, float) else ""
            print(f"aim: {status.fraction:4.0%} {status.message}{detail}", file=sys.stderr, flush=True)

    return show
