# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers of its actors."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ...aim_blender.core.shared.settings.learning_settings import LearningSettings
from ...aim_blender.scene.basics import versions
from ...aim_blender.scene.basics.options import scene_property


def _is_mesh(_: object, item: bpy.types.Object) -> bool:
    return item.type == "MESH"


class AimShape(bpy.types.PropertyGroup):
    """One expression of an actor."""

    name: StringProperty(name="Name", description="The name of the shape key in the result")
    object: PointerProperty(
        type=bpy.types.Object, poll=_is_mesh, name="Mesh", description="The object whose mesh is the expression"
    )
    shape_key: StringProperty(
        name="Shape Key", description="The shape key that is the expression; empty where the mesh itself is"
    )


class AimLandmark(bpy.types.PropertyGroup):
    """A point of the face that bones are fitted by."""

    name: StringProperty(name="Name", description="Which point of the face this is")
    vertex: IntProperty(name="Vertex", description="The vertex of the neutral that lies there", min=0)
    picked: BoolProperty(
        name="Picked", description="Whether it was picked by hand; otherwise it was suggested from the geometry"
    )


class AimDepth(bpy.types.PropertyGroup):
    """How thick the soft tissue is at a landmark."""

    name: StringProperty(name="Name", description="Where on the face this is")
    millimetres: FloatProperty(
        name="Depth",
        description="How thick the soft tissue is there, in millimetres from skin to bone",
        min=0.1,
        max=60.0,
        precision=2,
    )
    table: FloatProperty(options={"HIDDEN"})

    @property
    def changed(self) -> bool:
        """Whether it is not the table's."""
        return abs(self.millimetres - self.table) > 1e-4


class AimActor(bpy.types.PropertyGroup):
    """A person's face: the meshes it is learned from, and where the learned model lies."""

    name: StringProperty(name="Name", description="The actor's name, which files and results carry")
    identifier: StringProperty(options={"HIDDEN"})
    neutral: PointerProperty(
        type=bpy.types.Object, poll=_is_mesh, name="Neutral", description="The mesh of the face at rest"
    )
    shapes: CollectionProperty(type=AimShape)
    active_shape: IntProperty(name="Chosen", description="The selected shape")
    skull: PointerProperty(
        type=bpy.types.Object,
        poll=_is_mesh,
        name="Skull",
        description=(
            "A mesh of the actor's skull, placed inside the neutral. Bones are optional, but it takes both or neither"
        ),
    )
    mandible: PointerProperty(
        type=bpy.types.Object,
        poll=_is_mesh,
        name="Mandible",
        description="A mesh of the actor's lower jaw bone, placed inside the neutral. It takes both bones or neither",
    )
    jaw: PointerProperty(
        type=bpy.types.Object,
        poll=_is_mesh,
        name="Jaw",
        description=(
            "Optional: a mesh that is fixed to the lower jaw, such as the lower teeth, with a shape "
            "key for every shape, named like it. The jaw's motion is then known exactly instead of "
            "estimated"
        ),
    )
    upper_teeth: PointerProperty(
        type=bpy.types.Object,
        poll=_is_mesh,
        name="Upper Teeth",
        description="Optional: a mesh of the upper teeth at rest; the skull is fitted to them",
    )
    lower_teeth: PointerProperty(
        type=bpy.types.Object,
        poll=_is_mesh,
        name="Lower Teeth",
        description="Optional: a mesh of the lower teeth at rest; the mandible is fitted to them",
    )
    parts: scene_property(LearningSettings, "parts")
    landmarks: CollectionProperty(type=AimLandmark)
    active_landmark: IntProperty(name="Chosen", description="The selected point")
    depths: CollectionProperty(type=AimDepth)
    active_depth: IntProperty(name="Chosen", description="The selected depth")
    anatomy_figures: StringProperty(options={"HIDDEN"})
    millimetres_per_unit: FloatProperty(
        name="Millimetres per Unit",
        description="How many millimetres a Blender unit of the neutral is. It was guessed from the size of the head",
        default=1000.0,
        min=1e-4,
        soft_max=1000.0,
        max=1e6,
        precision=3,
    )
    file_path: StringProperty(
        name="Learned Actor",
        description="The file of the learned actor",
        subtype="FILE_PATH",
        options=versions.RELATIVE_PATH,
    )
    figures: StringProperty(options={"HIDDEN"})
    job_folder: StringProperty(options={"HIDDEN"})


CLASSES = (
    AimShape,
    AimLandmark,
    AimDepth,
    AimActor,
)
