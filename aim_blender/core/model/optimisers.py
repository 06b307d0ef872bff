# SPDX-License-Identifier: GPL-3.0-or-later
"""Optimisers of PyTorch that leave its compiler unloaded: nothing is compiled here, and to load it takes as long as to
load PyTorch itself, 1.9 s of every process that learns.

PyTorch marks methods of optimisers as not to be compiled, and loads the compiler to mark them when they are first
called. Below the marks lie the methods themselves, which compute the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

_adams_step: Any = inspect.unwrap(torch.optim.Adam.step)


class Optimiser(torch.optim.Optimizer):
    """A base as torch.optim.Optimizer is one."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


class Adam(Optimiser, torch.optim.Adam):
    """torch.optim.Adam, number for number."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of all parameters that have a gradient. closure: as torch's optimisers have it."""
        return _adams_step(self, closure)
