# SPDX-License-Identifier: GPL-3.0-or-later
"""What our own files have in common: named arrays behind a header of JSON values, validated before use, and written
only if they can be read again. Needs numpy only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..foundation.errors import UNREADABLE, InputError, reason
from ..foundation.tensor_files import read_metadata, read_tensors, write_tensors

VERSION = 1
RIGID_TOLERANCE = 1e-4
LARGEST = 1e9  # of any number in a file; beyond it millimetres are no face's, and their squares overflow
ARTICLES = {"actor": "an actor", "take": "a take", "correspondence": "a correspondence"}
Arrays = dict[str, np.ndarray]
Header = dict[str, Any]


class Damaged(InputError):
    """A file of ours does not hold together. problem: why not."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} is damaged or made by another program: {problem}; write it again")
        self.problem = problem


def save_checked(path: Path, arrays: Arrays, header: Header, read: Callable[[Path, Arrays, Header], Any]) -> None:
    """Write what `read`, which is what reads it later, has nothing against.

    Raises InputError if it could not be read again, OSError if it cannot be written; what was there before then stays.
    """
    arrays = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    try:
        read(path, arrays, header)
    except Damaged as error:
        raise InputError(
            f"{path} was not written, since it could not be read again: {error.problem}; look for what no face has in "
            "what it was made from"
        ) from error
    text = json.dumps({"version": VERSION, "units": "mm", **header}, allow_nan=False)
    write_tensors(path, arrays, {"aim": text})


def load_checked(path: Path, kind: str) -> tuple[Arrays, Header]:
    """The arrays and the header of a file of ours of this kind. Raises InputError if it is none, or damaged."""
    header = read_header(path)
    if header["kind"] != kind:
        raise InputError(f"{path} is {ARTICLES[header['kind']]} file; {ARTICLES[kind]} file is needed")
    try:
        return read_tensors(path)[0], header
    except UNREADABLE as error:
        raise InputError(f"{path} is damaged: {reason(error)}; write it again") from error


def read_header(path: Path) -> dict[str, Any]:
    """The header of one of our files, which says its kind. Raises InputError if it is none."""
    try:
        header = json.loads(read_metadata(path)["aim"])
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except UNREADABLE as error:
        raise InputError(f"{path} is not an actor or take file, or it is damaged: {reason(error)}") from error
    require(path, isinstance(header, dict), "its header is not an object")
    version = header.get("version")
    if isinstance(version, int) and version > VERSION:
        raise InputError(
            f"{path} was written by a newer release: it has version {version}, this release reads version {VERSION}; "
            "update AIM for Blender, or write the file again with this release"
        )
    require(path, version == VERSION, f"it has version {version}, this release reads version {VERSION}")
    require(path, header.get("kind") in tuple(ARTICLES), "it does not say whether it is an actor or a take")
    for name in ("settings", "figures"):
        require(path, isinstance(header.get(name, {}), dict), f"its {name} are not named values")
    return header


def check_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int | None, ...]],
    kinds: Mapping[str, str] | None = None,
    largest: Mapping[str, float] | None = None,
) -> None:
    """Raise Damaged unless every named array is there, of its shape, and of finite numbers; None stands for any length.

    kinds: numpy's letter of those that are not of floating point. largest: of the numbers of those that may be beyond
    LARGEST.
    """
    for name in shapes:
        require(path, name in arrays, f"it has no {name}")
    for name, shape in shapes.items():
        array = arrays[name]
        fits = array.ndim == len(shape) and all(
            want is None or want == have for want, have in zip(shape, array.shape, strict=True)
        )
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        require(path, fits, f"its {name} has the shape {array.shape}, not ({wanted})")
        kind = (kinds or {}).get(name, "f")
        known = array.dtype.kind == kind and (array.dtype.itemsize >= 4 or kind == "b")
        require(path, known, f"its {name} is of the type {array.dtype}, which is not meant for it")
        require(path, bool(np.isfinite(array).all()), f"its {name} holds values that are not numbers")
        most = (largest or {}).get(name, LARGEST)
        within = array.max(initial=0) <= most and array.min(initial=0) >= -most  # a copy would double a long take
        require(path, bool(within), f"its {name} holds numbers beyond {most:g}")


def check_rigid(path: Path, name: str, motion: np.ndarray) -> None:
    """Raise Damaged unless motions (F, 4, 4) are rigid."""
    require(path, are_rigid(motion), f"its {name} holds a matrix that is not a rigid motion")


def are_rigid(motion: np.ndarray) -> bool:
    """Whether all of (F, 4, 4) turn and move, and do nothing else."""
    rotation = motion[:, :3, :3]
    orthogonal = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(initial=0.0) < RIGID_TOLERANCE
    affine = np.abs(motion[:, 3] - (0, 0, 0, 1)).max(initial=0.0) < RIGID_TOLERANCE
    return bool(orthogonal and affine and (np.linalg.det(rotation) > 0).all())


def length_of(arrays: dict[str, np.ndarray], name: str) -> int:
    """The length of an array; 0 where it is missing or has none, which check_arrays then refuses."""
    return len(arrays[name]) if name in arrays and arrays[name].ndim else 0


def names_of(path: Path, header: dict[str, Any]) -> tuple[str, ...]:
    """The names of expressions in a header; raises Damaged unless they are distinct."""
    names: Any = header.get("names")
    good = isinstance(names, list) and len(names) > 0 and all(isinstance(name, str) and name for name in names)
    require(path, good and len(set(names)) == len(names), "its expressions are not distinct names")
    return tuple(names)


def require(path: Path, good: bool, problem: str) -> None:
    """Raise Damaged, with the problem, unless it is good."""
    if not good:
        raise Damaged(path, problem)
