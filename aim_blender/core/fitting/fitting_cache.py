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
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..model.actor import Actor
from ..shared.foundation.errors import UNREADABLE
from ..shared.foundation.whole_files import written_whole
from ..shared.settings.fitting_settings import FittingSettings

FORMULA = 3  # grows when modes or normal matrix are computed otherwise
CACHE_SUFFIX = ".fitting.safetensors"

Prepared = tuple[np.ndarray, np.ndarray, np.ndarray]


def cache_beside(actor_path: Path) -> Path:
    """X.fitting.safetensors for X.actor.safetensors."""
    return actor_path.with_name(actor_path.name.removesuffix(".safetensors").removesuffix(".actor") + CACHE_SUFFIX)


def load_inverse(path: Path, actor: Actor, settings: FittingSettings) -> Prepared | None:
    """Modes (V, M) float32, eigenvalues (M,) and the inverse normal matrix (M N, M N) float64 of this actor and these
    settings, if the file has them."""
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {})["aim"])
            if header.get("digest") != _digest(actor, settings):
                return None
            arrays = tuple(file.get_tensor(name) for name in ("modes", "eigenvalues", "inverse"))
        if header.get("checksum") != _checksum(*arrays):
            return None
    except (SafetensorError, *UNREADABLE):
        return None
    return arrays[0], arrays[1], arrays[2]


def save_inverse(
    path: Path,
    actor: Actor,
    settings: FittingSettings,
    modes: np.ndarray,
    eigenvalues: np.ndarray,
    inverse: np.ndarray,
) -> None:
    """Keep them for load_inverse. Where nothing can be written the next fit computes them again."""
    header = {
        "kind": "fitting cache",
        "digest": _digest(actor, settings),
        "checksum": _checksum(modes, eigenvalues, inverse),
    }
    arrays = {"modes": modes, "eigenvalues": eigenvalues, "inverse": inverse}
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"aim": json.dumps(header)})
    with contextlib.suppress(OSError), written_whole(path) as temporary:
        temporary.write_bytes(content)


def _digest(actor: Actor, settings: FittingSettings) -> str:
    """Of all that modes and normal matrix are computed from."""
    found = hashlib.blake2b(digest_size=16)
    chosen = [FORMULA, actor.topology.digest, settings.modes, settings.ridge, settings.smoothness]
    found.update(json.dumps(chosen).encode())
    for array in (actor.neutral, actor.expressions):
        found.update(np.ascontiguousarray(array, dtype=np.float32).data)
    return found.hexdigest()


def _checksum(*arrays: np.ndarray) -> str:
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
