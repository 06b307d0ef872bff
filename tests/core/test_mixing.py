# SPDX-License-Identifier: GPL-3.0-or-later
"""Mixtures of shapes within bounds, and how much of them is kept."""

import numpy as np

from aim_blender.core.retargeting.imitation import Palette, _settled
from aim_blender.core.retargeting.meaning import Meaning
from aim_blender.core.retargeting.mixing import LEAST, MOST, Mixing, Mixture

POINTS = 200
PLACES = np.linspace(0.0, 1.0, POINTS)
MODES = np.sqrt(2.0) * np.cos(np.pi * np.arange(6) * PLACES[:, None])  # (V, 6)
NO_MEANING = Meaning((), np.zeros(0), np.zeros((1, 0)))


def bump(middle: float) -> np.ndarray:
    return np.exp(-np.square((PLACES - middle) / 0.12))


def offsets(*axes: np.ndarray) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*axes, *[0.0 * PLACES] * (3 - len(axes))), axis=1)


def test_local_weights_that_only_cancel_one_another_are_not_cut_off_one_by_one():
    """Two shapes are nearly one in the middle: what neither does there is no reason to lose what both do."""
    own = np.stack(
        [offsets(10.0 * bump(0.5), 10.0 * bump(0.1)), offsets(10.0 * bump(0.5), 10.0 * bump(0.9) + 1.5 * bump(0.5))]
    )
    motion = own.sum(0) * 0.7 + offsets(0.0 * PLACES, 9.0 * bump(0.5))
    eigenvalues = np.square(0.001 * np.arange(6))
    mixing = Mixing(own, np.ones(2, dtype=bool), np.ones(POINTS), (MODES, eigenvalues), NO_MEANING)
    still = np.zeros_like(motion)
    found = mixing.of(motion, np.zeros(0), still)
    overall, _ = mixing._overall(motion, np.zeros(0), still, found.shapes)
    assert list(found.shapes) == [0, 1]
    assert found.weights.min() >= LEAST
    assert found.weights.max() <= MOST
    assert np.ptp(found.weights, axis=0).max() > 0.05
    assert np.square(found.of(own) - motion).sum() < np.square(np.tensordot(overall, own, 1) - motion).sum()


def test_what_means_the_same_on_other_skin_is_kept():
    """A lid that closes lower on one face than on the other moves other points, and is a blink on both."""
    own, motion = offsets(bump(0.1))[None], offsets(bump(0.9))
    palette = Palette(np.ones(1, dtype=bool), (MODES, np.zeros(6)), np.ones(POINTS), np.full(POINTS, "lids"))
    mixture = Mixture(np.array([0]), np.ones((1, 1), np.float32))
    kept = _settled(mixture, motion, np.zeros_like(motion), (0.95, 0.8), own, palette)
    assert len(kept.shapes) == 1
    assert kept.done == 0.8
    dropped = _settled(mixture, motion, np.zeros_like(motion), (0.5, 0.2), own, palette)
    assert len(dropped.shapes) == 0
