# SPDX-License-Identifier: GPL-3.0-or-later
"""How far every point of a take is from the performance it was fitted to, in every frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..fitting.performance_space import in_actor_axes
from ..model.actor import Actor
from ..model.evaluation import CHUNK_FRAMES, check_belongs, placed_frames
from ..shared.captured.performances import Performance, check_performance, to_millimetres
from ..shared.foundation.errors import InputError
from ..shared.results.takes import Take
from .inspection import upright

LARGEST_MM = 6e4  # a point further off is said to be so far: float16 holds no more


def point_errors(
    actor: Actor, take: Take, performance: Performance, report: Callable[[dict], None] = lambda _: None
) -> dict[str, np.ndarray]:
    """errors (F, V) float16 mm, not a number where the performance has no point; frames (F,); up, forward (3,) unit,
    for who looks at the face.

    Raises InputError if the take is of another actor, or the performance is of another mesh or lacks all its frames.
    """
    check_belongs(actor, take)
    performance, _ = in_actor_axes(performance, actor.neutral)
    performance, _ = to_millimetres(performance, actor.neutral, actor.topology)
    check_performance(performance, actor.neutral, actor.topology, report)
    shared, of_take, of_performance = np.intersect1d(take.frames, performance.frames, return_indices=True)
    if len(shared) == 0:
        raise InputError(f"{performance.source} has none of the take's frames; give the performance it was fitted to")
    errors = np.full((len(take.frames), len(actor.bone)), np.nan, dtype=np.float16)
    for first in range(0, len(shared), CHUNK_FRAMES):
        rows, there = of_take[first : first + CHUNK_FRAMES], of_performance[first : first + CHUNK_FRAMES]
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        fitted = placed_frames(actor, take, part)[rows - rows[0]]
        trust = performance.trust(there)
        distance = np.linalg.norm(fitted - performance.vertices[there], axis=-1).clip(max=LARGEST_MM)
        errors[rows] = distance if trust is None else np.where(trust > 0, distance, np.nan)
        report({"message": "Measuring", "done": first + len(rows), "total": len(shared)})
    up, forward = upright(actor)
    return {"errors": errors, "frames": take.frames, "up": up, "forward": forward}
