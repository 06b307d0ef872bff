# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking a take again, as keys or as a mesh cache, and onto a rig of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import EnumProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.core.shared.foundation.wording import listed
from ...aim_blender.core.shared.settings.baking_settings import BakingSettings
from ...aim_blender.core.shared.settings.rig_settings import LayerSettings
from ...aim_blender.core.shared.settings.timing_settings import Timing
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.baking import rig_baking
from ...aim_blender.scene.basics import options
from ...aim_blender.scene.jobs import baking_jobs, jobs
from ..basics.base import AimOperator, OfTake, has_take, in_object_mode, worker_interpreter
from ..basics.computing import ComputingOperator
from ..basics.results import start_job

KINDS = (
    ("SCENE", "As Chosen", "What is chosen in the scene"),
    ("KEYS", "Keys and Bones", "A mesh with named shape keys, correctives, a head and a jaw bone"),
    ("PC2", "PC2 Cache", "A mesh that a .pc2 file moves"),
    ("MDD", "MDD Cache", "A mesh that an .mdd file moves"),
)


class _BakingOptions:
    """The settings of baking, and of its frames, as properties."""

    __annotations__ = options.operator_properties(BakingSettings, Timing)


class AIM_OT_take_bake(_BakingOptions, OfTake, AimOperator, bpy.types.Operator):
    bl_idname = "aim.take_bake"
    bl_label = "Bake Again"
    bl_description = (
        "Bake the selected take again: some of its frames, at another frame rate, with fewer keys or "
        "as a cache. The result is new; earlier results stay"
    )
    bl_options = {"REGISTER"}

    kind: EnumProperty(name="As", description="What the take becomes", items=KINDS)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_take(cls, context) and in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        state = context.scene.aim
        take, actor = actors.take_and_actor(context.scene, self.take)
        running = jobs.of(actor)
        if running is not None and running.active:
            raise InputError(f"a job of {actor.name!r} is running; wait for it or cancel it")
        kind = state.baking.kind if self.kind == "SCENE" else self.kind
        tolerance = round(self.tolerance_mm or state.tolerance_mm, 6)
        reduce_keys = self.reduce_keys_mm if self._is_set("reduce_keys_mm") else state.baking.reduce_keys_mm
        interpreter = worker_interpreter(context)
        keys = self._keys(state.baking) if kind == "KEYS" else None
        folder = baking_jobs.prepare_baking(
            actor, take, kind, self._timing(context), tolerance, round(reduce_keys, 6), state.beside, keys
        )
        start_job(self, actor, "bake", interpreter, folder, f"baking {take.name}")
        return {"FINISHED"}

    def _keys(self, scene: Any) -> dict[str, Any] | None:
        """What the task takes of keys and jaw_as, the operator's or else the scene's; None for the actor's own."""
        found = {name: getattr(self if self._is_set(name) else scene, name) for name in ("keys", "jaw_as")}
        if found["keys"] != "own":
            return found
        if self._is_set("jaw_as"):
            BakingSettings(jaw_as=self.jaw_as).require_keys_for_jaw()
        return None

    def _timing(self, context: bpy.types.Context) -> dict[str, Any]:
        """What the task takes of start, end, step, first and fps: the operator's, else the scene's."""
        chosen, render = context.scene.aim.baking, context.scene.render
        timing: dict[str, Any] = {}
        for name in ("start", "end"):
            if self._is_set(name) or chosen.use_range:
                timing[name] = getattr(self if self._is_set(name) else chosen, name)
        timing["step"] = self.step or chosen.step
        if self._is_set("first") or chosen.use_first:
            timing["first"] = self.first if self._is_set("first") else chosen.first
        if self.fps or chosen.convert_rate:
            timing["fps"] = self.fps or render.fps / render.fps_base
        return timing

    def _is_set(self, name: str) -> bool:
        return self.properties.is_property_set(name)


def layer_of(operator: Any, context: bpy.types.Context) -> LayerSettings:
    """Where keys on a rig go, by an operator with LayerSettings, else by the scene. Raises InputError."""
    found = options.chosen(context.scene.aim, LayerSettings, options.operator_choices(operator, LayerSettings))
    state = context.scene.aim.rig
    if state.use_range:
        found = {"start": state.start, "end": state.end} | found
    return LayerSettings(**found)


class OfBake(OfTake, ComputingOperator):
    """A base of operators that read what a take was baked to."""

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        """The take's name and its bake."""
        take, actor = actors.take_and_actor(context.scene, self.take)
        name, load = take.name, rig_baking.bake_of(take, actor)
        return lambda: (name, load())


class AIM_OT_rig_pairs_find(OfBake, bpy.types.Operator):
    bl_idname = "aim.rig_pairs_find"
    bl_label = "Pair by Name"
    bl_description = "List the take's expressions with the character's shape keys that mean the same"
    bl_options = {"REGISTER", "UNDO"}

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        rig = context.scene.aim.rig
        pairs = rig_baking.suggest_pairs(found[1], rig.mesh)
        rig.pairs.clear()
        for name, target in pairs.items():
            pair = rig.pairs.add()
            pair.name, pair.target = name, target
        missing = [name for name, target in pairs.items() if not target]
        text = f"paired {len(pairs) - len(missing)} of {len(pairs)} expressions"
        self.tell(text + (f"; none for {listed(missing)}" if missing else ""))
        return {"FINISHED"}


class _LayerOptions:
    """Where keys on a rig go, as properties."""

    __annotations__ = options.operator_properties(LayerSettings)


class AIM_OT_bake_to_rig(_LayerOptions, OfBake, bpy.types.Operator):
    bl_idname = "aim.bake_to_rig"
    bl_label = "Bake to Rig"
    bl_description = (
        "Key the chosen shape keys and bones of a character of your own with the values of the take. "
        "Nothing else is touched, and keys outside the take's frames stay"
    )
    bl_options = {"REGISTER", "UNDO"}

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        name, baked = found
        _, actor = actors.take_and_actor(context.scene, name)
        state = context.scene.aim.rig
        if len(state.pairs):
            pairs = {pair.name: pair.target for pair in state.pairs if pair.target}
        else:
            suggested = rig_baking.suggest_pairs(baked, state.mesh) if state.mesh is not None else {}
            pairs = {name: target for name, target in suggested.items() if target}
        rig = rig_baking.Rig(
            mesh=state.mesh,
            pairs=pairs,
            armature=state.armature,
            jaw_bone=state.jaw_bone,
            head_bone=state.head_bone,
            jaw_location=state.jaw_location,
            head_location=state.head_location,
            new_action=state.new_action,
            drivers=state.drivers,
        )
        self.tell(rig_baking.bake_to_rig(baked, actor, rig, name, layer_of(self, context)))
        return {"FINISHED"}


CLASSES = (AIM_OT_take_bake, AIM_OT_rig_pairs_find, AIM_OT_bake_to_rig)
