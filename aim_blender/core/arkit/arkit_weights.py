# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's weights of ARKit's 52 shapes, in [0, 1]: bounded least squares over all frames, smooth in time."""

from __future__ import annotations

import numpy as np

from ..anatomy.jaw import decompose_jaw, envelope
from ..baking.baking import bounded_weights
from ..shared.faces.arkit_names import JAW, SHAPES
from .arkit_shapes import ArkitShapes

ITERATIONS = 1500  # shapes of one mouth are alike, which takes longer than captured ones do
SPARING = 2e-3  # of the shapes' mean squared offset: what a full weight costs, so that like shapes do not fight
MOVES_MM = 1e-3  # a key that moves no point further stays at 0
COLUMNS = [SHAPES.index(shape) for shape in JAW]


def jaw_weights(shapes: ArkitShapes, jaw: np.ndarray) -> np.ndarray:
    """(F, 4) in [0, 1] how much of each of the jaw's own shapes a take's jaw (F, 4, 4) does; 0 where no jaw moves."""
    if shapes.hinge is None:
        return np.zeros((len(jaw), len(JAW)))
    measure = envelope(shapes.hinge)  # poses of all sorts in one measure
    return key_weights(shapes.poses[COLUMNS] @ measure.T, decompose_jaw(jaw, shapes.hinge) @ measure.T, temporal=0.0)


def key_weights(
    keys: np.ndarray,
    frames: np.ndarray,
    fixed: np.ndarray | None = None,
    free: np.ndarray | None = None,
    temporal: float | None = None,
) -> np.ndarray:
    """Weights g (F, N) in [0, 1] of keys (N, X) that bring them closest to frames (F, X).

    fixed: (F, N) weights that are known, those of keys that are not free (N,) bool. Keys that move nothing stay at 0.
    """
    found = np.zeros((len(frames), len(keys))) if fixed is None else fixed.copy()
    moving = np.abs(keys).max(1, initial=0.0) > MOVES_MM
    chosen = np.flatnonzero(moving if free is None else moving & free)
    if len(chosen) == 0:
        return found
    left = frames - (found @ keys).astype(frames.dtype) if found.any() else frames
    # A further coordinate a key, at which every frame is at rest: a little of a ridge.
    ridge = np.sqrt(SPARING * np.square(keys[chosen]).sum(1).mean()) * np.eye(len(chosen), dtype=keys.dtype)
    wide = np.concatenate([keys[chosen], ridge], axis=1)
    longer = np.concatenate([left, np.zeros((len(left), len(chosen)), left.dtype)], axis=1)
    options = {} if temporal is None else {"temporal": temporal}
    found[:, chosen] = bounded_weights(wide, longer, ITERATIONS, highest=1.0, **options)
    return found
