# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bake.npz holds, as arrays in Blender's units. Nothing of Blender's is touched: a thread can read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.shared.foundation.errors import UNREADABLE, InputError, reason
from ...core.shared.foundation.topology import Topology
from ...core.shared.results.bake_arrays import read_bake

LARGEST_SLIDER = 10.0  # Blender clamps shape key values to a range that ends here at most


@dataclass
class BakedTake:
    """What bake.npz holds, in Blender units instead of millimetres.

    neutral (V, 3), keys (K, V, 3) offsets, key_names (K,) of which the first named_count are the actor's shapes,
    key_weights (F, K), skin_weight (V,) the jaw's share, jaw and head (F, 4, 4), hinge_centre and hinge_axis (3,),
    frames (F,), fps frames a second.
    A frame's mesh is head [(1 - skin_weight) + skin_weight jaw] (neutral + key_weights keys).
    """

    topology: Topology
    neutral: np.ndarray
    key_names: list[str]
    keys: np.ndarray
    named_count: int
    key_weights: np.ndarray
    skin_weight: np.ndarray
    jaw: np.ndarray
    head: np.ndarray
    hinge_centre: np.ndarray
    hinge_axis: np.ndarray
    frames: np.ndarray
    fps: float

    @classmethod
    def load(cls, path: Path, millimetres_per_unit: float) -> BakedTake:
        """Read bake.npz. Raises InputError if it is missing, damaged, or its arrays do not go together."""
        try:
            data = read_bake(path)
            neutral = data["neutral"].astype(np.float64) / millimetres_per_unit
            baked = cls(
                Topology(data["corners"], data["sizes"], len(neutral)),
                neutral,
                [str(name) for name in data["key_names"]],
                data["keys"].astype(np.float64) / millimetres_per_unit,
                int(data["named_count"]),
                data["key_weights"].astype(np.float64),
                data["skin_weight"].astype(np.float64).reshape(-1),
                _in_units(data["jaw"], millimetres_per_unit),
                _in_units(data["head"], millimetres_per_unit),
                data["hinge_centre"].astype(np.float64) / millimetres_per_unit,
                data["hinge_axis"].astype(np.float64),
                data["frames"].astype(np.int64),
                float(data["fps"]),
            )
        except FileNotFoundError:
            raise InputError(f"the baked take {path} is gone; fit the performance again") from None
        except UNREADABLE as error:
            raise InputError(
                f"the baked take {path} is damaged ({reason(error)}); fit the performance again"
            ) from error
        return baked

    @property
    def factors(self) -> np.ndarray:
        """(K,) by what each key is scaled so that its values fit into a slider's range."""
        return np.maximum(1.0, np.abs(self.key_weights).max(0, initial=0.0) / LARGEST_SLIDER)

    def box(self) -> np.ndarray:
        """(8, 3) the corners of a box that all points stay in, whatever the keys do in this take."""
        largest = np.abs(self.key_weights).max(0, initial=0.0)  # (K,)
        farthest = np.abs(self.keys).max(1, initial=0.0).T @ largest  # (3,)
        ends = np.stack([self.neutral.min(0) - farthest, self.neutral.max(0) + farthest])
        return np.stack(np.meshgrid(*ends.T), axis=-1).reshape(-1, 3)


def _in_units(matrices: np.ndarray, millimetres_per_unit: float) -> np.ndarray:
    """Rigid motions (F, 4, 4) of millimetres, for Blender units."""
    matrices = matrices.astype(np.float64)
    matrices[:, :3, 3] /= millimetres_per_unit
    return matrices
