# SPDX-License-Identifier: GPL-3.0-or-later
"""Take files: read and written, and what must hold of them. Needs numpy only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..faces.arkit_names import SHAPES
from .own_files import (
    LARGEST,
    Arrays,
    Header,
    check_arrays,
    check_rigid,
    load_checked,
    names_of,
    require,
    save_checked,
)
from .takes import Take

FURTHEST_OFF = 1e13  # that a point may be: one is taken up to LARGEST, in any unit
TAKE_ARRAYS = ("modes", "coefficients", "jaw", "head", "frames", "error_mm")
# Of some takes: of eyes, where the actor has some, and of ARKit's shapes, where a phone recorded these; per frame.
MAY_BE_UNKNOWN: dict[str, tuple[int | None, ...]] = {"gaze": (None, 3), "shape_weights": (len(SHAPES),)}


def save_take(take: Take, path: Path) -> None:
    """Write a take file. Raises InputError if it could not be read again, OSError if it cannot be written; what was
    there before then stays."""
    header = {
        "kind": "take",
        "names": list(take.names),
        "topology": take.topology_digest,
        "fps": take.fps,
        "settings": take.settings,
        "figures": take.figures,
    }
    known = [name for name in MAY_BE_UNKNOWN if getattr(take, name) is not None]
    save_checked(path, {name: getattr(take, name) for name in (*TAKE_ARRAYS, *known)}, header, _take_of)


def load_take(path: Path) -> Take:
    """Read a take file. Raises InputError, naming it, if it is not one, is damaged, or does not hold together."""
    return _take_of(path, *load_checked(path, "take"))


def _take_of(path: Path, arrays: Arrays, header: Header) -> Take:
    names = names_of(path, header)
    shape = arrays["coefficients"].shape if "coefficients" in arrays else (0, 0, 0)
    frames, modes = shape[:2] if len(shape) == 3 else (0, 0)
    check_arrays(
        path,
        arrays,
        {
            "modes": (None, modes),
            "coefficients": (frames, modes, len(names)),
            "jaw": (frames, 4, 4),
            "head": (frames, 4, 4),
            "frames": (frames,),
            "error_mm": (frames, 2),
            **{name: (frames, *each) for name, each in MAY_BE_UNKNOWN.items() if name in arrays},
        },
        {"frames": "i"},
        {"error_mm": FURTHEST_OFF},
    )
    require(path, len(arrays["modes"]) > 0, "it has no points")
    require(path, frames > 0, "it has no frames")
    numbers = arrays["frames"].astype(np.int64)
    require(path, bool((np.diff(numbers) > 0).all()), "its frame numbers do not grow from frame to frame")
    for name in ("jaw", "head"):
        check_rigid(path, name, arrays[name])
    fps: Any = header.get("fps")
    good = isinstance(fps, int | float) and not isinstance(fps, bool) and 0 < fps < LARGEST
    require(path, good, "it has no frame rate")
    return Take(
        names=names,
        topology_digest=str(header.get("topology", "")),
        fps=float(fps),
        settings=header.get("settings", {}),
        figures=header.get("figures", {}),
        gaze=arrays.get("gaze"),
        shape_weights=arrays.get("shape_weights"),
        **{name: arrays[name] for name in TAKE_ARRAYS},
    )
