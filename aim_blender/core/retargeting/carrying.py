# SPDX-License-Identifier: GPL-3.0-or-later
"""An actor, and a head's motion, carried to where another actor is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ..correspondence.correspondence import Correspondence
from ..geometry.rigid import angle_degrees, rigid_registration
from ..model.actor import Actor
from ..shared.bones.constraints import Constraints
from ..shared.faces.similarity import similarity
from ..shared.foundation.topology import Topology

SAME_PLACE_DEGREES, SAME_PLACE_SHARE = 10.0, 0.2  # of the head's size: less is how two faces differ


def carried_actor(actor: Actor, correspondence: Correspondence, topology: Topology) -> Actor:
    """The actor as it is at the vertices of another mesh: its fields on that mesh's topology, without the networks."""
    fields = ("template", "bone", "normal", "thickness", "skin_weight", "implicit_expressions")
    residuals = ("neutral_residual", "expression_residual")
    carried: dict[str, Any] = {name: correspondence.carry(getattr(actor, name)) for name in (*fields, *residuals)}
    # d n of a place is not its mean d times its mean n: what is left of the neutral goes to the residual.
    neutral = correspondence.carry(actor.neutral)
    implicit = carried["bone"] + carried["thickness"] * carried["normal"]
    carried["neutral_residual"] = (neutral - implicit.astype(np.float64)).astype(np.float32)
    return dataclasses.replace(
        actor, topology=topology, constraints=Constraints.none(), networks={}, parts=None, **carried
    )


def facing(one: np.ndarray, other: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """How much larger points other (P, 3) of a face are than those of one (P, 3), and how it is turned, (3, 3): not at
    all where both face the same way, for less is how two faces differ. weight: (P,) of the points."""
    scale, turn, _ = similarity(one, other, weight)
    if Rotation.from_matrix(turn).magnitude() < np.deg2rad(SAME_PLACE_DEGREES):
        turn = np.eye(3)
    return scale, turn


def carry_head(head: np.ndarray, source: Actor, target: Actor) -> np.ndarray:
    """H'_j (F, 4, 4): H_j as it is for heads that stand in one place, else seen from where the target stands."""
    one = np.ones((1, len(source.bone)))
    placement = rigid_registration(source.neutral, target.neutral[None], one)[0]
    middle = source.neutral.mean(0)
    shift = np.linalg.norm(placement[:3, :3] @ middle + placement[:3, 3] - middle)
    size = np.linalg.norm(np.ptp(source.neutral, axis=0))
    if angle_degrees(placement[None])[0] < SAME_PLACE_DEGREES and shift < SAME_PLACE_SHARE * size:
        return head.copy()
    carried = placement @ head @ np.linalg.inv(placement)
    carried[:, 3] = (0.0, 0.0, 0.0, 1.0)
    return carried
