# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in the images of the scene's cameras: a clip's tracks, or a file, and where on the mesh they belong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.shared.captured.cameras import Camera, blender_camera, save_cameras
from ...core.shared.captured.point_tables import read_point_table
from ...core.shared.foundation.errors import UNREADABLE, InputError, reason
from ...core.shared.sources.recognising import holds_json
from ...jobs.folders.folder import write_atomically
from ..actors import actors
from ..basics import meshes
from ..basics.records import ActorRecord, ViewRecord
from .performances import FrameReader

Seen = dict[int, dict[str, tuple[float, float, float]]]  # at a frame, of a name: x, y in pixels, confidence


def camera_of(
    scene: bpy.types.Scene,
    item: bpy.types.Object,
    frame: np.ndarray,
    millimetres_per_unit: float,
    clip: bpy.types.MovieClip | None = None,
) -> Camera:
    """A camera object as it is at the scene's present frame, seen from `frame` (4, 4), rigid, in the scene.

    Its images have the clip's size and distortion, or without a clip the scene's resolution. Raises InputError if the
    object is no perspective camera, or the clip's lens is of a model that AIM does not know.
    """
    graph = bpy.context.evaluated_depsgraph_get()
    evaluated = item.evaluated_get(graph)
    data = evaluated.data
    if not isinstance(data, bpy.types.Camera) or data.type != "PERSP":
        raise InputError(f"{item.name!r} is no perspective camera; pick the camera that the images were taken with")
    if clip is not None:
        size, aspect = (int(clip.size[0]), int(clip.size[1])), 1.0 / clip.tracking.camera.pixel_aspect
        if min(size) < 1:
            raise InputError(f"the images of the clip {clip.name!r} are missing; find them again in the clip editor")
    else:
        render = scene.render
        share = render.resolution_percentage / 100.0
        size = (int(render.resolution_x * share), int(render.resolution_y * share))
        aspect = render.pixel_aspect_y / render.pixel_aspect_x
    camera = blender_camera(
        item.name,
        np.linalg.inv(frame) @ meshes.matrix_array(evaluated.matrix_world),
        size,
        data.lens,
        (data.sensor_width, data.sensor_height),
        data.sensor_fit,
        (data.shift_x, data.shift_y),
        aspect,
        millimetres_per_unit,
    )
    return camera if clip is None else replace(camera, distortion=distortion_of(clip))


def distortion_of(clip: bpy.types.MovieClip) -> np.ndarray:
    """(5,) as core's cameras have it. Raises InputError if the clip's lens is of another model than the polynomial."""
    lens = clip.tracking.camera
    models = {
        "POLYNOMIAL": ("k1", "k2", "k3"),
        "DIVISION": ("division_k1", "division_k2"),
        "NUKE": ("nuke_k1", "nuke_k2"),
        "BROWN": ("brown_k1", "brown_k2", "brown_k3", "brown_k4", "brown_p1", "brown_p2"),
    }
    values = [float(getattr(lens, name)) for name in models.get(lens.distortion_model, ())]
    if lens.distortion_model == "POLYNOMIAL":
        return np.array([values[0], values[1], 0.0, 0.0, values[2]])
    if any(values):
        raise InputError(
            f"the lens of the clip {clip.name!r} is distorted by the model {lens.distortion_model.title()}; solve it "
            "with the polynomial model, or undistort its images"
        )
    return np.zeros(5)


def tracks_of(clip: bpy.types.MovieClip) -> Seen:
    """The tracks of a clip at the scene's frames, in pixels from the upper left corner."""
    width, height = clip.size
    seen: Seen = {}
    for thing in clip.tracking.objects:
        for track in thing.tracks:
            for marker in track.markers:
                if not marker.mute:
                    place = (marker.co[0] * width, (1.0 - marker.co[1]) * height, float(track.weight))
                    seen.setdefault(marker.frame + clip.frame_start - 1, {})[track.name] = place
    return seen


def points_of_file(path: Path, camera: str) -> Seen:
    """The points of a .json or .csv file, as the worker reads them too; of several cameras, this one's.

    Raises InputError, naming the file, if it cannot be read.
    """
    seen: Seen = {}
    try:
        if not holds_json(path):
            rows = read_point_table(path, 2)
            for number, point, seen_by_camera, place, trust in zip(
                rows.frame, rows.point, rows.camera, rows.places, rows.confidence, strict=True
            ):
                if (rows.cameras[seen_by_camera] or camera) == camera and np.isfinite(place).all():
                    found = float(place[0]), float(place[1]), float(trust)
                    seen.setdefault(int(number), {})[rows.names[point]] = found
        else:
            data = json.loads(path.read_text(encoding="utf-8-sig"))
            for entry in data["frames"]:
                if (entry.get("camera") or camera) != camera:
                    continue
                trust = entry.get("confidence") or [1.0] * len(data["points"])
                for name, place, share in zip(data["points"], entry["positions"], trust, strict=True):
                    if place is not None and any(place):  # 0, 0 is no place either
                        x, y = place
                        seen.setdefault(int(entry["frame"]), {})[str(name)] = (float(x), float(y), float(share))
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as points of images: {reason(error)}") from error
    if not seen:
        raise InputError(f"{path} has no points of the camera {camera!r}; name the camera object as the file does")
    return seen


def seen_by(view: ViewRecord) -> Seen:
    """What is known of one of the scene's views. Raises InputError if it is incomplete."""
    if not actors.is_there(view.camera):
        raise InputError("a view has no camera; pick the camera object that its images were taken with")
    if view.file:
        return points_of_file(Path(bpy.path.abspath(view.file)), view.camera.name)
    if view.clip is None:
        raise InputError(f"the view of {view.camera.name!r} has no clip and no file; pick one whose points are known")
    return tracks_of(view.clip)


def list_landmarks(scene: bpy.types.Scene, actor: ActorRecord) -> int:
    """List the names of all points that the views show; those that are known keep their vertices.

    A name that one of the actor's landmarks has begins at its vertex. Returns how many have no vertex yet.
    """
    sources = scene.aim.sources
    names = {name for view in sources.views for points in seen_by(view).values() for name in points}
    if not names:
        raise InputError("no view shows a point; track some in a clip, or name a file")
    known = {each.name for each in sources.landmarks}
    for name in sorted(names - known):
        landmark = sources.landmarks.add()
        landmark.name = name
        anatomical = actor.landmarks.get(name)
        landmark.vertex = anatomical.vertex if anatomical is not None else -1
    return sum(each.vertex < 0 for each in sources.landmarks if each.name in names)


class ImageReader(FrameReader):
    """Reads the cameras over the frames in which points are seen.

    A camera that changes is written as one camera for each place of its: what the worker knows do not move.
    """

    def __init__(self, scene: bpy.types.Scene, frames: np.ndarray, actor: ActorRecord) -> None:
        sources = scene.aim.sources
        if not len(sources.views):
            raise InputError("there is no view yet; add one, with a camera and a clip or a file")
        self.views = [
            (view.camera.name, view.clip.name if view.clip and not view.file else "", seen_by(view))
            for view in sources.views
        ]
        if len({name for name, _, _ in self.views}) < len(self.views):
            raise InputError("two views have one camera; give each a camera object of its own")
        self.places = {each.name: each.vertex for each in sources.landmarks if each.vertex >= 0}
        if not self.places:
            raise InputError("no point of the images has a vertex yet; list them and pick their places on the mesh")
        wanted = set(frames.tolist())
        shown = {frame for _, _, seen in self.views for frame in seen if frame in wanted}
        if not shown:
            raise InputError(f"no view shows a point in the frames {frames[0]} to {frames[-1]}; set the frame range")
        place = meshes.rigid_part(meshes.matrix_array(actor.neutral.matrix_world))
        inside = frames[(frames >= min(shown)) & (frames <= max(shown))]
        super().__init__(scene, " ".join(name for name, _, _ in self.views), inside, place)
        self.scale = actor.millimetres_per_unit
        self.cameras: list[Camera] = []
        self.entries: list[dict[str, Any]] = []
        self._latest: dict[str, Camera] = {}  # of each camera object, as it was in the frame before

    def read_frame(self, scene: bpy.types.Scene, number: int) -> None:
        names = sorted(self.places)
        for name, clip_name, seen in self.views:
            item, clip = scene.objects.get(name), bpy.data.movieclips.get(clip_name) if clip_name else None
            if item is None:
                raise InputError(f"the camera {name!r} was removed while it was read")
            camera = camera_of(scene, item, self.frame, self.scale, clip)
            known = self._latest.get(name)
            if known is None or not _same(known, camera):
                self._latest[name] = known = replace(camera, name=f"{name} at {number}")
                self.cameras.append(known)
            found = seen.get(number, {})
            self.entries.append(
                {
                    "frame": number,
                    "camera": known.name,
                    "positions": [list(found[each][:2]) if each in found else None for each in names],
                    "confidence": [float(np.clip(found[each][2], 0, 1)) if each in found else 0.0 for each in names],
                }
            )

    def save_for_fit(self, folder: Path) -> dict[str, str]:
        """Write points, cameras and landmarks into a job's folder. Returns what the task `fit` takes of them."""
        points = {"fps": self.fps, "points": sorted(self.places), "frames": self.entries}
        write_atomically(folder / "points.json", json.dumps(points) + "\n")
        write_atomically(folder / "landmarks.json", json.dumps(self.places, indent=1) + "\n")
        save_cameras(self.cameras, folder / "cameras.json")
        return {
            "performance": str(folder / "points.json"),
            "camera": str(folder / "cameras.json"),
            "landmarks": str(folder / "landmarks.json"),
        }


def _same(one: Camera, other: Camera) -> bool:
    return (
        np.array_equal(one.size, other.size)
        and np.allclose(one.focal, other.focal, rtol=1e-6)
        and np.allclose(one.centre, other.centre, rtol=0, atol=1e-4)
        and np.allclose(one.world_to_camera, other.world_to_camera, rtol=0, atol=1e-5)
    )
