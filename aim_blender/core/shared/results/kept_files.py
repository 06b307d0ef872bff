# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are kept beside an actor, by their names. Needs no numpy: a worker that sets an environment up has no
packages yet.
"""

from __future__ import annotations

from pathlib import Path

ACTOR_SUFFIX = ".actor.safetensors"
CORRESPONDENCE_SUFFIX = ".correspondence.safetensors"


def kept_correspondence(target: Path, source_digest: str) -> Path:
    """Where the correspondence of a source's topology to a target actor is kept: beside the target's file."""
    name = target.name.removesuffix(ACTOR_SUFFIX)
    return target.with_name(f"{name}.from-{source_digest[:12]}{CORRESPONDENCE_SUFFIX}")
