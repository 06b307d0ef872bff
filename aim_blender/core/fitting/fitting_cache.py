# SPDX-License-Identifier: GPL-3.0-or-later
"""The modes and the inverse normal matrix of a fit, kept in a file beside the actor: a second fit starts at once.

The file can be deleted at any time. One that is damaged, or of another actor or other settings, is passed over and
replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np

from ..model.actor import Actor
from ..shared.foundation.errors import UNREADABLE
from ..shared.foundation.tensor_files import read_metadata, read_tensors, write_tensors
from ..shared.settings.fitting_settings import FittingSettings

FORMULA = 4  # grows when modes or normal matrix are computed otherwise
CACHE_SUFFIX = ".fitting.safetensors"

Prepared = tuple[np.ndarray, np.ndarray, np.ndarray]


def cache_beside(actor_path: Path) -> Path:
    """X.fitting.safetensors for X.actor.safetensors."""
    return actor_path.with_name(actor_path.name.removesuffix(".safetensors").removesuffix(".actor") + CACHE_SUFFIX)


def load_inverse(path: Path, actor: Actor, settings: FittingSettings) -> Prepared | None:
    """Modes (V, M) float32, eigenvalues (M,) and the inverse normal matrix (M N, M N) float64 of this actor and these
    settings, if the file has them."""
    try:
        if json.loads(read_metadata(path)["aim"]).get("digest") != _digest(actor, settings):
            return None
        arrays, _ = read_tensors(path)
        return arrays["modes"], arrays["eigenvalues"], arrays["inverse"]
    except UNREADABLE:
        return None


def save_inverse(
    path: Path,
    actor: Actor,
    settings: FittingSettings,
    modes: np.ndarray,
    eigenvalues: np.ndarray,
    inverse: np.ndarray,
) -> None:
    """Keep them for load_inverse. Where nothing can be written the next fit computes them again."""
    header = {"kind": "fitting cache", "digest": _digest(actor, settings)}
    arrays = {"modes": modes, "eigenvalues": eigenvalues, "inverse": inverse}
    with contextlib.suppress(OSError):
        write_tensors(path, arrays, {"aim": json.dumps(header)})


def _digest(actor: Actor, settings: FittingSettings) -> str:
    """Of all that modes and normal matrix are computed from."""
    found = hashlib.blake2b(digest_size=16)
    chosen = [FORMULA, actor.topology.digest, settings.modes, settings.ridge, settings.smoothness]
    found.update(json.dumps(chosen).encode())
    for array in (actor.neutral, actor.expressions):
        found.update(np.ascontiguousarray(array, dtype=np.float32).data)
    return found.hexdigest()
