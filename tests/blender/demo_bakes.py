# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo head performs, as a bake, without learning it: for benchmarks and tests of rigs."""

from __future__ import annotations

from typing import Any

import headless
import numpy as np


def demo_bake(frames: int, keys: int = 40, first: int = 1) -> Any:
    """A BakedTake in metres of the demo head's performance, to and fro, as its main shapes and its jaw."""
    demo = headless.extension_module("aim_blender.core.shared.demo.demo_actor").make_demo_actor()
    shot = demo.performance()
    skinned = np.array(demo.skin(shot.jaw, shot.activations))  # (F, V, 3)
    share = demo.skin_weight[:, None, None]
    rests = np.empty_like(skinned)
    for frame, jaw in enumerate(shot.jaw):
        matrix = (1 - share) * np.eye(3) + share * jaw[:3, :3]
        shifted = skinned[frame] - share[:, :, 0] * jaw[:3, 3]
        rests[frame] = np.linalg.solve(matrix, shifted[..., None])[..., 0]
    offsets = (rests - demo.neutral).reshape(len(rests), -1)
    left, values, right = np.linalg.svd(offsets, full_matrices=False)
    weights, shapes = (left * values)[:, :keys], right[:keys].reshape(-1, *demo.neutral.shape)
    there = np.abs(np.arange(frames) % (2 * len(shot.jaw) - 2))
    there = np.where(there < len(shot.jaw), there, 2 * len(shot.jaw) - 2 - there)
    largest = np.abs(weights).max(0)
    metres = 1000.0
    motions = [np.array(each[there]) for each in (shot.jaw, shot.head)]
    for each in motions:
        each[:, :3, 3] /= metres
    baked_take = headless.extension_module("aim_blender.scene.baking.baked_take")
    return baked_take.BakedTake(
        topology=demo.topology,
        neutral=demo.neutral / metres,
        key_names=tuple(f"shape {number}" for number in range(len(shapes))),
        named_count=len(shapes),
        keys=shapes * largest[:, None, None] / metres,
        key_weights=(weights / largest)[there],
        skin_weight=demo.skin_weight,
        jaw=motions[0],
        head=motions[1],
        hinge_centre=demo.hinge_centre / metres,
        hinge_axis=demo.hinge_axis,
        frames=np.arange(first, first + frames),
        fps=24.0,
    )
