# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance read from the scene: an object's evaluated mesh, frame by frame, whatever makes it change."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import bpy
import numpy as np

from ...core.shared.captured.capture_checks import check_finite, check_same_face_list
from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.topology import Topology
from ...core.shared.sources.sources import NAMED, Source, source_of
from ..actors import actors
from ..basics import folders, meshes
from ..rigs.rig_data import failing_drivers, related

# What is read frame by frame, and what only one source can be.
OF_THE_SCENE = {"OBJECT": "meshes", "POINTS": "points", "IMAGES": "images", "VIDEO": "video"}


def performed_source(kind: str, file: str) -> Source:
    """Which source a performance of this kind is, as the panel has it; a file or folder is looked into."""
    return NAMED[OF_THE_SCENE[kind]] if kind in OF_THE_SCENE else picked_source(file)


def picked_source(file: str) -> Source:
    """Which source a file or folder is; whole meshes where none is picked."""
    return source_of(Path(bpy.path.abspath(file))) if file else NAMED["meshes"]


def video_path(clip: bpy.types.MovieClip | None, file: str) -> str:
    """The movie file of a clip, or a file. Raises InputError if there is none, or it is no movie."""
    if clip is not None and clip.source == "SEQUENCE":
        raise InputError(f"the clip {clip.name!r} is a sequence of images; make a movie of it, such as an MP4")
    path = file if clip is None else clip.filepath
    if not path:
        raise InputError("no video is picked; pick a movie clip or a movie file in which the face is seen")
    path = bpy.path.abspath(path, library=None if clip is None else clip.library)
    if Path(path).exists() and picked_source(path).name != "video":
        raise InputError(f"{path} is no video; pick a movie (.mp4, .mov, .mkv, .webm, .avi), or choose another source")
    return path


def frame_list(start: int, end: int, step: int) -> np.ndarray:
    """(F,) int32 frames from start to end. Raises InputError if there are none."""
    if step < 1:
        raise InputError(f"the frame step is {step}; it must be 1 or more")
    if end < start:
        raise InputError(f"the frame range is empty: it starts at {start} and ends at {end}; set an end that is later")
    return np.arange(start, end + 1, step, dtype=np.int32)


class FrameReader:
    """Reads the scene over frames, a stretch at a time so that a window does not freeze. Subclasses say what.

    name: what the take will be called. frames: (F,) int32, of which `done` are read. frame: (4, 4) rigid, the place in
    the scene that positions are relative to.

    Nothing but the scene's current frame is touched, and close() puts that back. No reference into Blender's data is
    kept between the stretches: an undo in between is survived.
    """

    def __init__(self, scene: bpy.types.Scene, name: str, frames: np.ndarray, frame: np.ndarray) -> None:
        self.scene_name, self.name, self.frames, self.frame = scene.name, name, frames, frame
        self.fps = scene.render.fps / scene.render.fps_base
        self.done = 0
        self.remark = ""  # what an artist should know of what was read
        self._frame_before = (scene.frame_current, scene.frame_subframe)

    def read_frame(self, scene: bpy.types.Scene, number: int) -> None:
        """Read the frame that the scene is set to. Raises InputError."""
        raise NotImplementedError

    def save_for_fit(self, folder: Path) -> dict[str, str]:
        """Write what was read into a job's folder. Returns what the task `fit` takes of it."""
        raise NotImplementedError

    @property
    def finished(self) -> bool:
        return self.done == len(self.frames)

    @property
    def is_still(self) -> bool:
        """Whether all frames are known to be alike."""
        return False

    def read(self, seconds: float = float("inf")) -> None:
        """Read frames for about this many seconds, one at least. Raises InputError; then close the reader."""
        until = time.monotonic() + seconds
        scene = bpy.data.scenes.get(self.scene_name)
        if scene is None:
            raise InputError(f"the scene {self.scene_name!r} was removed while its performance was read")
        with scene_in_context(scene):
            while not self.finished:
                number = int(self.frames[self.done])
                scene.frame_set(number)
                self.read_frame(scene, number)
                self.done += 1
                if time.monotonic() > until:
                    break

    def close(self) -> None:
        """Put the scene's current frame back."""
        scene = bpy.data.scenes.get(self.scene_name)
        if scene is not None:
            scene.frame_set(self._frame_before[0], subframe=self._frame_before[1])


class PerformanceReader(FrameReader):
    """Reads the evaluated mesh of an object.

    scene, item: where the object stands. frames: (F,) int32. topology: the actor's, to which the mesh must conform.
    Positions are read in the scene and given relative to the object's location and rotation at the first frame, in
    millimetres: the motion of the object itself is kept as motion of the head.
    """

    def __init__(
        self,
        scene: bpy.types.Scene,
        item: bpy.types.Object | None,
        frames: np.ndarray,
        topology: Topology,
        actor_name: str,
        millimetres_per_unit: float,
    ) -> None:
        if not actors.is_there(item):
            raise InputError("no performance is picked; pick an object whose mesh changes over the frames")
        if item.type != "MESH":
            raise InputError(f"{item.name!r} is no mesh; pick a mesh object as the performance")
        if item.mode == "EDIT":
            raise InputError(f"{item.name!r} is in Edit Mode; leave it first, so that its modifiers are evaluated")
        super().__init__(scene, item.name, frames, np.eye(4))
        self.topology = topology
        self.actor_name = actor_name
        self.millimetres_per_unit = millimetres_per_unit
        self.vertices = np.empty((len(frames), topology.vertex_count, 3), dtype=np.float32)

    @property
    def is_still(self) -> bool:
        """Whether all frames are alike."""
        return len(self.vertices) > 1 and bool((self.vertices == self.vertices[0]).all())

    def save(self, path: Path) -> None:
        """Write performance.npz, whole or not at all."""
        folders.write_arrays(
            path,
            {
                "vertices": self.vertices,
                "frames": self.frames,
                "fps": np.array(self.fps),
                "corners": self.topology.corners,
                "sizes": self.topology.sizes,
                "source": np.array(self.name),  # what messages call it: the artist knows the object, not this file
            },
        )

    def save_for_fit(self, folder: Path) -> dict[str, str]:
        """Write performance.npz into a job's folder. Returns what the task `fit` takes of it."""
        self.save(folder / "performance.npz")
        return {"performance": str(folder / "performance.npz")}

    def read_frame(self, scene: bpy.types.Scene, number: int) -> None:
        item = scene.objects.get(self.name)
        if item is None:
            raise InputError(f"{self.name!r} was removed while it was read")
        positions, matrix = evaluated_mesh(item, self.topology, f"{item.name} at frame {number}", self.actor_name)
        if self.done == 0:
            self.frame = meshes.rigid_part(matrix)
        if self.done == len(self.frames) - 1:  # a rig has thousands of them, and one that failed stays marked
            self.remark = failing_drivers(related(item))
        to_actor = np.linalg.inv(self.frame) @ matrix
        self.vertices[self.done] = meshes.transform(to_actor, positions.astype(np.float64)) * self.millimetres_per_unit


def evaluated_mesh(
    item: bpy.types.Object, topology: Topology, label: str, actor_name: str
) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) float32 positions of an object's mesh as Blender now shows it, and its matrix (4, 4) in the scene.

    label: what to call it. Raises InputError if it is hidden, or is not the face of the actor with this topology.
    """
    layer = bpy.context.view_layer
    if item.name not in layer.objects or not item.visible_get(view_layer=layer):
        raise InputError(f"{item.name!r} is hidden, so Blender does not evaluate it; show it and try again")
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        expected = f"neutral of {actor_name}"
        same = len(mesh.vertices) == topology.vertex_count and np.array_equal(
            meshes.read_corners(mesh), topology.corners
        )
        if not same:
            _check_not_split(label, mesh, topology)
            check_same_face_list(label, meshes.read_topology(mesh, label), expected, topology)
        positions = meshes.read_positions(mesh)
        check_finite(label, positions)
    finally:
        evaluated.to_mesh_clear()
    matrix = meshes.matrix_array(evaluated.matrix_world)
    if not np.isfinite(matrix).all():
        raise InputError(f"{label} is placed by what are not numbers; set its location, rotation and scale right")
    return positions, matrix


def _check_not_split(label: str, mesh: bpy.types.Mesh, topology: Topology) -> None:
    """Raise InputError if a mesh is one of as many places, cut along seams."""
    places = len(np.unique(meshes.read_positions(mesh), axis=0)) if len(mesh.vertices) > topology.vertex_count else 0
    if places == topology.vertex_count:
        raise InputError(
            f"{label} has {len(mesh.vertices)} vertices at {places} places: it was split along seams, as glTF and FBX "
            "of games are. Take a file that is not, such as Alembic, or learn the actor from meshes split alike"
        )


def scene_in_context(scene: bpy.types.Scene) -> contextlib.AbstractContextManager[object]:
    """Make `scene` the context's scene, in a window that shows it where there are windows.

    Raises InputError if no window shows it.
    """
    windows = list(bpy.context.window_manager.windows)
    if not windows or bpy.app.background:
        return bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0])
    window = next((each for each in windows if each.scene == scene), None)
    if window is None:
        raise InputError(f"the scene {scene.name!r} is not shown in any window; show it and try again")
    return bpy.context.temp_override(window=window)
