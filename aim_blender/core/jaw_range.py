# SPDX-License-Identifier: GPL-3.0-or-later
"""What a performer's jaw does beyond what a target's shapes can show of it: only the target's jaw bone does that, in its
own range (MODEL.md section 4).

Poses (..., 6) are those of decompose_jaw: a rotation vector in radians about the hinge, then a slide in mm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .actor import Actor
from .imitation import Mixture
from .jaw import decompose_jaw, hinge_axes

LEAST_TURN = np.deg2rad(3.0)  # of a jaw's opening, from where two ranges can be compared
RATIO = (0.25, 4.0)  # of two actors' openings; what lies beyond is no range of a jaw's
LEAST_MISSING = np.deg2rad(2.0), 1.5  # of turn and mm of slide that a shape must lack for the bone to make up for it
LEAST_OPENING = np.deg2rad(1.0)  # of a frame, from where its opening is told by the take, not by its shapes


class JawBeyond:
    """Of a source whose shapes are mixtures (N of them) of a target's; both have a hinge.

    scale: the target's size, measured by the source. left_out: the source's shapes of which nothing is to show.
    """

    def __init__(
        self, source: Actor, target: Actor, mixtures: Sequence[Mixture], left_out: Sequence[str], scale: float
    ) -> None:
        assert source.hinge is not None
        assert target.hinge is not None
        self.hinge, self.axis = source.hinge, source.hinge.axis
        self.own = decompose_jaw(source.jaw, source.hinge)  # (N, 6)
        other = decompose_jaw(target.jaw, target.hinge)  # (K, 6)
        opening = self.own[:, :3] @ source.hinge.axis, other[:, :3] @ target.hinge.axis
        widest = [each.max(initial=0.0) for each in opening]
        ratio = float(np.clip(widest[1] / widest[0], *RATIO)) if min(widest) > LEAST_TURN else 1.0
        turns, slides = (each @ hinge_axes(source.hinge).T for each in (self.own[:, :3], self.own[:, 3:]))
        turns[:, 0] *= ratio
        wanted = np.concatenate([turns @ hinge_axes(target.hinge), scale * slides @ hinge_axes(target.hinge)], axis=1)
        follows = target.skin_weight[:, 0] / max(float(target.skin_weight.sum()), 1e-12)
        self.missing = np.zeros_like(wanted)  # (N, 6) on the target
        for i, (name, mixture) in enumerate(zip(source.names, mixtures, strict=True)):
            if mixture.paired or name in left_out:
                continue
            weights = np.broadcast_to(mixture.weights, (len(follows), len(mixture.shapes)))
            lacking = wanted[i] - follows @ weights @ other[mixture.shapes]
            turn, slide = np.linalg.norm(lacking[:3]), np.linalg.norm(lacking[3:])
            if turn > LEAST_MISSING[0]:
                self.missing[i, :3] = lacking[:3]
            if slide > LEAST_MISSING[1]:
                self.missing[i, 3:] = lacking[3:]

    def of(self, overall: np.ndarray, poses: np.ndarray) -> np.ndarray:
        """(f, 6) what the target's jaw does beyond its shapes: overall (f, N) weights of the source's shapes over the
        whole face, poses (f, 6) of the source's jaw."""
        told, true = overall @ self.own[:, :3] @ self.axis, poses[:, :3] @ self.axis
        exact = np.where(told > LEAST_OPENING, np.clip(true / told.clip(min=LEAST_OPENING), 0.0, 2.0), 1.0)
        return exact[:, None] * (overall @ self.missing)
