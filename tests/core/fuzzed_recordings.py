# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of what phones and trackers record, and of what is kept beside an actor, for the fuzzer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aim_blender.core.files.neutrals import read_shapes
from aim_blender.core.fitting.driving.kept_frames import KeptFrames
from aim_blender.core.fitting.fitting_cache import Prepared, load_prepared, save_prepared
from aim_blender.core.model.actor import Actor
from aim_blender.core.points.image_points import at_landmarks, read_image_points, read_landmark_map
from aim_blender.core.points.points import read_points
from aim_blender.core.seeing.kept_mesh_faces import KeptMeshFaces
from aim_blender.core.seeing.mesh_faces import SeenOnMesh
from aim_blender.core.seeing.seen_landmarks import frame_of_seen, typical_places
from aim_blender.core.shared.faces.arkit_names import read_gains
from aim_blender.core.shared.faces.part_kinds import read_choices
from aim_blender.core.shared.phone.phone_tables import read_phone_recording
from aim_blender.core.shared.settings.fitting_settings import FittingSettings
from aim_blender.core.shared.sources.sources import source_of
from aim_blender.core.video.kept_faces import KeptFaces
from aim_blender.core.video.seen_faces import SeenFaces, numbers
from tests.core.fuzzing import Reader
from tests.core.test_phone import MAKERS
from tests.core.test_point_tables import openface
from tests.core.tiny_capture import POINTS


def recorded_readers(folder: Path, actor: Actor, files: dict[str, bytes]) -> dict[str, Reader]:
    """By name. folder: to write in. files: whole ones of other readers, by name."""
    found: dict[str, Reader] = {}
    for program, (make, suffix, _) in MAKERS.items():
        content = make(folder / f"phone{suffix}").read_bytes()
        found[f"phone, {program}"] = Reader({f"phone{suffix}": content}, _recording)
    table = openface().encode()
    found["OpenFace, in space"] = Reader({"clip.csv": table}, read_points)
    found["OpenFace, in images"] = Reader({"clip.csv": table}, read_image_points)
    for name in ("points.c3d", "points.csv", "mesh.ply", "performance.npz", "take_1.stl", "movie.mp4", "tracks.json"):
        found[f"source, {name}"] = Reader({name: files[name]}, source_of)
    found["shapes, npz"] = Reader({"capture.npz": files["capture.npz"]}, read_shapes)
    found["choices of parts"] = Reader({"parts.txt": b"skull_1=follows, 17039=still"}, lambda p: read_choices(_text(p)))
    found["gains"] = Reader({"gains.txt": b"jawOpen=1.2, mouthSmile=0.9"}, lambda path: read_gains(_text(path)))
    return found | _mapped(files) | _kept(folder, actor)


def _recording(path: Path) -> None:
    found = read_phone_recording(path)
    assert np.isfinite(found.weights[~found.missing]).all()
    assert found.fps > 0


def _mapped(files: dict[str, bytes]) -> dict[str, Reader]:
    """A map of landmarks for points in space."""
    some = np.linspace(0, POINTS - 1, 12).astype(int)
    content = ("{" + ", ".join(f'"p{v}": {v}' for v in some) + "}").encode()

    def use(path: Path) -> None:
        at_landmarks(read_points(path.with_name("wide.csv")), read_landmark_map(path))

    return {"map of points": Reader({"places.json": content, "wide.csv": files["wide.csv"]}, use)}


def _kept(folder: Path, actor: Actor) -> dict[str, Reader]:
    """What is kept beside an actor: passed over where it is damaged, and never used."""
    settings, modes = FittingSettings(modes=4), np.ones((POINTS, 4), np.float32)
    save_prepared(folder / "A.fitting.safetensors", actor, settings, Prepared(modes, np.arange(4.0), np.eye(4)))
    whole = (folder / "A.fitting.safetensors").read_bytes()

    def inverse(path: Path) -> None:
        found = load_prepared(path, actor, settings)
        assert found is None or np.array_equal(found.modes, modes)

    for name in ("A.actor.safetensors", "clip.mp4", "model.task"):
        (folder / name).write_bytes(b"any")
    faces = KeptFaces(folder / "A.actor.safetensors", folder / "clip.mp4", folder / "model.task")
    landmarks, nothing = np.random.default_rng(1).uniform(0, 100, (3, 478, 3)), np.zeros(3, dtype=bool)
    said = np.ones(3), np.zeros(3), np.full((3, 52), 0.1), np.ones((3, 2048))
    measured = (np.arange(3) / 25.0, 25.0, (640, 480), landmarks, *said)
    seen = SeenFaces("clip.mp4", numbers(3), *measured, nothing, nothing)
    faces.write(seen, True)

    def read_faces(path: Path) -> None:
        damaged = KeptFaces.__new__(KeptFaces)
        damaged.path, damaged.movie = path, path
        damaged.read()

    return {
        **_kept_elsewhere(folder),
        "kept fit": Reader({"A.fitting.safetensors": whole}, inverse),
        "kept faces": Reader({"kept.faces.npz": faces.path.read_bytes()}, read_faces),
    }


def _kept_elsewhere(folder: Path) -> dict[str, Reader]:
    """What was seen on a mesh, and frames that were solved before the work was killed."""
    kept = KeptMeshFaces(folder / "A.actor.safetensors", folder / "model.task")
    places = typical_places()
    frame = frame_of_seen(places)
    assert frame is not None
    kept.write("mesh", SeenOnMesh(frame, places, dict.fromkeys(places, 1.5), 5, 6, 0.9))
    seen = next(folder.glob("*.mesh_face.json")).read_bytes()

    def read_mesh_face(path: Path) -> None:
        damaged = KeptMeshFaces(path, path)
        setattr(damaged, "_path", lambda mesh: path)  # noqa: B010
        (found,) = damaged.read("mesh") or (None,)
        assert found is None or (found.views == 5 and found.spread_mm == dict.fromkeys(places, 1.5))

    arrays = {"coefficients": np.arange(12.0).reshape(3, 4)}
    frames = KeptFrames(folder, arrays, {"smooth": 1.0}, 0.0)
    frames.keep(1, arrays, arrays)

    def read_frames(path: Path) -> None:
        found = KeptFrames(path.parent, arrays, {"smooth": 1.0}, 0.0).find(1, arrays)
        assert found is None or np.array_equal(found["coefficients"], arrays["coefficients"])

    name = "frames_000001.safetensors"
    return {
        "kept face of a mesh": Reader({"A.face.mesh_face.json": seen}, read_mesh_face),
        "kept frames": Reader({name: (folder / name).read_bytes()}, read_frames),
    }


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
