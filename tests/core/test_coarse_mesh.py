# SPDX-License-Identifier: GPL-3.0-or-later
"""Big meshes: smooth functions that follow from few places, and the fit that sums them up there, beside plain twins."""

import numpy as np
import pytest
import torch
import trimesh

from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.fitting_session import FittingSession
from aim_blender.core.geometry.coarse_mesh import CoarseMesh, coarse_mesh, coarse_modes
from aim_blender.core.geometry.modes import laplacian_modes
from aim_blender.core.model import carried_fields
from aim_blender.core.model.carried_fields import CarriedFields
from aim_blender.core.model.closed_form import ClosedForm, ModeFields

MODES, NAMES, FRAMES = 9, 3, 4


@pytest.fixture(scope="module")
def ball() -> tuple[np.ndarray, np.ndarray]:
    mesh = trimesh.creation.icosphere(4, 50.0)
    return np.array(mesh.vertices), np.array(mesh.faces)


@pytest.fixture(scope="module")
def few(ball) -> CoarseMesh:
    return coarse_mesh(ball[0], ball[1], 100)


@pytest.fixture(scope="module")
def twins(ball, few) -> tuple[ModeFields, CarriedFields]:
    """The same functions, summed up at every vertex and at the places, in float64."""
    at_places, _ = coarse_modes(few, ball[0], ball[1], MODES)
    expressions = torch.as_tensor(np.random.default_rng(2).normal(size=(len(ball[0]), NAMES, 3)))
    modes = torch.as_tensor(few.matrix().astype(np.float64) @ at_places)
    return ModeFields(modes, expressions), CarriedFields(few, torch.as_tensor(at_places), expressions)


def test_places_are_few_and_everything_is_a_mean_of_them(ball, few):
    count = len(few.around)
    assert 100 <= count < len(ball[0]) / 8
    assert np.allclose(few.share.sum(1), 1.0, atol=1e-5)
    assert set(few.region) == set(range(count))
    carried = few.matrix() @ ball[0][_places(few)]
    assert np.linalg.norm(carried - ball[0], axis=1).max() < 0.05 * 50.0


def _places(mesh: CoarseMesh) -> np.ndarray:
    """(C,) the vertices that are all of their own region's place."""
    own = np.flatnonzero(mesh.share[:, 0] > 1.0 - 1e-5)
    found = np.full(len(mesh.around), -1)
    found[mesh.region[own]] = own
    assert (found >= 0).all()
    return found


def test_functions_from_few_places_are_nearly_those_of_the_mesh(ball, few):
    modes, values = laplacian_modes(ball[0], ball[1], MODES, equal_vertices=True)
    at_places, few_values = coarse_modes(few, ball[0], ball[1], MODES)
    assert few_values == pytest.approx(values, rel=0.05, abs=1e-9)
    carried = few.spread(at_places)
    assert np.allclose(carried.T @ carried / len(carried), np.eye(MODES), atol=1e-4)
    assert np.linalg.svd(carried.T @ modes / len(carried))[1].min() > 0.995


def test_lips_that_touch_stay_apart(demo):
    loop = demo.head.layout.rim_loops[0]
    half = len(loop) // 2
    lower, upper = loop[half // 2], loop[half + half // 2]
    mesh = coarse_mesh(demo.neutral, demo.topology.triangles(), 200)
    assert not set(mesh.around[mesh.region[lower]]) & set(mesh.around[mesh.region[upper]])


def test_sums_at_the_places_are_those_at_the_vertices(twins, monkeypatch):
    monkeypatch.setattr(carried_fields, "NUMBERS_AT_ONCE", 5000)  # so that there are many parts
    plain, carried = twins
    count = len(plain.modes)
    random = torch.Generator().manual_seed(0)
    offsets = torch.randn(FRAMES, count, 3, generator=random, dtype=torch.float64)
    coefficients = torch.randn(FRAMES, MODES, NAMES, generator=random, dtype=torch.float64)
    assert torch.allclose(carried.seen(offsets), plain.seen(offsets), atol=1e-8)
    assert torch.allclose(carried.offsets(coefficients), plain.offsets(coefficients), atol=1e-10)
    assert torch.allclose(carried.distance(coefficients, offsets), plain.distance(coefficients, offsets), atol=1e-10)
    for trust in (None, torch.rand(count, generator=random, dtype=torch.float64)):
        assert torch.allclose(carried.agreement(trust), plain.agreement(trust), rtol=1e-8, atol=1e-6)


def test_a_solve_with_missing_points_is_that_of_its_twin(twins):
    plain, carried = twins
    random = torch.Generator().manual_seed(1)
    residual = torch.randn(FRAMES, len(plain.modes), 3, generator=random, dtype=torch.float64)
    trust = (torch.rand(residual.shape[:2], generator=random) > 0.3).double()
    cost = torch.full((MODES,), 0.01, dtype=torch.float64)
    forms = [ClosedForm(plain.expressions, plain.modes, cost, fields=fields) for fields in (plain, carried)]
    found = [form.solve(residual, trust) for form in forms]
    assert torch.allclose(found[0], found[1], atol=1e-7)


def test_a_face_is_fitted_as_closely(demo_learned, demo_frames, demo_take, tmp_path):
    settings, cache = FittingSettings(modes=20, coarse_from=1, device="cpu"), tmp_path / "A.fitting.safetensors"
    take = fit_performance(demo_learned, demo_frames, settings, cache=cache)
    assert take.figures["mean_mm"] < 1.05 * demo_take.figures["mean_mm"]
    assert not np.array_equal(take.modes, demo_take.modes)
    again = fit_performance(demo_learned, demo_frames, settings, cache=cache)  # from what was kept
    assert np.array_equal(again.coefficients, take.coefficients)
    assert np.array_equal(again.modes, take.modes)
    plain = FittingSettings(modes=20, coarse_from=0, device="cpu")
    assert not FittingSession(demo_learned, plain, cache).is_coarse
