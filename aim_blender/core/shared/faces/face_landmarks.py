# SPDX-License-Identifier: GPL-3.0-or-later
"""Anatomical landmarks of the skin, suggested from a head's shape alone. Needs numpy only; Blender's process uses it.

Names, most of them those of tissue depth tables. Of a pair, `.L` is on the character's left and `.R` on the right.

    on the profile, from above       supraglabella, glabella (between the brows), nasion (the root of the nose), rhinion
                                     (the end of the nasal bone), nose_tip, subnasale (where the nose meets the lip),
                                     mid_philtrum, upper_lip_margin, stomion (between the lips), lower_lip_margin,
                                     supramentale (the groove above the chin), pogonion (the chin's front), menton (its
                                     underside)
    in pairs, from above             frontal_eminence, supraorbital (the rim above the eye), lateral_orbit (beside it),
                                     suborbital (below it), zygion (the cheekbone's widest point), supraglenoid (above
                                     the jaw's joint), condyle (the joint, just in front of the ear), inferior_malar
                                     (below the cheekbone), above_second_molar, mid_masseter, mouth_corner,
                                     below_second_molar, gonion (the jaw's angle)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .face_profile import PROFILE, HeadFrame, find_head_frame, outward_sign, profile_segments

MIDDLE_LANDMARKS = (
    "supraglabella",
    "glabella",
    "nasion",
    "rhinion",
    "nose_tip",
    "subnasale",
    "mid_philtrum",
    "upper_lip_margin",
    "stomion",
    "lower_lip_margin",
    "supramentale",
    "pogonion",
    "menton",
)


@dataclass(frozen=True)
class SidePlace:
    """Where to look for one of a pair: left, up and front of the nasion in mm of a typical adult, and from where.

    look: the direction (left, up, front) against which a ray comes in from outside. widens: whether it is farther out
    in a wide face; teeth are not.
    """

    place: tuple[float, float, float]
    look: tuple[float, float, float]
    widens: bool = True


SIDE_PLACES = {
    "frontal_eminence": SidePlace((32.0, 48.0, -12.0), (0.3, 0.3, 1.0)),
    "supraorbital": SidePlace((28.0, 11.0, -5.0), (0.2, 0.0, 1.0)),
    "lateral_orbit": SidePlace((54.0, -5.0, -28.0), (1.0, 0.0, 0.6)),
    "suborbital": SidePlace((32.0, -26.0, -16.0), (0.2, 0.0, 1.0)),
    "zygion": SidePlace((66.0, -22.0, -56.0), (1.0, 0.0, 0.0)),
    "supraglenoid": SidePlace((68.0, -6.0, -80.0), (1.0, 0.0, 0.0)),
    "condyle": SidePlace((68.0, -22.0, -82.0), (1.0, 0.0, 0.0)),
    "inferior_malar": SidePlace((44.0, -44.0, -26.0), (0.6, 0.0, 1.0)),
    "above_second_molar": SidePlace((44.0, -58.0, -36.0), (0.6, 0.0, 1.0), widens=False),
    "mid_masseter": SidePlace((58.0, -62.0, -60.0), (1.0, 0.0, 0.0)),
    "mouth_corner": SidePlace((25.0, -72.0, -6.0), (0.3, 0.0, 1.0)),
    "below_second_molar": SidePlace((45.0, -88.0, -36.0), (0.7, 0.0, 1.0), widens=False),
    "gonion": SidePlace((56.0, -84.0, -74.0), (1.0, 0.0, 0.0)),
}
PAIRED_LANDMARKS = tuple(SIDE_PLACES)
SIDES = {".L": 1.0, ".R": -1.0}
LANDMARK_NAMES = MIDDLE_LANDMARKS + tuple(name + side for name in PAIRED_LANDMARKS for side in SIDES)
WIDTH_AT = "zygion"  # where the width of the face is measured
LEAST_PICKED = 4  # landmarks that say how a head is turned
PROFILE_WINDOW_MM = 11.0
LIP_BELOW_NOSE_MM = 18.0  # the nose's underside ends above
LOWER_LIP_WINDOW_MM, LIP_TOP_MM, BETWEEN_LIPS_MM = 12.0, 3.0, 4.0  # about a lip's top, and between the two
# What a face detector sees, HeadFrame.seen: what it knows better than typical proportions, and what tells of these.
SEEN_BETTER = ("mouth_corner",)
PROFILE_SEEN = ("nasion", "nose_tip", "subnasale", "stomion", "menton")
ABOUT_EYES = ("supraorbital", "lateral_orbit", "suborbital")
EYE = (29.5, -6.5, -13.0)  # left, up, front of the nasion: the middle between the corners of a typical adult's eye
SEEN_ERROR_MM, SEEN_ELSEWHERE_MM = 6.0, 10.0
DEEPEST_MM = 32.0  # how deep the profile may lie between two landmarks


def suggest_landmarks(neutral: np.ndarray, triangles: np.ndarray, moving: np.ndarray | None = None) -> dict[str, int]:
    """Vertices at the landmarks of LANDMARK_NAMES: as many as the mesh has, a mask has none beside its ears.

    neutral: (V, 3) in any unit, turned anyhow. triangles: (T, 3). moving: (V,) bool what expressions move, if that is
    known. Raises InputError if no face is found.
    """
    neutral = np.asarray(neutral, dtype=np.float64)
    frame = find_head_frame(neutral, triangles, moving)
    return landmarks_in_frame(neutral, triangles[frame.around(neutral)[triangles].all(1)], frame)


def landmarks_in_frame(neutral: np.ndarray, triangles: np.ndarray, frame: HeadFrame) -> dict[str, int]:
    """The same where it is known how the head is turned."""
    points = frame.local(neutral)
    corners = points[triangles]
    middle = _profile_landmarks(corners, Proportions(frame.seen))
    places = {name: np.array([0.0, up, front]) for name, (up, front) in middle.items()}
    sides = _side_landmarks(corners, middle, frame.seen)
    used = np.unique(triangles)
    found = {}
    for name, place in {**places, **sides}.items():
        nearest = used[np.linalg.norm(points[used] - place, axis=1).argmin()]
        found[name] = int(nearest)
    return {name: found[name] for name in LANDMARK_NAMES if name in found}


def _profile_landmarks(corners: np.ndarray, proportions: Proportions) -> dict[str, np.ndarray]:
    """(up, front) of the landmarks of the profile of triangles (T, 3, 3) in the frame of the head."""
    segments, normals = profile_segments(corners, np.zeros(3), np.array([1.0, 0.0, 0.0]))
    shares = np.linspace(0.0, 1.0, 5)[:, None, None]
    curve = ((1 - shares) * segments[:, 0] + shares * segments[:, 1]).reshape(-1, 3)[:, 1:]
    facing = np.tile(normals[:, 1:], (5, 1))
    seen = (facing[:, 1] > -0.3) & _seen_from_outside(curve)  # not nostrils and the mouth's inside
    curve, facing = curve[seen], facing[seen]

    typical = proportions.place

    def extreme(
        near: np.ndarray, direction: tuple[float, float], window: float = PROFILE_WINDOW_MM, below: float = np.inf
    ) -> np.ndarray:
        """The curve's point near a place that lies farthest in a direction."""
        inside = curve[(np.linalg.norm(curve - near, axis=1) < window) & (curve[:, 0] < below)]
        return inside[(inside @ direction).argmax()] if len(inside) else near

    def lip(near: np.ndarray, window: float, below: float = np.inf) -> np.ndarray:
        """The same in front, but rather the top of a lip than the slope of the other one that reaches near."""
        beside = np.linalg.norm(curve - curve[:, None], axis=2) < LIP_TOP_MM
        tops = curve[curve[:, 1] >= np.where(beside, curve[:, 1], -np.inf).max(1)]
        tops = tops[(np.linalg.norm(tops - near, axis=1) < window) & (tops[:, 0] < below)]
        return tops[tops[:, 1].argmax()] if len(tops) else extreme(near, (0.0, 1.0), window, below)

    def off_chord(first: np.ndarray, second: np.ndarray, hanging: float = 0.0) -> np.ndarray:
        """The curve's point between two that lies farthest inside of the line through them.

        hanging: how much the first may hang below it, as the tip of a hooked nose does, in shares of their height.
        """
        along = (second - first) / np.linalg.norm(second - first)
        out = np.array([along[1], -along[0]])  # from above to below, the outside is in front
        share = (curve[:, 0] - first[0]) / (second[0] - first[0])
        candidates = (share > 0.05 - hanging) & (share < 0.95) & (np.abs((curve - first) @ out) < DEEPEST_MM)
        if hanging:
            candidates &= facing[:, 0] < 0.3  # not the bridge of the nose
        inside = curve[candidates]
        if not len(inside):
            return (first + second) / 2
        return inside[((inside - first) @ out).argmin()]

    def nearest_to(place: np.ndarray) -> np.ndarray:
        return curve[np.linalg.norm(curve - place, axis=1).argmin()]

    tip = extreme(typical("nose_tip"), (0.0, 1.0))
    brow = extreme(typical("glabella"), (0.0, 1.0))
    nasion = off_chord(brow, tip)
    told = proportions.seen.get("nasion")
    if told is not None and np.linalg.norm(nasion - told) > SEEN_ELSEWHERE_MM:  # the fold of another face's brow
        nasion = nearest_to(told)
    upper_lip = lip(typical("upper_lip"), PROFILE_WINDOW_MM, tip[0] - LIP_BELOW_NOSE_MM)
    subnasale = off_chord(tip, upper_lip, hanging=0.5)
    below_it = upper_lip + typical("lower_lip") - typical("upper_lip")
    lower_lip = lip(below_it, LOWER_LIP_WINDOW_MM, upper_lip[0] - BETWEEN_LIPS_MM)
    chin = extreme(typical("pogonion"), (-0.2, 1.0), 9.0)
    menton = extreme(typical("menton"), (-1.0, 0.5), 14.0)
    return {
        "supraglabella": nearest_to(brow + typical("supraglabella") - typical("glabella")),
        "glabella": brow,
        "nasion": nasion,
        "rhinion": nearest_to(0.6 * nasion + 0.4 * tip),
        "nose_tip": tip,
        "subnasale": subnasale,
        "mid_philtrum": nearest_to((subnasale + upper_lip) / 2),
        "upper_lip_margin": upper_lip,
        "stomion": off_chord(upper_lip, lower_lip),
        "lower_lip_margin": lower_lip,
        "supramentale": off_chord(lower_lip, chin),
        "pogonion": chin,
        "menton": menton,
    }


class Proportions:
    """Where the profile's landmarks are looked for: where a typical adult has them or, on a face that is seen to be
    otherwise, about there."""

    def __init__(self, seen: Mapping[str, np.ndarray]) -> None:
        self.seen = {name: seen[name][1:] for name in PROFILE_SEEN if name in seen}
        known = sorted(self.seen, key=lambda name: PROFILE[name][0])
        self._up = np.array([PROFILE[name][0] for name in known])
        self._beside = np.array([beyond(self.seen[name] - PROFILE[name]) for name in known]).reshape(-1, 2)

    def place(self, name: str) -> np.ndarray:
        """(up, front) of a landmark of PROFILE."""
        place = np.array(PROFILE[name])
        if not len(self._up):
            return place
        return place + [np.interp(place[0], self._up, beside) for beside in self._beside.T]


def beyond(off: np.ndarray) -> np.ndarray:
    """How far (D,) something is seen off in mm beyond what a detector may err."""
    distance = float(np.linalg.norm(off))
    return off * max(0.0, 1.0 - SEEN_ERROR_MM / max(distance, 1e-12))


def _seen_from_outside(curve: np.ndarray) -> np.ndarray:
    """(C,) bool: which points of a profile (C, 2) are seen from in front, or half from below or above."""
    seen = np.zeros(len(curve), dtype=bool)
    for direction in ((0.0, 1.0), (-0.7, 0.7), (0.7, 0.7)):
        depth, aside = curve @ direction, curve @ (direction[1], -direction[0])
        before = (np.abs(aside - aside[:, None]) < 0.8) & (depth > depth[:, None] + 3.0)
        seen |= ~before.any(1)
    return seen


def _side_landmarks(
    corners: np.ndarray, middle: dict[str, np.ndarray], seen: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Places (3,) of paired landmarks on triangles (T, 3, 3) in the frame of the head, stretched as its profile is, and
    about its eyes and mouth where these are seen."""
    known = ("nasion", "subnasale", "menton")
    typical_up = [PROFILE[name][0] for name in known][::-1]
    found_up = [middle[name][0] for name in known][::-1]

    def stretched(up: float) -> float:
        low, high = typical_up[0], typical_up[-1]
        beyond = min(up - low, 0.0) + max(up - high, 0.0)
        return float(np.interp(up, typical_up, found_up)) + beyond

    outward = outward_sign(corners)
    found = {}
    widths = []
    for sign in SIDES.values():
        place = SIDE_PLACES[WIDTH_AT].place
        hit = _first_hit(corners, outward, np.array([sign * place[0], stretched(place[1]), place[2]]), (sign, 0.0, 0.0))
        if hit is not None:
            widths.append(abs(hit[0]) / place[0])
    width = float(np.clip(np.mean(widths), 0.75, 1.35)) if widths else 1.0
    for name, side_place in SIDE_PLACES.items():
        left, up, front = side_place.place
        across = left * width if side_place.widens else left
        for suffix, sign in SIDES.items():
            if name in SEEN_BETTER and name + suffix in seen:
                found[name + suffix] = seen[name + suffix]
                continue
            look = (sign * side_place.look[0], *side_place.look[1:])
            aimed = np.array([sign * across, stretched(up), front])
            if name in ABOUT_EYES:
                eye_left, eye_up, eye_front = EYE
                expected = np.array([sign * eye_left * width, stretched(eye_up), eye_front])
                aimed = aimed + _eye_beside(seen, suffix, expected)
            hit = _first_hit(corners, outward, aimed, look)
            if hit is not None:
                found[name + suffix] = hit
    return found


def _eye_beside(seen: Mapping[str, np.ndarray], suffix: str, expected: np.ndarray) -> np.ndarray:
    """How far (3,) an eye is seen from where it is expected (3,), beyond what a detector may err; 0 where unseen."""
    corners = [seen.get(f"{name}_eye{suffix}") for name in ("inner", "outer")]
    if corners[0] is None or corners[1] is None:
        return np.zeros(3)
    return beyond((corners[0] + corners[1]) / 2 - expected)


def _first_hit(
    corners: np.ndarray, outward: float, place: np.ndarray, look: tuple[float, ...], reach: float = 40.0
) -> np.ndarray | None:
    """Where a ray against `look`, aimed at a place, first meets triangles (T, 3, 3) from outside, within `reach`."""
    towards = -np.array(look) / np.linalg.norm(look)
    start = place - reach * towards
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = np.cross(towards, second)
    facing = (first * across).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = ((start - corners[:, 0]) * across).sum(1) / facing
        around = np.cross(start - corners[:, 0], first)
        v = around @ towards / facing
        distance = (second * around).sum(1) / facing
        hits = (outward * facing > 0) & (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0) & (distance < 2 * reach)
    return start + distance[hits].min() * towards if hits.any() else None


def frame_of_landmarks(neutral: np.ndarray, landmarks: Mapping[str, int]) -> HeadFrame | None:
    """How a head is turned and how large it is, from vertices picked by hand on neutral (V, 3); None if too few are."""
    typical = {name: (0.0, *place) for name, place in PROFILE.items()}
    typical |= {"upper_lip_margin": typical["upper_lip"], "lower_lip_margin": typical["lower_lip"]}
    for name, side_place in SIDE_PLACES.items():
        left, up, front = side_place.place
        typical |= {name + suffix: (sign * left, up, front) for suffix, sign in SIDES.items()}
    known = [name for name in landmarks if name in typical]
    if len(known) < LEAST_PICKED:
        return None
    source, target = np.array([typical[name] for name in known]), neutral[[landmarks[name] for name in known]]
    centred, aimed = source - source.mean(0), target - target.mean(0)
    u, singular, vt = np.linalg.svd(centred.T @ aimed)
    if singular[1] < 0.02 * singular[0]:
        return None  # all on one line
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    axes = (u * flip) @ vt  # rows left, up, front
    scale = float((singular * flip).sum() / (centred**2).sum())
    nasion = target.mean(0) - scale * source.mean(0) @ axes
    error = float(np.linalg.norm(scale * source @ axes + nasion - target, axis=1).mean() / scale)
    return HeadFrame(axes[0], axes[1], axes[2], nasion, scale, error)
