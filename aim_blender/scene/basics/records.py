# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers, field by field: the properties that addon_manifest declares, as the code below sees them.

An `ActorRecord` is an AimActor, a `TakeRecord` an AimTake and so on, each a group of properties of Blender's. What the
fields are for stands beside the properties; that the two agree is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

import bpy

Record = TypeVar("Record")


class Records(Protocol[Record]):
    """A list of records, as Blender keeps it."""

    def __iter__(self) -> Iterator[Record]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: int | str) -> Record: ...
    def __contains__(self, name: str) -> bool: ...

    def add(self) -> Record:
        """A new record at the end."""

    def clear(self) -> None:
        """Remove all."""

    def find(self, name: str) -> int:
        """Where the record of this name stands, -1 if it is not there."""

    def get(self, name: str) -> Record | None:
        """The record of this name, if it is there."""

    def move(self, place: int, to: int) -> None:
        """Put a record elsewhere."""

    def remove(self, place: int) -> None:
        """Take a record out."""


class Group(Protocol):
    """What all records have."""

    @property
    def id_data(self) -> bpy.types.Scene:
        """The scene that remembers it."""


# -- actors and takes -------------------------------------------------------------------------------------------------


class ShapeRecord(Group, Protocol):
    """One expression of an actor."""

    name: str
    object: bpy.types.Object | None
    shape_key: str


class LandmarkRecord(Group, Protocol):
    """A point of the face that bones are fitted by."""

    name: str
    vertex: int
    picked: bool


class DepthRecord(Group, Protocol):
    """How thick the soft tissue is at a landmark."""

    name: str
    millimetres: float
    table: float

    @property
    def changed(self) -> bool:
        """Whether it is not the table's."""


class ActorRecord(Group, Protocol):
    """A person's face: the meshes it is learned from, and where the learned model lies."""

    name: str
    identifier: str
    neutral: bpy.types.Object | None
    shapes: Records[ShapeRecord]
    active_shape: int
    skull: bpy.types.Object | None
    mandible: bpy.types.Object | None
    jaw: bpy.types.Object | None
    upper_teeth: bpy.types.Object | None
    lower_teeth: bpy.types.Object | None
    landmarks: Records[LandmarkRecord]
    active_landmark: int
    depths: Records[DepthRecord]
    active_depth: int
    anatomy_figures: str
    parts: str
    millimetres_per_unit: float
    file_path: str
    figures: str
    job_folder: str


class TakeRecord(Group, Protocol):
    """A fitted performance of an actor."""

    name: str
    actor: str
    file_path: str
    bake_path: str
    figures: str
    frame_start: int
    frame_end: int
    error_view: str
    error_largest: float
    collection: bpy.types.Collection | None


# -- what is fitted ---------------------------------------------------------------------------------------------------


class ViewRecord(Group, Protocol):
    """A camera, and what is tracked in its images."""

    camera: bpy.types.Object | None
    clip: bpy.types.MovieClip | None
    file: str


class ImageLandmarkRecord(Group, Protocol):
    """Where on the mesh a point of the images belongs."""

    name: str
    vertex: int


class SourcesRecord(Group, Protocol):
    """What a performance is made of besides meshes."""

    points: bpy.types.Collection | None
    blend: int
    performance_fps: float
    performance_unit: float
    landmarks_file: str
    video_clip: bpy.types.MovieClip | None
    video_file: str
    use_video_range: bool
    video_start: int
    video_end: int
    views: Records[ViewRecord]
    active_view: int
    landmarks: Records[ImageLandmarkRecord]
    active_landmark: int
    rest: str
    rest_frame: int
    phone_rest: str
    largest_weight: float


# -- retargeting ------------------------------------------------------------------------------------------------------


class PairRow(Protocol):
    """An expression of who performed, and what does the same on the target: in the scene's list, or kept."""

    name: str
    target: str
    left_out: bool
    accepted: bool
    found: str
    compared: str
    likeness: float


class PairRecord(PairRow, Group, Protocol):
    """One of those in the scene's list."""


class RegionRecord(Group, Protocol):
    """A part of the target's face that performs more or less strongly."""

    name: str
    strength: float


class KeptPairsRecord(Group, Protocol):
    """The list of pairs of a performer and a target who are not chosen now."""

    name: str
    content: str


class RetargetRecord(Group, Protocol):
    """The lists of retargeting."""

    pairs: Records[PairRecord]
    active_pair: int
    source: str
    target: str
    proposed: bool
    made_of: str
    target_shapes: str
    notes: str
    kept: Records[KeptPairsRecord]
    regions: Records[RegionRecord]
    active_region: int


# -- baking and batch -------------------------------------------------------------------------------------------------


class RigControlRecord(Group, Protocol):
    """A control of a rig that moves the face."""

    identifier: str
    use: bool
    least: float
    most: float


class RigRecord(Group, Protocol):
    """A character of one's own that a take is keyed onto."""

    mesh: bpy.types.Object | None
    armature: bpy.types.Object | None
    jaw_bone: str
    head_bone: str
    jaw_location: bool
    head_location: bool
    new_action: bool
    drivers: str
    pairs: Records[PairRecord]
    active_pair: int
    controls: Records[RigControlRecord]
    active_control: int
    loss: float
    smoothing: float
    rounds: int
    onto: str
    blend_in: int
    blend_out: int
    use_range: bool
    start: int
    end: int


class BatchShotRecord(Group, Protocol):
    """A row of the batch's table."""

    name: str
    actor: str
    performance: str
    take: str
    targets: str
    more: str


class BatchRecord(Group, Protocol):
    """The batch of a scene."""

    shots: Records[BatchShotRecord]
    active_shot: int
    folder: str
    write: set[str]
    tolerance_mm: float
    fps: float
    reduce_keys_mm: float


# -- the scene --------------------------------------------------------------------------------------------------------


class SceneRecord(Group, Protocol):
    """Everything that AIM remembers in a scene, as far as it is read by its name; settings are read by options.py."""

    actors: Records[ActorRecord]
    active_actor: int
    takes: Records[TakeRecord]
    active_take: int
    retarget: RetargetRecord
    rig: RigRecord
    batch: BatchRecord
    sources: SourcesRecord
    performance_kind: str
    performance_object: bpy.types.Object | None
    performance_folder: str
    use_scene_range: bool
    frame_start: int
    frame_end: int
    frame_step: int
    retarget_target: str
    retarget_from_rest: bool
    retarget_neutral_frame: int
    show_constraints: bool
    show_landmarks: bool
    show_shape: bool
    beside: bool
