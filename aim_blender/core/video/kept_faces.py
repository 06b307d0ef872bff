# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen in a movie, kept beside an actor's file: a second fit of the same movie, or one that goes on after it
was stopped, does not look again."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import numpy as np

from ..shared.foundation.archives import open_archive, save_arrays
from ..shared.foundation.errors import UNREADABLE, InputError
from ..shared.results.kept_files import ACTOR_SUFFIX
from .seen_faces import ARRAYS, SeenFaces, check_seen, numbers

VERSION = 5
SUFFIX = ".faces.npz"
BLOCK = 2**22  # bytes


class KeptFaces:
    """What is kept of a movie that one detector has looked at; both are known by their content."""

    def __init__(self, actor_file: Path, movie: Path, model: Path) -> None:
        digest = hashlib.sha256(f"{VERSION} {digest_of(movie)} {digest_of(model)}".encode()).hexdigest()
        stem = actor_file.name.removesuffix(ACTOR_SUFFIX)
        self.path = actor_file.with_name(f"{stem}.seen-{digest[:12]}{SUFFIX}")
        self.movie = movie

    def read(self) -> tuple[SeenFaces, bool] | None:
        """What was seen, and whether it is all; None where nothing is kept, or it cannot be read."""
        if not self.path.is_file():
            return None
        try:
            with open_archive(self.path) as archive:
                arrays = {name: archive[name] for name in ARRAYS}
                arrays["landmarks"] = arrays["landmarks"].astype(np.float64)
                fps, width, height, whole = archive["about"].tolist()
                notes = tuple(map(str, archive["notes"].tolist())) if "notes" in archive else ()
            found = SeenFaces(
                str(self.movie),
                numbers(len(arrays["times"])),
                fps=fps,
                size=(int(width), int(height)),
                notes=notes,
                **arrays,
            )
            with contextlib.suppress(InputError):  # of frames without a face
                check_seen(found)
        except UNREADABLE:
            return None
        return found, bool(whole)

    def write(self, seen: SeenFaces, whole: bool) -> None:
        """Keep it; where nothing can be written, it is not kept."""
        arrays = {name: getattr(seen, name) for name in ARRAYS}
        arrays["landmarks"] = seen.landmarks.astype(np.float32)
        if seen.notes:
            arrays["notes"] = np.array(seen.notes)
        with contextlib.suppress(OSError):
            save_arrays(self.path, {**arrays, "about": np.array([seen.fps, *seen.size, whole])})


def digest_of(path: Path) -> str:
    """Of what a file holds."""
    digest = hashlib.blake2b(digest_size=20)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
