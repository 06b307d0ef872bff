# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is and holds, for the verb `info`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..fitting.fitting_cache import CACHE_SUFFIX as FITTING_SUFFIX
from ..model.actor import jaw_movements
from ..shared.captured.captures import BONE_NAMES, measure_capture, read_as_it_is
from ..shared.captured.mesh_caches import cache_format
from ..shared.captured.meshes import MESH_SUFFIXES, list_mesh_files, read_mesh
from ..shared.captured.performances import read_performance
from ..shared.faces.units import doubt_about, possible_units
from ..shared.foundation.archives import open_archive
from ..shared.foundation.errors import UNREADABLE, InputError, reason
from ..shared.sources.sources import source_of
from .files import load_actor, load_correspondence, load_take, read_header

# What an archive is, by an array that only this kind has; the first that fits counts.
ARCHIVES = {
    "key_weights": "bake",
    "on_bone": "anatomy",
    "errors": "errors",
    "names": "capture",
    "vertices": "performance",
}


def describe_file(path: Path) -> dict[str, Any]:
    """What a file or folder is and holds, as JSON values. Raises InputError if it is none of ours."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return _describe_folder(path)
    if suffix == ".npz":
        return _describe_archive(path)
    if cache_format(path):
        performance = read_performance(path)
        frames, points = performance.vertices.shape[:2]
        first = int(performance.frames[0])
        return {"kind": "performance", "frames": frames, "first_frame": first, "points": points}
    if suffix in MESH_SUFFIXES:
        vertices, topology = read_mesh(path)
        return {"kind": "mesh", "points": len(vertices), "faces": len(topology.sizes), "topology": topology.digest}
    if not (source := source_of(path)).whole:
        return source.loaded().describe_file(path)
    if path.name.endswith(FITTING_SUFFIX):
        return {
            "kind": "fitting",
            "for": f"fits of {path.name.removesuffix(FITTING_SUFFIX)} to come; it may be deleted",
        }
    return _describe_ours(path)


def _describe_ours(path: Path) -> dict[str, Any]:
    kind = read_header(path)["kind"]
    if kind == "actor":
        actor = load_actor(path)
        return {
            "kind": "actor",
            "points": len(actor.bone),
            "faces": len(actor.topology.sizes),
            "expressions": list(actor.names),
            "bones": actor.hinge is not None,
            "constrained_points": len(actor.constraints),
            "topology": actor.topology.digest,
            "jaw": jaw_movements(actor),
            **({} if actor.parts is None else {"parts": actor.parts.rows()}),
            **actor.figures,
        }
    if kind == "correspondence":
        correspondence = load_correspondence(path)
        return {
            "kind": "correspondence",
            "points": len(correspondence.corners),
            "source": correspondence.source_digest,
            "target": correspondence.target_digest,
            **correspondence.figures,
        }
    take = load_take(path)
    return {
        "kind": "take",
        "frames": len(take.frames),
        "first_frame": int(take.frames[0]),
        "fps": take.fps,
        "points": len(take.modes),
        "modes": take.modes.shape[1],
        "expressions": list(take.names),
        "topology": take.topology_digest,
        **take.figures,
    }


def _describe_folder(folder: Path) -> dict[str, Any]:
    """A capture if its meshes are shapes of one face; frames of a performance are, too."""
    if not list_mesh_files(folder):
        raise InputError(f"{folder} holds no meshes; name a file in it, or a folder of .obj or .ply files")
    capture = read_as_it_is(folder)
    measured = measure_capture(capture)
    units = possible_units(measured)
    return {
        "kind": "folder of meshes",
        "names": list(capture.names),
        "points": len(capture.neutral),
        "faces": len(capture.topology.sizes),
        "millimetres_per_unit": units[0].millimetres if len(units) == 1 else doubt_about(measured, str(folder)),
        "bones": [name for name in BONE_NAMES if name in capture.bones],
        "topology": capture.topology.digest,
    }


def _describe_archive(path: Path) -> dict[str, Any]:
    try:
        with open_archive(path) as archive:
            arrays = {name: archive[name].shape for name in archive.files}
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    kind = next((kind for name, kind in ARCHIVES.items() if name in arrays), None)
    if kind is None or (kind == "capture" and "vertices" not in arrays):
        raise InputError(f"{path} is none of the archives that AIM writes or reads; it holds {', '.join(arrays)}")
    if kind == "capture" and "frames" in arrays:
        kind = "performance"
    return {"kind": kind, **{name: list(shape) for name, shape in arrays.items()}}
