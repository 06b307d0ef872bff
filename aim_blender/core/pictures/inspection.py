# SPDX-License-Identifier: GPL-3.0-or-later
"""What was learned of an actor's inside, point by point: what the paper shows in its figures 10 and 15."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..anatomy.anatomy import mirror_partners
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor


def inspect_actor(actor: Actor) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays over the V points, and figures.

    Arrays: neutral, bone, normal (V, 3); thickness, skin_weight, error, symmetry (V,); on_bone (V,) int8: where
    constraints were, 1 over the skull, 2 over the mandible, else 0; up, forward (3,) unit; corners, sizes.
    error: the mean distance in mm over all shapes of what the networks alone say. symmetry: the distance in mm of a
    point's bone from the mirror image of its partner's. All lengths in mm.
    """
    implicit = actor.implicit_neutral.astype(np.float64)
    skinned = linear_blend_skinning(implicit, actor.jaw, actor.skin_weight) + actor.implicit_expressions.transpose(
        1, 0, 2
    )
    error = np.linalg.norm(np.concatenate([implicit[None], skinned]) - actor.shapes(), axis=-1)  # (N+1, V)
    origin, side = actor.mirror
    partner = mirror_partners(actor.neutral, actor.mirror)
    mirrored = actor.bone[partner] - 2.0 * ((actor.bone[partner] - origin) @ side)[:, None] * side
    symmetry = np.linalg.norm(actor.bone - mirrored, axis=1)
    thickness = actor.thickness[:, 0]
    on_bone = np.zeros(len(thickness), dtype=np.int8)
    on_bone[actor.constraints.points] = 1 + actor.constraints.on_mandible
    up, forward = upright(actor)
    arrays = {
        "corners": actor.topology.corners,
        "sizes": actor.topology.sizes,
        "neutral": actor.neutral.astype(np.float32),
        "bone": actor.bone.astype(np.float32),
        "normal": actor.normal.astype(np.float32),
        "thickness": thickness.astype(np.float32),
        "skin_weight": actor.skin_weight[:, 0].astype(np.float32),
        "error": error.mean(0).astype(np.float32),
        "symmetry": symmetry.astype(np.float32),
        "on_bone": on_bone,
        "up": up,
        "forward": forward,
    }
    figures = {
        "points": len(thickness),
        "constrained_points": len(actor.constraints),
        "thickness_mean_mm": float(thickness.mean()),
        "thickness_least_mm": float(thickness.min()),
        "thickness_most_mm": float(thickness.max()),
        "folded_faces": int(folded(actor.neutral, actor.bone, actor.topology.triangles()).sum()),
        "faces": len(actor.topology.triangles()),
        "error_mean_mm": float(error.mean()),
        "error_worst_mm": float(error.max()),
        "symmetry_mean_mm": float(symmetry.mean()),
        "symmetry_worst_mm": float(symmetry.max()),
    }
    return arrays, figures


def folded(neutral: np.ndarray, bone: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T,) bool: where the dense anatomy is folded over: its triangle faces away from the skin's over it."""
    over, under = (
        np.cross(points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]])
        for points in (neutral.astype(np.float64), bone.astype(np.float64))
    )
    return np.einsum("tx,tx->t", over, under) < 0.0


def upright(actor: Actor) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (3,) up and forward: of the mesh's own axes, since heads are hardly ever modelled askew.

    A face moves most about the mouth, in front and below; with a hinge the jaw tells more.
    """
    if actor.hinge is not None:
        up, forward = actor.hinge.up, actor.hinge.forward
    else:
        side = actor.mirror[1]
        moved = np.linalg.norm(actor.expressions, axis=2).sum(1)
        towards = (moved / moved.sum()) @ actor.neutral - actor.neutral.mean(0)
        towards -= (towards @ side) * side
        spread = np.linalg.eigh(np.cov((actor.neutral - np.outer(actor.neutral @ side, side)).T))[1][:, -1]
        up = -spread * np.sign(spread @ towards) if abs(spread @ towards) > 0 else spread
        forward = towards - (towards @ up) * up
    first = _nearest_axis(up)
    return first, _nearest_axis(forward - (forward @ first) * first)


def _nearest_axis(vector: np.ndarray) -> np.ndarray:
    axis = np.zeros(3)
    axis[np.abs(vector).argmax()] = np.sign(vector[np.abs(vector).argmax()])
    return axis
