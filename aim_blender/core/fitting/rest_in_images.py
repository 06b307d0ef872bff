# SPDX-License-Identifier: GPL-3.0-or-later
"""The rest frame of points in images of somebody who is not the actor, and what that face has more than the actor's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .rest_offset import (
    CALM_FRAMES,
    CALM_MM,
    OTHER_FACE_MM,
    RestOffset,
    calmest,
    check_face,
    distance_of,
    rest_index,
    strange_points,
)

if TYPE_CHECKING:
    from ..shared.captured.image_views import View
    from .image_solver import ImageSolver

ASKED_FRAMES = 60  # from all over the performance, among which the rest frame is looked for
UNSEEN = 0.02  # of what a camera sees: along the view nothing is known, and nothing is moved
ROUNDS = 3


def rest_in_images(
    solver: ImageSolver, views: dict[int, View], frames: np.ndarray, chosen: int | str, source: str
) -> RestOffset | None:
    """Move the solver's neutral to where the points of the face at rest are, as far as the cameras see it, and tell by
    how much; None, and nothing is moved, if that is the actor's own face, or chosen is "off".

    views: of the frames by their index. frames: (F,) numbers. Points that belong elsewhere lose their trust in the
    views. Raises InputError if the chosen frame is not there, or the points are no face.
    """
    if chosen == "off":
        return None
    indices = np.array(sorted(views))
    count = np.array([(views[index].trust > 0).any(0).sum() for index in indices])
    asked = indices[np.linspace(0, len(indices) - 1, min(len(indices), ASKED_FRAMES)).astype(int)]
    if isinstance(chosen, int):
        usable = np.zeros(len(frames), dtype=bool)
        usable[indices] = count >= 0.5 * np.median(count)
        asked = np.union1d(asked, [rest_index(frames, chosen, usable, source)])
    found = [solver.face(views[index]) for index in asked.tolist()]
    weights = np.stack([face for _, face in found])
    usable = np.isin(asked, indices[count >= 0.5 * np.median(count)])
    if isinstance(chosen, int):
        rest = int(np.flatnonzero(frames[asked] == chosen)[0])
        apart = distance_of(weights - weights[rest], solver.moved)
    else:
        rest, apart = calmest(weights, solver.moved, usable)
    near = np.argsort(apart, kind="stable")[:CALM_FRAMES]
    near = near[apart[near] <= CALM_MM]
    if chosen == "auto" and _left(solver, views[int(asked[rest])], *found[rest]) <= OTHER_FACE_MM:
        return None
    offset = _offset(solver, [views[int(asked[one])] for one in near], weights[near] - weights[rest])
    seen = np.linalg.norm(offset, axis=1) > 0
    number = int(frames[asked[rest]])
    check_face(offset[seen], solver.neutral[seen], number, source)
    strange = np.zeros(len(offset))
    strange[seen], offset[seen] = strange_points(solver.neutral[seen], offset[seen])
    for view in views.values():
        view.trust[:, strange > 0] = 0.0
    places = solver.neutral + offset
    solver.neutral = places
    return RestOffset(number, places, np.eye(4), 1.0, offset, strange, places.mean(0))


def _left(solver: ImageSolver, view: View, head: np.ndarray, face: np.ndarray) -> float:
    """How far points are seen from where head (4, 4) and one weight a shape (N,) have them, in mm on the median."""
    posed = solver.neutral + np.einsum("pnx,n->px", solver.moved, face)
    off, _, _ = view.equations(posed @ head[:3, :3].T + head[:3, 3])
    return float(np.median(np.linalg.norm(off, axis=-1)[view.trust > 0]))


def _offset(solver: ImageSolver, views: list[View], weights: np.ndarray) -> np.ndarray:
    """(P, 3) mm by which points are elsewhere than on the neutral, in frames where the face differs by weights (f, N)
    from rest; 0 where no camera sees them, and along the view of a single one."""
    neutral, offset = solver.neutral, np.zeros_like(solver.neutral)
    heads = [solver.face(view, held)[0] for view, held in zip(views, weights, strict=True)]
    for _ in range(ROUNDS):
        normal, right = np.zeros((len(neutral), 3, 3)), np.zeros_like(neutral)
        for view, held, head in zip(views, weights, heads, strict=True):
            posed = neutral + offset + np.einsum("pnx,n->px", solver.moved, held)
            off, change, _ = view.equations(posed @ head[:3, :3].T + head[:3, 3])
            trust = np.where(view.trust > 0, view.trust, 0.0)
            columns = change @ head[:3, :3]  # (C, P, 2, 3)
            normal += np.einsum("cp,cpyi,cpyj->pij", trust, columns, columns)
            right += np.einsum("cp,cpyi,cpy->pi", trust, columns, off)
        some = np.trace(normal, axis1=1, axis2=2) > 0
        step = np.zeros_like(offset)
        damped = normal[some] + UNSEEN * np.trace(normal[some], axis1=1, axis2=2)[:, None, None] * np.eye(3)
        step[some] = np.linalg.solve(damped, right[some][..., None])[..., 0]
        offset = offset + step
    return offset
