# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the file that is picked is a phone's recording, asked at every drawing of a panel and read once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import bpy

from ...core.shared.phone.phone_tables import SUFFIXES, is_phone_recording


def is_phone_file(picked: str) -> bool:
    """Whether a path as the scene has it is of a phone's recording."""
    if not picked.lower().endswith(SUFFIXES):
        return False
    path = Path(bpy.path.abspath(picked))
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return False
    return _looked_at(path, changed)


@lru_cache(maxsize=16)
def _looked_at(path: Path, changed: int) -> bool:
    return is_phone_recording(path)
