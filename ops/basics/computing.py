# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that compute long before they change anything: in a window a thread does it, which holds nothing up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from .base import AimOperator

LOOKING_S = 0.02


class ComputingOperator(AimOperator):
    """A base of operators in three parts: read() reads the scene and returns what computes without it, and finish()
    writes what came of that. Between them, when the button is pressed in a window, Blender goes on; whoever calls the
    operator from Python, and the background, gets all of it in one call."""

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        """What is to be computed: it touches nothing of Blender's. Raises InputError, and so may what it returns."""
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        """Write what was computed. Returns what execute() returns. Objects that were read may be gone since."""
        raise NotImplementedError

    def run(self, context: bpy.types.Context) -> set[str]:
        """All of it, at once."""
        return self.finish(context, self.read(context)())

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Called by Blender when the button is pressed."""
        return self.execute(context) if bpy.app.background else self.attempt(lambda: self._begin(context))

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Called by Blender for every event, which others get too."""
        if event.type != "TIMER" or not self._computed.done():
            return {"PASS_THROUGH"}
        self.cancel(context)
        return self.attempt(lambda: self._end(context))

    def cancel(self, context: bpy.types.Context) -> None:
        """Called by Blender when another file is opened: what is still computed comes to nothing."""
        context.window_manager.event_timer_remove(self._timer)

    def _begin(self, context: bpy.types.Context) -> set[str]:
        from concurrent.futures import ThreadPoolExecutor  # nothing that enabling should wait for

        thread = ThreadPoolExecutor(1)
        self._computed = thread.submit(self.read(context))
        thread.shutdown(wait=False)
        self._timer = context.window_manager.event_timer_add(LOOKING_S, window=context.window)
        context.window_manager.modal_handler_add(cast(bpy.types.Operator, self))
        return {"RUNNING_MODAL"}

    def _end(self, context: bpy.types.Context) -> set[str]:
        found = self._computed.result()
        if not self.poll(context):
            raise InputError(f"what {self.bl_label} began with is gone or being edited; press it again")
        return self.finish(context, found)


def of_actor(actor: Any, read: Callable[[Any], Callable[[], Any]]) -> Callable[[], tuple[str, Any]]:
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
