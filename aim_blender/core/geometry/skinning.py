# SPDX-License-Identifier: GPL-3.0-or-later
"""Linear blend skinning with one bone that moves, the jaw, for arrays of NumPy and tensors of PyTorch alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", np.ndarray, "Tensor")


def linear_blend_skinning(points: Array, motion: Array, skin_weight: Array) -> Array:
    """LBS(x, T, k) = (1-k) x + k T x, docs/model.md (2).

    points: x (V, 3), or (..., V, 3) others for each motion. motion: T (..., 4, 4) rigid. skin_weight: k (V, 1). Returns
    (..., V, 3) in the unit of points.
    """
    moved = points @ motion[..., :3, :3].swapaxes(-1, -2)  # (..., V, 3)
    if isinstance(moved, np.ndarray):  # in place: of big meshes a copy costs as much as the product
        moved += motion[..., None, :3, 3]
        moved -= points
        moved *= skin_weight
        moved += points
        return moved
    return points + skin_weight * (moved + motion[..., None, :3, 3] - points)
