# SPDX-License-Identifier: GPL-3.0-or-later
"""What all operators share: one way to fail, and the user's preferences."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.jobs.folders.sentences import is_disk_full, sentence_for
from ...aim_blender.jobs.supervision.interpreter import InterpreterError, find_interpreter
from ...aim_blender.jobs.supervision.supervisor import JobFailed
from ...aim_blender.scene import ROOT_PACKAGE
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics import folders
from ...aim_blender.scene.basics.records import ActorRecord
from ...aim_blender.scene.jobs import jobs

# Tests set this, so that what nobody foresaw ends the test with its traceback.
reraise_unexpected = False

# The sentence of the latest operator that failed; the panel shows it until an operator succeeds.
latest_problem = ""


class AimOperator:
    """A base of operators: subclasses write run(), which may raise, and their failures become one sentence.

    In Python a failing operator raises RuntimeError with that sentence, so scripts fail loudly.
    """

    def run(self, context: bpy.types.Context) -> set[str]:
        """Do it. Returns what execute() returns."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Called by Blender."""
        return self.attempt(lambda: self.run(context))

    def attempt(self, work: Callable[[], set[str]]) -> set[str]:
        """Do what may fail. Returns what it returns, {"CANCELLED"} if it failed."""
        global latest_problem
        try:
            done = work()
        except (InputError, JobFailed, InterpreterError) as error:
            return self._fail(str(error))
        except Exception as error:
            if reraise_unexpected:
                raise
            sentence = sentence_for(error, folders.user_folder())
            if not is_disk_full(error) and not isinstance(error, OSError):
                traceback.print_exc()
                sentence += f" (in {self.bl_idname}, Blender {bpy.app.version_string}; the traceback is in the console)"
            return self._fail(sentence)
        latest_problem = ""
        return done

    def _fail(self, sentence: str) -> set[str]:
        global latest_problem
        latest_problem = sentence
        self.report({"ERROR"}, sentence[:1].upper() + sentence[1:])
        return {"CANCELLED"}

    def tell(self, sentence: str, warning: bool = False) -> None:
        """Report a sentence in the status bar."""
        self.report({"WARNING" if warning else "INFO"}, sentence[:1].upper() + sentence[1:])


class OfTake:
    """A base of operators of a take: of the one that is named, else of the one chosen in the list."""

    __annotations__ = {
        "take": StringProperty(name="Take", description="The take's name; empty takes the one chosen in the list")
    }

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Called by Blender."""
        return has_take(cls, context)


def preferences(context: bpy.types.Context) -> Any | None:
    """The extension's preferences, None where a script loaded it without enabling it."""
    addon = context.preferences.addons.get(ROOT_PACKAGE)
    return addon.preferences if addon is not None else None


def worker_interpreter(context: bpy.types.Context) -> Path:
    """The Python that does the work. Raises InterpreterError if there is none."""
    chosen = preferences(context)
    extension_folder = Path(__file__).absolute().parents[2]
    path = bpy.path.abspath(chosen.interpreter) if chosen is not None and chosen.interpreter else None
    return find_interpreter(path, extension_folder, folders.user_folder())


def worker_device(context: bpy.types.Context) -> str:
    """auto, cpu or cuda."""
    chosen = preferences(context)
    return chosen.device if chosen is not None else "auto"


def require_actor(context: bpy.types.Context) -> ActorRecord:
    """The active actor. Raises InputError if there is none."""
    actor = actors.active_actor(context.scene)
    if actor is None:
        raise InputError("there is no actor yet; select the meshes, the neutral last, and press New Actor")
    return actor


def refused(operator: type[Any], sentence: str) -> bool:
    """False, for a poll to return; Blender shows the sentence at the grey button."""
    operator.poll_message_set(sentence)
    return False


def has_take(operator: type[Any], context: bpy.types.Context) -> bool:
    """Whether a take is chosen in the list; if not, Blender shows what to do."""
    chosen = actors.active_take(context.scene)
    return chosen is not None or refused(operator, "Fit a performance first, and choose its take")


def another_is_learned(operator: type[Any], context: bpy.types.Context) -> bool:
    """Whether an actor beside the active one is learned; if not, Blender shows what to do."""
    chosen = actors.active_actor(context.scene)
    if any(actor.file_path for actor in context.scene.aim.actors if actor != chosen):
        return True
    return refused(operator, "Learn another actor, who is to perform it")


def in_object_mode(operator: type[Any], context: bpy.types.Context) -> bool:
    """Whether nothing is being edited; if not, Blender shows what to do."""
    return context.mode == "OBJECT" or refused(operator, "Return to Object Mode first")


def may_start_job(operator: type[Any], context: bpy.types.Context) -> bool:
    """Whether the active actor can start a job; if not, Blender shows why."""
    actor = actors.active_actor(context.scene)
    if actor is None:
        return refused(operator, "Make an actor first")
    return is_idle(operator, actor)


def is_idle(operator: type[Any], actor: ActorRecord) -> bool:
    """Whether no job of the actor is running; if one is, Blender says so."""
    run = jobs.of(actor)
    if run is not None and run.active:
        return refused(operator, "A job of this actor is running; wait for it or cancel it")
    return True
