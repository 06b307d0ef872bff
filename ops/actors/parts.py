# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of an actor's mesh are."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, StringProperty

from ...aim_blender.core.shared.faces.part_kinds import KINDS
from ...aim_blender.scene.actors import actors, part_choices
from ..basics.base import AimOperator, refused, require_actor

ITEMS = tuple((kind, kind.capitalize(), meaning[:1].upper() + meaning[1:]) for kind, meaning in KINDS.items())


class AIM_OT_part_choose(AimOperator, bpy.types.Operator):
    bl_idname = "aim.part_choose"
    bl_label = "Choose Part"
    bl_description = (
        "Say what a part of the mesh is, where it was taken for something else. It counts once it is learned"
    )
    bl_options = {"REGISTER", "UNDO"}

    part: StringProperty(name="Part", description="The part's name, as the list has it")
    kind: EnumProperty(name="Is", description="What the part is", items=ITEMS)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        return (actor is not None and bool(actor.file_path)) or refused(cls, "Learn the actor first")

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        row = part_choices.choose_part(actor, self.part, self.kind)
        self.tell(f"{row.name} is {row.chosen}" + (f"; learn {actor.name} again, so that it counts" * row.waits))
        return {"FINISHED"}


CLASSES = (AIM_OT_part_choose,)
