# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo head's motions as they would be on an actor's face, and which way that face looks: by a correspondence of
the two meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..correspondence.correspondence import Correspondence
from ..model.actor import Actor
from ..pictures.inspection import upright
from ..retargeting.carrying import facing
from ..shared.demo.demo_actor import DemoActor
from ..shared.demo.demo_arkit import arkit_motions, closing_share
from ..shared.demo.demo_curves import smooth_step
from ..shared.foundation.topology import same_surface

DEMO_AXES = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # the character's left, up and front
NECK, ANCHOR = (0.0, 15.0, -110.0), (0.0, -28.0, 0.0)  # of the demo head: what it turns about, and ARKit's origin
MIDDLE_MM = 10.0  # to each side of the mirror plane, within which one side passes into the other


@dataclass(frozen=True)
class Guide:
    """Of an actor's V points. motions: {motion: (V, 3) mm}, both sides, without the jaw. trust: (V,) in [0, 1] how sure
    they are. axes: (3, 3) rows: the character's left, up and front. left: (V,) in [0, 1] how much a point is of the
    left side. neck, anchor: (3,) mm, what the head turns about, and where ARKit measures its place. size: of the face,
    measured by the demo head. known: whether motions are known at all. neutral: (V, 3) mm the demo head's, at the place
    of each point, turned and sized as the actor's. closing: (V,) in [0, 1] how much a point goes with closing lips.
    """

    motions: dict[str, np.ndarray]
    trust: np.ndarray
    axes: np.ndarray
    left: np.ndarray
    neck: np.ndarray
    anchor: np.ndarray
    size: float
    known: bool
    neutral: np.ndarray
    closing: np.ndarray

    def side(self, which: str) -> np.ndarray:
        """(V,) how much a point is of a side, Left or Right; all for ""."""
        return self.left if which == "Left" else 1.0 - self.left if which == "Right" else np.ones(len(self.left))


def guide_of(actor: Actor, demo: DemoActor, correspondence: Correspondence | None) -> Guide:
    """The guide of an actor. correspondence: of the demo actor's mesh to the actor's; None where the mesh is the demo's
    own, or where no face was found: then nothing is known of the motions."""
    motions = arkit_motions(demo)
    trust, neutral, closing = np.ones(len(actor.neutral)), demo.neutral, closing_share(demo)
    own = same_surface(demo.topology, actor.topology)
    if correspondence is not None and not own:
        motions = {motion: correspondence.carry(field) for motion, field in motions.items()}
        trust, neutral = correspondence.confidence.astype(np.float64), correspondence.carry(demo.neutral)
        closing = correspondence.carry(closing[:, None])[:, 0]
    elif not own:
        return _without_motions(actor, demo, motions)
    size, turn = facing(neutral, actor.neutral)
    moved = actor.neutral.mean(0) - size * turn @ neutral.mean(0)
    axes = DEMO_AXES @ turn.T
    neck, anchor = (size * turn @ np.array(place) + moved for place in (NECK, ANCHOR))
    return Guide(
        {motion: size * field @ turn.T for motion, field in motions.items()},
        trust,
        axes,
        _left_side(actor, axes[0], size),
        neck,
        anchor,
        float(size),
        True,
        size * neutral @ turn.T + moved,
        closing,
    )


def _without_motions(actor: Actor, demo: DemoActor, motions: dict[str, np.ndarray]) -> Guide:
    up, forward = upright(actor)
    axes = np.stack([np.cross(up, forward), up, forward])
    size = float(np.linalg.norm(np.ptp(actor.neutral, axis=0)) / np.linalg.norm(np.ptp(demo.neutral, axis=0)))
    middle = actor.neutral.mean(0)
    nothing = np.zeros_like(actor.neutral)
    left = _left_side(actor, axes[0], size)
    return Guide(
        dict.fromkeys(motions, nothing),
        np.ones(len(left)),
        axes,
        left,
        middle,
        middle,
        size,
        False,
        actor.neutral,
        np.zeros(len(left)),
    )


def _left_side(actor: Actor, left: np.ndarray, size: float) -> np.ndarray:
    point, normal = actor.mirror
    aside = (actor.neutral - point) @ normal * np.sign(normal @ left)
    return smooth_step(aside, -MIDDLE_MM * size, MIDDLE_MM * size)
