# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights of sparse data within bounds, against a plain twin."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from aim_blender.core.fitting.bounded_weights import BoundedWeights, within_box
from aim_blender.core.fitting.fitting_points import PointSolver
from aim_blender.core.points.points import Binding
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.settings.point_settings import ImageFittingSettings, PointFittingSettings


@pytest.mark.parametrize("lead", [0, 6])
def test_the_answer_is_that_of_least_squares_within_a_box(lead):
    """With a function for every place the weights are the unknowns themselves."""
    random = np.random.default_rng(0)
    places, names = 8, 3
    unknowns = lead + places * names
    rows, wanted = random.normal(size=(60, unknowns)), 4 * random.normal(size=(60, 2))
    shift = np.array([0.3, 0.0, -0.2])
    normal, right = rows.T @ rows, rows.T @ wanted
    free = np.linalg.solve(normal, right)
    bounds = BoundedWeights(np.eye(places), 1.2)
    assert bounds.beyond(free, names, shift).all()
    found = bounds.kept(free, normal, right, 20.0, names, shift)
    on_top = np.tile(shift, places)
    least = np.append(np.full(lead, -np.inf), -0.2 - on_top)
    most = np.append(np.full(lead, np.inf), 1.2 - on_top)
    for frame in range(2):
        expected = lsq_linear(rows, wanted[:, frame], bounds=(least, most), method="bvls").x
        np.testing.assert_allclose(found[:, frame], expected, atol=0.03)
        assert within_box(normal, right[:, frame], free[:, frame], least[lead:], most[lead:]) == pytest.approx(
            expected, abs=1e-6
        )


def test_points_that_ask_for_large_weights_do_not_get_them(demo_learned):
    vertices = np.arange(0, len(demo_learned.neutral), 200)
    solvers = [
        PointSolver(demo_learned, Binding.at(vertices), PointFittingSettings(modes=8, largest_weight=largest))
        for largest in (0.0, 1.0)
    ]
    moved = demo_learned.expressions[vertices].sum(1)
    residual = np.stack([0.2 * moved, 5.0 * moved, -3.0 * moved])
    trust = np.ones(residual.shape[:2])
    trust[1, ::5] = 0.0
    free = np.stack([solvers[0].solve(*each) for each in zip(residual, trust, strict=True)])
    assert solvers[0].bounded(free, residual, trust) is free
    found = solvers[1].bounded(free, residual, trust)
    weights = solvers[1].modes @ found
    assert np.abs(solvers[1].modes @ free).max() > 3.0
    assert weights.max() < 1.1
    assert weights.min() > -0.1


@pytest.mark.parametrize("settings", [PointFittingSettings, ImageFittingSettings])
@pytest.mark.parametrize("choices", [{"largest_weight": 0.5}, {"outlier_mm": -1.0}, {"rest_frame": "never"}])
def test_what_cannot_be_is_refused(settings, choices):
    with pytest.raises(InputError, match=f"{next(iter(choices))} is"):
        dataclasses.replace(settings(), **choices)
