# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed-form fit on real faces: accuracy, jaw, head and speed, beside one weight per shape for the whole face; what
damaged performances, points and images leave of it; the jaw beside a regression; what bounds on the weights cost;
set-up, one frame at a time, and memory.

python benchmarks/fitting.py [--seed 3] [--other 11] [--modes 120] [--only whole,jaw,bounds,damaged,points,images,...]
"""

import argparse
import dataclasses
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
from common import ROOT, learned, make, parser, print_table

from aim_blender.core import fitting_session
from aim_blender.core.actor import Actor
from aim_blender.core.baking import bounded_weights
from aim_blender.core.cameras import blender_camera
from aim_blender.core.evaluation import evaluate_take
from aim_blender.core.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting_image_points import fit_image_points
from aim_blender.core.fitting_points import PointFittingSettings, fit_points
from aim_blender.core.fitting_session import FittingSession
from aim_blender.core.image_points import ImagePoints, LandmarkMap
from aim_blender.core.jaw import compose_jaw, decompose_jaw
from aim_blender.core.jaw_of_frame import JawOfFrame, spread_points
from aim_blender.core.live import LiveFit
from aim_blender.core.performances import Performance, read_performance
from aim_blender.core.points import PointPerformance
from aim_blender.core.retargeting import retarget_take
from aim_blender.core.rigid import angle_degrees, apply_motion, rigid_registration

SPARSE_POINTS = 150
CASES = {
    "whole meshes": (),
    "noise 0.1 mm": ("--noise", "0.1"),
    "bulge 0.5 mm": ("--bulge", "0.5"),
    "head motion": ("--head-motion",),
    "400 frames": ("--frames", "400", "--step", "9"),
}


def main() -> None:
    tables = {
        "whole": whole,
        "jaw": jaw_of_frames,
        "bounds": bounds,
        "damaged": damaged,
        "points": points_in_space,
        "images": images,
        "ready": ready,
        "long": long_shot,
    }
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--other", type=int, default=11, help="the actor that is retargeted to")
    found.add_argument("--modes", type=int, default=FittingSettings.modes)
    found.add_argument("--only", default=",".join(tables), help="which tables, with commas between")
    arguments = found.parse_args()
    path, actor = learned(arguments, arguments.seed)
    for name in arguments.only.split(","):
        tables[name](arguments, actor, path)


def whole(arguments: argparse.Namespace, actor: Actor, _: Path) -> None:
    rows: list[list[object]] = []
    for case, options in CASES.items():
        name = f"performance_{arguments.seed}_" + "_".join(["plain", *options]).replace("-", "")
        path = make(arguments, "performance", name, "--seed", str(arguments.seed), *options)
        with np.load(path) as archive:
            truth = {key: archive[key] for key in ("vertices", "stabilized", "jaw", "head")}
        take = fit_performance(actor, read_performance(path), FittingSettings(modes=arguments.modes))
        frames = evaluate_take(actor, take)
        # Noise is not to be fitted: the truth is what was there before it.
        wanted = truth["stabilized"] if "--noise" in options else truth["vertices"]
        distance = np.linalg.norm(frames["vertices"] - wanted, axis=-1)
        mine, true = angle_degrees(frames["jaw"]), angle_degrees(truth["jaw"])
        head = np.linalg.inv(frames["head"]) @ truth["head"]
        rows.append(
            [
                case,
                float(distance.mean()),
                float(np.quantile(distance, 0.99)),
                float(distance.max()),
                float(np.polyfit(true, mine, 1)[0]),
                float(np.corrcoef(true, mine)[0, 1]),
                float(np.abs(mine - true).mean()),
                f"{angle_degrees(head).max():.3f} / {np.linalg.norm(head[:, :3, 3], axis=1).max():.3f}",
                float(take.figures["frames_per_second"]),
                float(take.figures["setup_s"]),
            ]
        )
        if not options:
            keys = (actor.shapes()[1:] - actor.neutral).reshape(len(actor.names), -1).astype(np.float32)
            moved = (truth["vertices"] - actor.neutral).reshape(len(distance), -1).astype(np.float32)
            left = (moved - bounded_weights(keys, moved) @ keys).reshape(*distance.shape, 3)
            off = np.linalg.norm(left, axis=-1)
            one = ["(one weight per shape)", float(off.mean()), float(np.quantile(off, 0.99)), float(off.max())]
            rows.append([*one, "", "", "", "", "", ""])
    print_table(
        f"Closed-form fit, actor {arguments.seed}, {arguments.modes} modes (distances in mm)",
        [
            "case",
            "mean",
            "99 %",
            "worst",
            "jaw slope",
            "jaw correlation",
            "jaw error °",
            "head ° / mm",
            "frames/s",
            "set-up s",
        ],
        rows,
    )


class RegressedJaw:
    """What the jaw of a frame used to be read by: a ridge regression on the actor's shapes, from the points over the
    mandible (the idea of Zoss et al. 2019)."""

    def __init__(self, actor: Actor) -> None:
        assert actor.hinge is not None
        self.hinge, self.points = actor.hinge, actor.constraints.points[actor.constraints.on_mandible]
        shapes = actor.shapes()[:, self.points]
        self.neutral, offsets = shapes[0], (shapes[1:] - shapes[0]).reshape(len(actor.names), -1)
        agreement = offsets @ offsets.T
        agreement += 1e-3 * np.trace(agreement) / len(agreement) * np.eye(len(agreement))
        self.poses_of = offsets.T @ np.linalg.solve(agreement, decompose_jaw(actor.jaw, self.hinge))

    def predict(self, vertices: np.ndarray) -> np.ndarray:
        moved = (vertices[:, self.points] - self.neutral).reshape(len(vertices), -1)
        return compose_jaw(moved @ self.poses_of, self.hinge)


def jaw_of_frames(arguments: argparse.Namespace, _: Actor, __: Path) -> None:
    """The jaw against the truth, and what becomes of fit and retarget, both ways between two actors."""
    rows: list[list[object]] = []
    ways = {"Gauss-Newton": JawOfFrame, "ridge regression": RegressedJaw}
    for seed, other in ((arguments.seed, arguments.other), (arguments.other, arguments.seed)):
        source, target = learned(arguments, seed)[1], learned(arguments, other)[1]
        plain = make(arguments, "performance", f"performance_{seed}_plain", "--seed", str(seed))
        aimed = make(arguments, "performance", f"performance_{other}_plain", "--seed", str(other))
        name, options = f"performance_{seed}_plain_frames_400_step_9", ("--frames", "400", "--step", "9")
        shot = make(arguments, "performance", name, "--seed", str(seed), *options)
        for way, kind in ways.items():
            with mock.patch.object(fitting_session, "JawOfFrame", kind):
                take = fit_performance(source, read_performance(plain), FittingSettings(modes=arguments.modes))
                carried = evaluate_take(target, retarget_take(take, source, target))["vertices"]
            with np.load(aimed) as archive:
                off = np.linalg.norm(carried - archive["vertices"], axis=-1)
            with np.load(shot) as archive:
                start = time.perf_counter()
                mine = angle_degrees(kind(source).predict(archive["vertices"].astype(np.float64)))
                seconds = time.perf_counter() - start
                true = angle_degrees(archive["jaw"])
            slope, correlation = float(np.polyfit(true, mine, 1)[0]), float(np.corrcoef(true, mine)[0, 1])
            wrong = np.abs(mine - true)
            speed = 1000 * seconds / len(true), take.figures["frames_per_second"]
            errors = float(wrong.mean()), float(wrong.max()), take.figures["mean_mm"], float(off.mean())
            rows.append([f"{seed}, {way}", slope, correlation, *errors, *speed])
    print_table(
        "The jaw of 400 frames against the truth; fit of 100 frames and their retarget to the other actor (mm)",
        ["actor", "slope", "correlation", "mean °", "worst °", "fit", "retarget", "ms a frame", "frames/s of the fit"],
        rows,
    )


def bounds(arguments: argparse.Namespace, actor: Actor, _: Path) -> None:
    """What it costs to keep the weights of all points within bounds, and what a retarget has of it."""
    target = learned(arguments, arguments.other)[1]
    seeds = arguments.seed, arguments.other
    paths = [make(arguments, "performance", f"performance_{seed}_plain", "--seed", str(seed)) for seed in seeds]
    whole_shot = read_performance(paths[0])
    performance = dataclasses.replace(whole_shot, vertices=whole_shot.vertices[::2], frames=whole_shot.frames[::2])
    with np.load(paths[1]) as archive:
        truth = archive["vertices"][::2]
    rows: list[list[object]] = []
    for largest in (0.0, 3.0, 2.0, 1.5, 1.0):
        settings = FittingSettings(modes=arguments.modes, largest_weight=largest)
        take = fit_performance(actor, performance, settings)
        span = [np.inf, -np.inf]
        for frame in take.coefficients:
            weights = take.modes @ frame
            span = [min(span[0], float(weights.min())), max(span[1], float(weights.max()))]
        carried = retarget_take(take, actor, target)
        off = np.linalg.norm(evaluate_take(target, carried)["vertices"] - truth, axis=-1)
        # The weights of e_i as they are, on the target's jaw.
        bare = dataclasses.replace(carried, modes=take.modes, coefficients=take.coefficients)
        bare_off = np.linalg.norm(evaluate_take(target, bare)["vertices"] - truth, axis=-1)
        rows.append(
            [
                f"{1 - largest:g} to {largest:g}" if largest else "none",
                f"{span[0]:.2f} to {span[1]:.2f}",
                *(take.figures[name] for name in ("mean_mm", "p99_mm", "worst_mm")),
                *(float(value) for value in (off.mean(), off.max(), bare_off.mean(), bare_off.max())),
                take.figures["frames_per_second"],
                take.figures["setup_s"],
            ]
        )
    print_table(
        f"Bounds on the weights, actor {arguments.seed}, {len(truth)} frames, retargeted to {arguments.other} (mm)",
        [
            "bounds",
            "weights",
            "fit",
            "99 %",
            "worst",
            "retarget",
            "worst",
            "weights as they are",
            "worst",
            "frames/s",
            "set-up s",
        ],
        rows,
    )


def damaged(arguments: argparse.Namespace, actor: Actor, _: Path) -> None:
    """Performances with points or frames missing or wrong; the error is that of the whole skin against the truth."""
    name = f"performance_{arguments.seed}_"
    clean = read_performance(make(arguments, "performance", name + "plain", "--seed", str(arguments.seed)))
    step = ("--frames", "100", "--step", "1")
    shot = read_performance(
        make(arguments, "performance", name + "plain_frames_100_step_1", "--seed", str(arguments.seed), *step)
    )
    random = np.random.default_rng(0)
    neutral, points = actor.neutral, clean.vertices.shape[1]

    def changed(performance: Performance, where: np.ndarray, how: np.ndarray | float) -> Performance:
        vertices = performance.vertices.copy()
        vertices[where] = how if isinstance(how, float) else vertices[where] + how
        return dataclasses.replace(performance, vertices=vertices)

    thrown = random.random((len(clean.frames), points)) < 0.01
    aside = random.normal(size=(int(thrown.sum()), 3))
    aside *= 20.0 / np.linalg.norm(aside, axis=1, keepdims=True)
    centres = neutral[random.integers(0, points, len(clean.frames))]
    holes = np.linalg.norm(neutral - centres[:, None], axis=-1) < 25.0
    neck = np.tile(neutral[:, 1] < np.quantile(neutral[:, 1], 0.15), (len(clean.frames), 1))
    some = random.choice(100, 10, replace=False)
    noise = random.normal(scale=0.1, size=shot.vertices.shape).astype(np.float32)
    noisy = dataclasses.replace(shot, vertices=shot.vertices + noise)
    settings = FittingSettings(modes=arguments.modes)
    cases = [
        ("1 % of the points thrown 20 mm off", changed(clean, thrown, aside.astype(np.float32)), clean, settings),
        (
            "the same, all points believed",
            changed(clean, thrown, aside.astype(np.float32)),
            clean,
            dataclasses.replace(settings, outlier_mm=0.0),
        ),
        ("10 % of the points missing", changed(clean, random.random(thrown.shape) < 0.1, np.nan), clean, settings),
        ("the neck missing in all frames (15 %)", changed(clean, neck, np.nan), clean, settings),
        ("a hole of 50 mm elsewhere in each frame", changed(clean, holes, np.nan), clean, settings),
        ("10 of 100 consecutive frames missing", changed(shot, some, np.nan), shot, settings),
        ("noise 0.1 mm, consecutive frames", noisy, shot, settings),
        ("the same, temporal 4", noisy, shot, dataclasses.replace(settings, temporal=4.0)),
        ("the same, temporal 8", noisy, shot, dataclasses.replace(settings, temporal=8.0)),
        ("no noise, temporal 4", shot, shot, dataclasses.replace(settings, temporal=4.0)),
    ]
    rows = []
    for case, performance, truth, chosen in cases:
        take = fit_performance(actor, performance, chosen)
        off = evaluate_take(actor, take)["vertices"] - truth.vertices
        distance = np.linalg.norm(off, axis=-1)
        seen = np.isfinite(performance.vertices).all(-1)
        jitter = np.linalg.norm(np.diff(off, n=2, axis=0), axis=-1).mean() if truth is shot else ""
        figures = take.figures
        rows.append(
            [
                case,
                float(distance.mean()),
                float(distance[seen].mean()),
                float(np.quantile(distance, 0.99)),
                float(jitter) if jitter != "" else "",
                figures["outliers"] / len(distance),
                float(figures["frames_per_second"]),
            ]
        )
    print_table(
        f"Damaged performances, actor {arguments.seed}, {arguments.modes} modes (distances to the truth in mm)",
        ["case", "mean", "mean where seen", "99 %", "jitter", "outliers a frame", "frames/s"],
        rows,
    )


def points_in_space(arguments: argparse.Namespace, actor: Actor, _: Path) -> None:
    print_table(
        f"Points in space, actor {arguments.seed} (distances of the whole skin in mm)",
        ["case", "mean", "99 %", "worst", "jaw slope", "jaw correlation", "jaw error °", "", "frames/s", "set-up s"],
        [sparse(arguments, actor)],
    )


def images(arguments: argparse.Namespace, actor: Actor, _: Path) -> None:
    """Points that a 50 mm lens sees from 700 mm in 1920 by 1080 pixels, of a head that moves; every fifth frame."""
    name = f"performance_{arguments.seed}_plain_headmotion"
    with np.load(make(arguments, "performance", name, "--seed", str(arguments.seed), "--head-motion")) as archive:
        truth, head = archive["vertices"][::5].astype(np.float64), archive["head"][::5]
    neutral, triangles = actor.neutral, actor.topology.triangles()
    front = neutral[neutral[:, 2] > np.quantile(neutral[:, 2], 0.9)].mean(0)
    cameras = []
    for aside in (0.0, 30.0):
        turn = np.deg2rad(aside)
        matrix = np.eye(4)
        matrix[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
        matrix[:3, 3] = front + 700.0 * matrix[:3, 2]
        cameras.append(blender_camera(f"{aside:g} degrees", matrix, (1920, 1080), 50.0))
    normal = np.zeros_like(neutral)
    across = np.cross(
        neutral[triangles[:, 1]] - neutral[triangles[:, 0]], neutral[triangles[:, 2]] - neutral[triangles[:, 0]]
    )
    for corner in range(3):
        np.add.at(normal, triangles[:, corner], across)
    view = front + np.array([0.0, 0.0, 700.0]) - neutral
    cosine = (normal * view).sum(1) / np.linalg.norm(normal, axis=1) / np.linalg.norm(view, axis=1)
    facing = np.flatnonzero(cosine > 0.1)
    random = np.random.default_rng(0)
    rows = []
    for count, used in ((5000, cameras[:1]), (5000, cameras), (68, cameras[:1]), (68, cameras)):
        chosen = (
            random.permutation(facing)[:count]
            if count > 1000
            else facing[spread_points(neutral[facing], np.ones(len(facing)), count)]
        )
        pixels = np.stack([camera.project(truth[:, chosen]) for camera in used], axis=1)
        pixels += random.normal(scale=0.3, size=pixels.shape)
        names = tuple(map(str, chosen))
        frames = np.arange(len(truth), dtype=np.int32)
        seen = ImagePoints(
            names,
            tuple(camera.name for camera in used),
            pixels.reshape(-1, *pixels.shape[2:]),
            np.ones((pixels.shape[0] * pixels.shape[1], pixels.shape[2])),
            *(place.ravel() for place in np.indices(pixels.shape[:2])),
            frames,
            24.0,
            "points",
        )
        take = fit_image_points(actor, seen, used, LandmarkMap({str(v): int(v) for v in chosen}, "landmarks"))
        found = evaluate_take(actor, take)["vertices"].astype(np.float64)
        even = np.ones((1, len(neutral)))
        aligned = [apply_motion(f, rigid_registration(f, t[None], even))[0] for f, t in zip(found, truth, strict=True)]
        distance = np.linalg.norm(np.stack(aligned) - truth, axis=-1)
        turned = angle_degrees(np.linalg.inv(take.head) @ head)
        rows.append(
            [
                f"{count} points, {len(used)} camera{'s'[: len(used) - 1]}",
                float(distance.mean()),
                float(np.quantile(distance, 0.99)),
                float(np.linalg.norm(found - truth, axis=-1).mean()),
                f"{turned.mean():.3f} / {turned.max():.3f}",
                float(take.figures["mean_px"]),
                float(take.figures["frames_per_second"]),
            ]
        )
    print_table(
        f"Points in images, 0.3 pixels of noise, actor {arguments.seed} (distances of the whole skin in mm)",
        ["case", "mean, aligned", "99 %, aligned", "mean in place", "head °, mean / worst", "pixels", "frames/s"],
        rows,
    )


def ready(arguments: argparse.Namespace, actor: Actor, _: Path) -> None:
    """The set-up of a first and a second fit, and how long one frame takes after it."""
    name = f"performance_{arguments.seed}_plain"
    frames = read_performance(make(arguments, "performance", name, "--seed", str(arguments.seed))).vertices[:20]
    settings = FittingSettings(modes=arguments.modes)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "A.fitting.safetensors"
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            FittingSession(actor, settings, cache)
            seconds.append(time.perf_counter() - start)
        live, size = LiveFit(actor, settings, cache), cache.stat().st_size / 1e6
    handles = spread_points(actor.neutral, np.ones(len(actor.neutral)), 30)
    milliseconds = {}
    for label, one in {
        "mesh, head free": lambda frame: live.mesh(frame),
        "mesh, head still": lambda frame: live.mesh(frame, head="still"),
        "30 handles": lambda frame: live.handles(handles, frame[handles].astype(np.float64)),
    }.items():
        one(frames[0])
        start = time.perf_counter()
        for frame in frames:
            one(frame)
        milliseconds[label] = 1000 * (time.perf_counter() - start) / len(frames)
    print_table(
        f"Set-up and single frames, actor {arguments.seed}, {arguments.modes} modes",
        ["first set-up s", "second set-up s", "kept MB", *(f"{label}, ms a frame" for label in milliseconds)],
        [[*seconds, size, *milliseconds.values()]],
    )


def long_shot(arguments: argparse.Namespace, actor: Actor, path: Path) -> None:
    """4,000 frames from a point cache, fitted by a worker of its own."""
    name = f"performance_{arguments.seed}_plain_frames_400_step_9"
    options = ("--seed", str(arguments.seed), "--frames", "400", "--step", "9")
    some = read_performance(make(arguments, "performance", name, *options)).vertices
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        shot, out = Path(folder) / "shot.pc2", Path(folder) / "T.take.safetensors"
        with open(shot, "wb") as file:
            file.write(b"POINTCACHE2\0" + struct.pack("<iiffi", 1, some.shape[1], 1.0, 1.0, 4000))
            for _ in range(10):
                file.write(np.ascontiguousarray(some, "<f4"))
        del some
        start = time.perf_counter()
        command = [sys.executable, "-m", "aim_blender", "fit", str(path), str(shot), "--out", str(out), "--json"]
        run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    figures = json.loads(run.stdout)
    print_table(
        f"4,000 frames of {len(actor.neutral)} points, actor {arguments.seed}",
        ["mean mm", "frames/s", "set-up s", "all s", "peak GiB (the file's own pages included)"],
        [[figures["mean_mm"], figures["frames_per_second"], figures["setup_s"], seconds, peak]],
    )


def sparse(arguments: argparse.Namespace, actor: Actor) -> list[object]:
    """150 points spread over the face, each known by its vertex; the error is that of the whole skin."""
    name = f"performance_{arguments.seed}_plain"
    with np.load(make(arguments, "performance", name, "--seed", str(arguments.seed))) as archive:
        truth = {key: archive[key] for key in ("vertices", "jaw")}
    neutral = actor.neutral
    moved = np.sqrt((actor.expressions**2).sum(-1).mean(1))
    wanted = np.minimum(moved / moved.mean(), 3.0) ** 0.5  # markers are put where a face moves
    vertices = spread_points(neutral, wanted, SPARSE_POINTS)
    positions = truth["vertices"][:, vertices].astype(float)
    names = tuple(str(vertex) for vertex in vertices)
    frames = np.arange(len(positions), dtype=np.int32)
    points = PointPerformance(names, positions, np.ones(positions.shape[:2]), vertices, frames, 24.0, "points")
    take = fit_points(actor, points, PointFittingSettings(head="still"))
    found = evaluate_take(actor, take)
    off = np.linalg.norm(found["vertices"] - truth["vertices"], axis=-1)
    mine, true = angle_degrees(found["jaw"]), angle_degrees(truth["jaw"])
    return [
        f"{SPARSE_POINTS} points",
        float(off.mean()),
        float(np.quantile(off, 0.99)),
        float(off.max()),
        float(np.polyfit(true, mine, 1)[0]),
        float(np.corrcoef(true, mine)[0, 1]),
        float(np.abs(mine - true).mean()),
        "",
        float(take.figures["frames_per_second"]),
        float(take.figures["setup_s"]),
    ]


if __name__ == "__main__":
    main()
