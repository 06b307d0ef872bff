# SPDX-License-Identifier: GPL-3.0-or-later
"""The implicit functions: same-shaped networks of one point of the template, evaluated as one batched product."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..shared.foundation.errors import InputError
from ..shared.settings.learning_settings import ACTIVATIONS, Activation
from .devices import tensor_float_32

POINTS_AT_ONCE = 2048  # that a processor evaluates where nobody asks for gradients: hidden layers are wide


class NetworkStack(nn.Module):
    """K networks of one input (P, I) with equal hidden layers and an output each.

    outputs: name of each network and the width of its output. inputs: width I of the input. hidden: width of every
    hidden layer. depth: number of hidden layers. activation: siren is a sine of `frequency` (ω in docs/model.md) times
    the layer (Sitzmann et al. 2020).

    Raises InputError for an activation that does not exist.
    """

    def __init__(
        self,
        outputs: Mapping[str, int],
        inputs: int = 3,
        hidden: int = 256,
        depth: int = 3,
        activation: Activation = "siren",
        frequency: float = 20.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise InputError(
                f"the activation {activation!r} does not exist; it must be one of {', '.join(ACTIVATIONS)}"
            )
        self.names = tuple(outputs)
        self.activation = activation
        self.frequency = frequency
        count = len(self.names)
        first = 1.0 / 3.0 if activation == "siren" else math.sqrt(6.0 / inputs)
        inner = math.sqrt(6.0 / hidden) / (frequency if activation == "siren" else 1.0)

        def uniform(bound: float, *shape: int) -> nn.Parameter:
            return nn.Parameter((torch.rand(*shape, generator=generator) * 2 - 1) * bound)

        self.first_weight = uniform(first, count, inputs, hidden)  # (K, I, H)
        self.first_bias = uniform(first, count, 1, hidden)  # (K, 1, H)
        self.hidden_weights = nn.ParameterList(uniform(inner, count, hidden, hidden) for _ in range(depth - 1))
        self.hidden_biases = nn.ParameterList(
            uniform(1.0 / math.sqrt(hidden), count, 1, hidden) for _ in range(depth - 1)
        )
        self.output_weights = nn.ParameterDict(
            {name: uniform(0.1 / math.sqrt(hidden), hidden, width) for name, width in outputs.items()}
        )
        self.output_biases = nn.ParameterDict({name: uniform(0.0, width) for name, width in outputs.items()})

    def hidden_features(self, points: Tensor) -> Tensor:
        """The last hidden layer (K, P, H) of every network at points (P, I)."""
        with tensor_float_32(False):  # points are positions
            x = self._activate(torch.matmul(points, self.first_weight) + self.first_bias)
        for weight, bias in zip(self.hidden_weights, self.hidden_biases, strict=True):
            x = self._activate(torch.baddbmm(bias, x, weight))
        return x

    def forward(self, points: Tensor) -> dict[str, Tensor]:
        """The outputs (P, width) by name at points (P, I)."""
        if not torch.is_grad_enabled() and points.device.type == "cpu" and len(points) > POINTS_AT_ONCE:
            parts = [self(part) for part in points.split(POINTS_AT_ONCE)]
            return {name: torch.cat([part[name] for part in parts]) for name in self.names}
        features = self.hidden_features(points)
        return {name: self._output(name, features[i]) for i, name in enumerate(self.names)}

    def forward_plain(self, points: Tensor) -> dict[str, Tensor]:
        """The plain twin of forward: one network after the other."""
        outputs = {}
        for i, name in enumerate(self.names):
            x = self._activate(points @ self.first_weight[i] + self.first_bias[i])
            for weight, bias in zip(self.hidden_weights, self.hidden_biases, strict=True):
                x = self._activate(x @ weight[i] + bias[i])
            outputs[name] = self._output(name, x)
        return outputs

    def _output(self, name: str, features: Tensor) -> Tensor:
        return torch.addmm(self.output_biases[name], features, self.output_weights[name])

    def _activate(self, x: Tensor) -> Tensor:
        if self.activation == "siren":
            return torch.sin(self.frequency * x)
        return torch.nn.functional.gelu(x) if self.activation == "gelu" else torch.relu(x)
