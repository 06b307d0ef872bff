# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of pairs: listing them by name, proposing them by what shapes do, and changing what was found."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.core.shared.foundation.wording import listed
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics.records import PairRecord
from ...aim_blender.scene.jobs import pairing_jobs
from ...aim_blender.scene.retargeting import retarget_lists
from ..basics.base import (
    AimOperator,
    another_is_learned,
    in_object_mode,
    may_start_job,
    refused,
    require_actor,
    worker_interpreter,
)
from ..basics.results import start_job


class AIM_OT_retarget_pairs_propose(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_pairs_propose"
    bl_label = "Propose Pairs"
    bl_description = (
        "Look what each of the performer's shapes is on the target, by name and by what the shapes do, and list it "
        "with how well they agree. It runs beside Blender; what you have changed in the list stays, and is compared too"
    )
    bl_options = {"REGISTER"}

    target: StringProperty(name="Target", description="The target actor's name; empty takes the scene's choice")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not may_start_job(cls, context):
            return False
        if not actors.active_actor(context.scene).file_path:
            return refused(cls, "Learn the actor first")
        return another_is_learned(cls, context) and in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        target = retarget_lists.picked_target(context.scene, actor, self.target)
        interpreter = worker_interpreter(context)
        folder = pairing_jobs.prepare_pairing(context.scene.aim.retarget, actor, target)
        start_job(self, actor, "pair", interpreter, folder, f"pairing the shapes of {actor.name} with {target.name}'s")
        return {"FINISHED"}


class AIM_OT_retarget_pairs_find(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_pairs_find"
    bl_label = "Pair by Name"
    bl_description = "List the actor's expressions with the target's that mean the same, to change what was not found"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        target = retarget_lists.picked_target(context.scene, actor, "")
        missing = retarget_lists.list_pairs(context.scene.aim.retarget, actor, target)
        count = len(actor.shapes)
        text = f"paired {count - len(missing)} of {count} expressions"
        self.tell(text + (f"; none for {listed(missing)}" if missing else ""))
        return {"FINISHED"}


class AIM_OT_retarget_pairs_clear(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_pairs_clear"
    bl_label = "Clear Pairs"
    bl_description = "Empty the list, so that expressions pair by name and by what they do"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        retarget_lists.clear_pairs(context.scene.aim.retarget)
        return {"FINISHED"}


class _OfPairs(AimOperator):
    """What accepts or resets: the pair that is chosen in the list, or all of them."""

    every: BoolProperty(name="All", description="All pairs of the list, and not only the chosen one")

    def pairs(self, context: bpy.types.Context) -> list[PairRecord]:
        state = context.scene.aim.retarget
        return list(state.pairs) if self.every else [retarget_lists.active_pair(state)]


class AIM_OT_retarget_pair_accept(_OfPairs, bpy.types.Operator):
    bl_idname = "aim.retarget_pair_accept"
    bl_label = "Accept"
    bl_description = "What was found is good as it is: it counts as before, and is not marked as doubtful any more"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        count = retarget_lists.accept(context.scene.aim.retarget, self.pairs(context))
        self.tell(f"accepted what was doubtful in {count} pairs")
        return {"FINISHED"}


class AIM_OT_retarget_pair_reset(_OfPairs, bpy.types.Operator):
    bl_idname = "aim.retarget_pair_reset"
    bl_label = "Reset"
    bl_description = "Take back what you chose, left out or accepted: what was found counts again"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> set[str]:
        count = retarget_lists.reset(context.scene.aim.retarget, self.pairs(context))
        self.tell(f"reset {count} pairs")
        return {"FINISHED"}


def _shapes(_: object, context: bpy.types.Context, typed: str) -> list[str]:
    return [name for name in retarget_lists.shape_names(context.scene) if typed.lower() in name.lower()]


class AIM_OT_retarget_pair_add(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_pair_add"
    bl_label = "Add Shape"
    bl_description = "Choose one more of the target's shapes for the chosen expression; they are shown together, whole"
    bl_options = {"REGISTER", "UNDO"}

    shape: StringProperty(
        name="Shape",
        description="The target's shape",
        search=_shapes,
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask which, where none is given."""
        return self.execute(context) if self.shape else set(context.window_manager.invoke_props_dialog(self))

    def run(self, context: bpy.types.Context) -> set[str]:
        if not self.shape:
            raise InputError("no shape is chosen; choose one of the target's")
        pair = retarget_lists.active_pair(context.scene.aim.retarget)
        retarget_lists.add_partner(context.scene, pair, self.shape)
        return {"FINISHED"}


class AIM_OT_retarget_pair_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.retarget_pair_remove"
    bl_label = "Remove Shape"
    bl_description = "Choose the others of these shapes for the chosen expression, without this one"
    bl_options = {"REGISTER", "UNDO"}

    shape: StringProperty(name="Shape", description="The target's shape", options={"SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> set[str]:
        retarget_lists.remove_partner(retarget_lists.active_pair(context.scene.aim.retarget), self.shape)
        return {"FINISHED"}


CLASSES = (
    AIM_OT_retarget_pairs_propose,
    AIM_OT_retarget_pairs_find,
    AIM_OT_retarget_pairs_clear,
    AIM_OT_retarget_pair_accept,
    AIM_OT_retarget_pair_reset,
    AIM_OT_retarget_pair_add,
    AIM_OT_retarget_pair_remove,
)
