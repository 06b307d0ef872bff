# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of engines as files: meshes in a folder, or one archive, both of which are captures that can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..shared.captured.meshes import write_mesh
from ..shared.faces.arkit_names import SHAPES
from ..shared.foundation.archives import save_arrays
from .arkit_baking import mixing
from .arkit_shapes import ArkitShapes


def named_shapes(shapes: ArkitShapes, keys: str) -> tuple[list[str], np.ndarray]:
    """Names (N,) and offsets (N, V, 3) mm, the jaw's motion included, of the shapes of arkit, vrm0 or vrm1."""
    mixed = mixing(keys)
    return (list(SHAPES), shapes.whole()) if mixed is None else (mixed[0], np.tensordot(mixed[1], shapes.whole(), 1))


def write_shapes(out: Path, shapes: ArkitShapes, keys: str) -> list[str]:
    """Write an .npz with names (N + 1,), the neutral first, vertices (N + 1, V, 3) mm and faces, and return the N."""
    names, offsets = named_shapes(shapes, keys)
    neutral, topology = shapes.actor.neutral, shapes.actor.topology
    arrays = {
        "names": np.array(["neutral", *names]),
        "vertices": np.concatenate([neutral[None], neutral + offsets]).astype(np.float32),
        "corners": topology.corners,
        "sizes": topology.sizes,
    }
    save_arrays(out, arrays)
    return names


def write_meshes(out: Path, shapes: ArkitShapes, keys: str) -> list[str]:
    """Write neutral.obj and an .obj for each shape, in mm, and return the shapes' names."""
    names, offsets = named_shapes(shapes, keys)
    out.mkdir(parents=True, exist_ok=True)
    for name, moved in (("neutral", np.zeros(3)), *zip(names, offsets, strict=True)):
        write_mesh(out / f"{name}.obj", shapes.actor.neutral + moved, shapes.actor.topology)
    return names
