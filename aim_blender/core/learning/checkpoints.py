# SPDX-License-Identifier: GPL-3.0-or-later
"""What an optimisation depends on, saved whole and restored exactly: a run that was stopped ends like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..shared.foundation.errors import UNREADABLE, reason
from ..shared.foundation.tensor_files import CHECKSUM, NOT_WRITTEN, checksum
from ..shared.foundation.whole_files import written_whole


class Stateful(Protocol):
    """An optimiser, or several as one."""

    def state_dict(self) -> dict[str, Any]:
        """The state of its parameters by their numbers, as `state`."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Continue where state_dict was taken."""


def save_training(
    path: Path,
    model: nn.Module,
    optimiser: Stateful,
    generator: torch.Generator,
    numbers: dict[str, int],
    metadata: dict[str, str],
) -> None:
    """Write the state of all three and the numbers, such as the iteration. metadata says what it is a checkpoint of.

    Raises OSError if it cannot be written; what was there before then stays.
    """
    tensors = {f"model.{name}": value.contiguous() for name, value in model.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value.contiguous() for name, value in state.items()}
    tensors["generator"] = generator.get_state()
    tensors |= {name: torch.tensor(value) for name, value in numbers.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        temporary.write_bytes(save(tensors, metadata | {CHECKSUM: _checksum(tensors, metadata)}))


def restore_training(
    path: Path,
    model: nn.Module,
    optimiser: Stateful,
    generator: torch.Generator,
    numbers: tuple[str, ...],
    origin: dict[str, str],
    tell: Callable[[str], None],
) -> tuple[dict[str, int], dict[str, str]] | None:
    """Continue from what save_training wrote: the numbers and the metadata.

    None, and nothing is changed, if there is no such file, it is damaged, which `tell` is told, or its metadata differs
    from `origin`.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        # First, lest a changed byte makes it look like one of other settings.
        if metadata.pop(CHECKSUM, None) != _checksum(tensors, metadata):
            raise ValueError(NOT_WRITTEN)
        if any(metadata.get(name) != value for name, value in origin.items()):
            return None
        wanted = model.state_dict()
        stored = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
        if {n: v.shape for n, v in stored.items()} != {n: v.shape for n, v in wanted.items()}:
            raise ValueError("its networks are others")
        if not {"generator", *numbers} <= tensors.keys():
            raise ValueError("a part of it is missing")
    except (SafetensorError, *UNREADABLE) as error:
        tell(f"the checkpoint {path} is damaged ({reason(error)}): the work starts anew")
        return None
    model.load_state_dict(stored)
    state = optimiser.state_dict()
    state["state"] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".")
            state["state"].setdefault(int(index), {})[key] = value
    optimiser.load_state_dict(state)
    generator.set_state(tensors["generator"])
    return {name: int(tensors[name]) for name in numbers}, metadata


def _checksum(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    return checksum({name: value.detach().cpu().numpy() for name, value in tensors.items()}, metadata)
