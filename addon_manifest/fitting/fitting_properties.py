# SPDX-License-Identifier: GPL-3.0-or-later
"""What a performance is fitted to besides meshes, as far as the scene remembers it: points, and points in images."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ...aim_blender.scene.basics import versions


def _is_camera(_: object, item: bpy.types.Object) -> bool:
    return item.type == "CAMERA"


class AimView(bpy.types.PropertyGroup):
    """A camera, and what is tracked in its images."""

    camera: PointerProperty(
        type=bpy.types.Object,
        poll=_is_camera,
        name="Camera",
        description="The camera object that the images were taken with: its place, lens, sensor and shift. It may move",
    )
    clip: PointerProperty(
        type=bpy.types.MovieClip, name="Clip", description="The movie clip whose tracks are points of the face"
    )
    file: StringProperty(
        name="File",
        description="Instead of a clip: points of the images as .json or .csv, in pixels of the scene's resolution",
        subtype="FILE_PATH",
        options=versions.RELATIVE_PATH,
    )


class AimImageLandmark(bpy.types.PropertyGroup):
    """Where on the mesh a point of the images belongs."""

    name: StringProperty(name="Name", description="The name of the track, or of the file's point")
    vertex: IntProperty(
        name="Vertex",
        description="The vertex of the neutral that is seen there; -1 leaves the point out",
        default=-1,
        min=-1,
    )


class AimSources(bpy.types.PropertyGroup):
    """What a performance is made of besides meshes."""

    points: PointerProperty(
        type=bpy.types.Collection,
        name="Points",
        description="The collection of empties, or other objects, whose places are points of the face",
    )
    blend: IntProperty(
        name="Fade",
        description="Over how many frames a corrected frame's change comes and goes; 0 changes this frame alone",
        default=3,
        min=0,
        soft_max=24,
        max=1000,
    )
    performance_fps: FloatProperty(
        name="Frame Rate",
        description="Frames a second of the file; 0 takes what the file says, or 24 where it says nothing. Frame "
        "numbers stay those of the file",
        default=0.0,
        min=0.0,
        soft_max=120.0,
        max=1000.0,
    )
    views: CollectionProperty(type=AimView)
    active_view: IntProperty(name="Chosen", description="The camera that is chosen in the list")
    landmarks: CollectionProperty(type=AimImageLandmark)
    active_landmark: IntProperty(name="Chosen", description="The point that is chosen in the list")
    rest: EnumProperty(
        name="Face at Rest",
        description="Of points: what their face differs by from the actor's at rest is no expression, and is taken off",
        items=(
            ("auto", "Found", "Find whether the points are of another face, and a frame in which it rests"),
            ("frame", "At a Frame", "In the rest frame, which you choose, the face is at rest"),
            ("off", "The Actor's", "The points are the actor's own: nothing is taken off"),
        ),
        default="auto",
    )
    rest_frame: IntProperty(
        name="Rest Frame", description="A frame in which the face that was recorded is at rest", default=1
    )
    phone_rest: EnumProperty(
        name="Calibration",
        description="Of a phone's recording: what it shows of the performer at rest is taken off",
        items=(
            ("off", "None", "The weights are taken as they were recorded"),
            ("auto", "Found", "Find a stretch in which the performer's face is at rest"),
            ("frame", "At a Frame", "In the rest frame of the recording, which you choose, the face is at rest"),
        ),
        default="off",
    )
    phone_gains: StringProperty(
        name="Gains",
        description="Of a phone's recording: what shapes are multiplied by, such as jawOpen=1.2, mouthSmile=0.9; the "
        "head's angles are headYaw, headPitch and headRoll",
    )
    keep_timecode: BoolProperty(
        name="Keep Timecode",
        description="Of a phone's recording: begin at the frame of its timecode, not at 1",
        default=False,
    )
    largest_weight: FloatProperty(
        name="Largest Weight",
        description="Of whole meshes: keep the weights of every point between 1 minus this and this; 1.5 is -0.5 to "
        "1.5. 0 sets no bounds, which comes nearest to the performance",
        default=0.0,
        min=0.0,
        max=100.0,
        soft_max=3.0,
    )


CLASSES = (AimView, AimImageLandmark, AimSources)
