# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed-form fit: against the least squares it stands for, and against the demo performance."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from aim_blender.core.fitting import fitting
from aim_blender.core.fitting.driving import one_fit
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.geometry.modes import laplacian_modes
from aim_blender.core.model import closed_form
from aim_blender.core.model.closed_form import ClosedForm, expression_offsets, prior_of_modes
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from tests.core.geometry import degrees_between
from tests.core.tiny_capture import POINTS, grid, shapes

MODES, NAMES, FRAMES = 8, 3, 4
SETTINGS = FittingSettings(ridge=0.3, smoothness=0.5)


@pytest.fixture(scope="module")
def problem() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Expressions e, modes Φ and what they cost on a small mesh, in float64."""
    vertices, quads = grid()
    modes, values = laplacian_modes(vertices, Topology.from_padded(quads, POINTS).triangles(), MODES)
    expressions = (shapes()[1:] - shapes()[0]).transpose(1, 0, 2)
    costs = prior_of_modes(values, SETTINGS)
    e, phi, cost = (torch.as_tensor(np.ascontiguousarray(value)) for value in (expressions, modes, costs))
    return e, phi, cost


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def written_out(expressions: torch.Tensor, modes: torch.Tensor) -> np.ndarray:
    """The (3V, MN) matrix that the fast path never forms; unknowns ordered mode by mode."""
    matrix = np.empty((POINTS, 3, MODES, NAMES))
    for v in range(POINTS):
        for m in range(MODES):
            for i in range(NAMES):
                matrix[v, :, m, i] = modes[v, m] * expressions[v, i]
    return matrix.reshape(3 * POINTS, MODES * NAMES)


def prior(costs: torch.Tensor) -> np.ndarray:
    """(MN,) what the square of each unknown costs."""
    return np.repeat(POINTS * costs.numpy(), NAMES)


def test_prior_knows_ridge_and_smoothness():
    wave = (2 * np.pi / 30.0) ** 2  # of a mode that goes up and down within 30 mm
    found = prior_of_modes(np.array([0.0, wave, 4 * wave]), SETTINGS)
    assert found == pytest.approx([0.3**2, 0.3**2 + 0.5**2, 0.3**2 + 4 * 0.5**2])


# -- the linear part against its plain twin ---------------------------------------------------------------------------


def test_normal_matrix_is_that_of_the_matrix_written_out(problem):
    expressions, modes, costs = problem
    matrix = written_out(expressions, modes)
    found = ClosedForm(*problem).normal_matrix()
    assert np.allclose(found, matrix.T @ matrix + np.diag(prior(costs)), rtol=1e-10, atol=1e-8)


def test_solution_is_that_of_least_squares(problem):
    expressions, modes, costs = problem
    residual = random(FRAMES, POINTS, 3)
    found = ClosedForm(*problem).solve(residual)
    assert found.shape == (FRAMES, MODES, NAMES)
    stacked = np.concatenate([written_out(expressions, modes), np.diag(np.sqrt(prior(costs)))])
    right = np.concatenate([residual.reshape(FRAMES, -1).numpy(), np.zeros((FRAMES, MODES * NAMES))], axis=1)
    wanted = np.linalg.lstsq(stacked, right.T, rcond=None)[0].T.reshape(FRAMES, MODES, NAMES)
    assert np.allclose(found, wanted, rtol=1e-8, atol=1e-10)


def test_missing_points_do_not_pull(problem, monkeypatch):
    """By conjugate gradients, from a matrix that knows of no missing point, as by least squares over the others."""
    monkeypatch.setattr(closed_form, "CLOSE_ENOUGH", 1e-10)
    expressions, modes, costs = problem
    residual = random(FRAMES, POINTS, 3)
    trust = torch.as_tensor(np.random.default_rng(1).choice([0.0, 0.4, 1.0], (FRAMES, POINTS)))
    found = ClosedForm(*problem).solve(residual, trust)
    from_elsewhere = ClosedForm(*problem).solve(residual, trust, random(FRAMES, MODES, NAMES))
    assert torch.allclose(found, from_elsewhere, atol=1e-7)
    matrix = written_out(expressions, modes)
    for frame in range(FRAMES):
        weight = np.repeat(np.sqrt(trust[frame].numpy()), 3)
        stacked = np.concatenate([matrix * weight[:, None], np.diag(np.sqrt(prior(costs)))])
        right = np.concatenate([residual[frame].reshape(-1).numpy() * weight, np.zeros(MODES * NAMES)])
        wanted = np.linalg.lstsq(stacked, right, rcond=None)[0].reshape(MODES, NAMES)
        assert np.allclose(found[frame], wanted, atol=1e-7)


def test_matrix_of_partial_meshes_solves_them_at_once(problem):
    """The same points missing in all frames need no iteration: the factor is already theirs."""
    residual, trust = random(FRAMES, POINTS, 3), (random(POINTS) > 0).double()
    direct = ClosedForm(*problem, trust=trust).solve(residual * trust[:, None])
    assert torch.allclose(direct, ClosedForm(*problem).solve(residual, trust.expand(FRAMES, -1)), atol=1e-3)


def test_single_precision_is_enough(problem):
    residual = random(FRAMES, POINTS, 3)
    exact = ClosedForm(*problem).solve(residual)
    single = ClosedForm(*(value.float() for value in problem)).solve(residual.float())
    assert single.dtype == torch.float32
    assert (single - exact).abs().max() < 1e-4 * exact.abs().max()


def test_sums_over_parts_of_the_points_equal_einsum(problem, monkeypatch):
    monkeypatch.setattr(closed_form, "NUMBERS_AT_ONCE", 7 * NAMES * FRAMES)
    expressions, modes, _ = problem
    coefficients, residual = random(FRAMES, MODES, NAMES), random(FRAMES, POINTS, 3)
    wanted = torch.einsum("vm,fmn,vnx->fvx", modes, coefficients, expressions)
    assert torch.allclose(expression_offsets(modes, coefficients, expressions), wanted, atol=1e-12)
    fields = ClosedForm(*problem).fields
    assert torch.allclose(fields.offsets(coefficients), wanted, atol=1e-12)
    assert torch.allclose(fields.distance(coefficients, residual), (wanted - residual).norm(dim=-1), atol=1e-12)
    seen = torch.einsum("vm,vnx,fvx->mnf", modes, expressions, residual)
    assert torch.allclose(fields.seen(residual), seen, atol=1e-12)


def test_known_weights_are_found_again(problem):
    coefficients = random(FRAMES, MODES, NAMES)
    expressions, modes, costs = problem
    solver = ClosedForm(expressions, modes, costs * 1e-9)
    assert torch.allclose(solver.solve(solver.offsets(coefficients)), coefficients, atol=1e-5)


def bounded_twin(matrix: np.ndarray, right: np.ndarray, trust: np.ndarray, costs: np.ndarray, modes: np.ndarray):
    """Coefficients (M, N) of one frame by SciPy's bounded least squares over the weights of all points: with as many
    modes as points, coefficients follow from weights, and the bounds are those of the unknowns."""
    to_coefficients = np.kron(np.linalg.inv(modes), np.eye(NAMES))  # (V N, V N)
    say = np.repeat(np.sqrt(trust), 3)
    rows = np.concatenate([matrix @ to_coefficients * say[:, None], np.sqrt(costs)[:, None] * to_coefficients])
    wanted = np.concatenate([right.reshape(-1) * say, np.zeros(len(costs))])
    found = lsq_linear(rows, wanted, bounds=(-0.5, 1.5), method="bvls", tol=1e-14)
    return (to_coefficients @ found.x).reshape(-1, NAMES), found.x


@pytest.mark.parametrize("believed", ["all", "some"])
def test_bounded_weights_are_those_of_bounded_least_squares(monkeypatch, believed):
    for name, value in (("BOUND_TOLERANCE", 1e-11), ("BOUND_ROUNDS", 20000), ("CLOSE_ENOUGH", 1e-12)):
        monkeypatch.setattr(closed_form, name, value)
    count = 10
    random_ = np.random.default_rng(4)
    modes = np.linalg.qr(random_.normal(size=(count, count)))[0] * np.sqrt(count)
    expressions, residual = random_.normal(size=(count, NAMES, 3)), 2.0 * random_.normal(size=(FRAMES, count, 3))
    residual[0] *= 0.01  # a frame that keeps within the bounds by itself
    costs, trust = np.full(count, 0.01), random_.choice([0.2, 1.0], (FRAMES, count))
    fields = [torch.as_tensor(each) for each in (expressions, modes, costs)]
    form = ClosedForm(fields[0], fields[1], fields[2])
    form.bounds = closed_form.WeightBounds(form, -0.5, 1.5)
    say = None if believed == "all" else torch.as_tensor(trust)
    found = form.solve(torch.as_tensor(residual), say)
    assert torch.allclose(
        found[0],
        ClosedForm(form.expressions, form.modes, torch.as_tensor(costs)).solve(
            torch.as_tensor(residual[:1]), None if say is None else say[:1]
        )[0],
        atol=1e-9,
    )
    matrix = np.einsum("vm,vnx->vxmn", modes, expressions).reshape(3 * count, -1)
    for frame in range(FRAMES):
        frame_trust = np.ones(count) if say is None else trust[frame]
        prior_costs = np.repeat(count * costs, NAMES)
        wanted, weights = bounded_twin(matrix, residual[frame], frame_trust, prior_costs, modes)
        assert np.allclose(found[frame], wanted, atol=1e-6)
        assert (np.isclose(weights, -0.5) | np.isclose(weights, 1.5)).any() == (frame > 0)


def test_a_stronger_prior_gives_smaller_weights(problem):
    residual = random(1, POINTS, 3)
    expressions, modes, costs = problem
    sizes = [ClosedForm(expressions, modes, costs * more).solve(residual).norm() for more in (0.01, 1.0, 100.0)]
    assert sizes[0] > sizes[1] > sizes[2]


# -- a whole performance ----------------------------------------------------------------------------------------------


def test_demo_performance_is_fitted(demo_take, demo_frames, demo_shot):
    figures = demo_take.figures
    assert figures["frames"] == len(demo_frames.vertices) == len(demo_take.frames)
    assert figures["mean_mm"] < 0.08
    assert figures["worst_mm"] < 2.0
    assert figures["head_moves"] is True
    assert demo_take.error_mm.shape == (len(demo_frames.vertices), 2)
    assert figures["worst_frame"] == demo_frames.frames[demo_take.error_mm[:, 1].argmax()]
    assert np.array_equal(demo_take.frames, demo_frames.frames)
    assert degrees_between(demo_take.head, demo_shot.head).max() < 0.1


def test_figures_are_what_evaluation_measures(demo_learned, demo_take, demo_frames):
    found = evaluate_take(demo_learned, demo_take)["vertices"]
    distance = np.linalg.norm(found.astype(np.float64) - demo_frames.vertices, axis=-1)
    assert demo_take.error_mm[:, 0] == pytest.approx(distance.mean(1), abs=1e-4)
    assert demo_take.error_mm[:, 1] == pytest.approx(distance.max(1), abs=1e-3)
    assert demo_take.figures["mean_mm"] == pytest.approx(distance.mean(), abs=1e-4)


def test_shapes_of_the_actor_are_fitted_nearly_exactly(demo, demo_learned):
    shots = demo.shapes[[0, 3, 8, 11]].astype(np.float32)
    performance = Performance(shots, np.arange(4, dtype=np.int32), 24.0, demo.topology, "shapes")
    take = fit_performance(demo_learned, performance, FittingSettings(modes=10, device="cpu"))
    assert take.figures["head_moves"] is False
    assert np.array_equal(take.head, np.tile(np.eye(4), (4, 1, 1)))
    assert take.error_mm[:, 0].max() < 0.02
    assert take.error_mm[0, 1] < 0.01


@pytest.mark.parametrize(("choice", "moves"), [("still", False), ("free", True)])
def test_head_is_solved_as_chosen(demo, demo_learned, demo_frames, choice, moves):
    few = dataclasses.replace(demo_frames, vertices=demo_frames.vertices[4:6], frames=demo_frames.frames[4:6])
    take = fit_performance(demo_learned, few, FittingSettings(modes=5, head=choice, device="cpu"))
    assert take.figures["head_moves"] is moves
    assert bool(degrees_between(take.head, np.eye(4)).max() > 1.0) is moves
    assert (take.figures["mean_mm"] < 0.5) is moves


def test_frames_are_fitted_alike_in_any_chunks_on_any_cores(demo_learned, demo_frames, demo_take, monkeypatch):
    monkeypatch.setattr(fitting, "CHUNK_BYTES", 1)
    monkeypatch.setattr(fitting, "threads_for", lambda *_: 3)
    lines, before = [], torch.get_num_threads()
    take = fit_performance(demo_learned, demo_frames, FittingSettings(modes=20, device="cpu"), lines.append)
    assert [line["done"] for line in lines if line["message"] == "Fitting"] == list(range(1, len(take.frames) + 1))
    assert all(line["total"] == len(take.frames) for line in lines)
    assert torch.get_num_threads() == before
    assert np.allclose(take.coefficients, demo_take.coefficients, atol=5e-3)
    assert np.allclose(take.error_mm, demo_take.error_mm, atol=1e-4)


def test_a_killed_fit_goes_on_with_what_is_kept(demo_learned, demo_frames, monkeypatch, tmp_path):
    monkeypatch.setattr(fitting, "MOST_FRAMES", 5)
    monkeypatch.setattr(one_fit, "SOON_DONE_S", 0.0)
    chunks, solve = [], fitting.MeshTarget.solve

    def counted(target, rows, head, jaw):
        chunks.append(int(rows[0]))
        return solve(target, rows, head, jaw)

    monkeypatch.setattr(fitting.MeshTarget, "solve", counted)

    def killed(progress):
        if progress["message"] == "Fitting" and progress["done"] >= 10:
            raise KeyboardInterrupt

    def fit(report=None):
        return fit_performance(demo_learned, demo_frames, FittingSettings(modes=20), report, None, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        fit(killed)
    kept = sorted(tmp_path.iterdir())
    assert chunks == [0, 5]
    assert len(kept) == 2
    kept[1].write_bytes(kept[1].read_bytes()[:-1] + b"x")  # damaged: solved again
    chunks.clear()
    take = fit()
    assert chunks[0] == 5
    assert 0 not in chunks
    whole = fit_performance(demo_learned, demo_frames, FittingSettings(modes=20))
    assert np.array_equal(take.coefficients, whole.coefficients)
    assert np.array_equal(take.error_mm, whole.error_mm)
    assert take.figures["mean_mm"] == whole.figures["mean_mm"]
    chunks.clear()
    other = dataclasses.replace(demo_frames, vertices=demo_frames.vertices + np.float32(0.01))
    fit_performance(demo_learned, other, FittingSettings(modes=20), None, None, tmp_path)
    assert chunks[0] == 0  # of other frames nothing is taken


def test_a_fit_is_the_same_every_time(demo_learned, demo_frames, demo_take):
    again = fit_performance(demo_learned, demo_frames, FittingSettings(modes=20, device="cpu"))
    for name in ("modes", "coefficients", "jaw", "head", "error_mm"):
        assert np.array_equal(getattr(again, name), getattr(demo_take, name))


def test_weights_of_a_performance_keep_within_bounds(demo_learned, demo_frames, demo_take):
    def weights(take) -> np.ndarray:
        return np.einsum("vm,fmn->fvn", take.modes, take.coefficients)

    settings = FittingSettings(modes=20, largest_weight=1.0, device="cpu")
    bounded = fit_performance(demo_learned, demo_frames, settings)
    least, most = weights(bounded).min(), weights(bounded).max()
    assert weights(demo_take).min() < -0.3
    assert least > -0.1
    assert most < 1.1
    assert demo_take.figures["mean_mm"] < bounded.figures["mean_mm"] < 0.5


def test_more_modes_than_points_are_cut_down(tiny):
    actor, performance = tiny
    take = fit_performance(actor, performance, FittingSettings(modes=500, device="cpu", head="still"))
    assert take.modes.shape == (POINTS, POINTS - 2)
    assert take.figures["mean_mm"] < 0.05


def test_an_actor_without_bones_is_fitted(tiny):
    actor, performance = tiny
    take = fit_performance(actor, performance, FittingSettings(modes=20, device="cpu", head="still"))
    assert np.array_equal(take.jaw, np.tile(np.eye(4), (len(take.frames), 1, 1)))
    assert take.figures["mean_mm"] < 0.05


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "part"),
    [
        ({"solver": "magic"}, "'magic'; it must be closed-form"),
        ({"head": "loose"}, "'loose'; it must be one of auto, free, still"),
        ({"modes": 0}, "modes is 0; it must be between 1 and 2000"),
        ({"modes": 2001}, "modes is 2001"),
        ({"ridge": 0.0}, "ridge is 0; it must be a distance between"),
        ({"smoothness": float("nan")}, "smoothness is nan; it must be a distance between"),
        ({"iterations": 30}, "the closed form has no iterations to choose, only the solver neural has"),
        ({"warm_start": False}, "the closed form has no start from rest to choose"),
        ({"seed": 2}, "the closed form has no seed to choose"),
        ({"solver": "neural", "seed": -1}, "the seed is -1; it must be a whole number from 0 to 2^63 - 1"),
        ({"largest_weight": 0.5}, "largest_weight is 0.5; it must be from 1 to 100, or 0"),
    ],
)
def test_wrong_settings(choices, part):
    with pytest.raises(InputError) as caught:
        FittingSettings(**choices)
    assert part in str(caught.value)


def test_performance_of_another_mesh_is_refused_before_any_work(demo_learned, tiny):
    lines = []
    with pytest.raises(
        InputError, match=f"performance.npz has {POINTS} vertices a frame but the actor's mesh has 8760"
    ):
        fit_performance(demo_learned, tiny[1], report=lines.append)
    assert lines == []


def test_unknown_device_is_named(tiny):
    with pytest.raises(InputError, match="no device called 'tpu'"):
        fit_performance(*tiny, settings=FittingSettings(device="tpu"))


def test_many_expressions_do_not_fill_the_memory(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(closed_form, "MOST_UNKNOWNS", 6 * len(tiny[0].names) + 1)
    cache = tmp_path / "a.fitting.safetensors"
    for _ in range(2):  # also with what was kept
        take = fit_performance(*tiny, settings=FittingSettings(modes=10, device="cpu"), cache=cache)
        assert take.modes.shape[1] == 6
        told = "3 expressions are many: their weights are made of 6 smooth functions instead of 10"
        assert take.figures["notes"][0].startswith(told)
    assert fit_performance(*tiny, settings=FittingSettings(modes=6, device="cpu"), cache=cache).figures["notes"] == []
