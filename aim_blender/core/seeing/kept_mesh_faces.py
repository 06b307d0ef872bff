# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on meshes, kept beside an actor's file: the next fit of the actor does not look again."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
from pathlib import Path

import numpy as np

from ..shared.foundation.errors import UNREADABLE
from ..shared.foundation.whole_files import written_whole
from ..shared.results.kept_files import ACTOR_SUFFIX
from ..video.kept_faces import digest_of
from .mesh_faces import SeenOnMesh
from .seen_landmarks import frame_of_seen

VERSION = 2
SUFFIX = ".mesh_face.json"


class KeptMeshFaces:
    """Of meshes that one detector has looked at, each known by its digest."""

    def __init__(self, actor_file: Path, model: Path) -> None:
        self._beside, self._stem = actor_file, actor_file.name.removesuffix(ACTOR_SUFFIX)
        self._model = model

    @functools.cached_property
    def _detector(self) -> str:
        return digest_of(self._model)

    def read(self, mesh: str) -> tuple[SeenOnMesh | None] | None:
        """What was seen on a mesh, None in a tuple where nothing was; None where nothing is kept, or not readable."""
        try:
            kept = json.loads(self._path(mesh).read_text(encoding="utf-8"))
            if kept["check"] != _check(kept["seen"]):
                return None
            if kept["seen"] is None:
                return (None,)
            told = dict(kept["seen"])
            places = {str(name): np.array(place, dtype=np.float64).reshape(3) for name, place in told["places"].items()}
            frame = frame_of_seen(places)
            return None if frame is None else (SeenOnMesh(**{**told, "places": places, "frame": frame}),)
        except UNREADABLE:
            return None

    def write(self, mesh: str, seen: SeenOnMesh | None) -> None:
        """Keep it; where nothing can be written, it is not kept."""
        told = None
        if seen is not None:
            told = {each.name: getattr(seen, each.name) for each in dataclasses.fields(seen) if each.name != "frame"}
            told["places"] = {name: place.tolist() for name, place in seen.places.items()}
        with contextlib.suppress(OSError), written_whole(self._path(mesh)) as temporary:
            temporary.write_text(json.dumps({"check": _check(told), "seen": told}), encoding="utf-8")

    def _path(self, mesh: str) -> Path:
        digest = hashlib.sha256(f"{VERSION} {self._detector} {mesh}".encode()).hexdigest()
        return self._beside.with_name(f"{self._stem}.face-{digest[:12]}{SUFFIX}")


def _check(told: object) -> str:
    """What tells that it is what was written."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
