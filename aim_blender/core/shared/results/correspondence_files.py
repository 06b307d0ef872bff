# SPDX-License-Identifier: GPL-3.0-or-later
"""Correspondence files: read and written, and what must hold of them. Needs numpy only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..foundation.errors import InputError
from .correspondences import Correspondence
from .own_files import RIGID_TOLERANCE, Arrays, Header, check_arrays, length_of, load_checked, require, save_checked

CORRESPONDENCE_ARRAYS = ("corners", "weights", "confidence")


def save_correspondence(correspondence: Correspondence, path: Path) -> None:
    """Write a correspondence file. Raises InputError if it could not be read again, OSError if it cannot be written;
    what was there before then stays."""
    header = {
        "kind": "correspondence",
        "source": correspondence.source_digest,
        "target": correspondence.target_digest,
        "settings": correspondence.settings,
        "figures": correspondence.figures,
    }
    save_checked(
        path, {name: getattr(correspondence, name) for name in CORRESPONDENCE_ARRAYS}, header, _correspondence_of
    )


def load_correspondence(path: Path) -> Correspondence:
    """Read a correspondence file. Raises InputError, naming it, if it is not one, is damaged, or does not hold
    together; whose meshes it belongs to, its own check asks."""
    return _correspondence_of(path, *load_checked(path, "correspondence"))


def _correspondence_of(path: Path, arrays: Arrays, header: Header) -> Correspondence:
    points = length_of(arrays, "weights")
    check_arrays(
        path, arrays, {"corners": (points, 3), "weights": (points, 3), "confidence": (points,)}, {"corners": "i"}
    )
    require(path, points > 0, "it has no points")
    weights, corners = arrays["weights"], arrays["corners"]
    shares = weights.min() >= 0 and np.abs(weights.sum(1) - 1).max() < RIGID_TOLERANCE
    require(path, bool(shares), "its weights are no shares of a triangle's corners")
    require(path, bool(corners.min() >= 0), "a corner names a point that does not exist")
    return Correspondence(
        source_digest=str(header.get("source", "")),
        target_digest=str(header.get("target", "")),
        settings=header.get("settings", {}),
        figures=header.get("figures", {}),
        **{name: arrays[name] for name in CORRESPONDENCE_ARRAYS},
    )


def read_places(path: Path, source_count: int, target_count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """corners (W, 3), weights (W, 3) and confidence (W,) of a correspondence, as Blender needs them.

    source_count, target_count: vertices of the meshes it is for. Raises InputError if it is not theirs, or damaged.
    """
    if not path.exists():
        raise InputError(f"there is no correspondence {path} yet; retarget to this target first")
    found = load_correspondence(path)
    if len(found.corners) != target_count or found.corners.max() >= source_count:
        raise InputError(f"{path} is not of these two meshes; remove it and retarget again")
    return found.corners, found.weights, found.confidence
