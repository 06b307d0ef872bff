# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed-form fit on real faces: accuracy, jaw, head and speed, beside one weight per shape for the whole face; what
damaged performances, points and images leave of it (fitting_incomplete.py); the jaw beside a regression; what bounds on
the weights cost; set-up, one frame at a time, and memory.

python benchmarks/fitting.py [--seed 3] [--other 11] [--modes 120] [--only whole,jaw,bounds,damaged,points,markers,...]
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
from typing import Any
from unittest import mock

import numpy as np
from common import ROOT, jaw_figures, learned, make, parser, print_table
from fitting_incomplete import damaged, images, markers, points_in_space

from aim_blender.core.anatomy.jaw import compose_jaw, decompose_jaw
from aim_blender.core.baking.baking import bounded_weights
from aim_blender.core.fitting import fitting_session
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.fitting_session import FittingSession
from aim_blender.core.fitting.jaw_of_frame import JawOfFrame, spread_points
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.live.live import LiveFit
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.performances import read_performance

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
        "markers": markers,
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
                *jaw_figures(mine, true),
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
    ways: dict[str, Any] = {"Gauss-Newton": JawOfFrame, "ridge regression": RegressedJaw}
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
            speed = 1000 * seconds / len(true), take.figures["frames_per_second"]
            errors = float(np.abs(mine - true).max()), take.figures["mean_mm"], float(off.mean())
            rows.append([f"{seed}, {way}", *jaw_figures(mine, true), *errors, *speed])
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


def ready(arguments: argparse.Namespace, actor: Actor, _: Path) -> None:
    """The set-up of a first and a second fit, and how long one frame takes after it."""
    name = f"performance_{arguments.seed}_plain"
    frames = read_performance(make(arguments, "performance", name, "--seed", str(arguments.seed))).vertices[:20]
    settings = FittingSettings(modes=arguments.modes)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "A.fitting.safetensors"
        seconds = []
        for _turn in range(2):
            start = time.perf_counter()
            FittingSession(actor, settings, cache)
            seconds.append(time.perf_counter() - start)
        live, megabytes = LiveFit(actor, settings, cache), cache.stat().st_size / 1e6
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
        [[*seconds, megabytes, *milliseconds.values()]],
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
                file.write(np.ascontiguousarray(some, "<f4").data)
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


if __name__ == "__main__":
    main()
