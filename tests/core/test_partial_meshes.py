# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances with missing points, missing frames and points thrown far off; and smoothing over time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.shared.results.take_files import load_take, save_take
from aim_blender.core.timing.time_smoothing import Gaps, smoothed, smoothed_motion
from tests.core.geometry import degrees_between, random_motions, rigid

SETTINGS = FittingSettings(modes=20, device="cpu")


def error_mm(actor, take, shot) -> np.ndarray:
    """(F, V) distance of the whole skin, whatever of it was given."""
    return np.linalg.norm(evaluate_take(actor, take)["vertices"] - shot.vertices, axis=-1)


@pytest.fixture(scope="module")
def clean_mm(demo_learned, demo_take, demo_shot) -> float:
    return float(error_mm(demo_learned, demo_take, demo_shot).mean())


def test_points_missing_here_and_there_hardly_matter(demo_learned, demo_frames, demo_shot, clean_mm):
    vertices = demo_frames.vertices.copy()
    vertices[np.random.default_rng(0).random(vertices.shape[:2]) < 0.2] = np.nan
    take = fit_performance(demo_learned, dataclasses.replace(demo_frames, vertices=vertices), SETTINGS)
    assert error_mm(demo_learned, take, demo_shot).mean() < 1.1 * clean_mm + 0.002
    assert take.figures["missing_points"] == np.isnan(vertices[..., 0]).sum()
    assert "missing and did not pull" in take.figures["notes"][0]


def test_points_without_confidence_are_like_points_without_a_position(demo_learned, demo_frames):
    few = dataclasses.replace(demo_frames, vertices=demo_frames.vertices[3:6], frames=demo_frames.frames[3:6])
    absent = np.random.default_rng(1).random(few.vertices.shape[:2]) < 0.1
    gone, doubted = few.vertices.copy(), few.vertices.copy()
    gone[absent] = np.nan
    doubted[absent] += 30.0
    takes = [
        fit_performance(demo_learned, dataclasses.replace(few, **changed), SETTINGS)
        for changed in ({"vertices": gone}, {"vertices": doubted, "confidence": ~absent})
    ]
    assert np.array_equal(takes[0].coefficients, takes[1].coefficients)
    assert np.array_equal(takes[0].head, takes[1].head)


def test_a_mesh_without_its_lower_part_is_fitted_where_it_is(demo_learned, demo_frames, demo_shot, clean_mm):
    vertices = demo_frames.vertices.copy()
    neck = demo_learned.neutral[:, 2] < np.quantile(demo_learned.neutral[:, 2], 0.2)
    vertices[:, neck] = np.nan
    take = fit_performance(demo_learned, dataclasses.replace(demo_frames, vertices=vertices), SETTINGS)
    assert error_mm(demo_learned, take, demo_shot)[:, ~neck].mean() < 1.5 * clean_mm
    assert take.figures["mean_mm"] < 1.5 * clean_mm


def test_missing_frames_lie_between_their_neighbours(demo_learned, demo_frames, demo_take):
    vertices = demo_frames.vertices.copy()
    vertices[[0, 4, 5]] = np.nan
    take = fit_performance(demo_learned, dataclasses.replace(demo_frames, vertices=vertices), SETTINGS)
    assert take.figures["missing_frames"] == demo_frames.frames[[0, 4, 5]].tolist()
    assert "3 of 12 frames are missing" in take.figures["notes"][0]
    assert np.array_equal(take.coefficients[0], take.coefficients[1])
    third = take.coefficients[3] + (take.coefficients[6] - take.coefficients[3]) / 3
    assert take.coefficients[4] == pytest.approx(third, abs=1e-5)
    turned = degrees_between(take.head[4], take.head[3]), degrees_between(take.head[6], take.head[3])
    assert turned[0] == pytest.approx(turned[1] / 3, abs=1e-6)
    others = [1, 2, 3, *range(6, len(vertices))]
    assert np.allclose(take.coefficients[others], demo_take.coefficients[others], atol=2e-3)


def test_points_thrown_far_off_lose_their_say(demo_learned, demo_frames, demo_shot, clean_mm):
    random = np.random.default_rng(2)
    vertices = demo_frames.vertices.copy()
    thrown = random.random(vertices.shape[:2]) < 0.01
    aside = random.normal(size=(thrown.sum(), 3))
    vertices[thrown] += 20 * aside / np.linalg.norm(aside, axis=1, keepdims=True)
    wild = dataclasses.replace(demo_frames, vertices=vertices.astype(np.float32))
    take = fit_performance(demo_learned, wild, SETTINGS)
    believed = fit_performance(demo_learned, wild, dataclasses.replace(SETTINGS, outlier_mm=0.0))
    assert error_mm(demo_learned, take, demo_shot).mean() < 1.1 * clean_mm
    assert error_mm(demo_learned, believed, demo_shot).mean() > 1.5 * clean_mm
    assert take.figures["outliers"] == pytest.approx(thrown.sum(), rel=0.02)
    off = np.linalg.norm(evaluate_take(demo_learned, take)["vertices"] - wild.vertices, axis=-1)
    assert take.error_mm == pytest.approx(np.stack([off.mean(1), off.max(1)], axis=1), abs=1e-3)
    assert take.figures["mean_mm"] == pytest.approx(off.mean(), rel=1e-3)
    assert take.figures["p99_mm"] == pytest.approx(np.quantile(off, 0.99), rel=0.005)
    assert take.figures["worst_mm"] > 15.0
    assert take.figures["believed_mean_mm"] < 1.1 * clean_mm
    assert "points a frame lie far from what the face can do and were left out" in take.figures["notes"][-1]
    assert believed.figures["outliers"] == 0
    assert believed.figures["notes"] == []


@pytest.mark.parametrize("temporal", [0.0, 4.0])
def test_a_point_at_the_end_of_the_world_moves_nothing(demo_learned, demo_frames, demo_shot, temporal, tmp_path):
    """Its distance would drown all others in float32, and the jaw in Gauss-Newton's first rounds."""
    from aim_blender.core.fitting.fitting_session import FittingSession

    settings = dataclasses.replace(SETTINGS, temporal=temporal)
    asked_of_the_jaw = int(FittingSession(demo_learned, settings).jaw_of_frame.points[0])
    vertices = demo_frames.vertices.copy()
    vertices[3:, asked_of_the_jaw] = 1e9
    takes = [
        fit_performance(demo_learned, dataclasses.replace(demo_frames, vertices=each), settings)
        for each in (demo_frames.vertices, vertices)
    ]
    found = [evaluate_take(demo_learned, take)["vertices"] for take in takes]
    assert np.linalg.norm(found[1] - found[0], axis=-1).max() < 0.05
    assert degrees_between(takes[1].jaw, takes[0].jaw).max() < 0.05
    assert takes[1].figures["outliers"] == len(vertices) - 3
    assert takes[1].figures["worst_mm"] == pytest.approx(1e9 * 3**0.5, rel=1e-3)
    assert f"left out in most frames: vertex {asked_of_the_jaw} (75 %)" in takes[1].figures["notes"][0]
    save_take(takes[1], tmp_path / "far.take.safetensors")
    assert load_take(tmp_path / "far.take.safetensors").figures["worst_mm"] == takes[1].figures["worst_mm"]


def test_worst_frames_are_listed(demo_take):
    listed = demo_take.figures["worst_frames"]
    assert [line["frame"] for line in listed] == demo_take.frames[np.argsort(-demo_take.error_mm[:, 1])[:5]].tolist()
    assert listed[0]["worst_mm"] == pytest.approx(demo_take.figures["worst_mm"])
    assert listed[0]["frame"] == demo_take.figures["worst_frame"]


# -- smoothing over time ----------------------------------------------------------------------------------------------

EVEN = np.arange(1, 201)


def test_a_period_of_the_length_is_halved_and_slow_ones_stay():
    for period, kept in ((10, 0.5), (100, 1.0), (3, 0.0)):
        wave = np.sin(2 * np.pi * EVEN / period)
        found = smoothed(wave, EVEN, 10.0)
        middle = slice(60, 140)
        share = (found[middle] @ wave[middle]) / (wave[middle] @ wave[middle])
        assert share == pytest.approx(kept, abs=0.03)


def test_nothing_is_delayed():
    """A smoothed pulse stays where it is and is the same both ways; a straight line is not changed at all."""
    pulse = np.exp(-(((EVEN - 100) / 6.0) ** 2))
    found = smoothed(pulse, EVEN, 12.0)
    assert EVEN[found.argmax()] == 100
    assert found == pytest.approx(smoothed(pulse[::-1], EVEN, 12.0)[::-1], abs=1e-12)
    line = 3.0 * EVEN - 7.0
    assert smoothed(line, EVEN, 12.0) == pytest.approx(line, abs=1e-6)
    uneven = np.cumsum(np.random.default_rng(0).integers(1, 5, 50))
    assert smoothed(2.0 * uneven, uneven, 20.0) == pytest.approx(2.0 * uneven, abs=1e-6)


def test_smoothing_minimises_what_it_says():
    values = np.random.default_rng(3).normal(size=(12, 2))
    second = np.diff(np.eye(12), n=2, axis=0)
    strength = (2 * np.sin(np.pi / 8.0)) ** -4
    wanted = np.linalg.solve(np.eye(12) + strength * second.T @ second, values)
    assert smoothed(values, np.arange(12), 8.0) == pytest.approx(wanted, abs=1e-10)


def test_smoothed_motion_is_rigid_and_keeps_a_steady_turn():
    steady = np.stack([rigid((0.0, 0.4 * frame, 0.0), (0.0, 0.0, 0.1 * frame)) for frame in range(60)])
    shaken = steady.copy()
    shaken[::2, 0, 3] += 1.0
    pivot = np.zeros(3)
    found = smoothed_motion(shaken, np.arange(60), 10.0, pivot)
    assert np.abs(np.diff(found[10:50, 0, 3])).max() < 0.02
    assert degrees_between(found[5:-5], steady[5:-5]).max() < 0.05
    rotation = found[:, :3, :3]
    assert rotation @ rotation.transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (60, 1, 1)), abs=1e-12)


def test_gaps_hold_the_ends():
    values = np.array([np.nan, 1.0, np.nan, np.nan, 4.0, np.nan])
    Gaps(np.array([1, 2, 3, 5, 8, 9]), np.isnan(values)).fill(values)
    assert values == pytest.approx([1.0, 1.0, 1.5, 2.5, 4.0, 4.0])
    motion = random_motions(3, np.random.default_rng(4))
    filled = motion.copy()
    Gaps(np.arange(3), np.array([False, True, False])).fill_motion(filled, np.zeros(3))
    assert degrees_between(filled[1], motion[0]) == pytest.approx(degrees_between(motion[2], motion[0]) / 2, abs=1e-6)


def test_temporal_smoothing_takes_noise_away(demo, demo_learned):
    from aim_blender.core.shared.captured.performances import Performance

    ends = demo.performance().vertices[[50, 56]]
    clean = ends[0] + (ends[1] - ends[0]) * (0.5 - 0.5 * np.cos(np.arange(30) * np.pi / 29))[:, None, None]
    noisy = clean + np.random.default_rng(5).normal(scale=0.3, size=clean.shape)
    numbers = np.arange(1, 31, dtype=np.int32)
    performance = Performance(noisy.astype(np.float32), numbers, 24.0, demo.topology, "noisy")

    def error_and_jitter(**changed: Any) -> tuple[float, float]:
        take = fit_performance(demo_learned, performance, dataclasses.replace(SETTINGS, **changed))
        assert (take.head[:, 3] == (0, 0, 0, 1)).all()  # exactly, as its file is read
        off = evaluate_take(demo_learned, take)["vertices"] - clean
        return np.linalg.norm(off, axis=-1).mean(), np.linalg.norm(np.diff(off, n=2, axis=0), axis=-1).mean()

    plain, calm = error_and_jitter(), error_and_jitter(temporal=4.0)
    assert calm[0] < 0.95 * plain[0]
    assert calm[1] < 0.5 * plain[1]
