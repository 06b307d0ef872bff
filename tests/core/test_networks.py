# SPDX-License-Identifier: GPL-3.0-or-later
"""The batched networks are the networks one after the other, differentiable, and start well."""

from typing import Any, cast

import pytest
import torch
from torch.autograd import gradcheck

from aim_blender.core.model.networks import NetworkStack
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.settings.learning_settings import ACTIVATIONS, Activation

OUTPUTS = {"bone": 3, "weight": 1, "many": 7}


def stack(activation: Activation = "siren", seed: int = 0, **choices) -> NetworkStack:
    generator = torch.Generator().manual_seed(seed)
    return NetworkStack(OUTPUTS, inputs=5, activation=activation, generator=generator, **choices).double()


def points(count: int = 40) -> torch.Tensor:
    return torch.rand(count, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_many_points_are_evaluated_in_parts_where_no_gradients_are_asked_for(monkeypatch):
    monkeypatch.setattr("aim_blender.core.model.networks.POINTS_AT_ONCE", 16)
    asked: list[int] = []
    networks = stack(hidden=32)
    networks.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    whole = networks(points())
    assert asked == [40]
    with torch.no_grad():
        parts = networks(points())
    assert sorted(asked[2:]) == [8, 16, 16]
    for name in OUTPUTS:
        assert torch.allclose(parts[name], whole[name], atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_batched_equals_plain(activation, depth):
    networks = stack(activation, hidden=32, depth=depth)
    batched, plain = networks(points()), networks.forward_plain(points())
    assert list(batched) == list(plain) == list(OUTPUTS)
    for name, width in OUTPUTS.items():
        assert batched[name].shape == (40, width)
        assert torch.allclose(batched[name], plain[name], rtol=1e-12, atol=1e-14)
        assert batched[name].std() > 0


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_equal_central_differences(activation):
    networks = stack(activation, hidden=6, depth=2, frequency=3.0)
    parameters = dict(networks.named_parameters())

    def outputs(where, *values):
        named = dict(zip(parameters, values, strict=True))
        return tuple(torch.func.functional_call(networks, named, (where,)).values())

    values = [value.detach().clone().requires_grad_() for value in parameters.values()]
    assert gradcheck(outputs, (points(4).requires_grad_(), *values), atol=1e-6)


def test_batched_gradients_equal_plain_gradients():
    networks = stack(hidden=16, depth=3)
    gradients = []
    for forward in (networks.forward, networks.forward_plain):
        loss = torch.stack([value.sin().sum() for value in forward(points()).values()]).sum()
        gradients.append(torch.autograd.grad(loss, list(networks.parameters())))
    for batched, plain in zip(*gradients, strict=True):
        assert torch.allclose(batched, plain, rtol=1e-9, atol=1e-12)


def test_a_seed_gives_one_network():
    first, again, other = stack(seed=3, hidden=16), stack(seed=3, hidden=16), stack(seed=4, hidden=16)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.first_weight, other.first_weight)


def test_siren_starts_with_its_layers_awake():
    """Sitzmann et al. 2020: sines whose spread neither fades nor grows from layer to layer."""
    for depth in (1, 2, 3, 5):
        features = stack(hidden=256, depth=depth, frequency=20.0).hidden_features(points(400))
        assert features.std().item() == pytest.approx(0.5**0.5, rel=0.05)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_outputs_start_small(activation):
    for value in stack(activation, hidden=64)(points(400)).values():
        assert value.abs().max() < 0.5


def test_unknown_activation_is_named():
    with pytest.raises(InputError, match="'tanh' does not exist; it must be one of siren, gelu, relu"):
        stack(cast("Any", "tanh"))
