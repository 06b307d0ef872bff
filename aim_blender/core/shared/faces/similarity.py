# SPDX-License-Identifier: GPL-3.0-or-later
"""How large one set of points is against another, and in which unit points of a face are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..foundation.errors import InputError
from ..foundation.robust_weights import cauchy, geman_mcclure
from .table_of_units import UNITS

ROUNDS = 6
ROBUST = 4.0  # times the median square, where a point keeps a quarter of its weight
LEAST_POINTS = 4  # of which a size is told
ASKED_FRAMES = 15
UNLIKE = 0.3  # of the points' spread: a similarity that leaves more tells nothing
# Another face may be larger or smaller: 30 faces of one make were 0.82 to 1.06 of another. A unit is told if no other
# comes within twice as near (in the logarithm), and none is told beyond LARGEST.
CLEAR, LARGEST = 0.5, 2.5
# Points come in no decimetres, but recordings of whole scenes in tenths of a millimetre.
NAMES = {unit.millimetres: unit.name for unit in UNITS if unit.symbol not in ("mm", "dm")}
NAMES[0.1] = "tenths of a millimetre"


@dataclass(frozen=True)
class Similarity:
    """x -> scale R x + t. rotation: R (3, 3). slide: t (3,)."""

    scale: float
    rotation: np.ndarray
    slide: np.ndarray

    def of(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) where it carries them."""
        return self.scale * points @ self.rotation.T + self.slide


def similarity(
    one: np.ndarray, other: np.ndarray, weight: np.ndarray | None = None
) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation (3, 3) and shift (3,) that best carry points (P, 3) onto others, weight (P,) (Umeyama 1991)."""
    share = np.full(len(one), 1 / len(one)) if weight is None else weight / weight.sum()
    middle, centre = share @ one, share @ other
    u, stretch, vt = np.linalg.svd((share[:, None] * (other - centre)).T @ (one - middle))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = float((stretch * sign).sum() / max(share @ ((one - middle) ** 2).sum(1), 1e-30))
    return scale, rotation, centre - scale * rotation @ middle


def robust_similarity(source: np.ndarray, target: np.ndarray, scaled: bool = True) -> Similarity:
    """What carries most of source (P, 3) onto target (P, 3), whatever a few points do. scaled: it may change sizes."""
    weight = _near_the_middle(source) * _near_the_middle(target)
    for _ in range(ROUNDS):
        scale, rotation, slide = similarity(source, target, weight)
        if not scaled:
            share = weight / weight.sum()
            scale, slide = 1.0, share @ target - rotation @ (share @ source)
        found = Similarity(scale, rotation, slide)
        squared = ((target - found.of(source)) ** 2).sum(1)
        weight = geman_mcclure(squared / (ROBUST * np.median(squared) + 1e-12))
    return found


def spread_of(points: np.ndarray) -> float:
    """The median distance of points (P, 3) from their middle."""
    return float(np.median(np.linalg.norm(points - np.median(points, axis=0), axis=1)))


def size_against(places: np.ndarray, positions: np.ndarray) -> float:
    """How many times as large as positions (F, P, 3), which may lack points, their places (P, 3) on a face are: the
    median over some of the frames."""
    sizes = []
    known = np.isfinite(positions).all(-1)
    rich = np.flatnonzero(known.sum(1) >= max(LEAST_POINTS, 0.5 * np.median(known.sum(1))))
    for frame in rich[np.linspace(0, len(rich) - 1, min(len(rich), ASKED_FRAMES)).astype(int)] if len(rich) else []:
        here, there = positions[frame, known[frame]], places[known[frame]]
        if spread_of(here) <= 0 or spread_of(there) <= 0:
            continue
        found = robust_similarity(here, there)
        off = np.median(np.linalg.norm(there - found.of(here), axis=1))
        # Points that are bound to wrong places have no similarity to them, but still a size.
        like = found.scale > 0 and off < UNLIKE * spread_of(there)
        sizes.append(found.scale if like else spread_of(there) / spread_of(here))
    return float(np.median(sizes)) if sizes else 1.0


def millimetres_of(places: np.ndarray, positions: np.ndarray, source: str) -> float:
    """How many mm the unit of positions (F, P, 3) is, not a number where a point is missing, of points that belong to
    places (P, 3) mm of a face: 1 unless their size says otherwise.

    Raises InputError, naming the source, if no unit makes a face of them, or it is not clear which does.
    """
    size = size_against(places, positions)
    factors = sorted((1.0, *NAMES), key=lambda factor: abs(np.log(size / factor)))
    nearest, second = (abs(np.log(size / factor)) for factor in factors[:2])
    if nearest <= min(CLEAR * second, np.log(LARGEST)):
        return factors[0]
    names = {1.0: "millimetres"} | NAMES
    meant = [f"in {names[factor]} {factor / size:.2g} times as large" for factor in sorted(factors[:2])]
    raise InputError(
        f"the unit of {source} cannot be told from the size of its face, which would be {' and '.join(meant)} as the "
        "actor's; say which it is with --unit, in Blender with mm per Unit, and see that they name the right vertices"
    )


def unit_note(factor: float) -> list[str]:
    """What an artist should know of the unit."""
    if factor == 1.0:
        return []
    return [f"the points are in {NAMES[factor]}, as their size says: they were taken {factor:g} times as large"]


def _near_the_middle(points: np.ndarray) -> np.ndarray:
    """(P,) robust weights of points (P, 3) to begin with: 0 for one that is thrown far off."""
    squared = ((points - np.median(points, axis=0)) ** 2).sum(1)
    return cauchy((squared / (30.0 * np.median(squared) + 1e-12)) ** 2)


def similarities_near(
    typical: np.ndarray,
    targets: np.ndarray,
    scale: np.ndarray,
    frame: np.ndarray,
    tip: np.ndarray,
    farthest: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The similarities of the plane that carry typical points (M, 2) onto each of targets (H, M, 2).

    scale (H,), frame (H, 2, 2), whose hand stays, and tip (H, 2) as before and as they are then: points go to
    tip + scale * points @ frame. Targets farther off, in typical units, are left out; one that would be much larger or
    smaller than before stays as it was.
    """
    size = scale[:, None]
    distance = np.linalg.norm(tip[:, None] + size[..., None] * (typical @ frame) - targets, axis=-1) / size  # (H, M)
    keep = (distance < np.maximum(farthest, np.median(distance, axis=1, keepdims=True)))[..., None].astype(float)
    count = keep.sum(1).clip(min=1)  # (H, 1)
    middle, aim = (keep * typical).sum(1) / count, (keep * targets).sum(1) / count  # (H, 2)
    centred = keep * (typical - middle[:, None])
    u, singular, vt = np.linalg.svd(centred.transpose(0, 2, 1) @ (targets - aim[:, None]))
    hand = np.sign(np.linalg.det(u @ vt) * np.linalg.det(frame))
    flip = np.stack([np.ones_like(hand), hand], axis=1)
    new_frame = (u * flip[:, None]) @ vt
    new_scale = (singular * flip).sum(1) / (centred**2).sum((1, 2)).clip(min=1e-300)
    new_tip = aim - new_scale[:, None] * (middle[:, None] @ new_frame)[:, 0]
    fits = (0.7 * scale < new_scale) & (new_scale < 1.4 * scale)
    return (
        np.where(fits, new_scale, scale),
        np.where(fits[:, None, None], new_frame, frame),
        np.where(fits[:, None], new_tip, tip),
    )
