# SPDX-License-Identifier: GPL-3.0-or-later
"""How strongly each vertex of the target takes part in a retarget."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..shared.foundation.archives import open_archive
from ..shared.foundation.errors import UNREADABLE, InputError, reason

STRONGEST = 100.0  # more is no strength but a mistake


def read_regions(path: Path) -> np.ndarray:
    """(V,) the region strength in an .npz file's `strength`. Raises InputError if it is no such file."""
    try:
        with open_archive(path) as archive:
            return archive["strength"]
    except UNREADABLE as error:
        raise InputError(
            f"{path} must be an .npz file with `strength`, a number for each vertex: {reason(error)}"
        ) from error


def checked_region(region: np.ndarray | None, points: int) -> np.ndarray | None:
    """region (V,) of a mesh of so many points. Raises InputError if it is none of such a mesh; None stays None."""
    if region is None:
        return None
    region = np.asarray(region, dtype=np.float64)
    if region.shape != (points,) or not np.isfinite(region).all() or region.min() < 0 or region.max() > STRONGEST:
        raise InputError(
            f"the region strength must be {points} numbers from 0 to {STRONGEST:g}, one for each vertex; "
            f"what was given has the shape {region.shape} and numbers from {region.min(initial=0.0):g} to "
            f"{region.max(initial=0.0):g}"
        )
    return region
