# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse points: reading, binding, and fitting them with missing points, outliers and a moving head."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest

from aim_blender.core.fitting import fitting_points
from aim_blender.core.fitting.driving import one_fit
from aim_blender.core.fitting.fitting_points import PointSolver, fit_points
from aim_blender.core.fitting.unbound_points import settled
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.model.head import quietness, robust_registration, without_head
from aim_blender.core.model.working_actor import modes_of
from aim_blender.core.points.points import PointPerformance, bind_points, binding_note, read_points
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.settings.point_settings import PointFittingSettings
from tests.core.geometry import moved, rigid

COUNT = 120


@pytest.fixture(scope="module")
def vertices(demo_learned):
    """Points all over the front of the face, far from each other."""
    neutral = demo_learned.neutral
    front = np.flatnonzero(neutral[:, 1] < np.quantile(neutral[:, 1], 0.6))
    chosen = [front[0]]
    distance = np.full(len(front), np.inf)
    for _ in range(COUNT - 1):
        distance = np.minimum(distance, np.linalg.norm(neutral[front] - neutral[chosen[-1]], axis=1))
        chosen.append(front[distance.argmax()])
    return np.array(chosen)


@pytest.fixture(scope="module")
def points(demo_shot, vertices):
    positions = demo_shot.vertices[:, vertices].astype(float)
    names = tuple(f"marker {index}" for index in range(COUNT))
    frames = np.arange(1, len(positions) + 1, dtype=np.int32)
    return PointPerformance(names, positions, np.ones(positions.shape[:2]), vertices, frames, 24.0, "markers.csv")


def error_mm(actor, shot, points, **settings) -> float:
    take = fit_points(actor, points, PointFittingSettings(**settings))
    return float(np.linalg.norm(evaluate_take(actor, take)["vertices"] - shot.vertices, axis=-1).mean())


@pytest.fixture(scope="module")
def clean_mm(demo_learned, demo_shot, points):
    return error_mm(demo_learned, demo_shot, points)


def test_few_points_give_the_whole_face(demo_learned, demo_shot, clean_mm):
    moved = np.linalg.norm(demo_shot.vertices - demo_learned.neutral, axis=-1).mean()
    assert clean_mm < 0.5
    assert clean_mm < 0.1 * moved


def test_errors_are_those_of_the_smoothed_take(demo_learned, points, vertices):
    take = fit_points(demo_learned, points, PointFittingSettings(temporal=6.0))
    off = np.linalg.norm(evaluate_take(demo_learned, take)["vertices"][:, vertices] - points.positions, axis=-1)
    assert take.figures["outliers"] == 0
    np.testing.assert_allclose(take.error_mm, np.stack([off.mean(1), off.max(1)], axis=1), atol=1e-3)


def test_outliers_and_missing_points_hardly_matter(demo_learned, demo_shot, points, clean_mm):
    random = np.random.default_rng(0)
    some = random.random(points.positions.shape[:2])[..., None]
    thrown = np.where(some < 0.04, points.positions + 15 * random.normal(size=points.positions.shape), points.positions)
    broken = dataclasses.replace(points, positions=np.where(some > 0.8, np.nan, thrown))
    assert error_mm(demo_learned, demo_shot, broken) < 2 * clean_mm + 0.05


def test_points_without_confidence_do_not_pull(demo_learned, points):
    doubtful = points.confidence.copy()
    doubtful[:, ::7] = 0.0
    wrong = points.positions.copy()
    wrong[:, ::7] += 40.0
    wild, missing = np.array(wrong), np.array(wrong)
    missing[:, ::7] = np.nan
    takes = [
        fit_points(demo_learned, dataclasses.replace(points, positions=positions, confidence=doubtful))
        for positions in (wild, missing)
    ]
    np.testing.assert_allclose(takes[0].coefficients, takes[1].coefficients, atol=1e-6)
    np.testing.assert_allclose(takes[0].jaw, takes[1].jaw, atol=1e-9)


def test_solver_agrees_with_the_explicit_least_squares(demo_learned, points):
    settings = PointFittingSettings(modes=6)
    solver = PointSolver(demo_learned, bind_points(demo_learned, points), settings)
    random = np.random.default_rng(1)
    residual, trust = random.normal(size=(COUNT, 3)), random.uniform(0.1, 1.0, COUNT)
    weight = np.repeat(np.sqrt(trust), 3)
    stacked = np.vstack([solver.rows * weight[:, None], np.diag(np.sqrt(solver.prior))])
    wanted = np.concatenate([residual.reshape(-1) * weight, np.zeros(len(solver.prior))])
    expected = np.linalg.lstsq(stacked, wanted, rcond=None)[0]
    np.testing.assert_allclose(solver.solve(residual, trust).reshape(-1), expected, rtol=1e-6, atol=1e-9)


def test_a_point_is_believed_if_leaving_it_out_says_the_same(demo_learned, points):
    solver = PointSolver(demo_learned, bind_points(demo_learned, points), PointFittingSettings(modes=6))
    random = np.random.default_rng(2)
    smooth = solver.rows @ random.normal(scale=0.1, size=solver.rows.shape[1])
    residual, trust = smooth.reshape(-1, 3), np.ones(COUNT)
    residual[[5, 40, 41, 90]] += 12.0
    good = solver.inliers(residual, trust)
    off = np.empty(COUNT)
    for point in range(COUNT):
        others = np.where(good, trust, 0.0)
        others[point] = 0.0
        predicted = (solver.rows @ solver.solve(residual, others).reshape(-1)).reshape(-1, 3)[point]
        off[point] = np.linalg.norm(predicted - residual[point])
    np.testing.assert_array_equal(good, off < solver.outlier_mm)
    assert not good[[5, 40, 41, 90]].any()
    assert good.sum() > COUNT - 8


def test_points_without_a_vertex_are_bound_to_the_skin_below_them(demo_learned, points):
    neutral = demo_learned.neutral[points.vertices]
    positions = np.concatenate([neutral[None], points.positions])
    loose = dataclasses.replace(
        points,
        positions=positions,
        confidence=np.ones(positions.shape[:2]),
        vertices=np.full(COUNT, -1),
        frames=np.arange(len(positions), dtype=np.int32),
    )
    found = bind_points(demo_learned, loose).of(demo_learned.neutral)
    np.testing.assert_allclose(found, neutral, atol=1e-3)
    # In whatever frame it rests, though others show more of the points.
    later = positions[[*range(1, len(positions)), 0]]
    later[-1, 4] = np.nan
    rested = dataclasses.replace(loose, positions=later)
    binding = bind_points(demo_learned, rested)
    found = binding.of(demo_learned.neutral)
    np.testing.assert_allclose(np.delete(found, 4, axis=0), np.delete(neutral, 4, axis=0), atol=1e-3)
    (note,) = binding_note(rested, binding, demo_learned)
    assert f"in frame {len(positions) - 1}, the nearest to the neutral, they lie 0.0 mm from it" in note
    assert binding_note(points, binding, demo_learned) == []
    # Where the head is elsewhere in every frame, they are laid onto the skin as one piece.
    elsewhere = dataclasses.replace(loose, positions=moved(rigid((3.0, 4.0, -3.0), (6.0, -4.0, 5.0)), positions))
    binding = bind_points(demo_learned, elsewhere)
    assert np.linalg.norm(binding.of(demo_learned.neutral) - neutral, axis=1).mean() < 1.0
    (note,) = binding_note(elsewhere, binding, demo_learned)
    assert "once the head's motion is taken off" in note
    far = dataclasses.replace(loose, positions=positions + 500.0)
    with pytest.raises(InputError, match=r"markers\.csv says of no vertex"):
        bind_points(demo_learned, far)


def test_points_without_a_vertex_slide_to_where_all_frames_agree(demo_learned, points):
    """Nearest to the skin in the calmest frame, a point of a lip may lie on the other one."""
    neutral = demo_learned.neutral[points.vertices]
    loose = dataclasses.replace(points, vertices=np.full(COUNT, -1))
    first, modes = bind_points(demo_learned, loose), modes_of(demo_learned, 2)
    found = settled(demo_learned, loose, first, modes, PointFittingSettings())
    off, before = (np.linalg.norm(each.of(demo_learned.neutral) - neutral, axis=1) for each in (found, first))
    assert off.max() < 0.7 * before.max()
    assert off.mean() < 0.9 * before.mean()
    assert settled(demo_learned, points, first, modes, PointFittingSettings()) is first  # all are named


@pytest.mark.parametrize("moves", [False, True])
def test_what_the_face_does_to_points_is_no_head(demo, demo_learned, demo_shot, moves):
    """Markers around the mouth alone: none lies where the face is quiet."""
    still = without_head(demo_shot.vertices.astype(float), demo_shot.head)
    most = np.linalg.norm(demo.shapes - demo.neutral, axis=2).max(0)
    lively = np.flatnonzero(most > 0.4 * most.max())
    some = lively[np.linspace(0, len(lively) - 1, 40).astype(int)]
    positions = demo_shot.vertices[:, some].astype(float) if moves else still[:, some]
    frames = np.arange(len(positions), dtype=np.int32)
    names = tuple(map(str, some))
    points = PointPerformance(names, positions, np.ones(positions.shape[:2]), some, frames, 24.0, "mouth.csv")
    take = fit_points(demo_learned, points, PointFittingSettings(modes=6))
    if moves:
        registered = robust_registration(demo_learned.neutral[some], positions, quietness(demo_learned)[some])
        off = [angle_degrees(np.linalg.inv(demo_shot.head) @ head).max() for head in (take.head, registered)]
        assert off[0] < 0.6 * off[1]
    else:
        np.testing.assert_array_equal(take.head, np.tile(np.eye(4), (len(frames), 1, 1)))
    few = dataclasses.replace(points, positions=positions[:, :5], confidence=points.confidence[:, :5])
    few = dataclasses.replace(few, names=names[:5], vertices=some[:5])
    notes = fit_points(demo_learned, few, PointFittingSettings(modes=2, head="free")).figures["notes"]
    assert any("hardly a point lies where the face is quiet" in note for note in notes)


def test_points_in_other_axes_are_turned_back(demo_learned, points):
    few = dataclasses.replace(
        points, positions=points.positions[:5], confidence=points.confidence[:5], frames=points.frames[:5]
    )
    settings = PointFittingSettings(modes=4, head="free")
    upright = fit_points(demo_learned, few, settings)
    to_y_up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    turned = dataclasses.replace(few, positions=few.positions @ to_y_up.T)
    take = fit_points(demo_learned, turned, settings)
    np.testing.assert_allclose(take.head, upright.head, atol=1e-6)
    assert any("the points have other axes than the actor (Y is its -Z" in note for note in take.figures["notes"])
    assert not any("axes" in note for note in upright.figures["notes"])


def test_csv_and_json_hold_the_same(points, tmp_path):
    some = dataclasses.replace(points, positions=points.positions.round(4))
    some.positions[1, 3] = np.nan
    with open(tmp_path / "markers.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "name", "x", "y", "z", "vertex"])
        for frame, positions in zip(some.frames, some.positions, strict=True):
            for name, position, vertex in zip(some.names, positions, some.vertices, strict=True):
                if np.isfinite(position).all():
                    writer.writerow([frame, name, *position, vertex])
    document = {
        "fps": 24,
        "points": [{"name": n, "vertex": int(v)} for n, v in zip(some.names, some.vertices, strict=True)],
        "frames": [
            {"frame": int(f), "positions": [p.tolist() if np.isfinite(p).all() else None for p in positions]}
            for f, positions in zip(some.frames, some.positions, strict=True)
        ],
    }
    (tmp_path / "markers.json").write_text(json.dumps(document), encoding="utf-8")
    for path in (tmp_path / "markers.csv", tmp_path / "markers.json"):
        found = read_points(path)
        np.testing.assert_array_equal(found.positions, some.positions)
        np.testing.assert_array_equal(found.vertices, some.vertices)
        np.testing.assert_array_equal(found.frames, some.frames)
        assert found.names == some.names


FRAME = '{"frame": 1, "positions": [[0, 0, 0]]}'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "cannot be read as points"),
        ("a.json", "[]", "points and frames"),
        ("a.json", '{"points": [], "frames": []}', "no frames or no points"),
        ("a.json", '{"points": [{"name": "a"}], "frames": [{"frame": 1, "positions": []}]}', "0 positions for 1"),
        ("a.json", '{"points": [{"name": "a"}]}', "'frames' is missing"),
        ("a.json", f'{{"points": [{{"name": "a"}}], "frames": [{FRAME}, {FRAME}]}}', "grow from frame to frame"),
        ("a.json", f'{{"points": [{{"name": "a", "vertex": -7}}], "frames": [{FRAME}]}}', "vertex -7"),
        ("a.json", f'{{"points": [{{"name": "a"}}], "frames": [{FRAME}], "fps": NaN}}', "nan frames a second"),
        ("a.json", "[" * 100000, "nested too deep"),
        (
            "a.json",
            '{"points": [{"name": "a"}], "frames": [{"frame": "x", "positions": [null]}]}',
            "could not convert string to float",
        ),
        ("a.csv", "frame,name,x,y\n1,a,0,0\n", "'frame, name, x, y', in which z is missing"),
        ("a.csv", "frame,name,x,y,z\n99999999999,a,0,0,0\n", "beyond 1000000000"),
        ("a.csv", "frame,name,x,y,z\n1,a,0,0,high\n", "line 2 'high' is not a number"),
        ("a.csv", "frame,name,x,y,z,confidence\n1,a,0,0,0,7\n", "confidence is not between 0 and 1"),
        ("a.csv", "", "it is empty; a header"),
        ("a.csv", "frame,name,x,y,z\n", "no frames or no points"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, name, text, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_points(tmp_path / name)
    assert said in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_unusable_points_are_refused(demo_learned, points):
    with pytest.raises(InputError, match="names vertex 999999"):
        fit_points(demo_learned, dataclasses.replace(points, vertices=np.full(COUNT, 999999)))
    gone = points.positions.copy()
    gone[:, 2:] = np.nan
    with pytest.raises(InputError, match=r"markers\.csv has fewer than 3 points in every frame"):
        fit_points(demo_learned, dataclasses.replace(points, positions=gone))


def test_frames_with_too_few_points_are_filled_in(demo_learned, points):
    few = points.positions.copy()
    few[2, 2:] = np.nan
    settings = PointFittingSettings(modes=6, contact=0.0)
    take = fit_points(demo_learned, dataclasses.replace(points, positions=few), settings)
    assert take.figures["missing_frames"] == [3]
    assert take.figures["missing_points"] == 0
    assert take.figures["notes"][0] == f"1 of {len(few)} frames have too few points and were filled in: 3"
    between = (take.coefficients[1] + take.coefficients[3]) / 2
    np.testing.assert_allclose(take.coefficients[2], between, atol=1e-6)
    assert take.error_mm[2, 1] == max(take.error_mm[1, 1], take.error_mm[3, 1])
    others = np.delete(np.arange(len(few)), 2)
    without = dataclasses.replace(
        points, positions=few[others], confidence=points.confidence[others], frames=points.frames[others]
    )
    alone = fit_points(demo_learned, without, settings)
    np.testing.assert_allclose(take.coefficients[others], alone.coefficients, atol=1e-6)
    np.testing.assert_allclose(take.jaw[others], alone.jaw, atol=1e-9)


def test_a_killed_fit_goes_on_with_what_is_kept(demo_learned, points, tmp_path, monkeypatch):
    monkeypatch.setattr(one_fit, "SOON_DONE_S", 0.0)
    monkeypatch.setattr(fitting_points.PointTarget, "at_once", 5)
    solved, solve = [], fitting_points.PointTarget.solve

    def counted(target, rows, head, jaw):
        solved.append(int(rows[0]))
        return solve(target, rows, head, jaw)

    monkeypatch.setattr(fitting_points.PointTarget, "solve", counted)

    def killed(progress):
        if progress["message"] == "Fitting" and progress["done"] >= 5:
            raise KeyboardInterrupt

    settings = PointFittingSettings(modes=12)
    with pytest.raises(KeyboardInterrupt):
        fit_points(demo_learned, points, settings, killed, tmp_path)
    assert solved == [0]
    take = fit_points(demo_learned, points, settings, None, tmp_path)
    assert solved == [0, 5, 10]
    whole = fit_points(demo_learned, points, settings)
    assert np.array_equal(take.coefficients, whole.coefficients)
    assert np.array_equal(take.error_mm, whole.error_mm)
    solved.clear()
    other = dataclasses.replace(points, positions=points.positions + 0.01)
    fit_points(demo_learned, other, settings, None, tmp_path)
    assert solved == [0, 5, 10]
