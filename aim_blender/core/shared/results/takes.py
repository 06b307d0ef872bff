# SPDX-License-Identifier: GPL-3.0-or-later
"""A take: a performance as the model has it, weights per point and rigid motions per frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..foundation.errors import InputError


@dataclass(frozen=True)
class Take:
    """A fitted performance of F frames.

    names: the N expressions the weights belong to. topology_digest: of the mesh they belong to.
    modes: Φ (V, M) float32 smooth functions on that mesh. coefficients: a (F, M, N) float32, so that the weight of
    expression i at a point is w_i(c) = sum_m Φ_m(c) a_mi. jaw: T_j (F, 4, 4) float64 rigid, in mm. head: H_j alike.
    gaze: (F, E, 3) float64 rotation vectors in radians of the actor's eyes within the head, None where nothing is known
    of them. shape_weights: (F, 52) float64 of ARKit's shapes, where a recording of these was played, else None.
    frames: (F,) int32 frame numbers. fps: frames a second. error_mm: (F, 2) float32 mean and worst error of
    each frame.
    """

    names: tuple[str, ...]
    topology_digest: str
    modes: np.ndarray
    coefficients: np.ndarray
    jaw: np.ndarray
    head: np.ndarray
    frames: np.ndarray
    fps: float
    error_mm: np.ndarray
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    gaze: np.ndarray | None = None
    shape_weights: np.ndarray | None = None


def index_of(take: Take, number: int, purpose: str = "") -> int:
    """Where a frame is in the take. purpose: what it is for. Raises InputError if it has no frame of this number."""
    found = np.flatnonzero(take.frames == number)
    if len(found) == 0:
        raise InputError(
            f"the take has no frame {number}{purpose}; choose one of its frames, from {take.frames[0]} to "
            f"{take.frames[-1]}"
        )
    return int(found[0])


def fading(frames: np.ndarray, number: int, blend: int) -> np.ndarray:
    """(F,) in [0, 1] how much of a change frames (F,) take: all at this number, nothing `blend` + 1 frames away."""
    near = 1.0 - np.abs(frames.astype(np.float64) - number) / (blend + 1)
    return 0.5 - 0.5 * np.cos(np.pi * near.clip(min=0.0))


def worst_frames(frames: np.ndarray, error_mm: np.ndarray, count: int = 5) -> list[dict[str, Any]]:
    """The frames whose worst point is furthest off, the worst first. frames: (F,). error_mm: (F, 2) mean and worst."""
    order = np.argsort(-error_mm[:, 1], kind="stable")[:count]
    return [
        {"frame": int(frames[i]), "mean_mm": float(error_mm[i, 0]), "worst_mm": float(error_mm[i, 1])} for i in order
    ]
