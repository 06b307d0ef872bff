# SPDX-License-Identifier: GPL-3.0-or-later
"""What the arrays of a bake.npz must be, whoever reads them. Needs numpy only: Blender's process reads them too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..captured.frame_numbers import checked_frames
from ..foundation.archives import open_archive
from ..foundation.topology import Topology

LARGEST = 1e9  # of any number, as in our other files
NUMBERS = ("neutral", "keys", "key_weights", "skin_weight", "jaw", "head", "hinge_centre", "hinge_axis")


def read_bake(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a bake.npz that go together; docs/guide/file_formats.md lists them.

    Raises ValueError with what is wrong, KeyError for an array that is missing, and all else that UNREADABLE lists.
    """
    with open_archive(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    check_bake(arrays)
    return arrays


def check_bake(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError or KeyError unless the arrays of a bake go together and hold numbers that can be used."""
    frames, keys, vertices = (len(np.atleast_1d(arrays[name])) for name in ("frames", "key_names", "neutral"))
    shapes = {
        "neutral": (vertices, 3),
        "keys": (keys, vertices, 3),
        "key_weights": (frames, keys),
        "jaw": (frames, 4, 4),
        "head": (frames, 4, 4),
        "hinge_centre": (3,),
        "hinge_axis": (3,),
        "frames": (frames,),
        "key_names": (keys,),
        "named_count": (),
        "fps": (),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"its {name} has the shape {arrays[name].shape}, not {shape}")
    if arrays["skin_weight"].size != vertices:
        raise ValueError(f"its skin_weight has {arrays['skin_weight'].size} numbers for {vertices} vertices")
    for name in NUMBERS:
        if arrays[name].dtype.kind not in "fiu" or not (np.abs(arrays[name]) <= LARGEST).all():
            raise ValueError(f"its {name} holds what are no numbers, or too large ones")
    if arrays["key_names"].dtype.kind != "U":
        raise ValueError("its key_names are no texts")
    if arrays["named_count"].dtype.kind not in "iu" or not 0 <= arrays["named_count"] <= keys:
        raise ValueError(f"it names {arrays['named_count']} of its {keys} keys")
    if arrays["fps"].dtype.kind not in "fiu" or not 0 < arrays["fps"] < LARGEST:
        raise ValueError("it has no frame rate")
    if frames == 0 or vertices == 0:
        raise ValueError(f"it has {frames} frames and {vertices} vertices; at least one of each is needed")
    checked_frames(arrays["frames"])
    Topology(arrays["corners"], arrays["sizes"], vertices)
