# SPDX-License-Identifier: GPL-3.0-or-later
"""What the landmark network makes of a face before it tells landmarks, and what of an actor is learned of it,
docs/model.md (40).

Landmarks are what the network was taught to tell of anybody; on the way to them it knows more of the jaw than they say.
On videos of two of make_capture.py's actors the jaw is told with a correlation of 0.96 and 0.94 by it, by landmarks
with 0.90 and 0.93. Brows, cheeks and lips it tells no better: light and skin move it more. Both together are best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from .face_detector import LANDMARK_SIZE, LEFT_EYE, RIGHT_EYE, Crop, FaceDetector, FoundFace, cut

INNER_CORNERS = (133, 362)
WIDE, BELOW = 2.7, 0.42  # of how far the eyes' outer corners are apart: a crop's side, and how far below them it lies
RIDGES = 10.0 ** np.arange(-1.5, 1.1, 0.5)
AT_ONCE = 1000  # frames
LEAST_SPREAD = 1e-3  # of the usual one


def crop_by_eyes(face: FoundFace) -> Crop:
    """One in which the eyes lie alike, whatever the jaw does: that of all landmarks grows with an open mouth."""
    right, left = face.landmarks[RIGHT_EYE], face.landmarks[LEFT_EYE]
    apart = float(np.linalg.norm(left - right))
    across = (left - right)[:2]
    angle = float(np.arctan2(across[1], across[0]))
    middle = (right + left + face.landmarks[list(INNER_CORNERS)].sum(0))[:2] / 4
    return Crop(middle + BELOW * apart * np.array([-np.sin(angle), np.cos(angle)]), WIDE * apart, angle)


def impression_of(detector: FaceDetector, picture: np.ndarray, face: FoundFace) -> np.ndarray:
    """h (IMPRESSIONS,) of docs/model.md (40), of a face in a picture (height, width, 3) up to 255."""
    crop = crop_by_eyes(face)
    return detector.impression_in(cut(picture, crop, LANDMARK_SIZE), crop)[1]


def placed_in(face: FoundFace, crop: Crop, pixels: int) -> FoundFace:
    """A face in the pixels of a crop that has LANDMARK_SIZE of them, in the middle of a picture of so many."""
    scale = LANDMARK_SIZE / crop.side
    flat = (face.landmarks[:, :2] - crop.centre) @ crop.axes.T * scale + pixels / 2
    return FoundFace(np.column_stack([flat, face.landmarks[:, 2] * scale]), face.presence)


@dataclass(frozen=True)
class Deep:
    """What is learned of impressions, of I = IMPRESSIONS numbers, by poses with Q terms, of T targets.

    sizes: (I,) what each number is divided by. posed: (Q, I) those of the neutral, and what turns add. told: (I, T).
    """

    sizes: np.ndarray
    posed: np.ndarray
    told: np.ndarray

    def targets(self, impressions: np.ndarray, terms: np.ndarray) -> np.ndarray:
        """(F, T) of impressions (F, I) of heads whose turns have terms (F, Q)."""
        told = self.told / self.sizes[:, None]
        of_turns = terms @ (self.posed @ self.told)
        # A long video's are many numbers, of half the precision.
        parts = [impressions[i : i + AT_ONCE].astype(np.float64) @ told for i in range(0, len(impressions), AT_ONCE)]
        return np.concatenate(parts) - of_turns


def learn_deep(
    impressions: np.ndarray, terms: np.ndarray, targets: np.ndarray, looks: np.ndarray, folds: int
) -> tuple[Deep, np.ndarray]:
    """C of docs/model.md (40), of renders' impressions (R, I), terms (R, Q), targets (R, T) and looks (R,), numbered
    from 0; and (R, T) what is told of looks that were left out. What a look adds is taken off, as in a video it is.
    """
    spread = impressions.std(0)
    sizes = spread + LEAST_SPREAD * spread.mean() + 1e-9
    known = np.concatenate([terms, targets], axis=1)
    scaled = impressions / sizes
    told = np.linalg.solve(known.T @ known + 0.1 * np.eye(known.shape[1]), known.T @ scaled)
    posed, responses = told[: terms.shape[1]], told[terms.shape[1] :]
    rows = scaled - terms @ posed
    missing = rows - targets @ responses
    rows -= np.stack([missing[looks == look].mean(0) for look in range(looks.max() + 1)])[looks]
    usual = (rows**2).sum(1).mean().clip(1e-12)
    agreement = rows @ rows.T / usual
    left_out = np.zeros((len(RIDGES), *targets.shape))
    for fold in range(folds):
        out = looks % folds == fold
        solved = _solved(agreement[np.ix_(~out, ~out)], targets[~out])
        left_out[:, out] = [agreement[np.ix_(out, ~out)] @ each for each in solved]
    best = ((left_out - targets) ** 2).sum((1, 2)).argmin()
    told = rows.T @ _solved(agreement, targets)[best] / usual
    return Deep(sizes, posed, told), left_out[best]


def _solved(agreement: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    """What rows that agree so (R, R) are to be multiplied by for targets (R, T), for each of RIDGES."""
    held = (agreement + ridge * np.eye(len(agreement)) for ridge in RIDGES)
    return [cho_solve(cho_factor(each, overwrite_a=True), targets) for each in held]
