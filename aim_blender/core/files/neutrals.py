# SPDX-License-Identifier: GPL-3.0-or-later
"""A face at rest, from whatever holds one: a learned actor, a mesh file, or what Blender wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..shared.captured.capture_checks import check_finite
from ..shared.captured.captures import read_as_it_is
from ..shared.captured.meshes import MESH_SUFFIXES, how_to_bring, read_mesh
from ..shared.foundation.archives import open_archive
from ..shared.foundation.errors import UNREADABLE, InputError, reason
from ..shared.foundation.topology import Topology
from .files import load_actor


def read_neutral(path: Path) -> tuple[np.ndarray, Topology]:
    """Vertices (V, 3) float64 and faces, in the file's own unit; an actor's in mm.

    path: an actor file, a mesh, or an .npz with vertices (V, 3), corners and sizes, such as a capture.npz, of which the
    first shape counts. Raises InputError if it is none of these.
    """
    if path.suffix.lower() == ".safetensors":
        actor = load_actor(path)
        return actor.neutral, actor.topology
    if path.suffix.lower() in MESH_SUFFIXES:
        vertices, topology = read_mesh(path)
    else:
        vertices, topology = _read_archive(path)
    check_finite(str(path), vertices)
    return vertices, topology


def read_shapes(path: Path) -> tuple[tuple[str, ...], np.ndarray, Topology]:
    """Names of K expressions, the neutral and they (K+1, V, 3) float64, and faces, in the file's own unit; an actor's
    in mm.

    path: as of read_neutral, which have no expressions but an actor's and those of a capture.npz, or a capture's
    folder. Raises InputError if it is none of these.
    """
    if path.suffix.lower() == ".safetensors":
        actor = load_actor(path)
        return actor.names, actor.shapes(), actor.topology
    if path.is_dir() or (path.suffix.lower() == ".npz" and _has_names(path)):
        capture = read_as_it_is(path)
        return tuple(capture.names[1:]), capture.vertices.astype(np.float64), capture.topology
    neutral, topology = read_neutral(path)
    return (), neutral[None], topology


def read_landmarks(path: Path) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Landmarks by name of a source and a target: {"source": {name: vertex}, "target": {name: vertex}} in a JSON file.

    Raises InputError if it is no such file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as landmarks: {reason(error)}") from error
    sides: list[Any] = [found.get(side) if isinstance(found, dict) else None for side in ("source", "target")]
    good = all(
        isinstance(side, dict) and all(isinstance(v, int) and not isinstance(v, bool) for v in side.values())
        for side in sides
    )
    if not good:
        raise InputError(
            f'{path} must hold {{"source": {{name: vertex}}, "target": {{name: vertex}}}}, vertices from 0'
        )
    return sides[0], sides[1]


def _has_names(path: Path) -> bool:
    """Whether an .npz holds a neutral and expressions with names."""
    try:
        with open_archive(path) as archive:
            return "names" in archive and archive["vertices"].ndim == 3 and len(archive["vertices"]) > 1
    except UNREADABLE:
        return False  # said where it is read


def _read_archive(path: Path) -> tuple[np.ndarray, Topology]:
    try:
        with open_archive(path) as archive:
            vertices = archive["vertices"].astype(np.float64)
            vertices = vertices[0] if vertices.ndim == 3 else vertices
            if vertices.ndim != 2 or vertices.shape[1] != 3:
                raise ValueError(f"its vertices have the shape {vertices.shape}; (points, 3) is needed")
            return vertices, Topology(archive["corners"], archive["sizes"], len(vertices))
    except UNREADABLE as error:
        raise InputError(
            f"{path} is not a mesh, an actor or an .npz with vertices, corners and sizes: {reason(error)}"
            f"{how_to_bring(path)}"
        ) from error
