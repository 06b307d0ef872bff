# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of another face than the actor's: its rest frame, size and unit, and points that belong elsewhere."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aim_blender.core.fitting.fitting_points import fit_points
from aim_blender.core.fitting.jaw_of_frame import spread_points
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.model.head import without_head
from aim_blender.core.points.points import PointPerformance
from aim_blender.core.shared.faces.similarity import millimetres_of, robust_similarity
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.settings.point_settings import PointFittingSettings
from tests.core.geometry import rigid

COUNT, SIZE = 60, 1.15
FEW = PointFittingSettings(modes=12)


@pytest.fixture(scope="module")
def vertices(demo_learned):
    return spread_points(demo_learned.neutral, np.ones(len(demo_learned.neutral)), COUNT)


@pytest.fixture(scope="module")
def stabilized(demo_shot) -> np.ndarray:
    """(F, V, 3) the shot without its head's motion, and a first frame at rest."""
    return without_head(demo_shot.vertices.astype(np.float64), demo_shot.head)


def performance(positions, vertices, **changed) -> PointPerformance:
    names = tuple(f"marker {index}" for index in range(len(vertices)))
    frames = np.arange(1, len(positions) + 1, dtype=np.int32)
    confidence = np.ones(positions.shape[:2])
    whole = PointPerformance(names, positions, confidence, vertices, frames, 24.0, "markers.csv")
    return dataclasses.replace(whole, **changed)


@pytest.fixture(scope="module")
def own(demo_learned, stabilized, vertices) -> PointPerformance:
    positions = np.concatenate([stabilized[:, vertices], np.tile(demo_learned.neutral[vertices], (3, 1, 1))])
    return performance(positions, vertices)


@pytest.fixture(scope="module")
def other(demo_learned, own) -> PointPerformance:
    """The same performance of a larger face of another shape, of up to 8 mm, somewhere else in the room."""
    neutral = demo_learned.neutral[own.vertices]
    far = np.ptp(neutral, axis=0).max()
    other_shape = 5.0 * np.stack([np.sin(7 * neutral[:, axis] / far) for axis in (1, 2, 0)], axis=1)
    placed = rigid((10.0, 40.0, -20.0), (300.0, 20.0, 1500.0))
    positions = SIZE * (own.positions + other_shape)
    return dataclasses.replace(own, positions=positions @ placed[:3, :3].T + placed[:3, 3])


def skin_of(actor, take) -> np.ndarray:
    return without_head(evaluate_take(actor, take)["vertices"].astype(np.float64), take.head)


@pytest.fixture(scope="module")
def own_skin(demo_learned, own):
    take = fit_points(demo_learned, own, FEW)
    assert "rest_offset_mm" not in take.figures
    assert len(take.figures["notes"]) <= 1  # of one marker in one frame
    return skin_of(demo_learned, take)


@pytest.mark.parametrize("choices", [{}, {"head": "still"}, {"rest_frame": 14}])
def test_another_face_at_rest_is_no_expression(demo_learned, own, other, own_skin, choices):
    take = fit_points(demo_learned, other, dataclasses.replace(FEW, **choices))
    found = skin_of(demo_learned, take)
    assert np.linalg.norm(found - own_skin, axis=-1).mean() < 0.35
    assert np.linalg.norm(found[-1] - demo_learned.neutral, axis=-1).max() < 1.0
    assert 3.0 < take.figures["rest_offset_mm"] < 8.0
    assert take.figures["rest_scale"] == pytest.approx(1 / SIZE, rel=0.03)
    assert take.figures["rest_frame"] >= 13
    assert "mm from this actor's face at rest, which is 0.8" in take.figures["notes"][0]


def test_without_a_rest_frame_another_face_is_refused_and_not_a_grimace(demo_learned, other):
    with pytest.raises(InputError, match=r"markers\.csv does not fit: .* of another face: name a rest frame"):
        fit_points(demo_learned, other, dataclasses.replace(FEW, rest_frame="off"))


def test_an_expression_that_is_held_is_not_taken_off(demo_learned, own, own_skin):
    moved = np.linalg.norm(own.positions - demo_learned.neutral[own.vertices], axis=-1).mean(1)
    busy = np.flatnonzero(moved > np.median(moved[:-3]))
    kept = dataclasses.replace(
        own, positions=own.positions[busy], confidence=own.confidence[busy], frames=own.frames[busy]
    )
    take = fit_points(demo_learned, kept, FEW)
    assert "rest_offset_mm" not in take.figures
    assert np.linalg.norm(skin_of(demo_learned, take) - own_skin[busy], axis=-1).mean() < 0.1


def test_a_rest_frame_must_be_there(demo_learned, own):
    with pytest.raises(InputError, match="frame 99, chosen as the rest frame, is not there; choose one of 1 to 15"):
        fit_points(demo_learned, own, dataclasses.replace(FEW, rest_frame=99))
    with pytest.raises(InputError, match="rest_frame is 'never'; it must be auto or off, or the number of a frame"):
        PointFittingSettings(rest_frame="never")


def test_points_of_no_such_face_are_refused(demo_learned, own):
    shuffled = np.random.default_rng(0).permutation(own.vertices)
    for wrong in (
        dataclasses.replace(own, vertices=shuffled),
        dataclasses.replace(own, positions=own.positions * (-1.0, 1.0, 1.0)),
    ):
        with pytest.raises(InputError, match=r"markers\.csv shows no face like the actor's: at rest, in frame"):
            fit_points(demo_learned, wrong, FEW)
    with pytest.raises(InputError, match=r"markers\.csv does not fit: .* see which vertex each names"):
        fit_points(
            demo_learned, dataclasses.replace(own, vertices=shuffled), dataclasses.replace(FEW, rest_frame="off")
        )


def test_a_head_that_is_not_still_is_the_reason(demo_learned, own):
    moved = dataclasses.replace(own, positions=own.positions + 200.0)
    with pytest.raises(InputError, match="the head moves, or is not where the actor's is: let it be free, not still"):
        fit_points(demo_learned, moved, dataclasses.replace(FEW, rest_frame="off", head="still"))


def test_points_that_belong_elsewhere_are_named(demo_learned, own, other, own_skin):
    apart = np.linalg.norm(demo_learned.neutral[own.vertices] - demo_learned.neutral[own.vertices[7]], axis=1)
    far = int(apart.argmax())
    swapped = own.vertices.copy()
    swapped[[7, far]] = swapped[[far, 7]]
    for whose in (own, other):
        take = fit_points(demo_learned, dataclasses.replace(whose, vertices=swapped), FEW)
        assert np.linalg.norm(skin_of(demo_learned, take) - own_skin, axis=-1).mean() < 0.6
        said = " ".join(take.figures["notes"])
        assert "2 of 60 points were left out in most frames: " in said
        assert "marker 7 (100 %)" in said
        assert f"marker {far} (100 %)" in said
        assert take.figures["worst_mm"] > 0.5 * apart.max()


def test_every_point_counts_in_the_error(demo_learned, own, own_skin):
    wild = own.positions.copy()
    wild[2:, 11] = 1e9
    take = fit_points(demo_learned, dataclasses.replace(own, positions=wild), FEW)
    assert np.linalg.norm(skin_of(demo_learned, take) - own_skin, axis=-1).mean() < 0.1
    assert take.error_mm[4, 1] == pytest.approx(1e9 * 3**0.5, rel=1e-3)
    assert take.error_mm[4, 0] == pytest.approx(1e9 * 3**0.5 / COUNT, rel=1e-3)
    assert take.figures["notes"][0].startswith("1 of 60 points were left out in most frames: marker 11 (87 %)")


def test_no_point_is_an_outlier_where_none_may_be(demo_learned, own):
    thrown = own.positions.copy()
    thrown[:, 11] += 12.0
    moved = dataclasses.replace(own, positions=thrown)
    believing = fit_points(demo_learned, moved, dataclasses.replace(FEW, outlier_mm=0.0))
    assert believing.figures["outliers"] == 0
    assert fit_points(demo_learned, moved, FEW).figures["outliers"] >= 10


@pytest.mark.parametrize(
    ("factor", "unit", "named"),
    [(1.0, 1.0, ""), (0.001, 1000.0, "metres"), (0.1, 10.0, "centimetres"), (1 / 25.4, 25.4, "inches")],
)
def test_units_are_told_by_the_size_though_vertices_are_named(demo_learned, own, other, own_skin, factor, unit, named):
    for whose, near in ((own, 0.02), (other, 0.35)):
        take = fit_points(demo_learned, dataclasses.replace(whose, positions=factor * whose.positions), FEW)
        assert take.figures["unit_factor"] == unit
        assert np.linalg.norm(skin_of(demo_learned, take) - own_skin, axis=-1).mean() < near
        assert bool(named) == any(f"are in {named}, as their size says" in note for note in take.figures["notes"])


def test_a_unit_that_cannot_be_told_is_asked_for(demo_learned, own):
    with pytest.raises(InputError, match=r"in centimetres 0\.62 times as large and in inches 1\.6 times as large"):
        fit_points(demo_learned, dataclasses.replace(own, positions=own.positions / 16.0), FEW)


def test_a_size_is_told_whatever_a_few_points_do():
    random = np.random.default_rng(3)
    places = random.normal(scale=60.0, size=(30, 3))
    positions = np.tile(places / 10.0, (5, 1, 1)) @ rigid((30.0, -50.0, 70.0), (0.0, 0.0, 0.0))[:3, :3] + 7.0
    positions[:, 3] = 1e6
    positions[1:, 4:9] = np.nan
    assert millimetres_of(places, positions, "markers.csv") == 10.0
    found = robust_similarity(positions[0], places)
    assert found.scale == pytest.approx(10.0, rel=1e-3)
    assert found.of(positions[0, 4:]) == pytest.approx(places[4:], abs=0.05)
