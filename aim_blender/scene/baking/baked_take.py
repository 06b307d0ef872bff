# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bake.npz holds, as arrays in Blender's units. Nothing of Blender's is touched: a thread can read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from ...core.shared.foundation.errors import UNREADABLE, InputError, reason
from ...core.shared.results.bake_arrays import Bake
from ...core.shared.settings.rig_settings import LayerSettings

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

    def wanted(self, layer: LayerSettings) -> Self:
        """The frames that are to be keyed. Raises InputError if there are none, or blending takes longer."""
        least, most = (
            at if at is not None else end
            for at, end in zip((layer.start, layer.end), (self.frames[0], self.frames[-1]), strict=True)
        )
        chosen = np.flatnonzero((self.frames >= least) & (self.frames <= most))
        if len(chosen) == 0:
            raise InputError(
                f"the take has no frame from {least} to {most}; its frames are {self.frames[0]} to {self.frames[-1]}"
            )
        first, last = int(self.frames[chosen[0]]), int(self.frames[chosen[-1]])
        if layer.onto != "action" and layer.blend_in + layer.blend_out > last - first:
            raise InputError(
                f"a layer that blends in over {layer.blend_in} frames and out over {layer.blend_out} does not fit into "
                f"frames {first} to {last}; blend over fewer"
            )
        return self if len(chosen) == len(self.frames) else self.at(chosen)

    def at(self, chosen: np.ndarray) -> Self:
        """Some frames alone, by their indices (f,)."""
        eyes = None if self.eyes is None else replace(self.eyes, gaze=self.eyes.gaze[chosen])
        parts = {name: getattr(self, name)[chosen] for name in ("key_weights", "jaw", "head", "frames")}
        return replace(self, eyes=eyes, **parts)

    def shown(self, frame: int) -> np.ndarray:
        """(V, 3) the points of a frame, by its index, without the motion of the head and the eyes."""
        shaped = self.neutral + np.tensordot(self.key_weights[frame], self.keys, 1)
        jaw, share = self.jaw[frame], self.skin_weight[:, None]
        return np.asarray((1 - share) * shaped + share * (shaped @ jaw[:3, :3].T + jaw[:3, 3]))

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
