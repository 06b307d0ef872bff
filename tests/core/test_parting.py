# SPDX-License-Identifier: GPL-3.0-or-later
"""Lips that a rig holds together are found, and a skin that stretches is not taken for them."""

import numpy as np
import pytest

from aim_blender.core.shared.rigs.parting import held_together

FRAMES, OPEN_MM = 5, 20.0


@pytest.fixture(scope="module")
def lips() -> tuple[np.ndarray, np.ndarray]:
    """Two halves of a face (P, 3), a millimetre apart, and how the lower one opens (F, P, 3)."""
    grid = np.stack(np.meshgrid(np.arange(-60.0, 61, 5), [0.0, 40.0], np.arange(0.5, 81, 5)), -1).reshape(-1, 3)
    rest = np.concatenate([grid, grid * [1, 1, -1]])
    offsets = np.zeros((FRAMES, len(rest), 3))
    offsets[:, len(grid) :, 2] = -np.linspace(0, OPEN_MM, FRAMES)[:, None]
    return rest, offsets


def test_lips_that_stay_together_are_found(lips: tuple[np.ndarray, np.ndarray]) -> None:
    rest, offsets = lips
    held = held_together(rest, offsets, 0.9 * offsets)
    assert held is not None
    assert held.frame == FRAMES - 1
    assert held.wanted == pytest.approx(OPEN_MM + 1, abs=0.5)
    assert held.shown == pytest.approx(0.1 * OPEN_MM + 1, abs=0.5)


def test_lips_that_open_and_skin_that_stretches_are_not(lips: tuple[np.ndarray, np.ndarray]) -> None:
    rest, offsets = lips
    assert held_together(rest, offsets, 0.1 * offsets) is None
    stretched = np.repeat((0.4 * rest * [0, 0, 1])[None], FRAMES, 0)
    assert held_together(rest, stretched, stretched) is None
