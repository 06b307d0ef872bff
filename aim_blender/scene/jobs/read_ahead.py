# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the take that a finished job made in a thread, so that bringing it into the scene does not wait for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...core.shared.foundation.errors import InputError
from ..baking.baked_take import BakedTake
from ..baking.key_choice import needed_keys
from ..basics.meanwhile import meanwhile
from .job_making import read_delivery

Ready = tuple[BakedTake, list[np.ndarray] | None]  # and which keyframes are needed
_ahead: dict[Path, Ready] = {}  # the latest, by the folder of its job


def begin(path: Path) -> Iterator[tuple[str, float]]:
    """Read the take of the finished job in the folder `path` in a thread. Yields as long as that goes on.

    What is wrong with the take is left for take_of to say.
    """
    with contextlib.suppress(InputError):
        delivery = read_delivery(path)
        if delivery.get("bake_file"):
            _ahead.clear()
            _ahead[path] = yield from meanwhile("reading the result", lambda: _read(path, delivery))


def take_of(path: Path, delivery: dict[str, Any]) -> Ready:
    """The take of such a job, which is read now if it was not before. Raises InputError."""
    return _ahead.pop(path, None) or _read(path, delivery)


def _read(path: Path, delivery: dict[str, Any]) -> Ready:
    scale = delivery["millimetres_per_unit"]
    take = BakedTake.load(path / delivery["bake_file"], scale)
    return take, needed_keys(take, delivery.get("reduce_keys_mm", 0.0) / scale)
