# SPDX-License-Identifier: GPL-3.0-or-later
"""Where front, up and left of a head are, from its shape alone: its mirror plane and its profile.

A typical adult's profile is laid on the curve in which the mirror plane cuts the head; the best of all places, turns
and sizes says how the head is turned and how large it is. Upside down a chin and a neck may look like a nose and a
forehead, so that a nose has to stick out of the face beside it. Needs numpy only; Blender's process imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

import numpy as np

from ..foundation.errors import InputError
from ..foundation.remembering import remembered
from .head_region import MOST_OF_IT, around, ends
from .mirror_planes import mirror_plane, mirror_planes, nearest, plane_between, surface_samples
from .similarity import similarities_near

# The profile of a typical adult in mm, (up, front) from the nasion: nasion to menton about 115, nasion to subnasale 50,
# the tip of the nose 23 in front of the nasion.
PROFILE = {
    "forehead": (50.0, -3.0),
    "supraglabella": (26.0, 4.0),
    "glabella": (13.0, 4.5),
    "nasion": (0.0, 0.0),
    "rhinion": (-18.0, 10.0),
    "nose_tip": (-36.0, 23.0),
    "subnasale": (-50.0, 9.0),
    "upper_lip": (-63.0, 11.5),
    "stomion": (-71.0, 6.0),
    "lower_lip": (-80.0, 8.5),
    "supramentale": (-91.0, 1.5),
    "pogonion": (-103.0, 3.0),
    "menton": (-114.0, -5.0),
    "throat": (-119.0, -28.0),
}
SAMPLE_SPACING_MM = 3.0
FACING_PENALTY = 36.0  # mm² for a partner that faces 90 degrees aside
FARTHEST_MM = 12.0  # what lies farther off counts no more
SURFACE_SAMPLES = 1500
FACE_MIDDLE_MM, FACE_HALF_MM = (0.0, -35.0, -20.0), (75.0, 85.0, 55.0)  # left, up, front of the nasion
HEAD_MIDDLE_MM, HEAD_HALF_MM = (0.0, -30.0, -90.0), (250.0, 260.0, 250.0)  # likewise
FACING_MM = 40.0  # a partner that faces a radian aside counts as this far off
SIZES = np.geomspace(100.0, 900.0, 14)  # mm: how long the profile's diagonal may be, from a mask to a bust
DIRECTIONS = 36
SIDES_OF_NOSE = (1.0, -1.0)
WORST_PROFILE_MM = 4.5  # of faces it is about 2, of those least like an adult 4.2; of a ball 8, as it has no nose
TRIED = 40  # of the places, turns and sizes, those on which the profile lies best
SETTLING_ROUNDS = 60  # of closest points, for a face that is known to be near
# The face lies 19 to 30 mm behind the tip of a nose this far aside of it, and 4 to 11 mm behind that of a chin.
BESIDE_NOSE_MM, BEHIND_NOSE_MM, FLAT_PENALTY = 18.0, 16.0, 0.3
# A plane that mirrors the surface twice as badly as the best counts as if its profile lay off by so much more: beside
# the ears, too, a cut may look somewhat like a face.
ASKEW_MM = 1.0
LONGEST_HEAD_MM = 480.0  # of a head with shoulders: what is longer has a body, of which a face may be a part
LEAST_BODY_TRIANGLES = 2000  # of a body whose head has a face
MOVING_MM = (50.0, 500.0)  # the longest side of what expressions move of a face
SLENDER = 0.4  # a body's shortest side in its longest


@dataclass(frozen=True)
class HeadFrame:
    """How a head is turned and how large it is.

    left, up, front: (3,) unit axes. nasion: (3,) where the nose meets the forehead, in the mesh's unit. scale: the
    mesh's units per mm of a typical adult. error_mm: how well the profile of a typical adult lies on the head's, and
    how far its nose sticks out. seen: where a face detector has seen named places of the face, (3,) each as of local;
    none where no detector was asked.
    """

    left: np.ndarray
    up: np.ndarray
    front: np.ndarray
    nasion: np.ndarray
    scale: float
    error_mm: float
    seen: Mapping[str, np.ndarray] = field(default_factory=dict)

    def local(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) as left, up, front of the nasion in mm of a typical adult."""
        return (points - self.nasion) @ np.stack([self.left, self.up, self.front], axis=1) / self.scale

    def around(self, points: np.ndarray) -> np.ndarray:
        """(V,) bool: which of points (V, 3) are of the head, with its neck and shoulders, and not of a body below."""
        return np.all(np.abs(self.local(points) - HEAD_MIDDLE_MM) < HEAD_HALF_MM, axis=1)


FindFrame = Callable[[np.ndarray, np.ndarray, np.ndarray | None], HeadFrame]
_asked_first: ContextVar[FindFrame | None] = ContextVar("asked_first", default=None)


@contextmanager
def asked_first(other: FindFrame) -> Iterator[None]:
    """Within, find_head_frame asks another way, which is called as search_head_frame is: in the worker, a detector
    that has seen many faces, where one is installed."""
    token = _asked_first.set(other)
    try:
        yield
    finally:
        _asked_first.reset(token)


def find_head_frame(neutral: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None = None) -> HeadFrame:
    """How a head is turned, by whoever is asked first, else by its shape alone; see search_head_frame."""
    return (_asked_first.get() or search_head_frame)(neutral, triangles, moving)


@remembered
def search_head_frame(neutral: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None = None) -> HeadFrame:
    """How a head is turned, from neutral (V, 3) in any unit and triangles (T, 3); it may be the head of a whole body.

    moving: (V,) bool, the vertices that expressions move, where they are known. Raises InputError if no profile of a
    face is found.
    """
    found, corners = _likeliest_face(neutral, triangles, moving)
    if found is None:
        raise InputError("no face is found in the mesh: its mirror plane shows no profile with a nose, lips and a chin")
    return refined_frame(neutral, corners, found) or found


def refined_frame(
    neutral: np.ndarray, corners: np.ndarray, found: HeadFrame, near_to: Sequence[HeadFrame] = ()
) -> HeadFrame | None:
    """The profile near to a frame that is known, or the best near to some, among neutral (V, 3) and triangles (T, 3, 3)
    of the head, and the face's mirror plane; None if there is none."""
    # Backs of heads, ears and shoulders are less symmetric than faces: once more with the face alone.
    middle = corners.mean(1)
    of_face = (np.abs(found.local(middle) - FACE_MIDDLE_MM) < FACE_HALF_MM).all(1)
    points, normals = surface_samples(corners[of_face], SURFACE_SAMPLES)
    origin, side, _ = mirror_plane(points, normals, found.left, found.nasion, found.scale * FACING_MM, 40)
    return _match_profile(corners, *_mirror_of_vertices(neutral, found, origin, side), near_to or (found,))


def _likeliest_face(
    neutral: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None
) -> tuple[HeadFrame | None, np.ndarray]:
    """The face of find_head_frame, None if there is none, and the triangles (T, 3, 3) that it was found among: those
    about what moves, else all, else the end of a body."""
    corners = neutral[triangles]
    moving = moving if moving is not None and moving.any() else None
    if moving is not None:
        # Hair, clothes and what else lies about the skin may hide its symmetry: once more without all that is still.
        for near in (around(neutral, moving)[triangles].all(1), moving[triangles].any(1)):
            if near.any() and near.mean() < MOST_OF_IT:
                found = _face_among(corners[near])
                if found is not None and is_where_it_moves(found, neutral[moving]):
                    return found, corners[near]
    found = _face_among(corners)
    if moving is not None and found is not None and not is_where_it_moves(found, neutral[moving]):
        return None, corners
    if not may_be_body(corners):
        return found, corners
    if found is not None and np.ptp(corners.reshape(-1, 3), axis=0).max() < LONGEST_HEAD_MM * found.scale:
        return found, corners
    for end in ends(corners):
        of_end = _face_among(corners[end])
        if of_end is not None:
            return of_end, corners[end]
    return found, corners


def is_where_it_moves(found: HeadFrame, moving: np.ndarray) -> bool:
    """Whether a face is as large as what expressions move of it, points (P, 3), may be: what looks like a face
    elsewhere is none."""
    return bool(MOVING_MM[0] < np.ptp(moving, axis=0).max() / found.scale < MOVING_MM[1])


def may_be_body(corners: np.ndarray) -> bool:
    """Whether triangles (T, 3, 3) may be of a whole body, by how many and how slender they are."""
    sides = np.ptp(corners.reshape(-1, 3), axis=0)
    return len(corners) >= LEAST_BODY_TRIANGLES and bool(sides.min() <= SLENDER * sides.max())


def _face_among(corners: np.ndarray) -> HeadFrame | None:
    """The face that triangles (T, 3, 3) show best, None if they show none."""
    points, normals = surface_samples(corners, SURFACE_SAMPLES)
    candidates = []
    for origin, normal, asymmetry in mirror_planes(points, normals):
        face = _match_profile(corners, origin, normal)
        if face is not None:
            candidates.append((face.error_mm + ASKEW_MM * asymmetry, face))
    found = min(candidates, key=lambda each: each[0], default=(0.0, None))[1]
    return None if found is None or found.error_mm > WORST_PROFILE_MM else found


def _mirror_of_vertices(
    neutral: np.ndarray, found: HeadFrame, origin: np.ndarray, side: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The plane at origin (3,) with normal side (3,) once more from vertices, which may have exact mirror partners."""
    face = neutral[(np.abs(found.local(neutral) - FACE_MIDDLE_MM) < FACE_HALF_MM).all(1)]
    face = face[:: -(-len(face) // 20_000)]
    sample = face[:: -(-len(face) // 1000)]
    for _ in range(5):
        offset = float(origin @ side)
        distance, partner = nearest(sample - 2 * (sample @ side - offset)[:, None] * side, face)
        close = distance <= np.quantile(distance, 0.8)
        side, offset = plane_between(sample[close], face[partner[close]])
        origin = offset * side
    return origin, side


def outward_sign(corners: np.ndarray) -> float:
    """1 if the triangles (T, 3, 3) of a shell face outwards for the most part, else -1."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])  # twice the area long
    area = np.linalg.norm(normals, axis=1)
    middle = corners.mean(1)
    centre = (area[:, None] * middle).sum(0) / area.sum()
    return 1.0 if ((middle - centre) * normals).sum() >= 0 else -1.0


def profile_segments(corners: np.ndarray, origin: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a plane cuts triangles (T, 3, 3): segments (S, 2, 3) and the outward normals (S, 3) of their triangles."""
    segments, cut = _cut(corners, origin, side)
    cut_corners = corners[cut]
    normals = np.cross(cut_corners[:, 1] - cut_corners[:, 0], cut_corners[:, 2] - cut_corners[:, 0])
    normals *= outward_sign(corners) / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-300)
    return segments, normals


def _cut(corners: np.ndarray, origin: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a plane cuts triangles (T, 3, 3): segments (S, 2, 3), and the indices (S,) of their triangles."""
    height = (corners - origin) @ side
    above = height >= 0
    cut = np.flatnonzero(above.any(1) & ~above.all(1))
    height, above, cut_corners = height[cut], above[cut], corners[cut]
    alone = np.where(above.sum(1) == 1, above.argmax(1), (~above).argmax(1))  # the corner on a side by itself
    row = np.arange(len(cut))
    ends = []
    for step in (1, 2):
        other = (alone + step) % 3
        share = height[row, alone] / (height[row, alone] - height[row, other])
        first, second = cut_corners[row, alone], cut_corners[row, other]
        ends.append(first + share[:, None] * (second - first))
    return np.stack(ends, axis=1), cut


def _typical_profile() -> tuple[np.ndarray, np.ndarray]:
    """The typical adult's profile as even points (M, 2) from the nose tip, and outward normals (M, 2): (up, front)."""
    knots = np.array(list(PROFILE.values()))
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    even = np.arange(0.0, along[-1], SAMPLE_SPACING_MM)
    points = np.stack([np.interp(even, along, knots[:, axis]) for axis in range(2)], axis=1)
    tangent = np.gradient(points, axis=0)
    normals = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)  # the profile runs down, so its outside is in front
    return points - PROFILE["nose_tip"], normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _match_profile(
    corners: np.ndarray, origin: np.ndarray, side: np.ndarray, near_to: Sequence[HeadFrame] = ()
) -> HeadFrame | None:
    """Lay the typical profile on the head's, in any direction and size or near to known ones. None if it has none."""
    segments, normals = profile_segments(corners, origin, side)
    if len(segments) < 8:
        return None
    helper = np.eye(3)[np.abs(side).argmin()]
    first = np.cross(side, helper)
    first /= np.linalg.norm(first)
    plane = np.stack([first, np.cross(side, first)], axis=1)  # (3, 2)
    curve, curve_normals = _even_curve(segments @ plane, normals @ plane)
    diagonal = float(np.linalg.norm(np.ptp(curve, axis=0)))
    typical, typical_normals = _typical_profile()

    if near_to:
        scales = np.array([near.scale for near in near_to])
        frames = np.array([[plane.T @ near.up, plane.T @ near.front] for near in near_to])
        nasions = np.array([plane.T @ near.nasion for near in near_to])
        tips = nasions + scales[:, None] * np.einsum("k,hkx->hx", PROFILE["nose_tip"], frames)
        hypotheses = scales, frames, tips
    else:
        hypotheses = _hypotheses(curve[::2], diagonal)
    error, _ = _profile_error(typical[::4], typical_normals[::4], curve[::4], curve_normals[::4], *hypotheses)
    tried = np.argsort(error)[:TRIED]
    rounds = SETTLING_ROUNDS if len(near_to) > 1 else 10
    placed = _settled(typical, typical_normals, curve, curve_normals, [each[tried] for each in hypotheses], rounds)
    errors, _ = _profile_error(typical, typical_normals, curve, curve_normals, *placed)
    best: HeadFrame | None = None
    for final, scale, frame, tip in zip(errors, *placed, strict=True):
        if best is not None and final >= best.error_mm:
            continue
        up, front3 = plane @ frame[0], plane @ frame[1]
        middle = origin - (origin @ up) * up - (origin @ front3) * front3
        nasion = plane @ (tip - scale * np.array(PROFILE["nose_tip"]) @ frame) + middle
        found = HeadFrame(np.cross(up, front3), up, front3, nasion, float(scale), float(final))
        found = replace(found, error_mm=found.error_mm + flatness(corners, origin, found))
        if best is None or found.error_mm < best.error_mm:
            best = found
    return best


def flatness(corners: np.ndarray, origin: np.ndarray, found: HeadFrame) -> float:
    """What it costs in mm that the nose of a face among triangles (T, 3, 3), mirrored at origin (3,), does not stick
    out."""
    up, front = PROFILE["nose_tip"]
    behind = []
    for side in SIDES_OF_NOSE:
        aside = origin + side * BESIDE_NOSE_MM * found.scale * found.left
        segments, _ = _cut(corners, aside, found.left)
        place = found.local(segments)[..., 1:] - (up, front)  # (S, 2, 2)
        crossing = place[(place[..., 0].min(1, initial=np.inf) <= 0) & (place[..., 0].max(1, initial=-np.inf) >= 0)]
        if len(crossing) == 0:
            continue
        height, depth = crossing[..., 0], crossing[..., 1]
        share = height[:, 0] / np.where(height[:, 0] == height[:, 1], 1.0, height[:, 0] - height[:, 1])
        behind.append(-float((depth[:, 0] + share * (depth[:, 1] - depth[:, 0])).max()))
    return FLAT_PENALTY * max(0.0, BEHIND_NOSE_MM - float(np.mean(behind))) if behind else 0.0


def _even_curve(segments: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """About 500 points (C, 2) evenly along segments (S, 2, 2), with normals (C, 2)."""
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    along = np.cumsum(length)
    places = (np.arange(500) + 0.5) / 500 * along[-1]
    of = np.searchsorted(along, places).clip(max=len(along) - 1)
    share = ((along[of] - places) / length[of].clip(1e-300))[:, None]
    points = share * segments[of, 0] + (1 - share) * segments[of, 1]
    return points, normals[of] / np.linalg.norm(normals[of], axis=1, keepdims=True).clip(1e-12)


def _hypotheses(curve: np.ndarray, diagonal: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the typical profile may lie on a curve (C, 2): scales (H,), frames (H, 2, 2) with rows up and front, and
    tips of the nose (H, 2), which are the points that stick out in some direction."""
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    fronts = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # (D, 2)
    heights = fronts @ curve.T  # (D, C)
    apart = ((curve[:, None] - curve[None]) ** 2).sum(-1)  # (C, C)
    scales, ways, tips = [], [], []
    for scale in diagonal / SIZES:
        near = apart < (18 * scale) ** 2  # a point is near to itself, so that each has some
        starts = np.concatenate([[0], np.cumsum(near.sum(1))[:-1]])
        highest = np.maximum.reduceat(heights[:, np.nonzero(near)[1]], starts, axis=1)  # (D, C)
        way, tip = np.nonzero(heights >= highest)
        scales.append(np.full(len(way), scale))
        ways.append(way)
        tips.append(tip)
    front = fronts[np.concatenate(ways)]
    up = np.stack([-front[:, 1], front[:, 0]], axis=1)
    frames = np.stack([np.stack([hand * up, front], axis=1) for hand in (1.0, -1.0)], axis=1)  # (P, 2 hands, 2, 2)
    at = curve[np.concatenate(tips)]
    return np.repeat(np.concatenate(scales), 2), frames.reshape(-1, 2, 2), np.repeat(at, 2, axis=0)


def _settled(
    typical: np.ndarray,
    typical_normals: np.ndarray,
    curve: np.ndarray,
    curve_normals: np.ndarray,
    placed: list[np.ndarray],
    rounds: int,
) -> list[np.ndarray]:
    """Where H hypotheses, `placed` as those of _profile_error, come to lie by rounds of closest points."""
    moving = np.arange(len(placed[0]))
    for _ in range(rounds):
        before = [each[moving] for each in placed]
        _, partner = _profile_error(typical, typical_normals, curve, curve_normals, *before)
        scale, frame, tip = before
        after = similarities_near(typical, curve[partner], scale, frame, tip, FARTHEST_MM)
        settled = np.ones(len(moving), dtype=bool)
        for all_, one, other in zip(placed, before, after, strict=True):
            all_[moving] = other
            settled &= (one == other).reshape(len(moving), -1).all(1)
        moving = moving[~settled]
        if not len(moving):
            break
    return placed


def _profile_error(
    typical: np.ndarray,
    typical_normals: np.ndarray,
    curve: np.ndarray,
    curve_normals: np.ndarray,
    scale: np.ndarray,
    frame: np.ndarray,
    tip: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """How far in mm the typical profile (M, 2) lies off a curve (C, 2) in each of H hypotheses, and each point's
    partner (H, M) on it.

    scale: (H,). frame: (H, 2, 2). tip: (H, 2). A partner that faces another way counts as farther off.
    """
    error, partner = np.empty(len(scale)), np.empty((len(scale), len(typical)), dtype=np.int64)
    # The squared distance and what facing another way adds, as one product of what is known of each side.
    known = np.concatenate([curve, (curve**2).sum(1, keepdims=True), np.ones((len(curve), 1)), curve_normals], axis=1).T
    for start in range(0, len(scale), 50):
        part = slice(start, start + 50)
        size, turn = scale[part, None, None], frame[part]
        placed = (tip[part, None] + size * (typical @ turn)) / size  # (h, M, 2)
        constant = (placed**2).sum(-1, keepdims=True) + FACING_PENALTY
        per_square = np.broadcast_to(1 / size**2, constant.shape)
        facing = -FACING_PENALTY * (typical_normals @ turn)
        square = np.concatenate([-2 / size * placed, per_square, constant, facing], axis=-1) @ known  # (h, M, C)
        partner[part] = square.argmin(-1)
        least = np.sqrt(np.take_along_axis(square, partner[part][..., None], -1)[..., 0].clip(0.0))
        error[part] = np.minimum(least, FARTHEST_MM).mean(1)
    return error, partner
