# SPDX-License-Identifier: GPL-3.0-or-later
"""What the face detector answers to an actor's face, learned on the actor's own renders: from landmarks and weights to
expressions, jaw and head, docs/model.md (39).

A detector's landmarks are not where the skin is: they are drawn towards faces as it knows them, and turned and lit
faces are answered otherwise. So nothing is fitted to where they lie: a ridge regression tells what the actor does when
the detector answers so. Light and skin add something of their own, which is one for a video, and is taken off before.
On an actor of make_capture.py, kernels and small networks came no nearer to videos than the ridge did (1.5 mm where a
frozen face is 2.6 off), and a bounded fit of what is answered to each shape stayed behind it (1.8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..shared.foundation.smoothstep import smoothstep
from .face_detector import IMPRESSIONS, IRISES, LANDMARKS, LIDS, WEIGHT_NAMES
from .face_renders import RESTING, Renders
from .impressions import Deep, learn_deep

WEIGHT_GAIN = 20.0  # mm that a weight of the detector counts as
COMPONENTS = 120
JAW_SCALE = np.repeat([10.0, 0.1], 3)  # of its pose, radians and mm: to about 1, as weights are
RIDGES = 10.0 ** np.arange(-0.5, 3.1, 0.5)
FOLDS = 5
STEADY_ROUNDS = 3
WELL_TOLD, LEAST_SHORTFALL = 0.9, 0.7  # a correlation; a slope that a gain makes up for at most
TARGET_RIDGE = 0.1  # shapes without a jaw, say, tell nothing of it
LIDS_FROM, LIDS_TO = 0.08, 0.18  # the lids' share of what a shape moves of landmarks; that of their number is 0.07
INNER_LIPS = np.array([[13, 14], [82, 87], [312, 317], [81, 178], [311, 402], [80, 88], [310, 318]])  # upper and lower
LID_MIDDLES = (((160, 159, 158), (144, 145, 153)), ((385, 386, 387), (380, 374, 373)))  # upper and lower landmarks
POSE_TERMS, POSE_GAIN = 10, 10.0
HEAD_TERMS = 6
HEAD_MM = 100.0  # from which a turn of one moves as much as a slide of one
CAMERA = np.diag([1.0, -1.0, -1.0])  # from left, up and front to right, down and away


@dataclass(frozen=True)
class Answers:
    """What is learned; D = 3 * 478 + 52 features, K components, T = 2 N + 6 targets: weights of the left, of the right,
    and the jaw.

    base: (478, 3) mm, the landmarks at rest, from in front. steady: (478,) how much each says of the head. posed:
    (10, D) what turns of the head add. rest: (D,) the features of the neutral. responses: (T, D) what a target adds.
    components: (D, K). told: (K, T) targets by components. spread: (T, T) covariance of what looks that were left out
    are told wrongly by. head: (K + 10, 6) what the head is turned, moved and larger by. turned: (3, 3) what the turns
    that it then has are multiplied by. impression_sizes, impression_posed, impression_told: as Deep has them; what it
    tells is added to what landmarks do, each by its share.
    """

    base: np.ndarray
    steady: np.ndarray
    posed: np.ndarray
    rest: np.ndarray
    responses: np.ndarray
    components: np.ndarray
    told: np.ndarray
    spread: np.ndarray
    head: np.ndarray
    turned: np.ndarray
    impression_sizes: np.ndarray
    impression_posed: np.ndarray
    impression_told: np.ndarray

    def fits(self, shapes: int) -> bool:
        """Whether it is of an actor of so many shapes, and all numbers."""
        features, targets = 3 * LANDMARKS + len(WEIGHT_NAMES), 2 * shapes + 6
        count = self.components.shape[-1]
        wanted = {
            "base": (LANDMARKS, 3),
            "steady": (LANDMARKS,),
            "posed": (POSE_TERMS, features),
            "rest": (features,),
            "responses": (targets, features),
            "components": (features, count),
            "told": (count, targets),
            "spread": (targets, targets),
            "head": (count + POSE_TERMS, HEAD_TERMS),
            "turned": (3, 3),
            "impression_sizes": (IMPRESSIONS,),
            "impression_posed": (POSE_TERMS, IMPRESSIONS),
            "impression_told": (IMPRESSIONS, targets),
        }
        return all(
            getattr(self, name).shape == shape and np.isfinite(getattr(self, name)).all()
            for name, shape in wanted.items()
        )

    def features(self, found: Aligned) -> np.ndarray:
        """(F, D) without what turns of the head add, from those of the neutral: what f of docs/model.md (39) is of."""
        return found.features - pose_terms(found.turn) @ self.posed - self.rest

    def targets(self, features: np.ndarray, found: Aligned, impressions: np.ndarray) -> np.ndarray:
        """(F, T) of features (F, D) from those of the neutral, and of impressions (F, I)."""
        deep = Deep(self.impression_sizes, self.impression_posed, self.impression_told)
        return features @ self.components @ self.told + deep.targets(impressions, pose_terms(found.turn))

    def of_lids(self) -> np.ndarray:
        """(T,) from 0 to 1, how much each target is one of the lids, by the landmarks that it moves."""
        moved = self.responses[:, : 3 * LANDMARKS].reshape(-1, LANDMARKS, 3)[:, : IRISES[0][0], :2]
        sizes = (moved**2).sum(2)
        share = sizes[:, LIDS].sum(1) / sizes.sum(1).clip(1e-12)
        share[-len(JAW_SCALE) :] = 0.0
        return smoothstep((share - LIDS_FROM) / (LIDS_TO - LIDS_FROM))

    def lid_gaps(self) -> np.ndarray:
        """(2, T) mm by which each target parts the lids of an eye, as the detector sees them."""
        heights = self.responses[:, : 3 * LANDMARKS].reshape(-1, LANDMARKS, 3)[..., 1]
        return np.array([heights[:, lower].mean(1) - heights[:, upper].mean(1) for upper, lower in LID_MIDDLES])

    def heads(self, found: Aligned, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How the face's axes are turned (F, 3, 3) in a camera that looks at the steady landmarks' middle, where these
        lie (F, 2) mm from the face's own, and mm a pixel (F,)."""
        told = np.concatenate([features @ self.components, pose_terms(found.turn)], axis=1) @ self.head
        turn = (Rotation.from_rotvec(told[:, :3]) * Rotation.from_rotvec(found.turn)).as_rotvec() @ self.turned
        return Rotation.from_rotvec(turn).as_matrix() @ CAMERA, told[:, 3:5], found.scale * np.exp(-told[:, 5])


@dataclass(frozen=True)
class Aligned:
    """Answers brought to the actor's, seen from in front. features: (F, D). turn: (F, 3) rotation vectors of what they
    were turned by. scale: (F,) mm a pixel. middle: (F, 2) pixels, of the steady landmarks."""

    features: np.ndarray
    turn: np.ndarray
    scale: np.ndarray
    middle: np.ndarray


def aligned(
    landmarks: np.ndarray, weights: np.ndarray, focal: np.ndarray, base: np.ndarray, steady: np.ndarray
) -> Aligned:
    """What makes f of docs/model.md (39): of landmarks (F, 478, 3) in any unit and weights (F, 52). focal: (F,) the
    camera's distance in that unit, where the landmarks' plane is the picture."""
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
    turns = Rotation.from_matrix(turn).as_rotvec()
    return Aligned(features, turns, scale, middle)


def learn_answers(renders: Renders) -> Answers:
    """A and B of docs/model.md (40), from renders and their answers."""
    base = renders.landmarks[:RESTING].mean(0)
    steady = np.ones(LANDMARKS)
    for first, last in IRISES:
        steady[first:last] = 0.0
    moving = steady > 0
    for _ in range(STEADY_ROUNDS):
        found = aligned(renders.landmarks, renders.weights, renders.distance, base, steady)
        places = found.features[:, : 3 * LANDMARKS].reshape(-1, LANDMARKS, 3)
        varied = places.var(0).sum(1)
        steady = moving / (varied + 0.1 * np.median(varied))
    targets = np.concatenate([renders.left, renders.right, renders.jaw * JAW_SCALE], axis=1)
    terms = pose_terms(found.turn)
    told = _solve(np.concatenate([terms, targets], axis=1), found.features, TARGET_RIDGE)
    posed, responses = told[:POSE_TERMS].copy(), told[POSE_TERMS:]
    rest, posed[0] = posed[0].copy(), 0.0
    looks = np.unique(renders.look, return_inverse=True)[1]
    features = found.features - terms @ posed - rest
    features = features - _of_looks(features - targets @ responses, looks)
    components = _components(features)
    parts = features @ components
    told, off = _ridge(parts, targets, looks)
    deep, by_deep = learn_deep(renders.impressions, terms, targets, looks, FOLDS)
    share = _shares(targets - off, by_deep, targets, renders.jaw.shape[1])
    by_both = (1.0 - share) * (targets - off) + share * by_deep
    seen, correction = _of_lips(features, targets, responses, by_both)
    head, turned = _head(renders, found, parts, terms, looks)
    left = np.eye(len(share)) - responses @ seen @ correction  # (T, T) of what is told, the rest is what lips show
    by_both = by_both @ left + features @ seen @ correction
    gain = calibrated_gain(by_both, targets)
    gain[: -renders.jaw.shape[1]] = 1.0
    told = told * (1.0 - share) @ left + np.linalg.pinv(components) @ seen @ correction
    told, off = told * gain, targets - by_both * gain
    return Answers(
        base=base,
        steady=steady,
        posed=posed,
        rest=rest,
        responses=responses,
        components=components,
        told=told,
        spread=off.T @ off / len(off),
        head=head,
        turned=turned,
        impression_sizes=deep.sizes,
        impression_posed=deep.posed,
        impression_told=deep.told * share @ left * gain,
    )


def _of_lips(
    features: np.ndarray, targets: np.ndarray, responses: np.ndarray, told: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Features (D, G) that say how far lips are apart, of renders' (R, D), and what each of their mm beyond what told
    targets (R, T) explain adds to these (G, T): Kalman's gain, by how true ones (R, T) are missed by either."""
    seen = np.zeros((features.shape[1], len(INNER_LIPS)))
    gaps = np.arange(len(INNER_LIPS))
    seen[3 * INNER_LIPS[:, 0] + 1, gaps], seen[3 * INNER_LIPS[:, 1] + 1, gaps] = -1.0, 1.0
    explained = responses @ seen  # (T, G)
    noise = features @ seen - targets @ explained
    off = told - targets
    spread, noise = off.T @ off / len(off), noise.T @ noise / len(noise)
    agreement = explained.T @ spread @ explained + noise
    return seen, np.linalg.solve(agreement + 1e-9 * np.trace(agreement) * np.eye(len(gaps)), explained.T @ spread)


def _shares(one: np.ndarray, other: np.ndarray, true: np.ndarray, of_jaw: int) -> np.ndarray:
    """(T,) how much of the other of two ways to tell targets (R, T) comes nearest to the true ones, of looks that were
    left out: one share for what so many last ones are of, the jaw, and one for the rest."""
    both, all_of_it = ((true - one) * (other - one)).sum(0), ((other - one) ** 2).sum(0)
    count = len(both) - of_jaw
    shares = [both[part].sum() / max(all_of_it[part].sum(), 1e-12) for part in (slice(count), slice(count, None))]
    return np.repeat(np.clip(shares, 0.0, 1.0), [count, of_jaw])


def _components(features: np.ndarray) -> np.ndarray:
    """(D, K) of features (R, D): between the principal ones as they are and all alike, for small ones tell much, and
    are noisy."""
    squared, rows = np.linalg.eigh(features @ features.T)
    count = min(COMPONENTS, len(features) // 3)
    sizes, rows = np.sqrt(squared[: -count - 1 : -1].clip(1e-12)), rows[:, : -count - 1 : -1]
    return features.T @ (rows / sizes) / np.sqrt(sizes * sizes[0] / len(features))


def pose_terms(turn: np.ndarray) -> np.ndarray:
    """(F, 10) 1, the turns (F, 3) and their products."""
    one, other = np.triu_indices(3)
    return np.concatenate([np.ones((len(turn), 1)), turn, turn[:, one] * turn[:, other]], axis=1)


def _of_looks(values: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """The means of values (R, X) within looks (R,), for each row."""
    sums = np.zeros((looks.max() + 1, values.shape[1]))
    np.add.at(sums, looks, values)
    return (sums / np.bincount(looks)[:, None])[looks]


def _ridge(parts: np.ndarray, targets: np.ndarray, looks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, T) of targets (R, T) by parts (R, K), as strongly held as looks (R,) that were left out want; and (R, T) how
    far off it then is for these."""
    off = np.zeros((len(RIDGES), *targets.shape))
    for fold in range(FOLDS):
        out = looks % FOLDS == fold
        for index, ridge in enumerate(RIDGES):
            off[index, out] = targets[out] - parts[out] @ _solve(parts[~out], targets[~out], ridge)
    best = (off**2).sum((1, 2)).argmin()
    return _solve(parts, targets, RIDGES[best]), off[best]


def calibrated_gain(told: np.ndarray, true: np.ndarray) -> np.ndarray:
    """g (T,) of docs/model.md (40): by what told targets (R, T), of looks that were left out, fall short of true ones
    (R, T). 1 where they are told too roughly: there it would be noise that grows."""
    told, true = told - told.mean(0), true - true.mean(0)
    both, own = (told * true).sum(0), (true**2).sum(0)
    correlation = both / np.sqrt(own * (told**2).sum(0)).clip(1e-12)
    shortfall = np.divide(both, own, out=np.ones_like(own), where=own > 0)
    return np.where(correlation > WELL_TOLD, 1.0 / shortfall.clip(LEAST_SHORTFALL, 1.0), 1.0)


def _solve(parts: np.ndarray, targets: np.ndarray, ridge: float) -> np.ndarray:
    normal = parts.T @ parts
    return np.linalg.solve(normal + ridge * np.eye(len(normal)), parts.T @ targets)


def _head(
    renders: Renders, found: Aligned, parts: np.ndarray, terms: np.ndarray, looks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(K + 10, 6) of what the head is turned by beside what the landmarks are, where their middle lies from the face's,
    and by how much they are larger, as a logarithm; and (3, 3) what makes turns of looks (R,) that were left out, which
    a ridge tells too small, as large as they are. What poses tell by terms (R, 10) is few numbers: held far less than
    parts (R, K)."""
    apparent, true = Rotation.from_rotvec(found.turn), Rotation.from_matrix(renders.turn @ CAMERA)
    wanted = np.column_stack([(true * apparent.inv()).as_rotvec(), found.middle / HEAD_MM, np.log(found.scale)])
    told, off = _ridge(np.concatenate([parts, POSE_GAIN * terms], axis=1), wanted, looks)
    told[parts.shape[1] :] *= POSE_GAIN
    turns = (Rotation.from_rotvec(wanted[:, :3] - off[:, :3]) * apparent).as_rotvec()
    fallen_short = np.linalg.lstsq(true.as_rotvec(), turns, rcond=None)[0]
    return told * np.repeat([1.0, HEAD_MM, 1.0], [3, 2, 1]), np.linalg.inv(fallen_short)
