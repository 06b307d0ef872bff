# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that work long before they change anything: in a window a thread does it, or Blender itself in small
pieces, and nothing is held up."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, cast

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics.records import ActorRecord
from .base import AimOperator

LOOKING_S = 0.02


class _LookingOperator(AimOperator):
    """A base of operators that look from time to time, while Blender goes on, whether finish() can write what was
    found. Whoever calls them from Python, and the background, gets all of it in one call."""

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        """Write what was found. Returns what execute() returns. Objects that were read may be gone since."""
        raise NotImplementedError

    def begin(self, context: bpy.types.Context) -> None:
        """Begin what takes long."""
        raise NotImplementedError

    def cancel(self, context: bpy.types.Context) -> None:
        """Called by Blender when another file is opened: what was begun comes to nothing."""
        context.window_manager.event_timer_remove(self._timer)

    def check_there(self, context: bpy.types.Context) -> None:
        """Raise InputError if what the operator began with is gone."""
        if not self.poll(context):
            raise InputError(f"what {self.bl_label} began with is gone or being edited; press it again")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Called by Blender when the button is pressed."""
        return self.execute(context) if bpy.app.background else self.attempt(lambda: self._begin(context))

    def _begin(self, context: bpy.types.Context) -> set[str]:
        self.begin(context)
        self._timer = context.window_manager.event_timer_add(LOOKING_S, window=context.window)
        context.window_manager.modal_handler_add(cast(bpy.types.Operator, self))
        return {"RUNNING_MODAL"}


class ComputingOperator(_LookingOperator):
    """A base of operators in three parts: read() reads the scene and returns what computes without it, in a thread when
    the button is pressed in a window, and finish() writes what came of that."""

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        """What is to be computed: it touches nothing of Blender's. Raises InputError, and so may what it returns."""
        raise NotImplementedError

    def run(self, context: bpy.types.Context) -> set[str]:
        """All of it, at once."""
        return self.finish(context, self.read(context)())

    def begin(self, context: bpy.types.Context) -> None:
        """Start the thread."""
        from concurrent.futures import ThreadPoolExecutor  # nothing that enabling should wait for

        thread = ThreadPoolExecutor(1)
        self._computed = thread.submit(self.read(context))
        thread.shutdown(wait=False)

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Called by Blender for every event, which others get too."""
        if event.type != "TIMER" or not self._computed.done():
            return {"PASS_THROUGH"}
        self.cancel(context)
        return self.attempt(lambda: self._end(context))

    def _end(self, context: bpy.types.Context) -> set[str]:
        found = self._computed.result()
        self.check_there(context)
        return self.finish(context, found)


class SteppingOperator(_LookingOperator):
    """A base of operators that ask Blender itself for long: steps() yields a message and a share between pieces, during
    which the window goes on, and returns what finish() writes."""

    def steps(self, context: bpy.types.Context) -> Generator[tuple[str, float], None, Any]:
        """Raises InputError."""
        raise NotImplementedError

    def run(self, context: bpy.types.Context) -> set[str]:
        """All of it, at once."""
        return self.finish(context, _finished(self.steps(context)))

    def begin(self, context: bpy.types.Context) -> None:
        """Nothing is done before the first look."""
        self._steps = self.steps(context)

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Called by Blender for every event, which others get too."""
        if event.type == "ESC" and event.value == "PRESS":
            self.cancel(context)
            self.tell(f"{self.bl_label} was cancelled; nothing was changed")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        return self.attempt(lambda: self._step(context))

    def cancel(self, context: bpy.types.Context) -> None:
        """Called by Blender when another file is opened, too."""
        self._steps.close()
        super().cancel(context)
        context.workspace.status_text_set(None)

    def _step(self, context: bpy.types.Context) -> set[str]:
        try:
            self.check_there(context)
            message, share = next(self._steps)
        except StopIteration as end:
            self.cancel(context)
            return self.finish(context, end.value)
        except BaseException:
            self.cancel(context)
            raise
        context.workspace.status_text_set(f"{self.bl_label}: {message}, {share:.0%}   (Esc cancels)")
        return {"RUNNING_MODAL"}


def _finished(steps: Generator[tuple[str, float], None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def of_actor(actor: ActorRecord, read: Callable[[Any], Callable[[], Any]]) -> Callable[[], tuple[str, Any]]:
    """What is read of an actor, to compute something of it that actor_of() takes."""
    identifier, compute = actor.identifier, read(actor)
    return lambda: (identifier, compute())


def actor_of(found: tuple[str, Any]) -> tuple[Any, Any]:
    """The actor of something computed, and that. Raises InputError if the actor is gone since."""
    identifier, computed = found
    there = actors.find_actor(identifier)
    if there is None or not actors.is_there(there[1].neutral):
        raise InputError("the actor, or its neutral, was removed meanwhile; undo that, and press the button again")
    return there[1], computed
