# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting between learned actors of real faces: error on the target and its jaw, beside what others do.

python benchmarks/retargeting.py [--source 3] [--target 11] [--modes 120] [--frames 100] [--one-way] [--same-mesh]

One table for each direction. Across topologies the target is another mesh of the same face, learned as such, and the
truth is carried to it. A target of which only the neutral is known gets its expressions from the source. Where shapes
have no partner, the truth is still what the target does with all of them.
"""

import argparse
import time

import numpy as np
from common import learned, make, parser, print_table
from deformation_transfer import DeformationTransfer
from remeshing import REMESHED, carried, learned_remeshed
from scipy import sparse

from aim_blender.core.baking.baking import bounded_weights
from aim_blender.core.characters.transferring import transfer_actor
from aim_blender.core.correspondence.correspondence import Correspondence, make_correspondence
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.settings.retarget_settings import RetargetSettings

OPEN_DEGREES = 3.0  # from where a jaw's relative error means something
LENGTHS = (100, 400)  # frames of the whole take
UNPAIRED = {
    "jaw_open": ("jaw_open",),
    "both jaw_open": ("jaw_open", "jaw_open_stretch"),
    "3 at random": ("smile", "eyes_closed", "big_smile"),
    "6, with jaw_open": ("smile", "eyes_closed", "big_smile", "mouth_left", "jaw_open", "jaw_right"),
}
UNPAIRED["10, with jaw_open"] = (*UNPAIRED["6, with jaw_open"], "frown", "dimple_press", "surprise", "pucker")
CASES = {
    "weights of whole shapes, as they are": RetargetSettings(settling=0.0),
    "the same, settled (the default)": RetargetSettings(),
}


def true_correspondence(source: Topology, target: Topology, matrix: sparse.csr_matrix) -> Correspondence:
    """What a perfect registration would find: the other mesh's vertices as the means that they were made as."""

    class Known(Correspondence):
        def carry(self, values: np.ndarray) -> np.ndarray:
            flat = matrix @ values.reshape(len(values), -1)
            return flat.reshape(-1, *values.shape[1:]).astype(values.dtype)

    nothing = np.zeros((matrix.shape[0], 3), np.int32)
    return Known(source.digest, target.digest, nothing, nothing.astype(np.float64), np.ones(matrix.shape[0]))


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--source", type=int, default=3)
    found.add_argument("--target", type=int, default=11)
    found.add_argument("--modes", type=int, default=FittingSettings.modes)
    found.add_argument("--frames", type=int, default=100, choices=LENGTHS)
    found.add_argument("--one-way", action="store_true", help="not back from the target to the source")
    found.add_argument("--same-mesh", action="store_true", help="without other topologies and neutrals alone")
    arguments = found.parse_args()
    measure(arguments)
    if not arguments.one_way:
        arguments.source, arguments.target = arguments.target, arguments.source
        measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    """Print one table."""
    options = () if arguments.frames == 100 else ("--frames", str(arguments.frames), "--step", "9")
    actors, paths = {}, {}
    for seed in (arguments.source, arguments.target):
        _, actors[seed] = learned(arguments, seed)
        name = f"performance_{seed}_" + "_".join(["plain", *options]).replace("-", "")
        paths[seed] = make(arguments, "performance", name, "--seed", str(seed), *options)
    source, target = actors[arguments.source], actors[arguments.target]
    performed = read_performance(paths[arguments.source])
    with np.load(paths[arguments.target]) as archive:
        truth, true_jaw = archive["vertices"].astype(np.float64), angle_degrees(archive["jaw"])
    moved = performed.vertices.astype(np.float64) - source.neutral
    rows = []

    def add(
        case: str,
        vertices: np.ndarray,
        jaw: np.ndarray | None,
        seconds: float | None,
        carry: sparse.csr_matrix | None = None,
    ) -> None:
        distance = np.linalg.norm(vertices - (truth if carry is None else carried(carry, truth)), axis=-1)
        row: list[object] = [case, float(distance.mean()), float(np.quantile(distance, 0.99)), float(distance.max())]
        if jaw is None:
            row += ["", "", ""]
        else:
            mine, wide = angle_degrees(jaw), true_jaw > OPEN_DEGREES
            relative = np.abs(mine - true_jaw)[wide] / true_jaw[wide]
            row += [float(np.polyfit(true_jaw, mine, 1)[0]), float(np.abs(mine - true_jaw).mean())]
            row += [f"{100 * np.median(relative):.0f} / {100 * np.abs(mine - true_jaw).sum() / true_jaw.sum():.0f}"]
        rows.append([*row, "" if seconds is None else float(seconds)])

    add("not moving", np.broadcast_to(target.neutral, truth.shape), None, None)
    add("offsets copied", target.neutral + moved, None, None)
    keys = (source.shapes()[1:] - source.neutral).reshape(len(source.names), -1).astype(np.float32)
    weights = bounded_weights(keys, moved.reshape(len(moved), -1).astype(np.float32))
    other = target.shapes()[1:] - target.neutral
    add("one weight per shape", target.neutral + np.tensordot(weights, other, 1), None, None)
    start = time.perf_counter()
    movement = np.linalg.norm(source.shapes()[1:] - source.neutral, axis=-1).max(0)
    transfer = DeformationTransfer(source.neutral, target.neutral, source.topology.triangles(), movement)
    transferred = transfer.transfer(performed.vertices)
    add("deformation transfer", transferred, None, time.perf_counter() - start)

    take = fit_performance(source, performed, FittingSettings(modes=arguments.modes))

    def add_retargeted(
        case: str,
        settings: RetargetSettings,
        target: Actor = target,
        carry: sparse.csr_matrix | None = None,
        correspondence: Correspondence | None = None,
    ) -> None:
        start = time.perf_counter()
        retargeted = retarget_take(take, source, target, settings, correspondence=correspondence)
        seconds = time.perf_counter() - start
        add(case, evaluate_take(target, retargeted)["vertices"], retargeted.jaw, seconds, carry)

    for case, settings in CASES.items():
        add_retargeted(case, settings)
    for case, unpaired in UNPAIRED.items():
        pairs = {name: name for name in source.names if name not in unpaired}
        add_retargeted(f"unpaired: {case}", RetargetSettings(pairs=pairs))
    plain = RetargetSettings()
    if not arguments.same_mesh:
        alone = transfer_actor(source, target.neutral, target.topology, None, "the source")
        add_retargeted("neutral only", plain, alone)
    for kind in () if arguments.same_mesh else REMESHED:
        other, carry = learned_remeshed(arguments, arguments.target, kind)
        start = time.perf_counter()
        found = make_correspondence(source.neutral, source.topology, other.neutral, other.topology)
        made = time.perf_counter() - start
        known = true_correspondence(source.topology, other.topology, carry)
        case = f"target {kind}, {len(other.bone)} vertices (correspondence {made:.0f} s)"
        add_retargeted(case, plain, other, carry, found)
        add_retargeted(f"target {kind}, with the true correspondence", plain, other, carry, known)
        alone = transfer_actor(source, other.neutral, other.topology, found, "the source")
        add_retargeted(f"target {kind}, neutral only", plain, alone, carry, found)
    print_table(
        f"Retarget of actor {arguments.source} to {arguments.target}, {len(truth)} frames, {arguments.modes} modes "
        "(distances in mm)",
        ["case", "mean", "99 %", "worst", "jaw slope", "jaw error °", "jaw error %: median open / total", "s"],
        rows,
    )


if __name__ == "__main__":
    main()
