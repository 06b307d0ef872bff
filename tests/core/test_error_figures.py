# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors over everything that was given, in the memory of a histogram, and sentences about what was left out."""

from __future__ import annotations

import numpy as np
import pytest

from aim_blender.core.fitting.driving.error_figures import DistanceSummary, FitErrors


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 0.999, 1.0])
def test_quantiles_are_those_of_all_distances(share):
    random = np.random.default_rng(0)
    parts = [random.gamma(0.7, scale, size=(5, 300)) for scale in (0.01, 0.1, 30.0)]
    summary = DistanceSummary()
    for part in parts:
        summary.add(part)
    everything = np.concatenate(parts).ravel()
    assert summary.quantile(share) == pytest.approx(np.quantile(everything, share), rel=0.004)
    assert summary.mean == pytest.approx(everything.mean(), rel=1e-6)


def test_distances_of_any_size_are_counted():
    summary = DistanceSummary()
    found = summary.add(np.array([[0.0, 1e-30, 2.0], [1e12, np.inf, np.nan]]))
    assert found[0] == pytest.approx([2.0 / 3.0, 2.0])
    assert found[1, 1] == np.inf
    assert summary.quantile(0.5) == pytest.approx(2.0, rel=0.002)
    assert DistanceSummary().quantile(0.99) == 0.0


def test_what_was_left_out_counts_and_is_named():
    distance = np.full((10, 4), 1.0)
    distance[:, 2], distance[4, 1], distance[0, 3] = 31.0, 9.0, np.nan
    lost = distance > 5.0
    errors = FitErrors(4)
    found = np.concatenate([errors.add(rows, distance[rows], lost[rows]) for rows in np.split(np.arange(10), [3])])
    assert found[4] == pytest.approx([42.0 / 4, 31.0])
    assert found[0] == pytest.approx([11.0, 31.0])
    figures = errors.figures()
    assert figures["mean_mm"] == pytest.approx(np.nanmean(distance))
    assert figures["believed_mean_mm"] == pytest.approx(1.0)
    assert figures["outliers"] == 11
    assert (errors.lost_in(np.array([4, 7])) == lost[[4, 7]]).all()
    names = ["brow", "lip", "chin", "nose"]
    assert errors.notes(names.__getitem__, "points") == [
        "1 of 4 points were left out in most frames: chin (100 %)",
        "0.1 other points a frame lie far from what the face can do and were left out: lip (10 %); without them the "
        "error is 1.00 mm on the mean, not 8.90",
    ]


def test_nothing_is_said_where_nothing_was_left_out():
    errors = FitErrors(3)
    errors.add(np.arange(2), np.ones((2, 3)), None)
    errors.add(np.arange(2, 4), np.ones((2, 3)), np.zeros((2, 3), dtype=bool))
    assert errors.notes(str, "points") == []
    assert errors.figures()["outlier_share"] == 0.0


def test_cameras_that_come_and_go_count_by_point():
    seen = {0: np.array([[[1.0, np.nan, 3.0], [2.0, 9.0, np.nan]]]), 1: np.array([[[1.0, 9.0, 1.0]]])}
    errors = FitErrors(3)
    found = np.concatenate([errors.add(np.array([row]), each, each > 5.0) for row, each in seen.items()])
    assert found == pytest.approx(np.array([[15.0 / 4, 9.0], [11.0 / 3, 9.0]]))
    assert errors.given.tolist() == [3, 2, 2]
    assert errors.lost.tolist() == [0, 2, 0]
    for row, each in seen.items():
        assert (errors.lost_in(np.array([row]), each.shape[1:-1]) == (each > 5.0)).all()
