# SPDX-License-Identifier: GPL-3.0-or-later
"""Making and removing actors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import FloatProperty, IntProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actor_meshes, actors, demo
from ...aim_blender.scene.jobs import jobs
from ..basics.base import AimOperator, in_object_mode, is_idle, refused, require_actor
from ..basics.computing import ComputingOperator
from ..basics.lists import remove_active

# To see three faces and what the side bar covers, seen from where one fills the view.
ROW_DISTANCE = 1.75
ROW_CENTRE = 1.15  # of the way from the first face to the second


class AIM_OT_actor_add(ComputingOperator, bpy.types.Operator):
    bl_idname = "aim.actor_add"
    bl_label = "New Actor"
    bl_description = (
        "Make an actor from the selected meshes, of which the active one is the neutral, or from one mesh with shape "
        "keys. Meshes called skull or mandible become its bones. The meshes are not changed"
    )
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Name", description="The actor's name; left empty, the neutral's name is taken")
    millimetres_per_unit: FloatProperty(
        name="Millimetres per Unit",
        description="How many millimetres a Blender unit is; 0 guesses it from the scene's units and the head's size",
        default=0.0,
        min=0.0,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not in_object_mode(cls, context):
            return False
        if context.active_object is None or context.active_object.type != "MESH":
            return refused(cls, "Select the meshes of one face and click the neutral last")
        return True

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        sources, bones, notes = actor_meshes.sources_from_selection(context.selected_objects, context.active_object)
        check = actor_meshes.read_unchecked(sources, bones, self.millimetres_per_unit or None)
        # An undo would make other objects of them; their names stay.
        shapes = [(source.name, source.object.name, source.shape_key) for source in sources]
        names = {bone: item.name for bone, item in bones.items()}
        return lambda: (shapes, names, notes, actor_meshes.with_measure(check()))

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        shapes, names, notes, meshes = found
        objects = context.scene.objects
        gone = [name for name in (*(item for _, item, _ in shapes), *names.values()) if name not in objects]
        if gone:
            raise InputError(f"{gone[0]!r} was removed meanwhile; undo that, or select other meshes")
        sources = [actor_meshes.ShapeSource(name, objects[item], key) for name, item, key in shapes]
        bones = {bone: objects[item] for bone, item in names.items()}
        name, scale = self.name or sources[0].object.name, self.millimetres_per_unit or None
        actor, more = actors.record_actor(context.scene, name, sources, bones, meshes, scale)
        with_bones = f" and {' and '.join(bones)}" if bones else ""
        sentence = f"made {actor.name} from the neutral, {len(sources) - 1} shapes{with_bones}"
        self.tell("; ".join([sentence, *notes, *more]), warning=bool(notes or more))
        return {"FINISHED"}


class AIM_OT_actor_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.actor_remove"
    bl_label = "Remove Actor"
    bl_description = "Remove the actor from the list. Its meshes, files and results stay"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None:
            return refused(cls, "There is no actor to remove")
        return is_idle(cls, actor)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        jobs.RUNS.pop(actor.identifier, None)
        remove_active(context.scene.aim, "actors", "active_actor")
        return {"FINISHED"}


class AIM_OT_shape_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.shape_remove"
    bl_label = "Remove Shape"
    bl_description = "Leave a shape out of the actor. Its mesh stays; the learned actor keeps it until the next Learn"
    bl_options = {"REGISTER", "UNDO"}

    index: IntProperty(default=-1, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None or len(actor.shapes) < 2:
            return refused(cls, "An actor keeps at least one shape beside its neutral")
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        if self.index >= 0:
            actor.active_shape = self.index
        remove_active(actor, "shapes", "active_shape")
        return {"FINISHED"}


class AIM_OT_take_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.take_remove"
    bl_label = "Remove Take"
    bl_description = "Remove the take from the list. Its files and its objects stay"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return actors.active_take(context.scene) is not None or refused(cls, "There is no take to remove")

    def run(self, context: bpy.types.Context) -> set[str]:
        remove_active(context.scene.aim, "takes", "active_take")
        return {"FINISHED"}


class AIM_OT_demo_actor_add(ComputingOperator, bpy.types.Operator):
    bl_idname = "aim.demo_actor_add"
    bl_label = "Add Demo Actor"
    bl_description = (
        "Add a head with 19 expressions, its skull and mandible, and a performance of 144 frames, ready to be learned"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return in_object_mode(cls, context)

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        return demo.make

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        actor = demo.add_demo_actor(context, *found)
        self._look_at_row(context)
        self.tell(f"added {actor.name}; press Learn")
        return {"FINISHED"}

    def _look_at_row(self, context: bpy.types.Context) -> None:
        """Turn the 3D view whose button was pressed to the new face, its performance, and where the result will be."""
        area = context.area
        if bpy.app.background or area is None or area.type != "VIEW_3D":
            return
        region = next(region for region in area.regions if region.type == "WINDOW")
        with context.temp_override(region=region):
            bpy.ops.view3d.view_axis(type="FRONT")
            bpy.ops.view3d.view_selected()
        view = area.spaces.active.region_3d
        neutral, performance = context.active_object, context.scene.aim.performance_object
        view.view_location.x += ROW_CENTRE * (performance.location.x - neutral.location.x)
        view.view_distance *= ROW_DISTANCE


CLASSES = (AIM_OT_actor_add, AIM_OT_actor_remove, AIM_OT_shape_remove, AIM_OT_take_remove, AIM_OT_demo_actor_add)
