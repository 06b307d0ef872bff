# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters without a capture, and the correspondence between meshes of different topology."""

from __future__ import annotations

import bpy
from bpy.props import FloatProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics.records import ActorRecord
from ...aim_blender.scene.jobs import characters
from ...aim_blender.scene.jobs.job_making import learned_file
from ..basics.base import AimOperator, in_object_mode, refused, require_actor, worker_interpreter
from ..basics.results import start_job


class AIM_OT_character_add(AimOperator, bpy.types.Operator):
    bl_idname = "aim.character_add"
    bl_label = "New Character"
    bl_description = (
        "Make an actor from the active mesh alone, with the expressions and the jaw of a learned actor. They are "
        "transferred, not captured. The mesh is not changed. For a character's mesh they are transferred anew, "
        "along the landmarks that were picked on both"
    )
    bl_options = {"REGISTER", "UNDO"}

    source: StringProperty(name="Source", description="The learned actor's name; empty takes the one that is chosen")
    name: StringProperty(name="Name", description="The character's name; left empty, the mesh's name is taken")
    millimetres_per_unit: FloatProperty(
        name="Millimetres per Unit",
        description="How many millimetres a Blender unit is; 0 guesses it from the scene's units and the head's size",
        default=0.0,
        min=0.0,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            return refused(cls, "Return to Object Mode first")
        if context.active_object is None or context.active_object.type != "MESH":
            return refused(cls, "Click the character's mesh first")
        if not any(actor.file_path for actor in context.scene.aim.actors):
            return refused(cls, "Learn an actor first, whose expressions the character gets")
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        source = _named(context, self.source) if self.source else require_actor(context)
        item = context.active_object
        interpreter = worker_interpreter(context)
        learned_file(source)  # before anything is recorded
        identifier = source.identifier
        there = next((each for each in context.scene.aim.actors if each.neutral == item and not each.shapes), None)
        name, scale = self.name or item.name, self.millimetres_per_unit or None
        actor, notes = (there, []) if there else actors.add_character(context.scene, name, item, scale)
        found = actors.find_actor(identifier)  # adding to the list moved what was in it
        assert found is not None
        doing = "; ".join([f"giving {actor.name} the expressions of {found[1].name}", *notes])
        folder = characters.prepare_transfer(actor, found[1])
        start_job(self, actor, "transfer", interpreter, folder, doing, warning=bool(notes))
        return {"FINISHED"}


class AIM_OT_correspondence_show(AimOperator, bpy.types.Operator):
    bl_idname = "aim.correspondence_show"
    bl_label = "Show Correspondence"
    bl_description = (
        "Add copies of the actor's neutral and of the target's under one checker, as the correspondence between their "
        "meshes carries it; doubtful places are red"
    )
    bl_options = {"REGISTER", "UNDO"}

    target: StringProperty(name="Target", description="The target actor's name; empty takes the scene's choice")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if actors.active_actor(context.scene) is None:
            return refused(cls, "Make an actor first")
        return in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        name = self.target or context.scene.aim.retarget_target
        if not name:
            raise InputError("no target is picked; pick the learned actor to whom the performance goes")
        item, doubtful = characters.show_correspondence(context, require_actor(context), _named(context, name))
        self.tell(f"added {item.name}; {doubtful:.0%} of its vertices are doubtful")
        return {"FINISHED"}


def _named(context: bpy.types.Context, name: str) -> ActorRecord:
    """The actor of this name. Raises InputError if there is none."""
    found = next((actor for actor in context.scene.aim.actors if actor.name == name), None)
    if found is None:
        raise InputError(f"there is no actor {name!r} in the scene {context.scene.name!r}; pick another")
    return found


CLASSES = (AIM_OT_character_add, AIM_OT_correspondence_show)
