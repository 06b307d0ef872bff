# SPDX-License-Identifier: GPL-3.0-or-later
"""The learned dense anatomy against bones that are known: the demo actor's by construction, and those of real faces.

python benchmarks/anatomy_learned.py [--actors demo 3 11] [--regions everywhere proposed] [--iterations N]

Each actor is learned with constraints everywhere that a bone lies under the skin, and from the proposed trusted region.
`elsewhere` is the same points for all regions: those over bone that have no constraint even where all are trusted.
"""

import sys
from dataclasses import replace

import numpy as np
import trimesh
from common import capture_of, parser, print_table

from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.learning.preparation import prepare
from aim_blender.core.model.actor import Actor
from aim_blender.core.pictures.inspection import inspect_actor
from aim_blender.core.shared.captured.captures import Bone, Capture
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from aim_blender.core.shared.faces.face_landmarks import suggest_landmarks
from aim_blender.core.shared.faces.trusted_region import propose_trusted
from aim_blender.core.shared.settings.learning_settings import LearningSettings

LARGEST_DEPTH_MM = 25.0  # where the nearest bone is farther under the skin there is none: neck, ears


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--actors", nargs="+", default=["demo", "3", "11"])
    found.add_argument("--regions", nargs="+", default=["everywhere", "proposed"])
    found.add_argument("--iterations", type=int, default=LearningSettings.iterations)
    arguments = found.parse_args()
    rows = []
    for name in arguments.actors:
        capture, truth = demo_capture() if name == "demo" else capture_of(arguments, int(name))
        known = np.zeros(len(capture.neutral), dtype=bool)
        known[prepare(capture).constraints.points] = True
        for region in arguments.regions:
            weights = np.ones(len(capture.neutral))
            if region == "proposed":
                triangles = capture.topology.triangles()
                weights = propose_trusted(capture.neutral, triangles, suggest_landmarks(capture.neutral, triangles))
            actor = learn_actor(replace(capture, trusted=weights), LearningSettings(iterations=arguments.iterations))
            rows.append([name, region, *measured(capture, truth, actor, known)])
            print(rows[-1], file=sys.stderr)
    columns = ["actor", "constraints", "points", "from them mm", "normals °", "bone off, constrained mm"]
    columns += ["elsewhere over bone mm", "least thickness mm", "folded", "implicit mean mm", "worst mm"]
    columns += ["k mean error", "jaw_open °"]
    print_table(f"Learned dense anatomy, {arguments.iterations} iterations", columns, rows)


def demo_capture() -> tuple[Capture, dict[str, np.ndarray]]:
    """The demo actor with its own bones, and its truth as capture_of has it."""
    demo = make_demo_actor()
    bones = {
        "skull": Bone(demo.skull_vertices, demo.skull_triangles),
        "mandible": Bone(demo.mandible_vertices, demo.mandible_triangles),
    }
    truth = {"jaw": demo.jaw[1:], "skin_weight": demo.skin_weight}
    return Capture(tuple(demo.names), demo.shapes, demo.topology, bones), truth


def measured(capture: Capture, truth: dict[str, np.ndarray], actor: Actor, known: np.ndarray) -> list[object]:
    """How far the learned bone lies from the constraints, and from the bones' surface under constrained and other
    points (known: (V,) bool, those that could be constrained); what the learned shapes, k and jaw are off."""
    surface = trimesh.util.concatenate(
        [trimesh.Trimesh(bone.vertices, bone.triangles, process=False) for bone in capture.bones.values()]
    )
    off = trimesh.proximity.closest_point(surface, actor.bone)[1]
    depth = trimesh.proximity.closest_point(surface, capture.neutral)[1]
    others = ~known & (depth < LARGEST_DEPTH_MM)
    at = actor.constraints.points
    apart = np.linalg.norm(actor.bone[at] - actor.constraints.bone, axis=1)
    turned = np.degrees(np.arccos((actor.normal[at] * actor.constraints.normal).sum(1).clip(-1, 1)))
    figures = inspect_actor(actor)[1]
    return [
        f"{len(at)} ({len(at) / len(off):.1%})",
        float(apart.mean()),
        float(turned.mean()),
        float(off[at].mean()),
        float(off[others].mean()),
        figures["thickness_least_mm"],
        f"{figures['folded_faces']} of {figures['faces']}",
        figures["error_mean_mm"],
        figures["error_worst_mm"],
        float(np.abs(actor.skin_weight[:, 0] - truth["skin_weight"]).mean()),
        f"{angle_degrees(actor.jaw)[0]:.1f} of {angle_degrees(truth['jaw'])[0]:.1f}",
    ]


if __name__ == "__main__":
    main()
