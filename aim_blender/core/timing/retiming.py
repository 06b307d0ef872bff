# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames of a take are wanted, at what frame rate, and where they start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry.rigid import recentred
from ..model.actor import Actor
from ..shared.captured.performances import in_range
from ..shared.results.takes import Take
from ..shared.settings.timing_settings import Timing


def retimed(take: Take, actor: Actor, timing: Timing) -> Take:
    """The frames of the actor's take that `timing` asks for.

    A frame between two of the take's mixes their weights, and turns head and jaw evenly from one to the other: the head
    about the middle of the face, the jaw about its hinge. Frames that are the take's own stay exactly what they are.
    Raises InputError if the take has no frame in the range.
    """
    chosen = np.flatnonzero(in_range(take.frames, timing.start, timing.end, "the take"))
    fps = timing.fps or take.fps
    first = int(take.frames[chosen[0]])
    if np.isclose(fps, take.fps, rtol=1e-6):
        numbers = take.frames[chosen] - first
        kept = numbers % timing.step == 0
        position, numbers = chosen[kept].astype(np.float64), numbers[kept]
    else:
        length = (take.frames[chosen[-1]] - first) / take.fps  # seconds
        numbers = np.arange(0, int(np.floor(length * fps + 1e-6)) + 1, timing.step)
        position = np.interp(first + numbers / fps * take.fps, take.frames[chosen], chosen)
    before = np.minimum(np.floor(position + 1e-9).astype(int), len(take.frames) - 1)
    after = np.minimum(before + 1, len(take.frames) - 1)
    share = np.clip(position - before, 0.0, 1.0)  # (F',)
    share[share < 1e-6] = 0.0
    mixed = share[:, None, None].astype(np.float32)
    pivot = actor.neutral.mean(0)
    return replace(
        take,
        coefficients=take.coefficients[before] * (1 - mixed) + take.coefficients[after] * mixed,
        jaw=between(take.jaw[before], take.jaw[after], share, actor.hinge.centre if actor.hinge is not None else pivot),
        head=between(take.head[before], take.head[after], share, pivot),
        **{
            name: values[before] + share.reshape(-1, *[1] * (values.ndim - 1)) * (values[after] - values[before])
            for name, values in (("gaze", take.gaze), ("shape_weights", take.shape_weights))
            if values is not None
        },
        frames=(numbers + (first if timing.first is None else timing.first)).astype(np.int32),
        fps=float(fps),
        # What lies between two frames was never compared with anything: it is said to be as far off as the worse one.
        error_mm=np.where(
            share[:, None] > 0, np.maximum(take.error_mm[before], take.error_mm[after]), take.error_mm[before]
        ),
    )


def between(one: np.ndarray, other: np.ndarray, share: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """Rigid motions (F, 4, 4) a share (F,) of the way from one (F, 4, 4) to the other.

    They turn evenly about pivot (3,), which itself moves on a straight line.
    """
    here, there = recentred(one, pivot), recentred(other, pivot)
    start = Rotation.from_matrix(here[:, :3, :3])
    turn = (start.inv() * Rotation.from_matrix(there[:, :3, :3])).as_rotvec()
    moved = here.copy()
    moved[:, :3, :3] = (start * Rotation.from_rotvec(turn * share[:, None])).as_matrix()
    moved[:, :3, 3] += share[:, None] * (there[:, :3, 3] - here[:, :3, 3])
    return np.where(share[:, None, None] > 0, recentred(moved, -pivot), one)
