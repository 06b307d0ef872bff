# SPDX-License-Identifier: GPL-3.0-or-later
"""The template's bones fitted to real heads: seconds, tissue depths, teeth, symmetry, and the jaw that is read off.

python benchmarks/anatomy.py

The picture of the fitted bones goes to docs/pictures/anatomy.png.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

import numpy as np
from common import ROOT, capture_of, parser, print_table
from scipy.spatial import cKDTree

from aim_blender.core.anatomy.anatomy_fit import AnatomyFit, tooth_points
from aim_blender.core.anatomy.anatomy_request import AnatomyRequest, fit_anatomy
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.learning.preparation import prepare
from aim_blender.core.shared.bones.template_bones import read_template_bones
from aim_blender.core.shared.captured.captures import BONE_NAMES, Bone
from aim_blender.core.shared.foundation.topology import Topology

SKIN = 11_248  # vertices of the face model before this are the skin
JAW_SHAPES = ("jaw_open", "jaw_open_stretch", "jaw_left", "jaw_right")


def main() -> None:
    arguments = parser(__doc__).parse_args()
    rows, fits = [], []
    for title, seed in (("mean", None), ("3", 3), ("11", 11)):
        head, topology, teeth = real_head(arguments, seed)
        neutral = head[:SKIN]
        start = time.perf_counter()
        fit = fit_anatomy(AnatomyRequest(neutral, topology))
        seconds = time.perf_counter() - start
        shared = fit_anatomy(AnatomyRequest(neutral, topology, fit.landmarks, bones=shared_bones(arguments, neutral)))
        points = joined(fit)
        template = read_template_bones()
        crowns = tooth_points(
            np.concatenate([template[name].vertices for name in BONE_NAMES]), len(template["skull"].vertices)
        )
        to_teeth = {
            name: float(cKDTree(teeth[name]).query(points[chosen])[0].mean()) for name, chosen in crowns.items()
        }
        apart = cKDTree(points).query(points * [-1, 1, 1])[0]
        errors = [abs(fit.depths_reached[name] - asked) for name, asked in fit.depths_asked.items()]
        rows.append(
            [
                title,
                seconds,
                fit.outside,
                fit.mean_depth_error,
                max(errors),
                to_teeth["upper_teeth"],
                to_teeth["lower_teeth"],
                float(apart.mean()) if seed is None else "",
                shared.mean_depth_error,
                shared.outside,
                float(cKDTree(joined(shared)).query(points)[0].mean()),
            ]
        )
        fits.append((title, neutral, topology, fit))
    print_table(
        "Template bones fitted to ICT heads (mm)",
        [
            "head",
            "seconds",
            "bone points outside",
            "depth off, mean",
            "depth off, worst",
            "upper teeth off",
            "lower teeth off",
            "left to right",
            "given bones: depth off",
            "outside",
            "fitted to given",
        ],
        rows,
    )
    print_jaws(arguments)
    draw(fits)


def print_jaws(arguments: argparse.Namespace) -> None:
    """What the capture's own bones and the fitted template's make of the jaw, before the networks learn."""
    rows = []
    for seed in (3, 11):
        capture, truth = capture_of(arguments, seed)
        true = dict(zip(capture.names[1:], angle_degrees(truth["jaw"]), strict=True))
        fit = fit_anatomy(AnatomyRequest(capture.neutral, capture.topology))
        for title, bones in (("given", capture.bones), ("template", fit.bones)):
            prepared = prepare(dataclasses.replace(capture, bones=bones))
            found = dict(zip(capture.names[1:], angle_degrees(prepared.jaw.jaw), strict=True))
            rests = [found[name] for name in true if true[name] < 1e-3 and name != "jaw_forward"]
            weight = np.abs(prepared.jaw.skin_weight - truth["skin_weight"])
            degrees = [f"{found[name]:.1f} of {true[name]:.1f}" for name in JAW_SHAPES]
            rows.append([seed, title, len(prepared.constraints), *degrees, max(rests), float(weight.mean())])
    columns = ["actor", "bones", "constraints", *(f"{name} °" for name in JAW_SHAPES), "most at rest °", "k mean error"]
    print_table("The jaw by given and by fitted bones", columns, rows)


def real_head(arguments: argparse.Namespace, seed: int | None) -> tuple[np.ndarray, Topology, dict[str, np.ndarray]]:
    """All vertices (·, 3) mm of an actor of make_capture.py or of the mean head, its skin's faces, and its teeth."""
    with np.load(arguments.shared / "data" / "ict_facekit.npz") as data:
        deltas = data["identity_deltas_cm"]
        identity = np.zeros(len(deltas)) if seed is None else np.random.default_rng(seed).normal(size=len(deltas))
        head = 10 * (data["neutral_cm"] + np.tensordot(identity, deltas, 1)).astype(np.float64)
        faces = data["faces"]
        ends = dict(zip(data["part_names"].tolist(), data["part_vertex_end"].tolist(), strict=True))
    first, last = ends["gums_and_tongue"], ends["teeth"]
    middle = first + (last - first) // 2  # upper and lower teeth are one mesh twice, with as many vertices
    lower, upper = sorted((head[first:middle], head[middle:last]), key=lambda each: each[:, 1].mean())
    teeth = {"upper_teeth": upper, "lower_teeth": lower}
    return head, Topology.from_padded(faces[(faces < SKIN).all(1)], SKIN), teeth


def shared_bones(arguments: argparse.Namespace, neutral: np.ndarray) -> dict[str, Bone]:
    """The bones that come with the data, carried from the mean head by the affine map that make_capture.py uses."""
    mean = real_head(arguments, None)[0][:SKIN]
    pick = np.linspace(0, SKIN - 1, 400).astype(int)
    affine = np.linalg.lstsq(np.c_[mean[pick], np.ones(len(pick))], neutral[pick], rcond=None)[0]
    with np.load(arguments.shared / "data" / "ict_bones.npz") as data:
        return {
            name: Bone(np.c_[data[f"{name}_vertices_mm"], np.ones(len(data[f"{name}_vertices_mm"]))] @ affine,
                       data[f"{name}_triangles"])
            for name in BONE_NAMES
        }  # fmt: skip


def joined(fit: AnatomyFit) -> np.ndarray:
    return np.concatenate([fit.bones[name].vertices for name in BONE_NAMES])


def draw(fits: list[Any]) -> None:
    """Every head's bones in its transparent skin, from the front and from its left."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.collections import PolyCollection

    figure, axes = pyplot.subplots(2, len(fits), figsize=(3.2 * len(fits), 7.2))
    views = (np.eye(3), np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))
    for column, (title, neutral, topology, fit) in enumerate(fits):
        for axis, view in zip(axes[:, column], views, strict=True):
            skull, mandible = (fit.bones[name] for name in BONE_NAMES)
            faces = np.concatenate([skull.triangles, mandible.triangles + len(skull.vertices)])
            layers = [(joined(fit), faces, (0.9, 0.85, 0.72), 1.0)]
            layers.append((neutral, topology.triangles(), (0.85, 0.45, 0.35), 0.06))
            for vertices, triangles, colour, opacity in layers:
                corners = (vertices @ view.T)[triangles]
                normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
                normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
                order = np.argsort(corners[:, :, 2].mean(1))
                light = 0.25 + 0.75 * np.abs(normals @ [0.3, 0.3, 0.9])
                shades = np.c_[np.outer(light, colour).clip(0, 1), np.full(len(light), opacity)]
                axis.add_collection(
                    PolyCollection(corners[order][:, :, :2], facecolors=shades[order], edgecolors="none")
                )
            axis.set_aspect("equal")
            axis.autoscale_view()
            axis.set_ylim(-125, 150)
            axis.axis("off")
        axes[0, column].set_title(f"{title} head" if title == "mean" else f"actor {title}")
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "pictures" / "anatomy.png", dpi=80)


if __name__ == "__main__":
    main()
