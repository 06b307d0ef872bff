# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse points and landmarks of people who are not the actor: what is left of the performance, and what is told."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from common import make, parser, print_table

from aim_blender.core.files.files import load_actor
from aim_blender.core.fitting.fitting_image_points import fit_image_points
from aim_blender.core.fitting.fitting_points import fit_points
from aim_blender.core.fitting.jaw_of_frame import spread_points
from aim_blender.core.geometry.rigid import apply_motion, rigid_registration
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.model.head import without_head
from aim_blender.core.points.image_points import ImagePoints, LandmarkMap
from aim_blender.core.points.points import PointPerformance
from aim_blender.core.shared.captured.cameras import blender_camera
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.point_settings import ImageFittingSettings, PointFittingSettings

COLUMNS = [
    "case",
    "whole skin, mean",
    "face at rest, mean / worst",
    "r of lip gap, mouth width, corners",
    "largest weight",
    "told mean / worst",
    "left out",
    "frames/s",
]


def features(vertices: np.ndarray, landmarks: np.ndarray) -> list[np.ndarray]:
    """Lip gap, mouth width and height of the mouth's corners (F,) of frames (F, V, 3); landmarks: 68 vertices."""
    lips = vertices[:, landmarks].astype(np.float64)
    gap = np.linalg.norm(lips[:, 62] - lips[:, 66], axis=-1)
    width = np.linalg.norm(lips[:, 48] - lips[:, 54], axis=-1)
    return [gap, width, lips[:, [48, 54], 1].mean(1) - lips[:, 33, 1]]


class Judge:
    """What a take is compared with: the same performance by the actor, and its frame nearest to rest."""

    def __init__(self, arguments: argparse.Namespace, actor: Actor, truth: dict[str, np.ndarray]) -> None:
        with np.load(arguments.shared / "data" / "ict_facekit.npz") as archive:
            self.landmarks = archive["landmark_68_vertex"]
        self.actor, self.truth = actor, truth["vertices"].astype(np.float64)
        self.rest = int(np.linalg.norm(self.truth - actor.neutral, axis=-1).mean(1).argmin())

    def row(self, case: str, take: Take, aligned: bool = False) -> list[object]:
        """A line of the table. aligned: the frames are put onto the truth, for a head that a camera sees."""
        found = without_head(evaluate_take(self.actor, take)["vertices"].astype(np.float64), take.head)
        if aligned:
            even = np.ones((1, found.shape[1]))
            pairs = zip(found, self.truth, strict=True)
            found = np.stack([apply_motion(one, rigid_registration(one, true[None], even))[0] for one, true in pairs])
        off = np.linalg.norm(found - self.truth, axis=-1)
        curves = zip(features(found, self.landmarks), features(self.truth, self.landmarks), strict=True)
        figures = take.figures
        return [
            case,
            float(off.mean()),
            f"{off[self.rest].mean():.2f} / {off[self.rest].max():.1f}",
            " ".join(f"{np.corrcoef(mine, true)[0, 1]:.3f}" for mine, true in curves),
            float(max(np.abs(take.modes @ frame).max() for frame in take.coefficients)),
            f"{figures['mean_mm']:.2f} / {figures['worst_mm']:.1f}",
            f"{figures['outliers'] / max(1, figures['points'] * len(take.frames)):.1%}",
            float(figures["frames_per_second"]),
        ]


def in_space(arguments: argparse.Namespace, actor: Actor) -> None:
    """Markers of the actor and of others, bound by vertex, with noise or without, with bounds or without."""
    moved = np.sqrt((actor.expressions**2).sum(-1).mean(1))
    wanted = np.minimum(moved / moved.mean(), 3.0) ** 0.5  # markers are put where a face moves
    judge = Judge(arguments, actor, performed(arguments, arguments.seed))
    random, rows = np.random.default_rng(0), []
    for count in arguments.points:
        vertices = spread_points(actor.neutral, wanted, count)
        for seed in (arguments.seed, *arguments.others):
            positions = performed(arguments, seed)["vertices"][:, vertices].astype(np.float64)
            noisy = positions + random.normal(scale=0.5, size=positions.shape)
            cases: list[tuple[str, np.ndarray, dict[str, Any]]] = [("", positions, {})]
            cases += [("rest off", positions, {"rest_frame": "off"})] if arguments.off else []
            cases += [(f"0.5 mm noise, weights to {w:g}", noisy, {"largest_weight": w}) for w in arguments.largest]
            for what, places, choices in cases:
                case = f"{count} points of {seed}{', ' if what else ''}{what}"
                points = PointPerformance(
                    tuple(map(str, vertices)),
                    places,
                    np.ones(places.shape[:2]),
                    vertices,
                    np.arange(len(places), dtype=np.int32),
                    24.0,
                    "points",
                )
                try:
                    take = fit_points(actor, points, dataclasses.replace(PointFittingSettings(), **choices))
                    rows.append(judge.row(case, take))
                except InputError as error:
                    rows.append([case, f"refused: {error}", *[""] * (len(COLUMNS) - 2)])
    print_table(f"Markers fitted to actor {arguments.seed} (mm)", COLUMNS, rows)


def in_images(arguments: argparse.Namespace, actor: Actor) -> None:
    """68 landmarks that one camera sees, 0.3 pixels of noise, of every fifth frame."""
    truth = performed(arguments, arguments.seed)
    judge = Judge(arguments, actor, {"vertices": truth["vertices"][::5]})
    neutral = actor.neutral
    middle = neutral[neutral[:, 2] > np.quantile(neutral[:, 2], 0.9)].mean(0)
    matrix = np.eye(4)
    matrix[:3, 3] = middle + np.array([0.0, 0.0, 700.0])
    camera = blender_camera("front", matrix, (1920, 1080), 50.0)
    random, rows = np.random.default_rng(0), []
    for seed in (arguments.seed, *arguments.others):
        vertices = performed(arguments, seed)["vertices"][::5][:, judge.landmarks].astype(np.float64)
        pixels = camera.project(vertices) + random.normal(scale=0.3, size=(*vertices.shape[:2], 2))
        frames = np.arange(len(pixels), dtype=np.int32)
        names = tuple(f"{index} {vertex}" for index, vertex in enumerate(judge.landmarks))
        seen = ImagePoints(
            names, ("front",), pixels, np.ones(pixels.shape[:2]), frames, np.zeros_like(frames), frames, 24.0, "points"
        )
        places = LandmarkMap({name: int(name.split()[1]) for name in names}, "landmarks")
        for what, choices in (
            ("", {}),
            ("rest off", {"rest_frame": "off"}),
            ("no bounds", {"largest_weight": 0.0}),
            ("neither", {"rest_frame": "off", "largest_weight": 0.0}),
        ):
            settings = dataclasses.replace(ImageFittingSettings(), **choices)
            take = fit_image_points(actor, seen, [camera], places, settings)
            rows.append(judge.row(f"68 landmarks of {seed}{', ' if what else ''}{what}", take, aligned=True))
    print_table(f"Landmarks of one camera fitted to actor {arguments.seed} (mm, aligned)", COLUMNS, rows)


def performed(arguments: argparse.Namespace, seed: int) -> dict[str, np.ndarray]:
    """The performance of an identity: the same expressions for all."""
    with np.load(make(arguments, "performance", f"performance_{seed}_plain", "--seed", str(seed))) as archive:
        return {"vertices": archive["vertices"]}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3, help="the actor's identity")
    found.add_argument("--actor", type=Path, help="the learned actor of that identity (default: learned once)")
    found.add_argument("--others", type=int, nargs="*", default=[11, 117], help="whose points are fitted to it")
    found.add_argument("--points", type=int, nargs="*", default=[90, 150])
    found.add_argument("--largest", type=float, nargs="*", default=[0.0, 1.5, 1.25, 1.0])
    found.add_argument("--off", action="store_true", help="also without a rest frame")
    found.add_argument("--only", choices=("space", "images"))
    arguments = found.parse_args()
    if arguments.actor is None:
        from common import learned

        actor = learned(arguments, arguments.seed)[1]
    else:
        actor = load_actor(arguments.actor)
    for name, measure in (("space", in_space), ("images", in_images)):
        if arguments.only in (None, name):
            measure(arguments, actor)


if __name__ == "__main__":
    main()
