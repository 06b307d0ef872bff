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

from ...aim_blender.core.shared.settings.fitting_settings import FittingSettings
from ...aim_blender.core.shared.settings.option import options_of
from ...aim_blender.core.shared.settings.phone_settings import PhoneFittingSettings
from ...aim_blender.core.shared.settings.point_settings import PointFittingSettings
from ...aim_blender.scene.basics import versions
from ...aim_blender.scene.basics.options import scene_property

_FOUND, _OFF = ((each.name, each.label, each.help) for each in options_of(PointFittingSettings)["rest_frame"].choices)
PHONE_OFF, PHONE_FOUND = (
    (each.name, each.label, each.help) for each in options_of(PhoneFittingSettings)["rest_frame"].choices
)
REST = (_FOUND, ("frame", "At a Frame", "In the rest frame, which you choose, the face is at rest"), _OFF)


def _is_camera(_: object, item: bpy.types.Object) -> bool:
    return item.type == "CAMERA"


class AimView(bpy.types.PropertyGroup):
    """A camera, and what is tracked in its images."""

    camera: PointerProperty(
        type=bpy.types.Object,
        poll=_is_camera,
        name="Camera",
        description=(
            "The camera object that the images were taken with: its position, lens, sensor and shift count. It may move"
        ),
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
        description="The collection of empties, or other objects, whose positions are points of the face",
    )
    blend: IntProperty(
        name="Fade",
        description=(
            "The number of frames over which the change of a corrected frame comes and goes; 0 changes this frame alone"
        ),
        default=3,
        min=0,
        soft_max=24,
        max=1000,
    )
    performance_fps: FloatProperty(
        name="Frame Rate",
        description="Frames per second of the file; 0 takes what the file says, or 24 where it says nothing. Frame "
        "numbers stay those of the file",
        default=0.0,
        min=0.0,
        soft_max=120.0,
        max=1000.0,
    )
    performance_unit: FloatProperty(
        name="mm per Unit",
        description="How many millimetres a unit of the file is: 10 for centimetres, 1000 for metres; 0 lets its size "
        "tell it",
        default=0.0,
        min=0.0,
        soft_max=1000.0,
        precision=3,
    )
    landmarks_file: StringProperty(
        name="Landmarks",
        description="Of points of a file that name no vertex and lie somewhere in a room, as OpenFace's do: a .json "
        'file of the vertex of each by its name, such as {"landmark 30": 812}; those that it leaves out are not used',
        subtype="FILE_PATH",
        options=versions.RELATIVE_PATH,
    )
    video_clip: PointerProperty(
        type=bpy.types.MovieClip,
        name="Clip",
        description="The movie clip in which the performer's face is seen, from the front and not too small",
    )
    video_file: StringProperty(
        name="File",
        description="Instead of a clip: a movie of the performer (.mp4, .mov, .mkv, .webm, .avi)",
        subtype="FILE_PATH",
        options=versions.RELATIVE_PATH,
    )
    use_video_range: BoolProperty(
        name="Frame Range", description="Fit some of the video's frames, counted from 1 at the scene's frame rate"
    )
    video_start: IntProperty(name="Start", description="The first frame of the video to fit", default=1, min=1)
    video_end: IntProperty(name="End", description="The last frame of the video to fit", default=250, min=1)
    views: CollectionProperty(type=AimView)
    active_view: IntProperty(name="Chosen", description="The selected camera")
    landmarks: CollectionProperty(type=AimImageLandmark)
    active_landmark: IntProperty(name="Chosen", description="The selected point")
    rest: EnumProperty(
        name="Face at Rest",
        description="Of points, or a video: what their face differs by from the actor's at rest is no expression, and "
        "is taken off",
        items=REST,
        default="auto",
    )
    rest_frame: IntProperty(
        name="Rest Frame", description="A frame in which the face that was recorded is at rest", default=1
    )
    phone_rest: EnumProperty(
        name="Calibration",
        description=options_of(PhoneFittingSettings)["rest_frame"].help,
        items=(PHONE_OFF, PHONE_FOUND, ("frame", "At a Frame", "In the rest frame, which you choose, it is at rest")),
        default="off",
    )
    largest_weight: scene_property(FittingSettings, "largest_weight")


CLASSES = (AimView, AimImageLandmark, AimSources)
