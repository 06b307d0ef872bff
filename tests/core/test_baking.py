# SPDX-License-Identifier: GPL-3.0-or-later
"""The bake: what Blender will show equals the fitted frames, with as few correctives as it takes."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from aim_blender.core.baking import baking, correctives
from aim_blender.core.baking.baking import (
    HIGHEST_WEIGHT,
    LOWEST_WEIGHT,
    bake_take,
    bounded_weights,
    distances,
    fewest_correctives,
    rest_space,
    unique_names,
)
from aim_blender.core.geometry.skinning import linear_blend_skinning
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.shared.foundation.errors import InputError
from tests.core.conftest import TOLERANCE_MM
from tests.core.geometry import random_motions, rigid


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


# -- the change of variables ------------------------------------------------------------------------------------------


def test_rest_space_is_the_inverse_of_skinning(random):
    points, weight = random.normal(size=(50, 3)) * 80, random.random((50, 1))
    motion = np.stack([rigid(tuple(random.normal(size=3) * 25), tuple(random.normal(size=3) * 5)) for _ in range(6)])
    posed = linear_blend_skinning(points, motion, weight)
    assert np.abs(rest_space(posed, motion, weight) - points).max() < 1e-10
    shapes = random.normal(size=(6, 50, 3)) * 80
    back = rest_space(shapes, motion, weight)
    again = np.concatenate([linear_blend_skinning(back[i], motion[i : i + 1], weight) for i in range(6)])
    assert np.abs(again - shapes).max() < 1e-9


def test_rest_space_without_a_jaw_changes_nothing(random):
    shapes = random.normal(size=(2, 50, 3))
    still = rest_space(shapes, random_motions(2, random), np.zeros((50, 1)))
    assert np.array_equal(still, shapes)


def test_a_jaw_that_folds_the_skin_is_refused(random):
    points, folded = random.normal(size=(1, 50, 3)), rigid((178.0, 0, 0), (0, 0, 0))[None]
    with pytest.raises(InputError, match="the jaw turns so far that the skin collapses"):
        rest_space(points, folded, np.full((50, 1), 0.5))
    with pytest.raises(InputError, match="collapses"):
        rest_space(points, np.diag([1.0, 1.0, -1.0, 1.0])[None], np.ones((50, 1)))


# -- weights of the named keys ----------------------------------------------------------------------------------------


def test_bounded_weights_are_those_of_scipy_without_time(random):
    keys, frames = random.normal(size=(5, 60)), random.normal(size=(4, 60)) * 3
    frames += np.array([[2, 0, 0.4, -1, 0]]) @ keys
    found = bounded_weights(keys, frames, temporal=0.0)
    for weights, frame in zip(found, frames, strict=True):
        wanted = lsq_linear(keys.T, frame, (LOWEST_WEIGHT, HIGHEST_WEIGHT), tol=1e-12).x
        assert weights == pytest.approx(wanted, abs=1e-5)
    assert (found == LOWEST_WEIGHT).any()
    assert (found == HIGHEST_WEIGHT).any()


def test_bounded_weights_are_those_of_scipy_with_time(random):
    keys, frames = random.normal(size=(3, 40)), random.normal(size=(5, 40)) * 4
    frames += np.array([[1.0, 0.4, -1]]) @ keys
    smoothness = 0.5 * (keys**2).sum() / len(keys)
    change = np.sqrt(smoothness) * np.kron(np.diff(np.eye(5), axis=0), np.eye(3))
    stacked = np.concatenate([np.kron(np.eye(5), keys.T), change])
    right = np.concatenate([frames.ravel(), np.zeros(len(change))])
    wanted = lsq_linear(stacked, right, (LOWEST_WEIGHT, HIGHEST_WEIGHT), tol=1e-12).x.reshape(5, 3)
    found = bounded_weights(keys, frames, temporal=0.5)
    assert found == pytest.approx(wanted, abs=1e-5)
    each_alone = bounded_weights(keys, frames, temporal=0.0)
    assert np.abs(np.diff(found, axis=0)).sum() < np.abs(np.diff(each_alone, axis=0)).sum()


def test_weights_of_one_frame_need_no_neighbours(random):
    keys = random.normal(size=(3, 40))
    assert bounded_weights(keys, np.array([[0.2, 0.5, 1.0]]) @ keys) == pytest.approx(np.array([[0.2, 0.5, 1.0]]))


def test_weights_of_real_keys_have_settled(demo_learned, demo_bake, demo_take):
    """As good as scipy's, although some of the shapes are alike."""
    keys = demo_bake.keys[: demo_bake.named_count].reshape(demo_bake.named_count, -1).astype(np.float64)
    still = evaluate_take(
        demo_learned, dataclasses.replace(demo_take, head=np.tile(np.eye(4), (len(demo_take.head), 1, 1)))
    )
    frames = rest_space(still["vertices"].astype(np.float64), demo_take.jaw, demo_learned.skin_weight)
    frames = (frames - demo_learned.neutral).reshape(len(frames), -1)
    gram, right = keys @ keys.T, frames @ keys.T
    smoothness = baking.TEMPORAL_SMOOTHNESS * np.trace(gram) / len(gram)
    laplacian = np.diff(np.eye(len(frames)), axis=0).T @ np.diff(np.eye(len(frames)), axis=0) * smoothness
    root = np.linalg.cholesky(np.kron(np.eye(len(frames)), gram) + np.kron(laplacian, np.eye(len(keys))))
    wanted = lsq_linear(root.T, np.linalg.solve(root, right.ravel()), (LOWEST_WEIGHT, HIGHEST_WEIGHT), tol=1e-10)

    def cost(weights):
        return ((frames - weights @ keys) ** 2).sum() + smoothness * (np.diff(weights, axis=0) ** 2).sum()

    found = demo_bake.key_weights[:, : len(keys)].astype(np.float64)
    assert cost(found) < 1.001 * cost(wanted.x.reshape(found.shape))


def test_a_shape_that_the_take_leaves_out_is_not_keyed(demo_learned, demo_take, demo_bake):
    index = int(demo_bake.key_weights[:, : len(demo_take.names)].max(0).argmax())
    coefficients = demo_take.coefficients.copy()
    coefficients[:, :, index] = 0.0
    bake = bake_take(demo_learned, dataclasses.replace(demo_take, coefficients=coefficients), 0.2)
    assert not bake.key_weights[:, index].any()
    assert bake.figures["worst_mm"] <= 0.2


# -- correctives ------------------------------------------------------------------------------------------------------


def test_correctives_are_the_fewest_singular_vectors(random):
    scales = np.array([30, 20, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003])
    residual = (random.normal(size=(10, 10)) * scales) @ random.normal(size=(10, 60 * 3)) / 10
    u, s, vt = np.linalg.svd(residual, full_matrices=False)
    for tolerance in (5.0, 1.0, 0.1, 0.01):
        worst = [distances(residual - (u[:, :n] * s[:n]) @ vt[:n]).max() for n in range(11)]
        wanted = next(n for n, value in enumerate(worst) if value <= tolerance)
        keys, weights = fewest_correctives(residual, tolerance)
        assert len(keys) == weights.shape[1] == wanted
        assert distances(residual - weights @ keys).max() <= tolerance * 1.001
        assert np.allclose(weights @ keys, (u[:, :wanted] * s[:wanted]) @ vt[:wanted], atol=1e-3)
        assert np.allclose(np.abs(weights).max(0), 1.0)


def test_a_long_take_needs_hardly_more_correctives(random, monkeypatch):
    """From some of its frames, and from those that these do not tell of, beside the twin that sees all at once."""
    for name, value in (("LONG_FRAMES", 20), ("SAMPLED_FRAMES", 15), ("AT_ONCE", 8)):
        monkeypatch.setattr(correctives, name, value)
    scales = 30.0 * 0.5 ** np.arange(12)
    residual = (random.normal(size=(60, 12)) * scales) @ random.normal(size=(12, 40 * 3)) / 10
    residual[33] += random.normal(size=120)  # which is not among those that are looked at first
    for tolerance in (1.0, 0.1):
        told = []
        keys, weights = fewest_correctives(residual, tolerance, told.append)
        assert [each["done"] for each in told[-8:]] == [*range(8, 60, 8), 60]
        assert distances(residual - weights @ keys).max() <= tolerance * 1.001
        assert np.allclose(np.abs(weights).max(0), 1.0)
        with monkeypatch.context() as context:
            context.setattr(correctives, "LONG_FRAMES", 1000)
            plain = fewest_correctives(residual, tolerance)[0]
        assert len(plain) <= len(keys) <= len(plain) + 3
    assert fewest_correctives(residual * 1e-6, 0.1)[0].shape == (0, 120)


def test_no_correctives_where_none_are_needed(random):
    keys, weights = fewest_correctives(random.normal(size=(6, 30)) * 0.001, 0.1)
    assert keys.shape == (0, 30)
    assert weights.shape == (6, 0)


# -- a whole bake -----------------------------------------------------------------------------------------------------


def shown_by_blender(bake, frame: int) -> np.ndarray:
    """x = H [(1-k) + k J] (s0 + sum_i g_i δ_i): shape keys first, then bones by vertex groups, in single precision."""
    shaped = bake.neutral.astype(np.float32)
    for weight, key in zip(bake.key_weights[frame], bake.keys, strict=True):
        shaped = shaped + weight * key
    head, jaw = bake.head[frame], bake.head[frame] @ bake.jaw[frame]
    k = bake.skin_weight[:, None]
    by_head, by_jaw = (shaped @ bone[:3, :3].T + bone[:3, 3] for bone in (head, jaw))
    return (1 - k) * by_head + k * by_jaw


def test_bake_reaches_its_tolerance(demo_learned, demo_take, demo_bake):
    wanted = evaluate_take(demo_learned, demo_take)["vertices"]
    off = np.stack(
        [np.linalg.norm(shown_by_blender(demo_bake, frame) - wanted[frame], axis=1) for frame in range(len(wanted))]
    )
    assert off.max() <= TOLERANCE_MM
    assert demo_bake.figures["worst_mm"] == pytest.approx(off.max(), abs=2e-3)
    assert demo_bake.figures["mean_mm"] == pytest.approx(off.mean(), abs=2e-4)
    assert demo_bake.figures["tolerance_mm"] == TOLERANCE_MM
    assert demo_bake.figures["frames"] == len(wanted)


def test_bake_reports_its_keys(demo_learned, demo_take, demo_bake):
    figures = demo_bake.figures
    assert demo_bake.named_count == figures["named_keys"] == len(demo_learned.names)
    assert len(demo_bake.keys) == len(demo_bake.key_names) == figures["named_keys"] + figures["correctives"]
    assert demo_bake.key_names[: demo_bake.named_count] == demo_learned.names
    assert demo_bake.key_names[demo_bake.named_count] == "corrective_001"
    assert figures["correctives"] <= len(demo_take.frames)
    assert figures["named_only_worst_mm"] > TOLERANCE_MM


def test_bake_keeps_bounds_and_motions(demo_learned, demo_take, demo_bake):
    named = demo_bake.key_weights[:, : demo_bake.named_count]
    assert named.min() >= LOWEST_WEIGHT
    assert named.max() <= HIGHEST_WEIGHT
    assert np.abs(demo_bake.key_weights[:, demo_bake.named_count :]).max() <= 1.0
    assert np.array_equal(demo_bake.jaw, demo_take.jaw)
    assert np.array_equal(demo_bake.head, demo_take.head)
    assert np.array_equal(demo_bake.frames, demo_take.frames)
    assert np.array_equal(demo_bake.hinge_centre, demo_learned.hinge.centre)
    assert np.array_equal(demo_bake.skin_weight, demo_learned.skin_weight[:, 0])


def test_a_named_key_and_the_jaw_of_its_shape_are_the_shape(demo, demo_learned, demo_bake):
    for index in range(demo_bake.named_count):
        shaped = demo_bake.neutral + demo_bake.keys[index].astype(np.float64)
        posed = linear_blend_skinning(shaped, demo_learned.jaw[index : index + 1], demo_learned.skin_weight)[0]
        assert np.abs(posed - demo.shapes[index + 1]).max() < 1e-4


def test_a_looser_tolerance_needs_fewer_correctives(demo_learned, demo_take, demo_bake):
    lines = []
    loose = bake_take(demo_learned, demo_take, 1.0, lines.append)
    assert loose.figures["correctives"] < demo_bake.figures["correctives"]
    assert TOLERANCE_MM < loose.figures["worst_mm"] <= 1.0
    of_frames = [line for line in lines if line["message"] != "Weighting the named keys"]  # which counts iterations
    assert {line["total"] for line in of_frames} == {len(demo_take.frames)}
    assert lines[-1]["done"] == len(demo_take.frames)
    exact = bake_take(demo_learned, demo_take, 50.0)
    assert exact.figures["correctives"] == 0
    assert exact.figures["worst_mm"] == pytest.approx(exact.figures["named_only_worst_mm"], rel=0.2)


def test_an_actor_without_hinge_gets_the_middle_and_the_mirror_axis(demo, demo_learned, demo_take):
    bake = bake_take(dataclasses.replace(demo_learned, hinge=None), demo_take, 5.0)
    assert bake.hinge_centre == pytest.approx(demo.neutral.mean(0), abs=1e-3)
    assert abs(bake.hinge_axis[0]) == pytest.approx(1.0, abs=1e-4)


def test_take_of_another_actor_is_refused(demo_learned, demo_take):
    with pytest.raises(InputError, match="other expressions"):
        bake_take(demo_learned, dataclasses.replace(demo_take, names=demo_take.names[::-1]))


# -- its file ---------------------------------------------------------------------------------------------------------


def test_file_holds_everything(demo_bake, tmp_path):
    demo_bake.save(tmp_path / "bake.npz")
    with np.load(tmp_path / "bake.npz", allow_pickle=False) as stored:
        for name in (
            "neutral", "keys", "key_weights", "skin_weight", "jaw", "head", "hinge_centre", "hinge_axis", "frames",
            "key_jaw",
        ):  # fmt: skip
            assert np.array_equal(stored[name], getattr(demo_bake, name)), name
        assert tuple(stored["key_names"]) == demo_bake.key_names
        assert stored["named_count"] == demo_bake.named_count
        assert np.array_equal(stored["corners"], demo_bake.topology.corners)
        assert np.array_equal(stored["sizes"], demo_bake.topology.sizes)
        assert stored["fps"] == demo_bake.fps
        for name in ("tolerance_mm", "worst_mm", "mean_mm"):
            assert stored[name] == demo_bake.figures[name]
        assert stored["keys"].dtype == stored["key_weights"].dtype == np.float32
        assert stored["frames"].dtype == np.int32
    assert [path.name for path in tmp_path.iterdir()] == ["bake.npz"]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["smile", "frown"], ("smile", "frown")),
        (["smile", "smile", "smile"], ("smile", "smile.001", "smile.002")),
        (["x" * 70, "x" * 80], ("x" * 63, "x" * 59 + ".001")),
        (["é" * 40], ("é" * 31,)),
    ],
)
def test_names_are_such_as_blender_keeps(names, wanted):
    assert unique_names(names) == wanted
    assert all(len(name.encode()) <= 63 for name in wanted)
