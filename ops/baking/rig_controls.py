# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto the controls of any rig: proposing them, and keying them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import bpy

from ...aim_blender.core.shared.settings.rig_settings import LayerSettings, RigSettings
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.baking import rig_baking
from ...aim_blender.scene.basics import options
from ...aim_blender.scene.basics.meanwhile import meanwhile
from ...aim_blender.scene.rigs import rig_results
from ..basics.base import OfTake, has_take, in_object_mode, refused
from ..basics.computing import SteppingOperator
from .baking import layer_of


class _OntoControls(OfTake, SteppingOperator):
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not (has_take(cls, context) and in_object_mode(cls, context)):
            return False
        return context.scene.aim.rig.mesh is not None or refused(cls, "Choose the mesh that the rig moves")


class AIM_OT_rig_controls_propose(_OntoControls, bpy.types.Operator):
    bl_idname = "aim.rig_controls_propose"
    bl_label = "Propose Controls"
    bl_description = (
        "Try all controls of the rig and list those that move the face: bones that are shown, shape keys and "
        "properties that nothing drives. The rig is left as it is"
    )
    bl_options = {"REGISTER", "UNDO"}

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

    __annotations__ = options.operator_properties(RigSettings, LayerSettings)


class AIM_OT_take_bake_to_controls(_SolvingOptions, _OntoControls, bpy.types.Operator):
    bl_idname = "aim.take_bake_to_controls"
    bl_label = "Bake to Controls"
    bl_description = (
        "Key the chosen controls of the rig so that its mesh follows the take; all that move the face if none are "
        "listed. Nothing else is touched, and keys outside the take's frames stay, or all: Onto a layer of the NLA"
    )
    bl_options = {"REGISTER", "UNDO"}

    def steps(self, context: bpy.types.Context) -> Generator[tuple[str, float], None, Any]:
        """The values of the controls."""
        take, actor = actors.take_and_actor(context.scene, self.take)
        name, scale, read = take.name, actor.millimetres_per_unit, rig_baking.bake_of(take, actor)
        given = options.operator_choices(self, RigSettings)
        settings = RigSettings(**options.chosen(context.scene.aim, RigSettings, given))
        layer = layer_of(self, context)
        baked = (yield from meanwhile("reading the take", read)).wanted(layer)
        return name, layer, baked, (yield from rig_results.solve(context, baked, scale, settings))

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        name, layer, baked, solved = found
        _, actor = actors.take_and_actor(context.scene, name)
        self.tell(rig_results.write(context, actor, name, baked, solved, layer))
        return {"FINISHED"}


CLASSES = (AIM_OT_rig_controls_propose, AIM_OT_take_bake_to_controls)
