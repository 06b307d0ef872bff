# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bake.npz holds, as arrays in Blender's units. Nothing of Blender's is touched: a thread can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np

from ...core.shared.foundation.errors import UNREADABLE, InputError, reason
from ...core.shared.results.bake_arrays import Bake

LARGEST_SLIDER = 10.0  # Blender clamps shape key values to a range that ends here at most


class BakedTake(Bake):
    """A bake in Blender units instead of millimetres."""

    @classmethod
    def load(cls, path: Path, millimetres_per_unit: float) -> Self:
        """Read bake.npz. Raises InputError if it is missing, damaged, or its arrays do not go together."""
        try:
            return cls.read(path, millimetres_per_unit)
        except FileNotFoundError:
            raise InputError(f"the baked take {path} is gone; fit the performance again") from None
        except UNREADABLE as error:
            raise InputError(
                f"the baked take {path} is damaged ({reason(error)}); fit the performance again"
            ) from error

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
