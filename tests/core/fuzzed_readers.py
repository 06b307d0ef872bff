# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reader with a whole file of its own, for the fuzzer."""

from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from aim_blender.core.anatomy.anatomy_request import read_request
from aim_blender.core.baking.baking import bake_take
from aim_blender.core.baking.corrections import correct_bake
from aim_blender.core.correspondence.correspondence import Correspondence
from aim_blender.core.files.describing import describe_file
from aim_blender.core.files.files import (
    load_actor,
    load_correspondence,
    load_take,
    save_actor,
    save_correspondence,
    save_take,
)
from aim_blender.core.files.neutrals import read_landmarks, read_neutral
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.fitting_image_points import fit_image_points
from aim_blender.core.fitting.fitting_points import fit_points
from aim_blender.core.learning.checkpoints import restore_training, save_training
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.points import image_points, points
from aim_blender.core.retargeting.regions import read_regions
from aim_blender.core.shared.captured.cameras import read_cameras, save_cameras
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.captured.mesh_caches import write_cache
from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.captured.performances import Performance, read_performance
from aim_blender.core.shared.faces.expression_names import pair_expressions, read_pairs
from aim_blender.core.shared.results.correspondence_files import read_places
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.point_settings import PointFittingSettings
from aim_blender.core.video.movies import Movie
from aim_blender.jobs.batch.batch_table import read_table
from aim_blender.jobs.batch.shot_record import Record
from aim_blender.jobs.batch.shot_steps import correspondence_kept_for
from aim_blender.jobs.folders.folder import JobFolder
from tests.core.c3d_made import write_c3d
from tests.core.fuzzed_recordings import recorded_readers
from tests.core.fuzzing import Reader
from tests.core.mesh_files import write_mdd, write_pc2, write_ply
from tests.core.movies_made import write_movie
from tests.core.tiny_capture import POINTS, grid, shapes, write_capture, write_performance

FIT = FittingSettings(modes=6, device="cpu")
TABLE = {
    "defaults": {"fps": 25, "targets": [{"actor": "b.actor.safetensors", "strength": 0.5, "pairs": {"a": "b"}}]},
    "shots": [
        {"actor": "a.actor.safetensors", "performance": "shot.pc2", "start": 1, "end": 5, "write": ["pc2", "bake"]},
        {"shot": "x", "actor": "a.actor.safetensors", "take": "t.take.safetensors", "head_motion": "off"},
    ],
}
TOML = """[defaults]
fps = 25.0
[[shots]]
actor = "a.actor.safetensors"
performance = "shot.pc2"
targets = ["b.actor.safetensors"]
start = 1
"""


def all_readers(actor: Actor, performance: Performance) -> dict[str, Reader]:
    """The readers by name, with files of a tiny actor and its performance."""
    with tempfile.TemporaryDirectory() as folder:
        return _readers(Path(folder), actor, performance)


def _readers(folder: Path, actor: Actor, performance: Performance) -> dict[str, Reader]:
    take = fit_performance(actor, performance, FIT)
    files = _written(folder, actor, take, performance)

    def keep(path: Path, found: Take) -> None:
        """What is written can be read, and shows frames that are numbers."""
        save_take(found, path.with_name("found.take.safetensors"))
        assert np.isfinite(evaluate_take(actor, load_take(path.with_name("found.take.safetensors")))["vertices"]).all()

    def fitted(path: Path) -> None:
        keep(path, fit_performance(actor, read_performance(path, actor.topology), FIT))

    def pointed(path: Path) -> None:
        keep(path, fit_points(actor, points.read_points(path), PointFittingSettings(modes=4)))

    def seen(path: Path) -> None:
        found = fit_image_points(
            actor,
            image_points.read_image_points(path),
            read_cameras(path.with_name("cameras.json")),
            image_points.read_landmark_map(path.with_name("map.json")),
        )
        keep(path, found)

    def acted(path: Path) -> None:
        found = load_actor(path)
        if len(found.bone) == POINTS:
            save_actor(found, path)
            load_actor(path)

    def taken(path: Path) -> None:
        found = load_take(path)
        save_take(found, path)
        if found.modes.shape[0] == POINTS and found.names == actor.names:
            evaluate_take(actor, found)

    def correct(path: Path) -> None:
        correct_bake(path, path.with_name("out.npz"), take, int(take.frames[1]), shapes()[:2], 2)

    def resumed(path: Path) -> None:
        model = torch.nn.Linear(3, 2)
        optimiser, told = torch.optim.Adam(model.parameters()), []
        found = restore_training(path, model, optimiser, torch.Generator(), ("count",), {"of": "this"}, told.append)
        assert found is not None or told or path.read_bytes() != files["checkpoint.safetensors"]
        if found is not None:
            assert found[0] == {"count": 3}
            assert float(model.weight.detach().sum()) == files_sum

    def recorded(path: Path) -> None:
        Record(path.parent).save()

    files_sum = _checkpoint(folder / "checkpoint.safetensors")
    files["checkpoint.safetensors"] = (folder / "checkpoint.safetensors").read_bytes()

    def alone(name: str, use: Callable[[Path], object], *beside: str) -> Reader:
        return Reader({name: files[name], **{other: files[other] for other in beside}}, use)

    others = recorded_readers(folder, actor, files)
    numbered = tuple(f"take_{number}.obj" for number in (1, 2, 4))
    meshes = ("02_frown.obj", "00_neutral.obj", "01_smile.obj")
    return {
        "mesh, obj": alone("mesh.obj", read_neutral),
        "mesh, ply": alone("mesh.ply", read_neutral),
        "mesh, ply as text": alone("text.ply", read_neutral),
        "mesh, npz": alone("capture.npz", read_neutral),
        "capture, folder": alone(meshes[0], lambda path: read_capture(path.parent), *meshes[1:]),
        "capture, npz": alone("capture.npz", read_capture),
        "performance, folder": alone(numbered[1], lambda path: fitted(path.parent), numbered[0], numbered[2]),
        "performance, stl": alone("take_1.stl", lambda path: fitted(path.parent), "take_2.stl"),
        "performance, npz": alone("performance.npz", fitted),
        "performance, pc2": alone("shot.pc2", fitted),
        "performance, mdd": alone("shot.mdd", fitted),
        "points, csv": alone("points.csv", pointed),
        "points, wide csv": alone("wide.csv", pointed),
        "points, c3d": alone("points.c3d", pointed),
        "points, json": alone("points.json", pointed),
        "image points, csv": alone("tracks.csv", seen, "cameras.json", "map.json"),
        "image points, json": alone("tracks.json", seen, "cameras.json", "map.json"),
        "cameras": alone("cameras.json", lambda path: save_cameras(read_cameras(path), path)),
        "camera of Blender": alone("blender.json", lambda path: save_cameras(read_cameras(path), path)),
        "cameras, used": alone(
            "cameras.json", lambda path: seen(path.with_name("tracks.csv")), "tracks.csv", "map.json"
        ),
        "landmark map": alone(
            "map.json", lambda path: seen(path.with_name("tracks.csv")), "tracks.csv", "cameras.json"
        ),
        "landmarks": alone("landmarks.json", read_landmarks),
        "pairs": alone("pairs.json", lambda path: pair_expressions(actor.names, actor.names, read_pairs(path))),
        "anatomy's landmarks": alone(
            "nose.json", lambda path: read_request(path.with_name("mesh.obj"), landmarks=path), "mesh.obj"
        ),
        "regions": alone("regions.npz", read_regions),
        "actor": alone("A.actor.safetensors", acted),
        "take": alone("T.take.safetensors", taken),
        "correspondence": alone("C.correspondence.safetensors", load_correspondence),
        "places of a correspondence": alone(
            "C.correspondence.safetensors", lambda path: read_places(path, POINTS, POINTS)
        ),
        "actor of a batch": alone("A.actor.safetensors", lambda path: correspondence_kept_for(str(path), "B")),
        "bake": alone("bake.npz", correct),
        "table, csv": alone("shots.csv", read_table),
        "table, json": alone("shots.json", read_table),
        "table, toml": alone("shots.toml", read_table),
        "job": alone("job.json", lambda path: JobFolder(path.parent).read_job()),
        "result of a job": alone("result.json", lambda path: JobFolder(path.parent).read_result()),
        "record of a batch": alone("batch.json", recorded),
        "checkpoint": alone("checkpoint.safetensors", resumed),
        "video": alone("movie.mp4", lambda path: list(itertools.islice(Movie(path).frames(), 20))),
        "video, avi": alone("movie.avi", lambda path: list(itertools.islice(Movie(path).frames(), 20))),
        "info, npz": alone("bake.npz", describe_file),
        "info, mdd": alone("shot.mdd", describe_file),
        "info, take": alone("T.take.safetensors", describe_file),
        **others,
    }


def _written(folder: Path, actor: Actor, take: Take, performance: Performance) -> dict[str, bytes]:
    """Whole files by name."""
    neutral, quads = grid()
    some = np.linspace(0, POINTS - 1, 12).astype(int)
    frames = performance.vertices[:4].astype(np.float64)
    for name, mesh in (("mesh", neutral), *zip(("00_neutral", "01_smile", "02_frown"), shapes()[:3], strict=True)):
        write_mesh(folder / f"{name}.obj", mesh, actor.topology)
    for number in (1, 2, 4):
        write_mesh(folder / f"take_{number}.obj", frames[number - 1], actor.topology)
        (folder / f"take_{number}.stl").write_bytes(_stl(frames[number - 1], actor))
    write_ply(folder / "mesh.ply", neutral, quads)
    write_ply(folder / "text.ply", neutral, quads, binary=False)
    write_capture(folder / "capture.npz")
    write_performance(folder / "performance.npz")
    write_pc2(folder / "shot.pc2", frames)
    write_mdd(folder / "shot.mdd", frames)
    rows = [(f + 1, f"p{v}", *place[v], v) for f, place in enumerate(frames) for v in some]
    lines = ["frame,name,x,y,z,vertex", *(",".join(map(str, row)) for row in rows)]
    (folder / "points.csv").write_text("\n".join(lines))
    wide = ["frame;" + ";".join(f"p{v}_{axis}" for v in some for axis in "xyz")]
    wide += [
        f"{f + 1};" + ";".join(f"{x:.3f}".replace(".", ",") for x in place[some].ravel())
        for f, place in enumerate(frames)
    ]
    (folder / "wide.csv").write_text("\n".join(wide))
    write_c3d(folder / "points.c3d", [f"p{v}" for v in some], frames[:, some])
    camera = {"name": "c", "width": 1000, "height": 800, "focal": 1500, "world_to_camera": _in_front()}
    look = np.array(camera["world_to_camera"])
    local = frames[:, some] @ look[:3, :3].T + look[:3, 3]
    pixels = local[..., :2] / local[..., 2:] * 1500 + [500, 400]
    tracks = [(f + 1, "c", f"p{v}", *pixels[f, k], 0.9) for f in range(len(frames)) for k, v in enumerate(some)]
    lines = ["frame,camera,name,x,y,confidence", *(",".join(map(str, row)) for row in tracks)]
    (folder / "tracks.csv").write_text("\n".join(lines))
    blender = {"width": 1000, "height": 800, "lens_mm": 50, "matrix_world": np.eye(4).tolist(), "shift": [0.1, 0]}
    documents = {
        "points.json": {
            "fps": 25,
            "points": [{"name": f"p{v}", "vertex": int(v)} for v in some],
            "frames": [{"frame": f + 1, "positions": place[some].tolist()} for f, place in enumerate(frames)],
        },
        "tracks.json": {
            "points": [f"p{v}" for v in some],
            "frames": [{"frame": f + 1, "camera": "c", "positions": place.tolist()} for f, place in enumerate(pixels)],
        },
        "cameras.json": {"cameras": [camera]},
        "blender.json": blender,
        "map.json": {f"p{v}": int(v) for v in some[:-1]} | {f"p{some[-1]}": {"face": 3, "weights": [1, 1, 1, 0]}},
        "landmarks.json": {"source": {"chin": 3, "nose": 8}, "target": {"chin": 4, "nose": 9}},
        "pairs.json": {"smile": "frown", "frown": "smile", "pout": ""},
        "nose.json": {"nasion": 12, "menton": 30},
        "shots.json": TABLE,
        "job.json": {"version": 1, "name": "a", "steps": [{"task": "info", "arguments": {"file": "a"}}]},
        "result.json": {"state": "finished", "figures": [{"mean_mm": 0.1}]},
        "batch.json": {"version": 1, "steps": {"fit": {"digest": "a", "out": "b"}}, "seen": {"a": ["b", "c"]}},
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    (folder / "shots.toml").write_text(TOML)
    header = "shot,actor,performance,targets,write,start,fps,tolerance_mm"
    (folder / "shots.csv").write_text(
        f"{header}\ns1,a.actor,shot.npz,b.actor|c.actor,bake|pc2,3,30,0.2\n,a.actor,p.mdd,,,,,\n"
    )
    np.savez(folder / "regions.npz", strength=np.linspace(0, 1, POINTS))
    save_actor(actor, folder / "A.actor.safetensors")
    save_take(take, folder / "T.take.safetensors")
    corners = np.repeat(np.arange(POINTS, dtype=np.int32)[:, None], 3, axis=1)
    found = Correspondence("a", "b", corners, np.full((POINTS, 3), 1 / 3), np.ones(POINTS))
    save_correspondence(found, folder / "C.correspondence.safetensors")
    stripes = [np.full((48, 64, 3), [20 * number, 90, 200], np.uint8) for number in range(6)]
    for name in ("movie.mp4", "movie.avi"):
        write_movie(folder / name, stripes)
    bake_take(actor, take, 0.5).save(folder / "bake.npz")
    write_cache(folder / "written.pc2", performance.vertices, performance.frames, 24.0)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _checkpoint(path: Path) -> float:
    """Write a checkpoint of a small network, and return the sum of its weights."""
    model = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    save_training(path, model, optimiser, torch.Generator(), {"count": 3}, {"of": "this"})
    return float(model.weight.detach().sum())


def _stl(vertices: np.ndarray, actor: Actor) -> bytes:
    quads = actor.topology.corners.reshape(-1, 4)
    corners = vertices[quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)].astype("<f4")
    rows = np.zeros(len(corners), np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")]))
    rows["corners"] = corners
    content = io.BytesIO()
    content.write(b"\0" * 80 + len(rows).to_bytes(4, "little") + rows.tobytes())
    return content.getvalue()


def _in_front() -> list[list[float]]:
    """A camera half a metre before the sheet, which faces along -Y."""
    return [[1.0, 0, 0, 0], [0, 0, -1.0, 80.0], [0, 1.0, 0, 600.0], [0, 0, 0, 1.0]]
