# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting with shapes that are left out on purpose, beside shapes without a partner, which the others imitate.

python benchmarks/left_out.py [--source 3] [--target 11] [--frames 30]

The source performs whole shapes, with the weights that a real take has; the truth is the target performing with the
same weights, but for those of what was left out. Baked, the keys of what was left out stay at 0.
"""

import numpy as np
from common import learned, make, parser, print_table

from aim_blender.core.baking.baking import bake_take, bounded_weights
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.performances import Performance, read_performance
from aim_blender.core.shared.settings.retarget_settings import RetargetSettings

LEFT_OUT: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "smile": ("smile",),
    "eyes_closed": ("eyes_closed",),
    "jaw_open": ("jaw_open",),
    "both jaw_open": ("jaw_open", "jaw_open_stretch"),
    "6": ("smile", "eyes_closed", "big_smile", "mouth_left", "jaw_open", "jaw_right"),
}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--source", type=int, default=3)
    found.add_argument("--target", type=int, default=11)
    found.add_argument("--frames", type=int, default=30)
    arguments = found.parse_args()
    source, target = (learned(arguments, seed)[1] for seed in (arguments.source, arguments.target))
    path = make(arguments, "performance", f"performance_{arguments.source}_plain", "--seed", str(arguments.source))
    vertices = read_performance(path).vertices
    vertices = vertices[np.linspace(0, len(vertices) - 1, arguments.frames).astype(int)]
    keys = (source.shapes()[1:] - source.neutral).reshape(len(source.names), -1).astype(np.float32)
    weights = bounded_weights(keys, (vertices - source.neutral).reshape(len(vertices), -1).astype(np.float32))
    frames = np.arange(len(vertices), dtype=np.int32)
    performance = Performance(performing(source, weights).astype(np.float32), frames, 24.0, None, "shapes")
    take = fit_performance(source, performance, FittingSettings(head="still"))
    rows: list[list[object]] = []
    for case, gone in LEFT_OUT.items():
        truth = performing(target, weights * [name not in gone for name in source.names])
        row: list[object] = [case, float(np.linalg.norm(performing(target, weights) - truth, axis=-1).mean())]
        for value in (None, ""):
            pairs = {name: value if name in gone else name for name in source.names}
            known = {name: partner for name, partner in pairs.items() if partner is not None}
            carried = retarget_take(take, source, target, RetargetSettings(pairs=known))
            off = np.linalg.norm(evaluate_take(target, carried)["vertices"] - truth, axis=-1)
            row += [float(off.mean()), float(angle_degrees(carried.jaw).max())]
        bake = bake_take(target, carried)
        keyed = bake.key_weights[:, [i for i, name in enumerate(target.names) if name in gone]]
        rows.append([*row, float(keyed.max(initial=0.0)), int(bake.figures["correctives"])])
    print_table(
        f"Whole shapes of actor {arguments.source} on {arguments.target}, {len(frames)} frames; mm from the target "
        "without what was left out",
        [
            "left out",
            "if it showed",
            "imitated",
            "its jaw, most °",
            "left out on purpose",
            "its jaw, most °",
            "its keys in the bake, most",
            "correctives",
        ],
        rows,
    )


def performing(actor: Actor, weights: np.ndarray) -> np.ndarray:
    """(F, V, 3) mm the actor with weights (F, N) of its whole shapes."""
    shapes = actor.shapes()
    return shapes[0] + np.tensordot(weights, shapes[1:] - shapes[0], 1)


if __name__ == "__main__":
    main()
