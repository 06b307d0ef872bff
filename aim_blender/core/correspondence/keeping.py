# SPDX-License-Identifier: GPL-3.0-or-later
"""Correspondences that are kept in a file, so that they are made once for two meshes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..shared.foundation.topology import Topology
from ..shared.results.correspondence_files import load_correspondence, save_correspondence
from ..shared.results.correspondences import Correspondence


def kept_or_made(
    path: Path, source: Topology, target: Topology, make: Callable[[], Correspondence | None]
) -> Correspondence | None:
    """The correspondence that a file holds or, where there is none, what `make` makes, which is then kept there, if it
    makes one.

    Raises InputError if the file is damaged, or of other meshes: an artist may have picked its landmarks, so it is not
    replaced.
    """
    if path.is_file():
        found = load_correspondence(path)
        found.check(source, target)
        return found
    made = make()
    if made is not None:
        save_correspondence(made, path)
    return made
