# SPDX-License-Identifier: GPL-3.0-or-later
"""A performer's jaw in a target's range (docs/model.md section 4): what the target's jaw bone would do for each of the
performer's shapes. It does it where none of the target's shapes do.

Poses (..., 6) are those of decompose_jaw: a rotation vector in radians about the hinge, then a slide in mm.
"""

from __future__ import annotations

import numpy as np

from ..anatomy.jaw import compose_jaw, decompose_jaw, hinge_axes
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor

LEAST_TURN = np.deg2rad(3.0)  # of a jaw's opening, from where two ranges can be compared
RATIO = (0.25, 4.0)  # of two actors' openings; what lies beyond is no range of a jaw's
LEAST_MOTION = np.deg2rad(1.5), 1.5  # of turn, and mm of slide: less is what a jaw at rest is estimated to do
LEAST_OPENING = np.deg2rad(1.0)  # of a frame, from where its opening is told by the take, not by its shapes


class JawRange:
    """From a source to a target that both have a hinge. scale: the target's size, measured by the source.

    poses: (N, 6) of the target's jaw for the source's shapes, as wide as the target opens where the source opens
    widest. motion: (N, V, 3) mm what the target's skin does then.
    """

    def __init__(self, source: Actor, target: Actor, scale: float) -> None:
        assert source.hinge is not None
        assert target.hinge is not None
        self.axis = source.hinge.axis
        self.own = decompose_jaw(source.jaw, source.hinge)  # (N, 6)
        turn, slide = (np.linalg.norm(part, axis=1) for part in (self.own[:, :3], self.own[:, 3:]))
        moves = (turn > LEAST_MOTION[0]) | (slide > LEAST_MOTION[1])
        other = decompose_jaw(target.jaw, target.hinge)  # (K, 6)
        widest = [
            (pose[:, :3] @ of.axis).max(initial=0.0) for pose, of in ((self.own, source.hinge), (other, target.hinge))
        ]
        self.known = min(widest) > LEAST_TURN
        self.ratio = float(np.clip(widest[1] / widest[0], *RATIO)) if self.known else 1.0
        turns, slides = (part @ hinge_axes(source.hinge).T for part in (self.own[:, :3], self.own[:, 3:]))
        turns[:, 0] *= self.ratio
        axes = hinge_axes(target.hinge)
        self.poses = np.concatenate([turns @ axes, scale * slides @ axes], axis=1) * moves[:, None]
        self.motion = (
            linear_blend_skinning(target.neutral, compose_jaw(self.poses, target.hinge), target.skin_weight)
            - target.neutral
        )

    def beyond(self, shares: np.ndarray, overall: np.ndarray, poses: np.ndarray) -> np.ndarray:
        """(f, 6) what the target's jaw does beyond its shapes.

        shares: (N,) how much of each shape's jaw only the bone does. overall: (f, N) weights of the source's shapes
        over the whole face. poses: (f, 6) of the source's jaw.
        """
        told, true = overall @ self.own[:, :3] @ self.axis, poses[:, :3] @ self.axis
        exact = np.where(told > LEAST_OPENING, np.clip(true / told.clip(min=LEAST_OPENING), 0.0, 2.0), 1.0)
        return exact[:, None] * (overall @ (shares[:, None] * self.poses))
