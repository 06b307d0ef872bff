# SPDX-License-Identifier: GPL-3.0-or-later
"""What damaged performances, points in space and points in images leave of a fit: tables of benchmarks/fitting.py."""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from common import jaw_figures, make, print_table
from scipy.spatial.transform import Rotation

from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.fitting_image_points import fit_image_points
from aim_blender.core.fitting.fitting_points import fit_points
from aim_blender.core.fitting.jaw_of_frame import spread_points
from aim_blender.core.geometry.rigid import angle_degrees, apply_motion, rigid_registration
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.points.image_points import ImagePoints, LandmarkMap
from aim_blender.core.points.points import PointPerformance
from aim_blender.core.shared.captured.cameras import blender_camera
from aim_blender.core.shared.captured.performances import Performance, read_performance
from aim_blender.core.shared.settings.point_settings import PointFittingSettings

SPARSE_POINTS = 150


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
    row: list[object] = [
        f"{SPARSE_POINTS} points",
        float(off.mean()),
        float(np.quantile(off, 0.99)),
        float(off.max()),
        *jaw_figures(mine, true),
        float(take.figures["frames_per_second"]),
        float(take.figures["setup_s"]),
    ]
    print_table(
        f"Points in space, actor {arguments.seed} (distances of the whole skin in mm)",
        ["case", "mean", "99 %", "worst", "jaw slope", "jaw correlation", "jaw error °", "frames/s", "set-up s"],
        [row],
    )


def markers(arguments: argparse.Namespace, actor: Actor, _: Path) -> None:
    """Few markers on the front of the face, with noise of 0.2 mm; every second frame. Where a head moves, it never is
    where the actor's is: 6 degrees and 6 mm about. The errors are those of the front of the skin, and of the head."""
    name = f"performance_{arguments.seed}_plain"
    with np.load(make(arguments, "performance", name, "--seed", str(arguments.seed))) as archive:
        truth = archive["stabilized"][::2].astype(np.float64)
    neutral, random = actor.neutral, np.random.default_rng(0)
    front = np.flatnonzero(neutral[:, 2] > np.quantile(neutral[:, 2], 0.5))
    most = np.linalg.norm(actor.shapes()[1:] - neutral, axis=2).max(0)[front]
    below = neutral[front, 1] < neutral[neutral[:, 2].argmax(), 1]
    sets = {
        "90 of the face": random.choice(front, 90, replace=False),
        "60 where it moves by 3 mm": random.choice(front[most > 3], 60, replace=False),
        "25 of those": random.choice(front[most > 3], 25, replace=False),
        "40 below the nose's tip": random.choice(front[(most > 5) & below], 40, replace=False),
        "20 of those": random.choice(front[(most > 5) & below], 20, replace=False),
    }
    turns = np.linspace(0, 2 * np.pi, len(truth), endpoint=False)
    wandering = np.tile(np.eye(4), (len(truth), 1, 1))
    vectors = np.deg2rad(4.0) * np.stack([np.sin(turns), np.sin(2 * turns + 1), np.sin(3 * turns + 2)], axis=1)
    wandering[:, :3, :3] = Rotation.from_rotvec(vectors).as_matrix()
    slides = 6.0 * np.stack([np.sin(turns + 1), np.sin(turns + 2), np.cos(turns)], axis=1)
    wandering[:, :3, 3] = slides + neutral.mean(0) - wandering[:, :3, :3] @ neutral.mean(0)
    rows: list[list[object]] = []
    for moves, head in (("still", np.tile(np.eye(4), (len(truth), 1, 1))), ("moves", wandering)):
        frames = apply_motion(truth, head)
        for which, vertices in sets.items():
            positions = frames[:, vertices] + random.normal(scale=0.2 / 3**0.5, size=(len(truth), len(vertices), 3))
            for named in (True, False):
                points = PointPerformance(
                    tuple(map(str, vertices)),
                    positions,
                    np.ones(positions.shape[:2]),
                    vertices if named else np.full(len(vertices), -1),
                    np.arange(len(truth), dtype=np.int32),
                    24.0,
                    "markers",
                )
                take = fit_points(actor, points, PointFittingSettings(contact=0.0))
                off = np.linalg.norm(evaluate_take(actor, take)["vertices"] - frames, axis=-1)[:, front]
                turned = angle_degrees(np.linalg.inv(head) @ take.head)
                vertex = "named" if named else "none"
                rows.append([which, moves, vertex, *map(float, (off.mean(), off.max(), turned.mean(), turned.max()))])
    print_table(
        f"Markers, actor {arguments.seed} (distances in mm)",
        ["markers", "head", "vertices", "mean", "worst", "head off °", "at worst °"],
        rows,
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
        frame_of, camera_of = (place.ravel() for place in np.indices(pixels.shape[:2]))
        seen = ImagePoints(
            names,
            tuple(camera.name for camera in used),
            pixels.reshape(-1, *pixels.shape[2:]),
            np.ones((pixels.shape[0] * pixels.shape[1], pixels.shape[2])),
            frame_of,
            camera_of,
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
