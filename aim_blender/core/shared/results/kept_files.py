# SPDX-License-Identifier: GPL-3.0-or-later
"""Correspondence files as Blender sees them: where they are kept, and what is in them.

Needs numpy only, and only to read one: a worker that sets an environment up has no packages yet.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..foundation.errors import UNREADABLE, InputError, reason

if TYPE_CHECKING:
    import numpy as np

ACTOR_SUFFIX = ".actor.safetensors"
CORRESPONDENCE_SUFFIX = ".correspondence.safetensors"
TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}


def kept_correspondence(target: Path, source_digest: str) -> Path:
    """Where the correspondence of a source's topology to a target actor is kept: beside the target's file."""
    name = target.name.removesuffix(ACTOR_SUFFIX)
    return target.with_name(f"{name}.from-{source_digest[:12]}{CORRESPONDENCE_SUFFIX}")


def read_places(path: Path, source_count: int, target_count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """corners (W, 3), weights (W, 3) and confidence (W,) of a correspondence (core/correspondence).

    source_count, target_count: vertices of the meshes it is for. Raises InputError if it is not theirs, or damaged.
    """
    import numpy as np

    try:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header: dict[str, Any] = json.loads(content[8 : 8 + length])
        arrays = []
        for name, width in (("corners", (3,)), ("weights", (3,)), ("confidence", ())):
            entry = header[name]
            first, end = entry["data_offsets"]
            values = np.frombuffer(content[8 + length + first : 8 + length + end], TYPES[entry["dtype"]])
            arrays.append(values.reshape(target_count, *width))
        if arrays[0].min() < 0 or arrays[0].max() >= source_count or not np.isfinite(arrays[1]).all():
            raise ValueError("its corners are not vertices of the source")
    except FileNotFoundError as error:
        raise InputError(f"there is no correspondence {path} yet; retarget to this target first") from error
    except UNREADABLE as error:
        raise InputError(
            f"{path} is damaged, or not of these two meshes: {reason(error)}; remove it and retarget again"
        ) from error
    return arrays[0], arrays[1], arrays[2]
