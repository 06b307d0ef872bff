# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers: its actors, its takes, and what is chosen in the panel."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..aim_blender.core.shared.settings.baking_settings import BakingSettings
from ..aim_blender.core.shared.settings.fitting_settings import FittingSettings
from ..aim_blender.core.shared.settings.learning_settings import LearningSettings
from ..aim_blender.core.shared.settings.retarget_settings import RetargetSettings
from ..aim_blender.scene.basics import versions
from ..aim_blender.scene.basics.options import scene_property
from ..aim_blender.scene.basics.records import SceneRecord
from ..aim_blender.scene.retargeting import retarget_lists
from .actors.actor_properties import AimActor
from .baking.baking_properties import AimBaking, AimRig
from .basics.settings_groups import (
    AimFitting,
    AimImageFitting,
    AimLearning,
    AimPhoneFitting,
    AimPointFitting,
    AimRetargeting,
    AimVideoFitting,
)
from .fitting.fitting_properties import AimSources
from .fitting.take_properties import AimTake
from .jobs.batch_properties import AimBatch
from .retargeting.retarget_properties import AimRetarget


def _is_mesh(_: object, item: bpy.types.Object) -> bool:
    return item.type == "MESH"


# Blender reads annotations of a class where no module's names are known, so a lambda there would not find them.
def _other_faces(state: SceneRecord, _: object) -> None:
    """Another performer or target is chosen."""
    retarget_lists.turn_to_chosen(state.id_data)


class AimScene(bpy.types.PropertyGroup):
    """Everything that AIM remembers in a scene."""

    actors: CollectionProperty(type=AimActor)
    active_actor: IntProperty(
        name="Chosen",
        description="The selected actor",
        update=_other_faces,
    )
    takes: CollectionProperty(type=AimTake)
    active_take: IntProperty(name="Chosen", description="The selected take")
    retarget: PointerProperty(type=AimRetarget)
    baking: PointerProperty(type=AimBaking)
    rig: PointerProperty(type=AimRig)
    batch: PointerProperty(type=AimBatch)
    sources: PointerProperty(type=AimSources)

    show_constraints: BoolProperty(
        name="Show Constraints",
        description="Draw the traced constraints over the 3D view: blue over the skull, orange over the mandible",
        default=True,
    )

    show_landmarks: BoolProperty(
        name="Show Landmarks",
        description=(
            "Draw the landmarks over the 3D view: white where they were picked, yellow where they were suggested"
        ),
        default=True,
    )

    show_shape: BoolProperty(
        name="Preview Shape",
        description="Draw the selected shape in a corner of the 3D view; the scene stays as it is",
        default=False,
    )

    learning: PointerProperty(type=AimLearning)
    fitting: PointerProperty(type=AimFitting)
    point_fitting: PointerProperty(type=AimPointFitting)
    image_fitting: PointerProperty(type=AimImageFitting)
    phone_fitting: PointerProperty(type=AimPhoneFitting)
    video_fitting: PointerProperty(type=AimVideoFitting)
    retargeting: PointerProperty(type=AimRetargeting)
    iterations: scene_property(LearningSettings, "iterations", left_out=True)
    hidden: scene_property(LearningSettings, "hidden", left_out=True)

    performance_kind: EnumProperty(
        name="Source",
        description="Where the performance comes from",
        items=(
            ("OBJECT", "Object", "An object of the scene whose mesh changes over the frames, by whatever means"),
            ("FOLDER", "File", "A folder with one mesh per frame, or a file of meshes or of points"),
            ("POINTS", "Points", "Empties, or other objects, that are at points of the face: markers, or handles"),
            ("IMAGES", "Images", "Points that are tracked in the images of one or more cameras"),
            ("VIDEO", "Video", "A movie of the performer, in which the face is found by itself"),
        ),
    )
    performance_object: PointerProperty(
        type=bpy.types.Object,
        poll=_is_mesh,
        name="Performance",
        description="The object whose mesh changes over the frames. It must have the faces of the actor's neutral",
    )
    performance_folder: StringProperty(
        name="Folder or File",
        description="A folder with one mesh per frame (.obj, .ply or .stl), a file of meshes (.npz, .pc2, .mdd), of "
        "points (.csv, .json), what a phone recorded (.csv, .txt, .json), or a video",
        subtype="FILE_PATH",
        options=versions.RELATIVE_PATH,
    )
    use_scene_range: BoolProperty(
        name="Scene Frame Range", description="Fit the frames that the scene plays", default=True
    )
    frame_start: IntProperty(name="Start", description="The first frame to fit", default=1)
    frame_end: IntProperty(name="End", description="The last frame to fit", default=250)
    frame_step: IntProperty(name="Step", description="Fit every frame, every second frame and so on", default=1, min=1)
    solver: scene_property(FittingSettings, "solver")
    tolerance_mm: scene_property(BakingSettings, "tolerance_mm")
    retarget_target: StringProperty(
        name="Target",
        description="The actor that the performance goes to; its mesh may have other faces",
        update=_other_faces,
    )
    retarget_strength: scene_property(RetargetSettings, "strength")
    retarget_jaw_strength: scene_property(RetargetSettings, "jaw_strength")
    retarget_head: scene_property(RetargetSettings, "head")
    retarget_from_rest: BoolProperty(
        name="Neutral Offset",
        description="Take what the performer shows in one frame at rest off every frame, so that the target rests in "
        "its own neutral there",
    )
    retarget_neutral_frame: scene_property(RetargetSettings, "neutral_frame", default=1)
    beside: BoolProperty(
        name="Beside the Performance",
        description=(
            "Place the result beside what it was made from, where nothing of AIM's is in the way; "
            "otherwise exactly on it"
        ),
        default=True,
    )


CLASSES = (AimScene,)
