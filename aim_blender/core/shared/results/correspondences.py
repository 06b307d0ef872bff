# SPDX-License-Identifier: GPL-3.0-or-later
"""A correspondence: which place on one actor's face is which on another's, where their meshes differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..foundation.errors import InputError
from ..foundation.topology import Topology

MOST_DOUBTFUL = 0.3  # of a mouth, or of eyes, from where the artist is told
LANDMARKS_OF = {
    "mouth": "both mouth corners and the middles of both lips",
    "eyes": "the corners of both eyes and the middles of their lids",
}


@dataclass(frozen=True)
class Correspondence:
    """For each of the target's W vertices a place on a triangle of the source's V vertices.

    source_digest, target_digest: of the two topologies. corners: (W, 3) int32 the source's vertices around the place.
    weights: (W, 3) float64 in [0, 1], their shares, which sum to 1. confidence: (W,) float32 in [0, 1]: 1 where the two
    faces lie on each other and face the same way. settings: how it was made. figures: what was measured then.
    """

    source_digest: str
    target_digest: str
    corners: np.ndarray
    weights: np.ndarray
    confidence: np.ndarray
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def carry(self, values: np.ndarray) -> np.ndarray:
        """Values x (V, ...) of the source's vertices as values (W, ...) at the target's, in the values' own type:
        docs/model.md (33)."""
        weights = self.weights.astype(values.dtype).reshape(*self.weights.shape, *(1,) * (values.ndim - 1))
        return sum(weights[:, k] * values[self.corners[:, k]] for k in range(3))

    def doubts(self) -> dict[str, float]:
        """The shares of the target's vertices that are doubtful, of all and of those about mouth and eyes if known."""
        return {name: value for name, value in self.figures.items() if name.startswith("doubtful")}

    def notes(self) -> list[str]:
        """What an artist should know of it, and do."""
        if self.settings.get("suggested") and not self.settings.get("landmarks"):
            return [
                "no face was found on one of the meshes, so they were laid on each other as wholes: pick landmarks on "
                "both, the tip of the nose, the chin and both corners of mouth and eyes, and look at the correspondence"
            ]
        return [
            f"{100 * self.figures[f'doubtful_{where}_share']:.0f} % of the {where} of the target have no sure place on "
            f"the source: look at the correspondence, and pick {picks} as landmarks on both faces"
            for where, picks in LANDMARKS_OF.items()
            if self.figures.get(f"doubtful_{where}_share", 0.0) > MOST_DOUBTFUL
        ]

    def check(self, source: Topology, target: Topology) -> None:
        """Raise InputError unless it leads from the one topology to the other."""
        for whose, digest, topology in (
            ("source", self.source_digest, source),
            ("target", self.target_digest, target),
        ):
            if digest != topology.digest:
                raise InputError(
                    f"the correspondence was made for another {whose} mesh; make one for this source and this target"
                )
        if self.corners.max() >= source.vertex_count or len(self.corners) != target.vertex_count:
            raise InputError("the correspondence is damaged: its points are not those of its meshes; make it again")
