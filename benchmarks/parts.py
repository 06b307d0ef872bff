# SPDX-License-Identifier: GPL-3.0-or-later
"""How teeth and eyeballs fare that are parts of a face's mesh: their distance from a rigid motion and from the truth,
the gaze, and the skin beside a fit of the skin alone.

    python benchmarks/parts.py [--iterations 60] [--hidden 16] [--resting] [--figures]

The mesh is that of make_cases.py `parts`: skin, sockets, gums and tongue, teeth, eyeballs. Its eyeballs do not turn, so
they are turned here, about the middle of the eyeball's inner shell, in two shapes of the capture and in every frame.
Rigid is what is left of a part after the rigid motion that fits it best.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys

import numpy as np
from common import parser, print_table
from scipy.spatial.transform import Rotation

from aim_blender.core.anatomy.anatomy_request import AnatomyRequest, fit_anatomy
from aim_blender.core.baking.baking import bake_take, posed_frames
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.geometry.rigid import apply_motion, rigid_registration
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.captures import Capture, read_capture
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.settings.fitting_settings import FittingSettings
from aim_blender.core.shared.settings.learning_settings import LearningSettings

SKIN = slice(0, 14062)
PARTS = {
    "upper teeth": slice(17039, 19247),
    "gums and tongue": slice(14062, 17039),
    "lower teeth": slice(19247, 21451),
    "left eyeball": slice(21451, 23021),
    "right eyeball": slice(23021, 24591),
}
INNER = {"left eyeball": slice(22221, 23021), "right eyeball": slice(23791, 24591)}
LOOKS = {"look_up": (-25.0, 0.0), "look_left": (0.0, 30.0)}  # degrees downwards and to the left, in the capture
MODES = 60


def looking(downwards: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """(F, 3, 3) how eyes turn that look so many degrees downwards and to the left (F,): the face looks along Z, Y is
    up."""
    return Rotation.from_euler("YX", np.stack([aside, downwards], axis=1), degrees=True).as_matrix()


def turned(frames: np.ndarray, neutral: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Frames (F, V, 3) with both eyeballs turned (F, 3, 3)."""
    frames = frames.copy()
    for name, inner in INNER.items():
        centre = (neutral[inner].min(0) + neutral[inner].max(0)) / 2
        arm = neutral[PARTS[name]] - centre
        frames[:, PARTS[name]] = arm @ rotation.transpose(0, 2, 1) + centre
    return frames


def case(arguments: argparse.Namespace) -> tuple[Capture, np.ndarray, np.ndarray]:
    """The capture, the performance's frames (F, V, 3) in mm and how its eyes turn (F, 3, 3)."""
    out = arguments.work / "parts"
    if not (out / "truth.npz").exists():
        tool = arguments.shared / "tools" / "make_cases.py"
        subprocess.run([sys.executable, str(tool), "parts", "--out", str(out)], check=True, stdout=sys.stderr)
    capture = read_capture(out / "capture")
    frames = np.load(out / "truth.npz")["vertices"].astype(np.float64)
    time = np.arange(len(frames))
    rotation = looking(20 * np.sin(time / 7), 28 * np.sin(time / 5))
    looks = np.array([LOOKS.get(name, (0.0, 0.0)) for name in capture.names])
    shapes = turned(capture.vertices, capture.neutral, looking(*looks.T)) if arguments.looks else capture.vertices
    bones = fit_anatomy(
        AnatomyRequest(capture.neutral[SKIN], skin_of(capture).topology, millimetres_per_unit=1.0)
    ).bones
    return (
        dataclasses.replace(capture, vertices=shapes, bones=bones),
        turned(frames, capture.neutral, rotation),
        rotation,
    )


def skin_of(capture: Capture) -> Capture:
    """The capture of the skin and the sockets alone."""
    kept = np.zeros(len(capture.neutral), dtype=bool)
    kept[SKIN] = True
    topology, chosen = capture.topology.part(kept)
    return dataclasses.replace(capture, vertices=capture.vertices[:, chosen], topology=topology)


def rigid_mm(frames: np.ndarray, rest: np.ndarray) -> float:
    """How far any point of frames (F, P, 3) is from the rigid motion that fits the rest (P, 3) best."""
    motion = rigid_registration(rest, frames, np.ones(frames.shape[:2]))
    return float(np.linalg.norm(apply_motion(rest, motion) - frames, axis=-1).max())


def gaze_degrees(found: np.ndarray, neutral: np.ndarray, rotation: np.ndarray, part: slice) -> float:
    """By how many degrees an eyeball in frames (F, V, 3) is turned otherwise than it should (F, 3, 3), at most."""
    motion = rigid_registration(neutral[part], found[:, part], np.ones((len(found), part.stop - part.start)))
    off = Rotation.from_matrix(motion[:, :3, :3] @ rotation.transpose(0, 2, 1)).magnitude()
    return float(np.rad2deg(off).max())


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--iterations", type=int, default=60, help="of learning; the residual is exact at any")
    arguments.add_argument("--hidden", type=int, default=16)
    arguments.add_argument("--resting", dest="looks", action="store_false", help="the eyes turn in no shape")
    chosen = arguments.parse_args()
    capture, frames, rotation = case(chosen)
    learning = LearningSettings(iterations=chosen.iterations, hidden=chosen.hidden, device="cpu")
    fitting = FittingSettings(modes=MODES, device="cpu")
    numbers = np.arange(1, len(frames) + 1, dtype=np.int32)

    actor = learn_actor(capture, learning)
    take = fit_performance(actor, Performance(frames, numbers, 24.0, capture.topology, "parts"), fitting)
    shown = evaluate_take(actor, take)["vertices"].astype(np.float64)
    bake = bake_take(actor, take)
    ways = {
        "fit": shown,
        "bake": posed_frames(bake, slice(None)),
        "retarget": evaluate_take(actor, retarget_take(take, actor, actor))["vertices"].astype(np.float64),
    }
    rows: list[list[object]] = []
    for way, found in ways.items():
        for name, part in PARTS.items():
            off = np.linalg.norm(found[:, part] - frames[:, part], axis=-1)
            gaze = f"{gaze_degrees(found, capture.neutral, rotation, part):.2f}" if name in INNER else ""
            bends = name == "gums and tongue"
            rigid = "" if bends else f"{rigid_mm(found[:, part], capture.neutral[part]):.4f}"
            rows.append([way, name, rigid, f"{off.mean():.3f}", f"{off.max():.3f}", gaze])

    alone = skin_of(capture)
    alone_actor = learn_actor(
        dataclasses.replace(alone, jaw_points=capture.vertices[:, PARTS["lower teeth"]]), learning
    )
    alone_frames = Performance(frames[:, SKIN], numbers, 24.0, alone.topology, "skin")
    alone_shown = evaluate_take(alone_actor, fit_performance(alone_actor, alone_frames, fitting))["vertices"]
    for name, found in (("skin, with parts", shown[:, SKIN]), ("skin, alone", alone_shown)):
        off = np.linalg.norm(found - frames[:, SKIN], axis=-1)
        rows.append(["fit", name, "", f"{off.mean():.3f}", f"{off.max():.3f}", ""])
    print_table(
        f"Parts of one mesh, {len(frames)} frames, {'eyes turn' if chosen.looks else 'eyes rest'} in the capture",
        ["step", "part", "off rigid, worst mm", "off truth, mean mm", "worst mm", "gaze off, worst degrees"],
        rows,
    )


if __name__ == "__main__":
    main()
