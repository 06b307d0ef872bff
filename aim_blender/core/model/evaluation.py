# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a take: s_j = H_j [ LBS(s0, T_j, k) + sum_i w_ji(c) e_i(c) ] (docs/model.md section 1)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..geometry.rigid import apply_motion
from ..geometry.skinning import linear_blend_skinning
from ..parts.turning import place_eyes
from ..shared.foundation.errors import InputError
from ..shared.foundation.large_arrays import room_for
from ..shared.results.takes import Take
from .actor import Actor
from .closed_form import expression_offsets

CHUNK_FRAMES = 64


def evaluate_take(actor: Actor, take: Take, report: Callable[[dict], None] = lambda _: None) -> dict[str, np.ndarray]:
    """vertices (F, V, 3) float32 mm, jaw (F, 4, 4), head (F, 4, 4), frames (F,), fps of a take on this actor.

    The vertices of a long take lie in a temporary file. report is called with {"message", "done", "total"}. Raises
    InputError if the take belongs to another mesh or has other expressions.
    """
    check_belongs(actor, take)
    vertices = room_for((len(take.frames), len(actor.bone), 3))
    for first in range(0, len(vertices), CHUNK_FRAMES):
        part = slice(first, min(first + CHUNK_FRAMES, len(vertices)))
        vertices[part] = placed_frames(actor, take, part)
        report({"message": "Evaluating", "done": part.stop, "total": len(vertices)})
    return {
        "vertices": vertices,
        "jaw": take.jaw,
        "head": take.head,
        "frames": take.frames,
        "fps": np.array(take.fps),
    }


def placed_frames(actor: Actor, take: Take, part: slice) -> np.ndarray:
    """The frames s_j of docs/model.md (4), (f, V, 3) float64 of a part of a take, with the head's motion."""
    return placed(actor, stabilized_frames(actor, take, part), take.head[part])


def placed(actor: Actor, stabilized: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Frames (f, V, 3) without the head's motion, with it (f, 4, 4); parts that are still do not go along."""
    moved = apply_motion(stabilized, head)
    if actor.parts is not None and "still" in actor.parts.kinds:
        rows = actor.parts.of("still")
        moved[:, rows] = actor.neutral[rows]
    return moved


def stabilized_frames(actor: Actor, take: Take, part: slice, vertices: np.ndarray | slice = slice(None)) -> np.ndarray:
    """The frames (f, V, 3) float64 of a part of a take, without the head's motion; of some vertices (K,), or of all."""
    offsets = expression_offsets(
        torch.as_tensor(take.modes[vertices]),
        torch.as_tensor(take.coefficients[part]),
        torch.as_tensor(actor.expressions[vertices]).float(),
    )
    skinned = linear_blend_skinning(actor.neutral[vertices], take.jaw[part], actor.skin_weight[vertices])
    gaze = None if take.gaze is None else take.gaze[part]
    return place_eyes(skinned + offsets.double().numpy(), actor.parts, gaze, vertices)


def check_belongs(actor: Actor, take: Take) -> None:
    """Raise InputError unless the take's mesh, points, eyes and expressions are this actor's."""
    if take.topology_digest != actor.topology.digest:
        raise InputError("the take was fitted on another mesh than the actor's; give the actor it was fitted with")
    if take.names != actor.names:
        raise InputError("the take has other expressions than the actor; give the actor it was fitted with")
    if len(take.modes) != len(actor.bone):
        raise InputError(
            f"the take has weights for {len(take.modes)} points but the actor's mesh has {len(actor.bone)}; "
            "the take is damaged, fit the performance again"
        )
    eyes = 0 if actor.parts is None else len(actor.parts.eyes)
    if take.gaze is not None and take.gaze.shape[1] != eyes:
        raise InputError(
            f"the take has the gaze of {take.gaze.shape[1]} eyes but the actor {eyes}, as when the actor was learned "
            "anew with other parts; fit the performance again"
        )
