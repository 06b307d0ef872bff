# SPDX-License-Identifier: GPL-3.0-or-later
"""The neural fit: comes close by right gradients, the same every time, stopped and resumed without a trace."""

import dataclasses

import numpy as np
import pytest
import torch

from aim_blender.core.fitting import fitting_neural
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.fitting_neural import NeuralFitter
from aim_blender.core.learning import optimising
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.shared.foundation.errors import Cancelled, InputError
from tests.core.geometry import degrees_between

SETTINGS = FittingSettings(solver="neural", modes=20, head="still", device="cpu", iterations=12, warm_start=False)
CLOSED = FittingSettings(modes=20, head="still", device="cpu")
ARRAYS = ("modes", "coefficients", "jaw", "head", "error_mm")


@pytest.fixture(scope="module")
def short(tiny):
    return fit_performance(*tiny, settings=SETTINGS)


@pytest.fixture(scope="module")
def demo_neural(demo_learned, demo_frames):
    """The demo's performance, whose jaw and head move, hardly learned after a warm start."""
    settings = FittingSettings(solver="neural", modes=20, device="cpu", iterations=4)
    return fit_performance(demo_learned, demo_frames, settings)


def same(first, second) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ARRAYS)


def fitter_in_float64(actor, frames, settings) -> NeuralFitter:
    closed = fit_performance(actor, frames, FittingSettings(modes=20, device="cpu"))
    fitter = NeuralFitter(actor, frames, closed, settings)
    fitter.model.double()
    fitter.dtype = torch.float64
    for name in ("template", "expressions", "neutral", "skin_weight"):
        setattr(fitter, name, getattr(fitter, name).double())
    return fitter


# -- how close --------------------------------------------------------------------------------------------------------


def test_it_comes_close_from_rest(tiny):
    take = fit_performance(*tiny, settings=dataclasses.replace(SETTINGS, iterations=150))
    still = np.linalg.norm(tiny[1].vertices - tiny[0].neutral, axis=-1).mean()
    assert still > 1.5
    assert take.figures["mean_mm"] < 0.05
    assert take.figures["iterations"] == 150


def test_a_warm_start_is_the_closed_form(demo_neural, demo_take):
    assert demo_neural.figures["mean_mm"] < demo_take.figures["mean_mm"] + 0.03
    assert degrees_between(demo_neural.jaw, demo_take.jaw).max() < 0.2
    assert degrees_between(demo_neural.head, demo_take.head).max() < 0.1


def test_jaw_and_head_are_found_from_rest(demo_learned, demo_frames, demo_shot):
    settings = FittingSettings(solver="neural", modes=20, device="cpu", iterations=60, warm_start=False)
    take = fit_performance(demo_learned, demo_frames, settings)
    assert take.figures["mean_mm"] < 0.5
    widest = degrees_between(demo_shot.jaw, np.eye(4)).argmax()
    assert degrees_between(take.jaw, np.eye(4))[widest] > 0.5
    assert degrees_between(take.head, demo_shot.head).max() < 1.0


def test_the_take_is_what_the_networks_say(demo_neural, demo_learned, demo_frames):
    """The factorised F_W leaves nothing out of the take."""
    found = evaluate_take(demo_learned, demo_neural)["vertices"]
    distance = np.linalg.norm(found.astype(np.float64) - demo_frames.vertices, axis=-1)
    assert demo_neural.error_mm[:, 0] == pytest.approx(distance.mean(1), abs=1e-4)
    assert demo_neural.error_mm[:, 1] == pytest.approx(distance.max(1), abs=1e-3)
    assert demo_neural.figures["mean_mm"] == pytest.approx(distance.mean(), abs=1e-4)


def test_without_bones_the_jaw_rests(short):
    assert np.abs(short.jaw - np.eye(4)).max() < 1e-6
    assert np.abs(short.head - np.eye(4)).max() < 1e-6


# -- the loss ---------------------------------------------------------------------------------------------------------


def test_gradients_are_those_of_central_differences(demo_learned, demo_frames):
    few = dataclasses.replace(demo_frames, vertices=demo_frames.vertices[3:7], frames=demo_frames.frames[3:7])
    fitter = fitter_in_float64(demo_learned, few, FittingSettings(solver="neural", modes=6, device="cpu"))
    generator = torch.Generator().manual_seed(1)
    frames, points = torch.arange(4), torch.randperm(len(fitter.neutral), generator=generator)[:50]
    parameters = dict(fitter.model.named_parameters())
    with torch.no_grad():  # away from where the jaw is held, which is flat
        parameters["code_networks.output_weights.motion"].normal_(std=0.1, generator=generator)

    def loss() -> torch.Tensor:
        return torch.stack(list(fitter.losses(frames, points)[0].values())).sum()

    loss().backward()
    for name, value in parameters.items():
        direction = torch.randn(value.shape, dtype=torch.float64, generator=generator)
        step, ends = 1e-6, []
        with torch.no_grad():
            for sign in (1, -1):
                value.add_(sign * step * direction)
                ends.append(float(loss()))
                value.sub_(sign * step * direction)
        along = (ends[0] - ends[1]) / (2 * step)
        assert float((value.grad * direction).sum()) == pytest.approx(along, rel=1e-4, abs=1e-7), name


def test_what_is_missing_does_not_pull(tiny):
    actor, whole = tiny
    holes = whole.vertices.copy()
    holes[1, ::3] = np.nan
    losses = []
    for vertices, unseen in ((holes, True), (whole.vertices, False)):
        performance = dataclasses.replace(whole, vertices=vertices)
        closed = fit_performance(actor, whole, CLOSED)
        fitter = NeuralFitter(actor, performance, closed, SETTINGS)
        points = torch.arange(0, len(actor.neutral), 3) if unseen else torch.arange(1, len(actor.neutral), 3)
        loss, distance = fitter.losses(torch.tensor([1]), points)
        losses.append(float(loss["position"].detach()))
        assert bool(torch.isfinite(distance))
    assert losses[0] == 0.0
    assert losses[1] > 1.0


def test_missing_frames_lie_between_their_neighbours(tiny):
    actor, whole = tiny
    vertices = whole.vertices.copy()
    vertices[2] = np.nan
    take = fit_performance(actor, dataclasses.replace(whole, vertices=vertices), SETTINGS)
    assert take.figures["missing_frames"] == [int(whole.frames[2])]
    assert np.allclose(take.coefficients[2], (take.coefficients[1] + take.coefficients[3]) / 2, atol=1e-6)
    assert np.isfinite(take.error_mm).all()


def test_regularisers_keep_weights_small_and_slow(tiny, monkeypatch):
    def weights(**costs) -> np.ndarray:
        changed = dataclasses.replace(fitting_neural.NeuralLossWeights(), **costs)
        monkeypatch.setattr(fitting_neural, "NeuralLossWeights", lambda: changed)
        take = fit_performance(*tiny, settings=dataclasses.replace(SETTINGS, iterations=60))
        return np.einsum("vm,fmn->fvn", take.modes, take.coefficients)

    free = weights(weights=0.0, temporal=0.0)
    small, slow = weights(weights=5.0), weights(weights=0.0, temporal=50.0)
    assert np.square(small).mean() < 0.7 * np.square(free).mean()
    assert np.square(np.diff(slow, axis=0)).mean() < 0.5 * np.square(np.diff(free, axis=0)).mean()


# -- the same every time ----------------------------------------------------------------------------------------------


def test_one_seed_gives_one_result(tiny, short):
    assert same(fit_performance(*tiny, settings=SETTINGS), short)
    assert not same(fit_performance(*tiny, settings=dataclasses.replace(SETTINGS, seed=1)), short)


@pytest.mark.parametrize("frame_batch", [128, 4])
def test_cancelled_and_resumed(tiny, tmp_path, monkeypatch, frame_batch):
    monkeypatch.setattr(optimising, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(fitting_neural, "FRAME_BATCH", frame_batch)
    straight = fit_performance(*tiny, settings=SETTINGS)
    lines: list[dict] = []

    def stop_halfway(line: dict) -> None:
        lines.append(line)
        if line["message"] == "Fitting the networks" and line["done"] == line["total"] // 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit_performance(*tiny, settings=SETTINGS, report=stop_halfway, checkpoint_folder=tmp_path)
    assert lines[-1]["remaining_s"] > 0
    assert lines[-1]["error_mm"] > 0
    lines.clear()
    resumed = fit_performance(*tiny, settings=SETTINGS, report=lines.append, checkpoint_folder=tmp_path)
    done = [line["done"] for line in lines if line["message"] == "Fitting the networks"]
    assert done[0] == lines[-1]["total"] // 2 + 1
    assert same(resumed, straight)


def test_checkpoint_of_another_fit_is_not_used(tiny, tmp_path):
    actor, performance = tiny
    closed = fit_performance(actor, performance, CLOSED)
    fitter = NeuralFitter(actor, performance, closed, SETTINGS)
    fitter.step()
    path = tmp_path / "fitting.safetensors"
    fitter.save(path)
    assert NeuralFitter(actor, performance, closed, SETTINGS).restore(path)
    assert not NeuralFitter(actor, performance, closed, dataclasses.replace(SETTINGS, seed=3)).restore(path)
    other = dataclasses.replace(closed, coefficients=closed.coefficients * 2)
    assert not NeuralFitter(actor, performance, other, SETTINGS).restore(path)
    path.write_bytes(path.read_bytes()[:-1])
    notes = fit_performance(actor, performance, SETTINGS, checkpoint_folder=tmp_path).figures["notes"]
    assert any(f"the checkpoint {path} is damaged" in note and "starts anew" in note for note in notes)


def test_negative_iterations_are_refused():
    with pytest.raises(InputError, match="iterations is -1; it must be 0 or more"):
        FittingSettings(solver="neural", iterations=-1)
