# SPDX-License-Identifier: GPL-3.0-or-later
"""The modes and the inverse normal matrix of a fit, kept in a file beside the actor: a second fit starts at once.

The file can be deleted at any time. One that is damaged, or of another actor or other settings, is passed over and
replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..geometry.coarse_mesh import CoarseMesh
from ..model.actor import Actor
from ..shared.foundation.errors import UNREADABLE
from ..shared.foundation.tensor_files import read_metadata, read_tensors, write_tensors
from ..shared.settings.fitting_settings import FittingSettings

FORMULA = 4  # grows when modes or normal matrix are computed otherwise
CACHE_SUFFIX = ".fitting.safetensors"
MESH = ("region", "around", "share")  # the arrays of a coarse mesh


@dataclass(frozen=True, eq=False)
class Prepared:
    """modes: Φ (V, M) float32. eigenvalues: (M,). inverse: of the normal matrix (M N, M N) float64, None if nobody has
    it. mesh, at_places: the coarse mesh of a big one, and the modes at its places (C, M), which say all of Φ."""

    modes: np.ndarray
    eigenvalues: np.ndarray
    inverse: np.ndarray | None = None
    mesh: CoarseMesh | None = None
    at_places: np.ndarray | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """What is kept, by name."""
        assert self.inverse is not None
        found = {"eigenvalues": self.eigenvalues, "inverse": self.inverse}
        if self.mesh is None or self.at_places is None:
            return found | {"modes": self.modes}
        mesh = {name: getattr(self.mesh, name) for name in MESH}
        return found | mesh | {"at_places": self.at_places}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> Prepared:
        """What arrays() told."""
        eigenvalues, inverse = arrays["eigenvalues"], arrays["inverse"]
        if "modes" in arrays:
            return cls(arrays["modes"], eigenvalues, inverse)
        mesh, at_places = CoarseMesh(*(arrays[name] for name in MESH)), arrays["at_places"]
        return cls(mesh.spread(at_places), eigenvalues, inverse, mesh, at_places)


def cache_beside(actor_path: Path) -> Path:
    """X.fitting.safetensors for X.actor.safetensors."""
    return actor_path.with_name(actor_path.name.removesuffix(".safetensors").removesuffix(".actor") + CACHE_SUFFIX)


def load_prepared(path: Path, actor: Actor, settings: FittingSettings) -> Prepared | None:
    """What a fit of this actor with these settings needs, if the file has it."""
    try:
        if json.loads(read_metadata(path)["aim"]).get("digest") != _digest(actor, settings):
            return None
        return Prepared.of(read_tensors(path, checked=True)[0])
    except UNREADABLE:
        return None


def save_prepared(path: Path, actor: Actor, settings: FittingSettings, prepared: Prepared) -> None:
    """Keep it for load_prepared. Where nothing can be written the next fit computes it again."""
    header = {"kind": "fitting cache", "digest": _digest(actor, settings)}
    with contextlib.suppress(OSError):
        write_tensors(path, prepared.arrays(), {"aim": json.dumps(header)})


def _digest(actor: Actor, settings: FittingSettings) -> str:
    """Of all that modes and normal matrix are computed from."""
    found = hashlib.blake2b(digest_size=16)
    big = is_big(actor, settings)
    chosen = [FORMULA, actor.topology.digest, settings.modes, settings.ridge, settings.smoothness, big]
    found.update(json.dumps(chosen).encode())
    for array in (actor.neutral, actor.expressions):
        found.update(np.ascontiguousarray(array, dtype=np.float32).data)
    return found.hexdigest()


def is_big(actor: Actor, settings: FittingSettings) -> bool:
    """Whether a fit sums up its modes at the places of a coarse mesh."""
    return bool(settings.coarse_from) and len(actor.neutral) >= settings.coarse_from and actor.working.is_whole
