# SPDX-License-Identifier: GPL-3.0-or-later
"""What the face detector answers to an actor's face, learned on the actor's own renders: from landmarks and weights to
expressions, jaw and head, docs/model.md (35).

A detector's landmarks are not where the skin is: they are drawn towards faces as it knows them, and turned and lit faces
are answered otherwise. So nothing is fitted to where they lie; a ridge regression tells what the actor does when the
detector answers so. What light and skin add is one in a video: what changes within a video is told apart from its mean.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial.transform import Rotation

from .face_detector import IRISES, LANDMARKS
from .face_renders import RESTING, Renders

WEIGHT_GAIN = 20.0  # mm that a weight of the detector counts as
COMPONENTS = 120
JAW_SCALE = np.repeat([10.0, 0.1], 3)  # of its pose, radians and mm: to about 1, as weights are
RIDGES = 10.0 ** np.arange(-1, 4.1, 0.5)  # of a sample's size
FOLDS = 5
STEADY_ROUNDS = 3


@dataclass(frozen=True)
class Answers:
    """What is learned, by R renders; D = 3 * 478 + 52 features, K components, T = 2 N + 6 targets.

    base: (478, 3) mm, the landmarks at rest, from in front. steady: (478,) how much each says of the head. posed:
    (10, D) what turns of the head add. mean: (D,). components: (D, K). within, whole: (K, T) of changes in one look,
    and of all. centre: (T,) the mean target. head: (K + 10, 6) what the head is turned, moved and larger by. spread:
    (D,) how much looks differ.
    """

    base: np.ndarray
    steady: np.ndarray
    posed: np.ndarray
    mean: np.ndarray
    components: np.ndarray
    within: np.ndarray
    whole: np.ndarray
    centre: np.ndarray
    head: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Aligned:
    """Answers brought to the actor's, seen from in front. features: (F, D). turn: (F, 3) rotation vectors of what they
    were turned by. scale: (F,) mm a pixel. middle: (F, 2) pixels, of the steady landmarks."""

    features: np.ndarray
    turn: np.ndarray
    scale: np.ndarray
    middle: np.ndarray


def aligned(landmarks: np.ndarray, weights: np.ndarray, focal: np.ndarray, base: np.ndarray, steady: np.ndarray) -> Aligned:
    """Of landmarks (F, 478, 3) in any unit and weights (F, 52). focal: (F,) the camera's distance in that unit, where
    the landmarks' plane is the picture."""
    middle = np.einsum("l,flx->fx", steady / steady.sum(), landmarks[..., :2])
    straight = landmarks.copy()
    straight[..., :2] = (landmarks[..., :2] - middle[:, None]) * (1 + landmarks[..., 2:] / focal[:, None, None])
    share = steady / steady.sum()
    own = np.einsum("l,flx->fx", share, straight)
    straight -= own[:, None]
    wanted = base - share @ base
    agreement = np.einsum("l,flx,ly->fxy", share, straight, wanted)
    u, sizes, vt = np.linalg.svd(agreement)
    mirrored = np.ones_like(sizes)
    mirrored[:, 2] = np.sign(np.linalg.det(u @ vt))
    turn = (u * mirrored[:, None]) @ vt  # straight @ turn lies on wanted
    scale = (sizes * mirrored).sum(1) / np.einsum("l,flx,flx->f", share, straight, straight)
    flat = (scale[:, None, None] * straight @ turn + share @ base).reshape(len(landmarks), -1)
    features = np.concatenate([flat, WEIGHT_GAIN * weights], axis=1)
    turns = Rotation.from_matrix(turn.transpose(0, 2, 1)).as_rotvec()
    return Aligned(features, turns, scale, middle)


def learn_answers(renders: Renders) -> Answers:
    """Raises no errors; the same renders give the same."""
    base = renders.landmarks[:RESTING].mean(0)
    steady = np.ones(LANDMARKS)
    for first, last in IRISES:
        steady[first:last] = 0.0
    unmoved = steady > 0
    for _ in range(STEADY_ROUNDS):
        found = aligned(renders.landmarks, renders.weights, renders.distance, base, steady)
        places = found.features[:, : 3 * LANDMARKS].reshape(-1, LANDMARKS, 3)
        varied = places.var(0).sum(1)
        steady = unmoved / (varied + 0.1 * np.median(varied))
    targets = np.concatenate([renders.left, renders.right, renders.jaw * JAW_SCALE], axis=1)
    terms = pose_terms(found.turn)
    known = np.concatenate([terms, targets], axis=1)
    posed = np.linalg.lstsq(known, found.features, rcond=None)[0][: terms.shape[1]]
    posed[0] = 0.0
    features = found.features - terms @ posed
    mean = features.mean(0)
    features = features - mean
    left, sizes, vt = np.linalg.svd(features, full_matrices=False)
    count = min(COMPONENTS, len(sizes) // 3)
    # Between the components as they are and all alike: small ones tell much, and are noisy.
    components = vt[:count].T / np.sqrt(sizes[:count] * sizes[0] / len(features))
    parts = features @ components
    centre = targets.mean(0)
    looks = np.unique(renders.look, return_inverse=True)[1]
    whole = _ridge(parts, targets - centre, looks)
    within = _ridge(_apart(parts, looks), _apart(targets, looks), looks)
    head = _head(renders, found, parts, terms)
    return Answers(base, steady, posed, mean, components, within, whole, centre, head, features.std(0))


def pose_terms(turn: np.ndarray) -> np.ndarray:
    """(F, 10) 1, the turns (F, 3) and their products."""
    one, other = np.triu_indices(3)
    return np.concatenate([np.ones((len(turn), 1)), turn, turn[:, one] * turn[:, other]], axis=1)


def _apart(values: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """Values (R, X) less their means within looks (R,)."""
    count = np.bincount(looks).clip(1)
    means = np.stack([np.bincount(looks, column) for column in values.T], axis=1) / count[:, None]
    return values - means[looks]


def _ridge(parts: np.ndarray, targets: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """(K, T) of targets (R, T) by parts (R, K), as strongly held as looks (R,) that were left out want."""
    off = np.zeros(len(RIDGES))
    for fold in range(FOLDS):
        out = looks % FOLDS == fold
        for index, ridge in enumerate(RIDGES):
            off[index] += ((targets[out] - parts[out] @ _solve(parts[~out], targets[~out], ridge)) ** 2).sum()
    return _solve(parts, targets, RIDGES[off.argmin()])


def _solve(parts: np.ndarray, targets: np.ndarray, ridge: float) -> np.ndarray:
    normal = parts.T @ parts
    return np.linalg.solve(normal + ridge * np.eye(len(normal)), parts.T @ targets)


def _head(renders: Renders, found: Aligned, parts: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """(K + 10, 6) of what the head is turned by beside what the landmarks are, where the steady landmarks' middle lies
    about the face's, and by how much the face is larger, as a logarithm."""
    camera = np.diag([1.0, -1.0, -1.0])
    apparent = Rotation.from_rotvec(found.turn)
    missing = (Rotation.from_matrix(renders.turn @ camera) * apparent.inv()).as_rotvec()
    wanted = np.column_stack([missing, found.middle, np.log(found.scale)])
    return _solve(np.concatenate([parts, terms], axis=1), wanted, 1.0)
