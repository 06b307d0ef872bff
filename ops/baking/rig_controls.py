# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto the controls of any rig: proposing them, and keying them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

import bpy
from bpy.props import StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.core.shared.settings.rig_settings import RigSettings
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.baking import rig_baking
from ...aim_blender.scene.basics import options
from ...aim_blender.scene.jobs.job_making import meanwhile
from ...aim_blender.scene.rigs import rig_results
from ..basics.base import AimOperator, has_take, in_object_mode, refused

LOOKING_S = 0.02


class SteppingOperator(AimOperator):
    """A base of operators that ask Blender itself for long: steps() yields a message and a share between pieces, during
    which the window goes on, and returns what finish() writes. From Python and in the background it is one call."""

    def steps(self, context: bpy.types.Context) -> Generator[tuple[str, float], None, Any]:
        """Raises InputError."""
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        """Write what was found. Returns what execute() returns."""
        raise NotImplementedError

    def run(self, context: bpy.types.Context) -> set[str]:
        """All of it, at once."""
        return self.finish(context, _finished(self.steps(context)))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Called by Blender when the button is pressed."""
        return self.execute(context) if bpy.app.background else self.attempt(lambda: self._begin(context))

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
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)

    def _begin(self, context: bpy.types.Context) -> set[str]:
        self._steps = self.steps(context)
        self._timer = context.window_manager.event_timer_add(LOOKING_S, window=context.window)
        context.window_manager.modal_handler_add(cast(bpy.types.Operator, self))
        return {"RUNNING_MODAL"}

    def _step(self, context: bpy.types.Context) -> set[str]:
        try:
            if not self.poll(context):
                raise InputError(f"what {self.bl_label} began with is gone or being edited; press it again")
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


class _OfTake(SteppingOperator):
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not (has_take(cls, context) and in_object_mode(cls, context)):
            return False
        return context.scene.aim.rig.mesh is not None or refused(cls, "Choose the mesh that the rig moves")


class AIM_OT_rig_controls_propose(_OfTake, bpy.types.Operator):
    bl_idname = "aim.rig_controls_propose"
    bl_label = "Propose Controls"
    bl_description = (
        "Try all controls of the rig and list those that move the face: bones that are shown, shape keys and "
        "properties that nothing drives. The rig is left as it is"
    )
    bl_options = {"REGISTER", "UNDO"}

    take: StringProperty(name="Take", description="The take's name; empty takes the one chosen in the list")

    def steps(self, context: bpy.types.Context) -> Generator[tuple[str, float], None, Any]:
        """What the controls do."""
        take, actor = actors.take_and_actor(context.scene, self.take)
        scale, read = actor.millimetres_per_unit, rig_baking.bake_of(take, actor)
        baked = yield from meanwhile("reading the take", read)
        return (yield from rig_results.propose(context, baked, scale))

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        self.tell(rig_results.list_controls(context.scene.aim.rig, found))
        return {"FINISHED"}


class _SolvingOptions:
    """The settings of solving as properties."""

    __annotations__ = options.operator_properties(RigSettings)


class AIM_OT_take_bake_to_controls(_SolvingOptions, _OfTake, bpy.types.Operator):
    bl_idname = "aim.take_bake_to_controls"
    bl_label = "Bake to Controls"
    bl_description = (
        "Key the chosen controls of the rig so that its mesh follows the take; all that move the face if none are "
        "listed. Nothing else is touched, and keys outside the take's frames stay"
    )
    bl_options = {"REGISTER", "UNDO"}

    take: StringProperty(name="Take", description="The take's name; empty takes the one chosen in the list")

    def steps(self, context: bpy.types.Context) -> Generator[tuple[str, float], None, Any]:
        """The values of the controls."""
        take, actor = actors.take_and_actor(context.scene, self.take)
        name, scale, read = take.name, actor.millimetres_per_unit, rig_baking.bake_of(take, actor)
        given = options.operator_choices(self, RigSettings)
        settings = RigSettings(**options.chosen(context.scene.aim, RigSettings, given))
        baked = yield from meanwhile("reading the take", read)
        return name, baked, (yield from rig_results.solve(context, baked, scale, settings))

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        name, baked, solved = found
        _, actor = actors.take_and_actor(context.scene, name)
        self.tell(rig_results.write(context, actor, name, baked, solved))
        return {"FINISHED"}


CLASSES = (AIM_OT_rig_controls_propose, AIM_OT_take_bake_to_controls)
