# SPDX-License-Identifier: GPL-3.0-or-later
"""What a performance is fitted to besides meshes: points of the scene, handles, and points in images."""

from __future__ import annotations

import bpy
from bpy.props import IntProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.basics.selecting import select_only
from ...aim_blender.scene.fitting import image_points, markers
from ...aim_blender.scene.jobs import jobs
from ...aim_blender.scene.live import live
from ...aim_blender.scene.live.live_correcting import LiveCorrection
from ..basics.base import AimOperator, refused, require_actor
from ..basics.lists import remove_active
from ..basics.picking import VertexPicker, has_neutral

VERTEX = "The vertex of the neutral; left out, it is clicked, or the one selected in Edit Mode is taken"


class AIM_OT_points_collect(AimOperator, bpy.types.Operator):
    bl_idname = "aim.points_collect"
    bl_label = "Use Selected"
    bl_description = "Take the selected objects as points of the face; they stay in their collections too"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.selected_objects:
            return refused(cls, "Select the empties that are points of the face")
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        collection = markers.collect(context.scene.aim, list(context.selected_objects))
        self.tell(f"{len(collection.objects)} points in {collection.name}")
        return {"FINISHED"}


class AIM_OT_point_bind(VertexPicker, bpy.types.Operator):
    bl_idname = "aim.point_bind"
    bl_label = "Bind to Vertex"
    bl_description = (
        "Say which vertex of the neutral the active object, a point, belongs to, by a click on the neutral. A point "
        "that is not bound belongs to the skin nearest to where it first is"
    )
    bl_options = {"REGISTER", "UNDO"}

    vertex: IntProperty(name="Vertex", description=VERTEX, default=-1, min=-1)
    point: StringProperty(name="Point", description="The object's name; left empty, the active object is bound")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_neutral(cls, context)

    def what(self, context: bpy.types.Context) -> str:
        """What is clicked."""
        return self._item(context).name

    def run(self, context: bpy.types.Context) -> set[str]:
        actor, item = require_actor(context), self._item(context)
        vertex = self.picked(actor)
        markers.bind(actor, item, vertex)
        self.tell(f"{item.name} belongs to vertex {vertex}")
        return {"FINISHED"}

    def _item(self, context: bpy.types.Context) -> bpy.types.Object:
        item = context.scene.objects.get(self.point) if self.point else context.object
        if item is None or item == require_actor(context).neutral:
            raise InputError("no point is chosen; make the empty that is to be bound the active object")
        return item


class AIM_OT_handle_add(VertexPicker, bpy.types.Operator):
    bl_idname = "aim.handle_add"
    bl_label = "Add Handle"
    bl_description = (
        "Add an empty at a vertex of the neutral: one that is selected in Edit Mode, or clicked. Dragged, it pulls the "
        "face along while live fitting is on; animated, it is a point that a performance is fitted to. While frames of "
        "a take are corrected, it is clicked on its face and pulls that"
    )
    bl_options = {"REGISTER", "UNDO"}

    vertex: IntProperty(name="Vertex", description=VERTEX, default=-1, min=-1)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_neutral(cls, context)

    def what(self, context: bpy.types.Context) -> str:
        """What is clicked."""
        return "handle"

    def face(self, context: bpy.types.Context) -> bpy.types.Object:
        """The neutral, or the face of the frame that is corrected."""
        now = live.CURRENT
        shown = context.scene.objects.get(now.shown) if isinstance(now, LiveCorrection) else None
        return shown or super().face(context)

    def run(self, context: bpy.types.Context) -> set[str]:
        now = live.CURRENT
        if isinstance(now, LiveCorrection):
            if self.vertex < 0:
                raise InputError("no vertex is given; click on the face where the handle is to be")
            now.settle()
            item, vertex = now.add_handle(self.vertex), self.vertex
        else:
            actor = require_actor(context)
            vertex = self.picked(actor)
            if context.mode != "OBJECT":
                bpy.ops.object.mode_set(mode="OBJECT")
            item = markers.add_handle(context.scene, actor, vertex)
            context.scene.aim.performance_kind = "POINTS"
        select_only(context, item)
        self.tell(f"{item.name} is at vertex {vertex}")
        return {"FINISHED"}


class AIM_OT_view_add(AimOperator, bpy.types.Operator):
    bl_idname = "aim.view_add"
    bl_label = "Add View"
    bl_description = "Add a camera whose images show points of the face; the scene's camera and clip, if there are any"
    bl_options = {"REGISTER", "UNDO"}

    camera: StringProperty(name="Camera", description="The camera object; left empty, the scene's")
    clip: StringProperty(name="Clip", description="The movie clip; left empty, the scene's")
    file: StringProperty(
        name="File", description="Instead of a clip, a .json or .csv of points in pixels", subtype="FILE_PATH"
    )

    def run(self, context: bpy.types.Context) -> set[str]:
        scene, sources = context.scene, context.scene.aim.sources
        camera = scene.objects.get(self.camera) if self.camera else scene.camera
        clip = bpy.data.movieclips.get(self.clip) if self.clip else scene.active_clip
        if self.camera and (camera is None or camera.type != "CAMERA"):
            raise InputError(f"there is no camera {self.camera!r} in the scene {scene.name!r}")
        if self.clip and clip is None:
            raise InputError(f"there is no movie clip {self.clip!r} in this file")
        used = [view.camera for view in sources.views]
        view = sources.views.add()
        view.camera = camera if self.camera or camera not in used else None
        view.clip, view.file = clip, self.file
        sources.active_view = len(sources.views) - 1
        return {"FINISHED"}


class AIM_OT_view_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.view_remove"
    bl_label = "Remove View"
    bl_description = "Fit without this camera; the camera and the clip stay in the file"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        sources = context.scene.aim.sources
        return 0 <= sources.active_view < len(sources.views) or refused(cls, "There is no view to remove")

    def run(self, context: bpy.types.Context) -> set[str]:
        remove_active(context.scene.aim.sources, "views", "active_view")
        return {"FINISHED"}


class AIM_OT_image_landmarks_list(AimOperator, bpy.types.Operator):
    bl_idname = "aim.image_landmarks_list"
    bl_label = "List Points"
    bl_description = (
        "List the names of all tracks and points that the views show, to say which vertex each belongs to. Names of "
        "the actor's own landmarks, such as nose_tip, are placed by themselves"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_neutral(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        unplaced = image_points.list_landmarks(context.scene, require_actor(context))
        count = len(context.scene.aim.sources.landmarks)
        self.tell(f"{count} points, {unplaced} of them have no vertex yet")
        return {"FINISHED"}


class AIM_OT_image_landmark_pick(VertexPicker, bpy.types.Operator):
    bl_idname = "aim.image_landmark_pick"
    bl_label = "Pick Vertex"
    bl_description = "Click on the neutral where the point of the images that is chosen in the list lies"
    bl_options = {"REGISTER", "UNDO"}

    vertex: IntProperty(name="Vertex", description=VERTEX, default=-1, min=-1)
    name: StringProperty(name="Point", description="Its name; left empty, the one chosen in the list is picked")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_neutral(cls, context)

    def what(self, context: bpy.types.Context) -> str:
        """What is clicked."""
        return self._chosen(context)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor, name, sources = require_actor(context), self._chosen(context), context.scene.aim.sources
        vertex = self.picked(actor)
        count = len(actor.neutral.data.vertices)
        if vertex >= count:
            raise InputError(f"{actor.neutral.name!r} has no vertex {vertex}; it has {count}")
        landmark = sources.landmarks.get(name)
        if landmark is None:
            landmark = sources.landmarks.add()
            landmark.name = name
        landmark.vertex = vertex
        sources.active_landmark = sources.landmarks.find(name)
        jobs.redraw()
        self.tell(f"{name} is vertex {vertex}")
        return {"FINISHED"}

    def _chosen(self, context: bpy.types.Context) -> str:
        sources = context.scene.aim.sources
        listed = 0 <= sources.active_landmark < len(sources.landmarks)
        name = self.name or (sources.landmarks[sources.active_landmark].name if listed else "")
        if not name:
            raise InputError("no point is chosen; list the points of the images first and choose one")
        return name


class AIM_OT_image_landmark_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.image_landmark_remove"
    bl_label = "Remove Point"
    bl_description = "Fit without this point of the images. Listing the points brings it back, without a vertex"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        sources = context.scene.aim.sources
        return 0 <= sources.active_landmark < len(sources.landmarks) or refused(cls, "There is no point to remove")

    def run(self, context: bpy.types.Context) -> set[str]:
        remove_active(context.scene.aim.sources, "landmarks", "active_landmark")
        return {"FINISHED"}


CLASSES = (
    AIM_OT_points_collect,
    AIM_OT_point_bind,
    AIM_OT_handle_add,
    AIM_OT_view_add,
    AIM_OT_view_remove,
    AIM_OT_image_landmarks_list,
    AIM_OT_image_landmark_pick,
    AIM_OT_image_landmark_remove,
)
