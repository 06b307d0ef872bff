# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones fitted to a neutral: placed by landmarks, then warped until the soft tissue is as thick as tables say.

Skull and mandible are warped by one and the same map of space, so that they stay joined at the condyles and their teeth
stay met. All lengths in mm; inside, points are in the axes of the template (X left, Y back, Z up, about the nasion).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import trimesh
from scipy.interpolate import RBFInterpolator
from scipy.optimize import least_squares
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from ..shared.bones.bone_checks import set_bones_right
from ..shared.bones.template_bones import (
    BONE_LANDMARKS,
    INCISORS,
    LOWER_TEETH_ABOVE,
    TEETH_BEFORE,
    UPPER_TEETH_BELOW,
    VAULT_ABOVE,
)
from ..shared.captured.captures import BONE_NAMES, Bone
from ..shared.faces.face_landmarks import LANDMARK_NAMES
from ..shared.faces.face_profile import HeadFrame
from .skin_depth import Skin

ROUNDS = 8
LEAST_DEPTH = 2.0  # of any bone below the skin
SCALP_DEPTH = 6.0  # of the vault, where no landmark is
FARTHEST_SCALP = 60.0  # beyond it there is no scalp above the vault, as behind a mask
VAULT_SPACING = 16.0
INCISORS_BEHIND_STOMION = 5.0
# How much a control point may be missed: the warp is exact where it is 0 and gives way the more the larger it is.
MARKS_GIVE, VAULT_GIVES, TEETH_GIVES = 12.0, 15.0, 8.0
CORRECTED_SHARE, LARGEST_CORRECTION = 0.6, 6.0  # of a depth that is not reached yet, and in mm
OUTSIDE_REACH = 15.0
PAST_RIM = 5.0  # mm farther than the nearest bone: the ray passed the bone that is meant
REPAIR_ROUNDS = 12
REPAIR_REACH = 10.0  # mm around a point that must go deeper, within which its neighbours go along


@dataclass(frozen=True)
class AnatomyFit:
    """Bones fitted to a neutral.

    bones: skull and mandible in the neutral's place and unit (mm). landmarks: vertex of each landmark. depths_asked,
    depths_reached: mm at each landmark, across the skin. outside: bone points that are not below the skin.
    notes: sentences.
    """

    bones: dict[str, Bone]
    landmarks: dict[str, int]
    depths_asked: dict[str, float]
    depths_reached: dict[str, float]
    outside: int
    notes: list[str] = field(default_factory=list)

    @property
    def mean_depth_error(self) -> float:
        """Mean distance in mm between the depths that were asked and those that were reached."""
        errors = [abs(self.depths_reached[name] - asked) for name, asked in self.depths_asked.items()]
        return float(np.mean(errors)) if errors else 0.0

    @property
    def figures(self) -> dict[str, Any]:
        """What a job reports of the fit."""
        return {"mean_depth_error_mm": self.mean_depth_error, "bone_points_outside": self.outside, "notes": self.notes}


@dataclass
class Controls:
    """What a warp has to do: points (C, 3) and where they go (C, 3), and how much each may be missed (C,)."""

    sources: list[np.ndarray] = field(default_factory=list)
    targets: list[np.ndarray] = field(default_factory=list)
    gives: list[np.ndarray] = field(default_factory=list)

    def add(self, sources: np.ndarray, targets: np.ndarray, gives: float | np.ndarray) -> None:
        """Carry sources (P, 3) onto targets (P, 3), each of which may be missed by what it gives (P,)."""
        self.sources.append(sources)
        self.targets.append(targets)
        self.gives.append(np.broadcast_to(gives, len(sources)))

    def warped(self, points: np.ndarray) -> np.ndarray:
        """Points (P, 3) after the smoothest map (biharmonic) that does what was asked."""
        sources, targets, gives = (np.concatenate(each) for each in (self.sources, self.targets, self.gives))
        strict = np.argsort(gives, kind="stable")
        once = strict[np.unique(sources[strict].round(4), axis=0, return_index=True)[1]]  # of one place, the strictest
        moved = RBFInterpolator(sources[once], (targets - sources)[once], smoothing=gives[once], kernel="linear")
        return points + moved(points)


def fit_template(
    neutral: np.ndarray,
    triangles: np.ndarray,
    frame: HeadFrame,
    landmarks: Mapping[str, int],
    depths: Mapping[str, float],
    template: Mapping[str, Bone],
    teeth: Mapping[str, np.ndarray] | None = None,
) -> AnatomyFit:
    """Fit the template's skull and mandible to a neutral.

    neutral: (V, 3) mm. triangles: (T, 3). frame: how the head is turned. landmarks: vertices by name. depths: mm by
    name. teeth: upper_teeth and lower_teeth (·, 3) mm, or either, where they are known.
    """
    axes = np.stack([frame.left, -frame.front, frame.up], axis=1)  # (3, 3)
    skin = Skin((neutral - frame.nasion) @ axes, triangles)
    known = {name: landmarks[name] for name in LANDMARK_NAMES if name in landmarks}
    named = [name for name in known if name in depths and name in BONE_LANDMARKS]
    points = skin.vertices[[known[name] for name in named]]  # (K, 3)
    inward = -skin.normals[[known[name] for name in named]]
    wanted = np.array([depths[name] for name in named])
    goals = points + wanted[:, None] * inward
    marks = np.array([BONE_LANDMARKS[name] for name in named])
    if "stomion" in known:
        below = skin.vertices[known["stomion"]] + [0.0, INCISORS_BEHIND_STOMION, 0.0]
        marks, goals = np.concatenate([marks, [INCISORS]]), np.concatenate([goals, below[None]])

    place = Placement(marks, goals)
    counts = [len(template[name].vertices) for name in BONE_NAMES]
    rest = np.concatenate([template[name].vertices for name in BONE_NAMES])
    faces = np.concatenate([template["skull"].triangles, template["mandible"].triangles + counts[0]])
    vault = _vault_points(rest, counts[0])
    crowns = tooth_points(rest, counts[0])
    placed, marks = place(rest), place(marks)
    local_teeth = {name: (each - frame.nasion) @ axes for name, each in (teeth or {}).items()}

    firm = np.full(len(marks), MARKS_GIVE)
    correction = np.zeros(len(named))
    bones = placed
    for _ in range(ROUNDS):
        asked = Controls()
        corrected = goals.copy()
        corrected[: len(named)] += correction[:, None] * inward
        asked.add(marks, corrected, firm)
        under, targets = skin.below(bones[vault], SCALP_DEPTH, FARTHEST_SCALP)
        asked.add(placed[vault[under]], targets, VAULT_GIVES)
        for name, each in local_teeth.items():
            chosen = crowns[name]
            asked.add(placed[chosen], _met_teeth(bones[chosen], each), TEETH_GIVES)
        bones = asked.warped(placed)
        missing = wanted - depths_below(bones, faces, points, inward)
        correction = (correction + CORRECTED_SHARE * missing).clip(-LARGEST_CORRECTION, LARGEST_CORRECTION)
    bones = _pushed_below(bones, skin)

    reached = depths_below(bones, faces, points, inward)
    outside = int(skin.outside(bones).sum())
    back = bones @ axes.T + frame.nasion
    fitted = {
        "skull": Bone(back[: counts[0]], template["skull"].triangles),
        "mandible": Bone(back[counts[0] :], template["mandible"].triangles),
    }
    return AnatomyFit(
        fitted, dict(known), dict(zip(named, wanted.tolist())), dict(zip(named, reached.tolist())), outside
    )


def measure_bones(
    neutral: np.ndarray,
    triangles: np.ndarray,
    landmarks: Mapping[str, int],
    depths: Mapping[str, float],
    bones: Mapping[str, Bone],
) -> AnatomyFit:
    """Somebody's own bones, set right where that is safe, and how they lie below the neutral; they are not warped.

    Arguments as of fit_template. Raises InputError if they do not lie in the head.
    """
    triangles, right, notes = set_bones_right(neutral, triangles, dict(bones))
    skin = Skin(neutral, triangles)
    named = [name for name in LANDMARK_NAMES if name in landmarks and name in depths]
    vertices = [landmarks[name] for name in named]
    joined = np.concatenate([right[name].vertices for name in BONE_NAMES])
    faces = np.concatenate([right["skull"].triangles, right["mandible"].triangles + len(right["skull"].vertices)])
    reached = depths_below(joined, faces, neutral[vertices], -skin.normals[vertices])
    asked = {name: depths[name] for name in named}
    outside = int(skin.outside(joined).sum())
    return AnatomyFit(right, dict(landmarks), asked, dict(zip(named, reached.tolist())), outside, notes)


class Placement:
    """A scale along each axis, a nod and a slide that best carry marks (K, 3) onto goals (K, 3)."""

    def __init__(self, marks: np.ndarray, goals: np.ndarray) -> None:
        def missed(values: np.ndarray) -> np.ndarray:
            even = 60.0 * (values[:3] - values[:3].mean())  # few landmarks must not flatten a head
            return np.concatenate([(self._moved(marks, values) - goals).ravel(), even])

        first = np.concatenate([np.ones(3), [0.0], (goals - marks).mean(0)])
        self.values = least_squares(missed, first, loss="soft_l1", f_scale=5.0).x

    @staticmethod
    def _moved(points: np.ndarray, values: np.ndarray) -> np.ndarray:
        return (values[:3] * points) @ Rotation.from_rotvec([values[3], 0.0, 0.0]).as_matrix().T + values[4:]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (P, 3) where they belong."""
        return self._moved(points, self.values)


def depths_below(bones: np.ndarray, faces: np.ndarray, points: np.ndarray, inward: np.ndarray) -> np.ndarray:
    """How deep (K,) the bone surface, bones (B, 3) with faces (T, 3), lies below skin points (K, 3), across the skin.

    Where a ray along inward (K, 3) passes a rim, such as an orbit's, and meets some other bone or none, the distance
    to the nearest bone counts.
    """
    mesh = trimesh.Trimesh(bones, faces, process=False)
    start = points - OUTSIDE_REACH * inward  # bones that stick out are to be found as well
    hit, ray, _ = mesh.ray.intersects_location(start, inward, multiple_hits=False)
    depth = np.full(len(points), np.inf)
    depth[ray] = np.einsum("hx,hx->h", hit - points[ray], inward[ray])
    nearest = trimesh.proximity.closest_point(mesh, points)[1]
    past = depth > nearest + PAST_RIM
    return np.where(past, nearest, depth)


def _vault_points(rest: np.ndarray, skull_count: int) -> np.ndarray:
    """Vertices of the template that are spread over the skull's vault."""
    high = np.flatnonzero((rest[:skull_count, 2] > VAULT_ABOVE) | (rest[:skull_count, 1] > 40.0))
    outer = high[np.linalg.norm(rest[high] - [0.0, 10.0, 40.0], axis=1) > 55.0]
    cell = (np.abs(rest[outer]) / VAULT_SPACING).astype(int)  # mirror images fall into mirrored cells
    cell[:, 0] = np.where(rest[outer, 0] < -1e-3, -cell[:, 0] - 1, cell[:, 0])
    cell[:, 1] = np.where(rest[outer, 1] < 0, -cell[:, 1] - 1, cell[:, 1])
    return outer[np.unique(cell, axis=0, return_index=True)[1]]


def tooth_points(rest: np.ndarray, skull_count: int) -> dict[str, np.ndarray]:
    """Every few vertices of the template's teeth, upper and lower."""
    front = rest[:, 1] < TEETH_BEFORE
    upper = np.flatnonzero(front[:skull_count] & (rest[:skull_count, 2] < UPPER_TEETH_BELOW))
    height = rest[skull_count:, 2]
    lower = skull_count + np.flatnonzero(
        front[skull_count:] & (height > LOWER_TEETH_ABOVE) & (height < UPPER_TEETH_BELOW)
    )
    return {"upper_teeth": upper[::3], "lower_teeth": lower[::3]}


def _met_teeth(chosen: np.ndarray, teeth: np.ndarray) -> np.ndarray:
    """Where the template's tooth points (P, 3) go to lie on the given teeth (Q, 3): box on box, then nearest."""
    low, high = np.quantile(teeth, 0.02, axis=0), np.quantile(teeth, 0.98, axis=0)
    own_low, own_high = np.quantile(chosen, 0.02, axis=0), np.quantile(chosen, 0.98, axis=0)
    boxed = low + (chosen - own_low) / (own_high - own_low).clip(1e-9) * (high - low)
    return teeth[cKDTree(teeth).query(boxed)[1]]


def _pushed_below(bones: np.ndarray, skin: Skin) -> np.ndarray:
    """Bones (B, 3) with what is still too shallow pushed deeper, its neighbours with it."""
    for _ in range(REPAIR_ROUNDS):
        shallow = skin.shallower(bones, LEAST_DEPTH)
        moves, targets = skin.below(bones[shallow], LEAST_DEPTH + 0.3, FARTHEST_SCALP, only_deeper=True)
        if not len(moves):
            break
        pushed, push = bones[shallow[moves]], targets - bones[shallow[moves]]
        distance, index = cKDTree(pushed).query(bones, k=min(4, len(pushed)))
        distance, index = distance.reshape(len(bones), -1), index.reshape(len(bones), -1)
        fall = np.exp(-((distance / (0.5 * REPAIR_REACH)) ** 2))
        share = fall / fall.sum(1, keepdims=True).clip(1e-12)
        bones = bones + fall[:, :1] * np.einsum("bk,bkx->bx", share, push[index])
    return bones
