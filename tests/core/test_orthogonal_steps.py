# SPDX-License-Identifier: GPL-3.0-or-later
"""The optimiser of learning, beside plain twins."""

import copy

import pytest
import torch

from aim_blender.core.learning.orthogonal_steps import LearningOptimiser, nearly_orthogonal, steps_orthogonally
from aim_blender.core.model.networks import NetworkStack
from aim_blender.core.shared.settings.learning_settings import Activation, LearningSettings


def test_matrices_become_nearly_orthogonal_each_for_itself():
    matrices = torch.randn(3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = nearly_orthogonal(matrices)
    values = torch.linalg.svdvals(found)
    assert values.max() < 1.3
    assert values.median() > 0.6
    assert torch.allclose(found[1], nearly_orthogonal(matrices[1]), atol=1e-12)
    u, _, v = torch.linalg.svd(matrices)
    assert (u.mT @ found @ v.mT).diagonal(dim1=1, dim2=2).median() > 0.6  # along the same directions


def stepped(orthogonal: bool, steps: int, stop: int | None = None) -> torch.Tensor:
    """A network's mean error after so many steps towards a wavy function; stop: where all is saved and restored."""
    network = NetworkStack({"wave": 2}, 3, 32, 3, generator=torch.Generator().manual_seed(1))
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(2))
    wanted = torch.sin(25.0 * points[:, :2]) * torch.cos(20.0 * points[:, 1:])

    def made(of: NetworkStack) -> LearningOptimiser:
        hidden = list(of.hidden_weights) if orthogonal else []
        return LearningOptimiser({"all": list(of.parameters())}, hidden, 2e-3, False)

    optimiser = made(network)
    for step in range(steps):
        if step == stop:
            network, state = copy.deepcopy(network), optimiser.state_dict()
            optimiser = made(network)
            optimiser.load_state_dict(state)
        optimiser.set_rate({"all": 2e-3 * (1.0 - step / steps)})  # settling, as learning does
        optimiser.zero_grad()
        off = (network(points)["wave"] - wanted).abs().mean()
        off.backward()
        optimiser.step()
    return off.detach()


def test_wide_sines_are_stepped_orthogonally():
    def chosen(optimiser: str, hidden: int, activation: Activation = "siren") -> bool:
        return steps_orthogonally(LearningSettings(optimiser=optimiser, hidden=hidden, activation=activation))

    assert chosen("auto", 256)
    assert not chosen("auto", 16)
    assert not chosen("auto", 256, "relu")
    assert not chosen("adam", 256)
    assert chosen("orthogonal", 16)


@pytest.mark.parametrize("orthogonal", [True, False])
def test_steps_go_on_where_they_were_saved(orthogonal):
    assert torch.equal(stepped(orthogonal, 12, stop=5), stepped(orthogonal, 12))
