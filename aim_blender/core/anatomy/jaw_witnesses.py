# SPDX-License-Identifier: GPL-3.0-or-later
"""What gives the jaw exactly: meshes fixed to the mandible, such as the lower teeth, apart from the skin or part of it.

Teeth in the skin's mesh are known by what they do alone: a part that hangs together, keeps its form in every shape, and
turns about a hinge far from itself. Upper teeth stay where they are; eyeballs turn, but about their own middle.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

from ..geometry.rigid import angle_degrees, apply_motion, rigid_registration
from ..shared.foundation.errors import InputError
from .anatomy import Hinge

RIGID_MM = 1.0  # how far a scanned rigid jaw may be off
OPENS_DEGREES = 4.0  # from where an opening tells where the hinge is
# How far teeth in the mesh may be off a rigid motion: mm, or of how far they go. On a small head the hinge is near and
# modelled offsets bend teeth more: an infant's by 0.032, adults' by 0.004.
STIFF_MM, STIFF_SHARE = 0.3, 0.05
LEAST_LEVER_MM = 30.0  # from the hinge to the teeth; an eyeball's is less than 13
LARGEST_SHARE = 0.4  # of a mesh's vertices that its lower teeth may be
FEWEST_POINTS = 12


def jaw_of_points(points: np.ndarray) -> np.ndarray:
    """T_i (N, 4, 4) exactly, from points (N+1, J, 3) that move rigidly with the mandible, such as the lower teeth.

    Raises InputError if they do not move rigidly.
    """
    motion = rigid_registration(points[0], points[1:], np.ones(points[1:].shape[:2]))
    worst = np.linalg.norm(apply_motion(points[0], motion) - points[1:], axis=-1).max()
    if worst > RIGID_MM:
        raise InputError(
            f"the jaw's meshes change their form by {worst:.1f} mm from shape to shape; "
            "they must be rigid, as teeth are"
        )
    return motion


def hinge_of_motion(motion: np.ndarray, jaw_points: np.ndarray, neutral: np.ndarray) -> Hinge:
    """The hinge where there is no mandible: what the widest opening (of N, (N, 4, 4)) leaves in place.

    jaw_points: (J, 3) of the jaw at rest. neutral: (V, 3). Raises InputError if the jaw turns in no shape.
    """
    turn = Rotation.from_matrix(motion[:, :3, :3]).as_rotvec()
    widest = np.linalg.norm(turn, axis=1).argmax()
    angle = np.linalg.norm(turn[widest])
    if angle < np.deg2rad(OPENS_DEGREES):
        raise InputError("the jaw's meshes open in no shape; one shape must have the mouth wide open")
    axis = turn[widest] / angle
    rows = np.vstack([motion[widest, :3, :3] - np.eye(3), axis])
    centre = np.linalg.lstsq(rows, np.append(-motion[widest, :3, 3], axis @ jaw_points.mean(0)), rcond=None)[0]
    up = neutral.mean(0) - jaw_points.mean(0)
    up = up - (up @ axis) * axis
    return Hinge(centre, axis, up / np.linalg.norm(up))


def lower_teeth(neutral: np.ndarray, shapes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The vertices (J,) of a mesh that are fixed to the mandible, as lower teeth are; none where it has no such part.

    neutral: (V, 3) mm. shapes: (N, V, 3) mm. edges: (E, 2).
    """
    parts = _stiff_parts(neutral, shapes, edges)
    opening = [_opening_of(part, neutral, shapes) for part in parts]
    leading = max(range(len(parts)), key=lambda index: (opening[index], len(parts[index])), default=None)
    if leading is None or opening[leading] == 0.0:
        return np.zeros(0, dtype=np.int64)
    motion = _motion_of(parts[leading], neutral, shapes)
    with_it = [part for part in parts if _off(part, neutral, shapes, motion).max() < RIGID_MM]
    return np.sort(np.concatenate(with_it))


def _stiff_parts(neutral: np.ndarray, shapes: np.ndarray, edges: np.ndarray) -> list[np.ndarray]:
    """Vertices of each part that hangs together, keeps its form in all shapes, and moves in one of them."""
    count = len(neutral)
    joined = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    number, part_of = connected_components(joined, directed=False)
    if number == 1:
        return []
    order = np.argsort(part_of, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(part_of, minlength=number))[:-1])
    return [
        part
        for part in parts
        if FEWEST_POINTS <= len(part) <= LARGEST_SHARE * count
        and np.abs(shapes[:, part] - neutral[part]).max() > RIGID_MM
        and _keeps_its_form(part, neutral, shapes)
    ]


def _keeps_its_form(part: np.ndarray, neutral: np.ndarray, shapes: np.ndarray) -> bool:
    """Whether a part moves rigidly, but for what modelled and rounded offsets are off a turn."""
    off = _off(part, neutral, shapes, _motion_of(part, neutral, shapes))
    gone = np.linalg.norm(shapes[:, part] - neutral[part], axis=-1)
    return bool((off.max(1) < np.maximum(STIFF_MM, STIFF_SHARE * gone.max(1))).all())


def _motion_of(part: np.ndarray, neutral: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    return rigid_registration(neutral[part], shapes[:, part], np.ones((len(shapes), len(part))))


def _off(part: np.ndarray, neutral: np.ndarray, shapes: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """(N+1, P) mm how far the vertices of a part (P,) are off its motion in each shape."""
    return np.linalg.norm(apply_motion(neutral[part], motion) - shapes[:, part], axis=-1)


def _opening_of(part: np.ndarray, neutral: np.ndarray, shapes: np.ndarray) -> float:
    """By how many degrees a stiff part turns about a hinge far from itself, at most; 0 if it does not.

    What goes with most of the mesh is not opened: there the whole head moves.
    """
    motion = _motion_of(part, neutral, shapes)
    angle = angle_degrees(motion)
    middle = neutral[part].mean(0)
    travel = np.linalg.norm(apply_motion(middle[None], motion)[:, 0] - middle, axis=1)
    lever = travel / np.deg2rad(angle).clip(1e-6)
    alone = np.median(np.linalg.norm(shapes - neutral, axis=-1), axis=1) < 0.5 * travel
    opens = (angle > OPENS_DEGREES) & (lever > LEAST_LEVER_MM) & alone
    return float(angle[opens].max(initial=0.0))
