# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's environment, seen from Blender: looked for, tried, set up and removed.

Like the jobs it is advanced by the timer of jobs.py in a window, and waited for in the background.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from ...core.shared.foundation.errors import InputError
from ...jobs.environment import video_plan
from ...jobs.environment.environment_making import description, remove_environment, traces
from ...jobs.environment.environment_plan import REQUIREMENTS, Plan, find_base_python, steps_for
from ...jobs.environment.video_plan import VideoPlan
from ...jobs.folders.folder import JobFolder
from ...jobs.supervision.interpreter import InterpreterError, check_interpreter, find_interpreter
from ...jobs.supervision.supervisor import JobCancelled, JobFailed, Status, Supervisor
from ...jobs.supervision.workers import STAY_MINUTES, Workers
from .. import ROOT_PACKAGE
from ..basics import folders

EXTENSION_FOLDER = Path(__file__).absolute().parents[3]


class Environment:
    """What is known about the worker's environment.

    state: unknown, checking, making, removing, ready, failed, cancelled or removed. text: one sentence about it.
    status: of the making, for its bar.
    """

    def __init__(self) -> None:
        self.state = "unknown"
        self.text = ""
        self.status = Status("new")
        self._missing: tuple[str, str] | None = None  # what was chosen, and why that is none
        self._lacks_video: tuple[str, bool] | None = None  # what was chosen, and whether that can fit no videos
        self._thread: threading.Thread | None = None
        self._supervisor: Supervisor | None = None
        self._made: Callable[[], None] | None = None

    @property
    def active(self) -> bool:
        """Whether something still happens by itself."""
        return self.state in ("checking", "making", "removing")

    def fail(self, sentence: str) -> None:
        """Remember why there is no environment."""
        self.state, self.text = "failed", sentence

    # -- looking ------------------------------------------------------------------------------------------------------

    def missing(self, chosen: str) -> str:
        """Why there is no interpreter, empty if there is one. It is looked for once a choice, so that panels can ask.

        chosen: the preferences' interpreter. (A callback of that property would hang bpy 4.5 when it quits.)
        """
        if self._missing is None or self._missing[0] != chosen:
            try:
                find_interpreter(bpy.path.abspath(chosen) if chosen else None, EXTENSION_FOLDER, folders.user_folder())
                self._missing = (chosen, "")
            except InterpreterError as error:
                self._missing = (chosen, str(error))
        return self._missing[1]

    def lacks_video(self, chosen: str) -> bool:
        """Whether there is an interpreter, but not what videos need; looked for as in missing()."""
        if self._lacks_video is None or self._lacks_video[0] != chosen:
            lacks = False
            with contextlib.suppress(InterpreterError):
                path = bpy.path.abspath(chosen) if chosen else None
                lacks = not has_video(find_interpreter(path, EXTENSION_FOLDER, folders.user_folder()))
            self._lacks_video = (chosen, lacks)
        return self._lacks_video[1]

    def look_again(self) -> None:
        """Forget what was found, because something changed."""
        self._missing = self._lacks_video = None

    # -- trying -------------------------------------------------------------------------------------------------------

    def run(self, interpreter: Path, device: str) -> dict[str, Any]:
        """Try an interpreter and wait. Raises InterpreterError."""
        try:
            found = check_interpreter(interpreter, device)
        except InterpreterError as error:
            self.fail(str(error))
            raise
        self.state, self.text = "ready", description(found)
        return found

    def start(self, interpreter: Path, device: str) -> None:
        """Try it in a thread, which touches nothing of Blender's."""
        if self.active:
            return

        def attempt() -> None:
            with contextlib.suppress(InterpreterError):
                self.run(interpreter, device)

        self._begin("checking", f"trying {interpreter}", attempt)

    def _begin(self, state: str, text: str, work: Callable[[], None]) -> None:
        self.state, self.text = state, text
        self._thread = threading.Thread(target=work)
        self._thread.daemon = state == "checking"  # Blender, when it quits, waits for a removal and not for a trial
        self._thread.start()

    # -- making -------------------------------------------------------------------------------------------------------

    def start_making(self, plan: Plan, made: Callable[[], None]) -> None:
        """Start to make an environment; `made` is called when it is ready. Raises InputError, JobFailed, OSError."""
        self._start("environment", steps_for(plan), plan.base, made)

    def start_video(self, plan: VideoPlan) -> None:
        """Start to install what videos need, as an environment is made. Raises InputError, JobFailed, OSError."""
        self._start(video_plan.TASK, plan.steps(), plan.python, lambda: None)

    def _start(self, task: str, steps: list[dict[str, Any]], python: Path, made: Callable[[], None]) -> None:
        if self.active:
            raise InputError("the environment is being worked on; wait for it or cancel it first")
        WORKERS.close()  # it has loaded what is about to change
        folder = JobFolder.create(making_folder(), task, steps)
        self._supervisor = Supervisor(folder, python, trusted=task)
        self._supervisor.start()
        self._made = made
        self.state, self.text, self.status = "making", "starting", Status("running", "starting")

    def make(self, plan: Plan, made: Callable[[], None]) -> None:
        """Make it and wait. Raises InputError, JobFailed, OSError."""
        self.start_making(plan, made)
        self.wait()

    def wait(self) -> None:
        """Wait for what is being made. Raises JobFailed, OSError."""
        assert self._supervisor is not None
        last = ""

        def show(status: Status) -> None:
            nonlocal last
            if status.message != last:
                last = status.message
                print(f"aim: {status.fraction:4.0%} {last}", file=sys.stderr, flush=True)

        try:
            self._supervisor.wait(show)
        except JobCancelled:
            pass
        except JobFailed:
            self.advance()
            raise
        self.advance()

    def advance(self) -> None:
        """Look how the making stands. Never blocks."""
        if self.state != "making" or self._supervisor is None:
            return
        self.status = self._supervisor.poll()
        self.text = self.status.message
        if not self.status.ended:
            return
        if self.status.state == "finished":
            figures = self.status.figures
            self.state, self.text = "ready", VIDEO_READY if "model" in figures else description(figures)
            shutil.rmtree(making_folder(), ignore_errors=True)
            if self._made is not None:
                self._made()
        elif self.status.state == "cancelled":
            self.state, self.text = "cancelled", "cancelled; nothing was left behind"
            shutil.rmtree(making_folder(), ignore_errors=True)
        else:
            self.fail(self.status.error)
        self._supervisor = None
        self.look_again()

    def cancel(self) -> None:
        """Ask the making to stop."""
        if self._supervisor is not None:
            self._supervisor.cancel()

    def stop(self) -> None:
        """End the making now, because Blender quits."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
            self.state = "unknown"

    # -- removing -----------------------------------------------------------------------------------------------------

    def remove(self, wait: bool) -> None:
        """Remove the environment that was set up, in a thread or waiting. Raises InputError where it waits."""
        if self.active:
            raise InputError("the environment is being worked on; wait for it or cancel it first")
        folder = environment_folder()
        WORKERS.close()

        def work() -> None:
            try:
                remove_environment(folder)
                shutil.rmtree(making_folder(), ignore_errors=True)
                self.state, self.text = "removed", "the environment was removed, and nothing of it is left"
            except InputError as error:
                self.fail(str(error))
            self.look_again()

        if not wait:
            self._begin("removing", "removing the environment", work)
            return
        work()
        if self.state == "failed":
            raise InputError(self.text)


def _stay_s() -> float:
    addon = bpy.context.preferences.addons.get(ROOT_PACKAGE)
    return 60 * (STAY_MINUTES if addon is None else addon.preferences.stay_minutes)


ENVIRONMENT = Environment()
WORKERS = Workers(_stay_s)
VIDEO_READY = "videos can be fitted: the face detector is installed"


def environment_folder() -> Path:
    """Where the environment is set up: in the extension's user folder, which an upgrade leaves alone."""
    return folders.user_folder() / "environment"


def making_folder() -> Path:
    """The folder of the job that makes it, which holds its log."""
    return folders.user_folder() / "environment_making"


def is_there() -> bool:
    """Whether there is anything to remove."""
    return bool(traces(environment_folder())) or making_folder().exists()


def base_python(chosen: str) -> Path:
    """The Python to make it with: the chosen one, one of the system's, or Blender's own. Raises InterpreterError."""
    return find_base_python(bpy.path.abspath(chosen) if chosen else None, [sys.executable])


def plan_for(base: Path, build: str, options: str) -> Plan:
    """The environment to be made."""
    return Plan(environment_folder(), base, build, EXTENSION_FOLDER / REQUIREMENTS, options)


def video_plan_for(python: Path, options: str) -> VideoPlan:
    """What is to be installed for videos, into the environment of an interpreter."""
    return VideoPlan(python, EXTENSION_FOLDER / video_plan.REQUIREMENTS, options)


def has_video(python: Path) -> bool:
    """Whether the environment of an interpreter has what videos need."""
    return video_plan.model_of(python).is_file()


def require_network(plan: Plan | VideoPlan) -> None:
    """Raises InputError if the plan needs the network and Blender may not use it."""
    if not plan.needs_network or bpy.app.online_access:
        return
    if bpy.app.online_access_override:
        raise InputError("Blender was started offline; start it without --offline-mode, then set the environment up")
    raise InputError(
        "Blender may not go online; switch on Allow Online Access in Preferences > System > Network, then set the "
        "environment up, or choose a Python that has torch in the extension's preferences"
    )
