# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of somebody who is not the actor: what the two faces differ by at rest is no expression, and is taken off.

The rest frame is the one nearest to how the face is when every shape does least: when its weight, one for the whole
face, is where the lowest tenth of the frames have it. Whether the points lie elsewhere because of another face or of an
expression is told by what the actor's own shapes leave of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear

from ..geometry.rigid import motion_columns
from ..shared.faces.similarity import robust_similarity, spread_of
from ..shared.foundation.errors import InputError
from ..shared.foundation.robust_weights import cauchy

LOWEST = 0.1  # of the frames: where a shape rests
RIDGE_MM = 0.3  # what a weight of 1 of a shape costs at every point
ROBUST_MM = 3.0  # a point this far from what one weight a shape can do keeps half of its weight
ROBUST_ROUNDS = 3
CALM_FRAMES, CALM_MM = 9, 0.3  # as many frames, this near to the rest frame, make up the face at rest
OTHER_FACE_MM = 1.0  # that the actor's shapes leave of the face at rest, on the median: up to it, it is the actor's own
WEIGHTS_AT_REST = (-0.3, 1.0)
NEIGHBOURS = 6
STRANGE = 0.3  # of the points' spread: a point so far from where its neighbours have it belongs elsewhere
NO_FACE = 0.25  # likewise, on the median of all points: they belong to other places, or are no face


@dataclass(frozen=True)
class RestOffset:
    """What P points of a face at rest have more than the actor's, after turning and scaling it.

    frame: the rest frame's number. places: (P, 3) mm where the points are on that face at rest, in its own size, turned
    and put as the actor's is. placement: (4, 4) rigid, what carries them to where they are in that frame. scale: of the
    actor's face against it. offset: (P, 3) mm in the actor's size. strange: (P,) mm how far a point is from where its
    neighbours have it, if that is so far that it belongs elsewhere, else 0. middle: (3,) about which it is larger.
    """

    frame: int
    places: np.ndarray
    placement: np.ndarray
    scale: float
    offset: np.ndarray
    strange: np.ndarray
    middle: np.ndarray

    @property
    def millimetres(self) -> float:
        """How far the points lie from the actor's face at rest, on the mean."""
        return float(np.linalg.norm(self.offset[self.strange == 0], axis=1).mean())

    def taken_off(self, stabilized: np.ndarray) -> np.ndarray:
        """Points (..., P, 3) of that face, where its places are without head motion, as the actor's would be:
        docs/model.md (24)."""
        return self.middle + self.scale * (stabilized - self.middle) - self.offset

    def figures(self) -> dict[str, Any]:
        """What is told of it beside a take's other figures."""
        return {"rest_frame": self.frame, "rest_offset_mm": self.millimetres, "rest_scale": self.scale}

    def notes(self, names: tuple[str, ...]) -> list[str]:
        """What an artist should know."""
        notes = []
        size = "" if abs(self.scale - 1.0) < 0.01 else f", which is {self.scale:.2f} times as large"
        notes.append(
            f"the points lie {self.millimetres:.1f} mm from this actor's face at rest{size}; that was taken off, with "
            f"frame {self.frame} as the rest frame"
        )
        if self.strange.any():
            listed = ", ".join(
                f"{names[point]} ({self.strange[point]:.0f} mm)" for point in np.flatnonzero(self.strange)
            )
            notes.append(
                f"points far from where their neighbours have them were left out; see where they belong: {listed}"
            )
        return notes


@dataclass(frozen=True)
class Calm:
    """frame: the index of the rest frame. places: (P, 3) mm the face at rest, not a number where a point never was."""

    frame: int
    places: np.ndarray


def without_rest(
    placed: np.ndarray, places: np.ndarray, trust: np.ndarray, at_rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points placed (F, Q, 3) where the actor has them, at places (Q, 3) at rest, and what is left of the trust (F, Q)
    in them: a point that no frame at_rest (F,) shows has none."""
    shown = np.where(at_rest[:, None], trust, 0.0)  # (F, Q)
    first, seen = shown.argmax(0), shown.max(0) > 0
    offset = placed[first, np.arange(len(places))] - places
    return placed - np.where(seen[:, None], offset, 0.0), np.where(seen, trust, 0.0)


def weights_of_frames(stabilized: np.ndarray, trust: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """g (F, N) one weight a shape for frames (F, P, 3) without head motion, against their own median frame.

    trust: (F, P), 0 where a point is not known. moved: (P, N, 3) what the actor's shapes do.
    """
    known = np.where((trust > 0)[..., None], stabilized, np.nan)
    seen = (trust > 0).any(0)
    middle = np.zeros(stabilized.shape[1:])
    middle[seen] = np.nanmedian(known[:, seen], axis=0)
    off = np.where(np.isfinite(known), known - middle, 0.0)
    columns = moved.transpose(0, 2, 1)  # (P, 3, N)
    ridge = RIDGE_MM**2 * np.eye(columns.shape[2])
    squares = np.einsum("pxi,pxj->pij", columns, columns)  # (P, N, N)
    robust_weight = trust.astype(np.float64)
    for _ in range(ROBUST_ROUNDS):
        normal = (
            np.einsum("fp,pij->fij", robust_weight, squares, optimize=True)
            + ridge * robust_weight.sum(1).clip(1e-9)[:, None, None]
        )
        right = np.einsum("fp,pxi,fpx->fi", robust_weight, columns, off, optimize=True)
        weights = np.linalg.solve(normal, right[..., None])[..., 0]
        left = off - np.einsum("pxi,fi->fpx", columns, weights, optimize=True)
        robust_weight = trust * cauchy((left**2).sum(-1) / ROBUST_MM**2)
    return weights


def calmest(weights: np.ndarray, moved: np.ndarray, usable: np.ndarray) -> tuple[int, np.ndarray]:
    """The index of the frame of weights g (F, N) in which the face does least, and how far (F,) in mm the points are
    from it. moved: (P, N, 3). usable: (F,) bool frames that may be it."""
    lowest = np.quantile(weights[usable], LOWEST, axis=0)
    frame = int(np.where(usable, distance_of(weights - lowest, moved), np.inf).argmin())
    return frame, distance_of(weights - weights[frame], moved)


def find_calm(
    stabilized: np.ndarray, trust: np.ndarray, moved: np.ndarray, frames: np.ndarray, chosen: int | str, source: str
) -> Calm:
    """The rest frame, chosen by its number or found, and the face in it, from the frames that are next to the same.

    stabilized: (F, P, 3) mm without head motion. trust, moved: as for weights_of_frames. frames: (F,) numbers. source:
    for messages. Raises InputError if the chosen frame is not there, or shows no points.
    """
    count = (trust > 0).sum(1)
    usable = count >= max(1.0, 0.5 * np.median(count[count > 0])) if count.any() else count > 0
    weights = weights_of_frames(stabilized, trust, moved)
    if isinstance(chosen, int):
        frame = rest_index(frames, chosen, usable, source)
        apart = distance_of(weights - weights[frame], moved)
    else:
        frame, apart = calmest(weights, moved, usable)
    order = np.argsort(apart, kind="stable")
    order = order[(trust[order] > 0).any(1)]
    # As the points would be in the rest frame.
    face = stabilized - np.einsum("pnx,fn->fpx", moved, weights - weights[frame], optimize=True)
    known = np.where((trust > 0)[..., None], face, np.nan)
    near = order[:CALM_FRAMES][apart[order[:CALM_FRAMES]] <= CALM_MM]
    places = np.full(stabilized.shape[1:], np.nan)
    for point in range(len(places)):
        seen = near[np.isfinite(known[near, point, 0])]
        if len(seen) == 0:
            seen = order[np.isfinite(known[order, point, 0])][:1]
        if len(seen):
            places[point] = np.median(known[seen, point], axis=0)
    return Calm(frame, places)


def rest_index(frames: np.ndarray, number: int, usable: np.ndarray, source: str) -> int:
    """Where the chosen rest frame is. Raises InputError if it is none of the frames, or shows too few points."""
    found = np.flatnonzero(frames == number)
    if len(found) == 0 or not usable[found[0]]:
        why = "is not there" if len(found) == 0 else "shows too few points"
        raise InputError(
            f"{source}: frame {number}, chosen as the rest frame, {why}; choose one of {frames[0]} to {frames[-1]} in "
            "which the face is at rest, or leave it out"
        )
    return int(found[0])


def unexplained(off: np.ndarray, neutral: np.ndarray, moved: np.ndarray) -> float:
    """How far points are off on the median, in mm, after what head and shapes of the actor explain of it.

    off: (P, 3) from the actor's places, neutral (P, 3). moved: (P, N, 3).
    """
    names = moved.shape[1]
    columns = np.concatenate([moved.transpose(0, 2, 1), motion_columns(neutral - neutral.mean(0))], axis=2)
    costs = np.concatenate([np.full(names, RIDGE_MM), np.full(6, 1e-6)])
    least, most = np.full(names + 6, -np.inf), np.full(names + 6, np.inf)
    least[:names], most[:names] = WEIGHTS_AT_REST
    robust_weight = np.ones(len(off))
    for _ in range(ROBUST_ROUNDS):
        rows = (columns * robust_weight[:, None, None] ** 0.5).reshape(-1, names + 6)
        rows = np.concatenate([rows, np.diag(costs) * len(off) ** 0.5])
        wanted = np.concatenate([(off * robust_weight[:, None] ** 0.5).reshape(-1), np.zeros(names + 6)])
        found = lsq_linear(rows, wanted, bounds=(least, most)).x
        left = np.linalg.norm(off - columns @ found, axis=1)
        robust_weight = cauchy((left / ROBUST_MM) ** 2)
    return float(np.median(left))


def rest_offset(
    stabilized: np.ndarray,
    trust: np.ndarray,
    neutral: np.ndarray,
    moved: np.ndarray,
    frames: np.ndarray,
    chosen: int | str,
    source: str,
) -> RestOffset | None:
    """What the face of some points has more than the actor's, None if it is the actor's own, or chosen is "off".

    stabilized: (F, P, 3) mm, the head's motion taken off as far as it is known. neutral: (P, 3) where the points
    belong. moved: (P, N, 3) what the actor's shapes do there. Raises InputError as find_calm, and if they are no face.
    """
    if chosen == "off":
        return None
    calm = find_calm(stabilized, trust, moved, frames, chosen, source)
    known = np.isfinite(calm.places).all(1)
    if known.sum() < 2 * NEIGHBOURS:
        return None
    there, here = neutral[known], calm.places[known]
    as_is = robust_similarity(here, there, scaled=False)
    if chosen == "auto" and unexplained(as_is.of(here) - there, there, moved[known]) <= OTHER_FACE_MM:
        return None
    found = robust_similarity(here, there)
    offset = np.zeros_like(neutral)
    offset[known] = found.of(here) - there
    check_face(offset[known], there, int(frames[calm.frame]), source)
    strange = np.zeros(len(neutral))
    strange[known], offset[known] = strange_points(there, offset[known])
    middle = there.mean(0)
    places = neutral.copy()
    places[known] = middle + (found.of(here) - middle) / found.scale
    placement = np.eye(4)
    placement[:3, :3] = found.rotation.T
    # x = R^T ((y - middle) scale + middle - t) / scale for places y.
    placement[:3, 3] = found.rotation.T @ ((middle - found.slide) / found.scale - middle)
    return RestOffset(int(frames[calm.frame]), places, placement, found.scale, offset, strange, middle)


def check_face(offset: np.ndarray, neutral: np.ndarray, frame: int, source: str) -> None:
    """Raise InputError if points lie so far (P, 3) from where the neutral has them (P, 3) that they are no face."""
    off = float(np.median(np.linalg.norm(offset, axis=1)))
    if not off <= NO_FACE * spread_of(neutral):
        raise InputError(
            f"{source} shows no face like the actor's: at rest, in frame {frame}, its points lie {off:.0f} mm from "
            "where they belong, after turning and scaling; see which place each names, that left and right are not "
            "exchanged, and that they are of this mesh"
        )


def strange_points(neutral: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P,) mm how far points are from where those around them have it, 0 where that may be, and the offset (P, 3) with
    theirs instead, by which nothing is hidden. neutral, offset: (P, 3)."""
    apart = np.linalg.norm(neutral[:, None] - neutral, axis=-1)
    around = apart.argsort(1)[:, 1 : NEIGHBOURS + 1]
    usual = np.median(offset[around], axis=1)
    off = np.linalg.norm(offset - usual, axis=1)
    strange = np.where(off > STRANGE * spread_of(neutral), off, 0.0)
    return strange, np.where(strange[:, None] > 0, usual, offset)


def distance_of(weights: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(F,) mm how far weights (F, N) move the points on the mean. moved: (P, N, 3)."""
    return np.linalg.norm(np.einsum("pnx,fn->fpx", moved, weights, optimize=True), axis=-1).mean(1)
