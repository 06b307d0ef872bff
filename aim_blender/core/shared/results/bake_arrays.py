# SPDX-License-Identifier: GPL-3.0-or-later
"""A bake, and bake.npz: written by the worker, read by Blender's process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..captured.frame_numbers import checked_frames
from ..foundation.archives import open_archive, save_arrays
from ..foundation.errors import InputError
from ..foundation.topology import Topology
from .own_files import LARGEST, are_rigid

NUMBERS = ("neutral", "keys", "key_weights", "skin_weight", "jaw", "head", "hinge_centre", "hinge_axis")


EYE_ARRAYS = ("eye_names", "eye_of", "eye_centres", "eye_axes", "gaze")


@dataclass(frozen=True)
class BakedEyes:
    """E eyeballs that turn within the head. names: of them. of: (V,) which eye a vertex is of, -1 for none. centres:
    (E, 3). axes: (2, 3) the face's front and up. gaze: (F, E, 3) rotation vectors in radians about the centres."""

    names: tuple[str, ...]
    of: np.ndarray
    centres: np.ndarray
    axes: np.ndarray
    gaze: np.ndarray


@dataclass(frozen=True)
class Bake:
    """Shape keys, bones and their values. Lengths in mm, unless they were read in other units.

    neutral: (V, 3) float64. key_names: K names, the first named_count of which are the actor's expressions, the rest
    correctives. keys: δ (K, V, 3) offsets in rest space. key_weights: g (F, K). skin_weight: k (V,), the jaw's share.
    jaw, head: (F, 4, 4). hinge_centre, hinge_axis: (3,). frames: (F,) int. fps: frames a second.
    eyes: that turn, None without. unbound: (V,) bool, what stays where it is though the head moves; None if nothing.
    key_jaw: (named_count, 4, 4) what the jaw does in the expressions of the named keys; None if that is not known.
    A frame's mesh is head [(1 - skin_weight) + skin_weight jaw] (neutral + key_weights keys).
    """

    topology: Topology
    neutral: np.ndarray
    key_names: tuple[str, ...]
    named_count: int
    keys: np.ndarray
    key_weights: np.ndarray
    skin_weight: np.ndarray
    jaw: np.ndarray
    head: np.ndarray
    hinge_centre: np.ndarray
    hinge_axis: np.ndarray
    frames: np.ndarray
    fps: float
    eyes: BakedEyes | None = None
    unbound: np.ndarray | None = None
    key_jaw: np.ndarray | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write bake.npz, whole or not at all. Raises InputError if it could not be read again, OSError if it cannot be
        written."""
        arrays: dict[str, Any] = {
            "corners": self.topology.corners,
            "sizes": self.topology.sizes,
            "neutral": self.neutral,
            "key_names": np.array(self.key_names),
            "named_count": np.asarray(self.named_count),
            "keys": self.keys,
            "key_weights": self.key_weights,
            "skin_weight": self.skin_weight,
            "jaw": self.jaw,
            "head": self.head,
            "hinge_centre": self.hinge_centre,
            "hinge_axis": self.hinge_axis,
            "frames": self.frames,
            "fps": np.asarray(self.fps, dtype=np.float64),
            **({} if self.unbound is None else {"unbound": self.unbound}),
            **({} if self.key_jaw is None else {"key_jaw": self.key_jaw}),
            **{name: np.float64(self.figures[name]) for name in ("tolerance_mm", "worst_mm", "mean_mm")},
        }
        if self.eyes is not None:
            eyes = self.eyes
            values = (np.array(eyes.names), eyes.of, eyes.centres, eyes.axes, eyes.gaze)
            arrays |= dict(zip(EYE_ARRAYS, values, strict=True))
        try:
            check_bake(arrays)
        except ValueError as error:
            raise InputError(
                f"{path} was not written, since it could not be read again: {error}; look for what no face has in "
                "the take"
            ) from error
        save_arrays(path, arrays)

    @classmethod
    def read(cls, path: Path, millimetres_per_unit: float = 1.0) -> Self:
        """Read bake.npz, in float64 and in units of so many mm. Raises as read_bake does."""
        data = read_bake(path)
        neutral = data["neutral"].astype(np.float64) / millimetres_per_unit
        return cls(
            topology=Topology(data["corners"], data["sizes"], len(neutral)),
            neutral=neutral,
            key_names=tuple(str(name) for name in data["key_names"]),
            named_count=int(data["named_count"]),
            keys=data["keys"].astype(np.float64) / millimetres_per_unit,
            key_weights=data["key_weights"].astype(np.float64),
            skin_weight=data["skin_weight"].astype(np.float64).reshape(-1),
            jaw=_in_units(data["jaw"], millimetres_per_unit),
            head=_in_units(data["head"], millimetres_per_unit),
            hinge_centre=data["hinge_centre"].astype(np.float64) / millimetres_per_unit,
            hinge_axis=data["hinge_axis"].astype(np.float64),
            frames=data["frames"].astype(np.int64),
            fps=float(data["fps"]),
            eyes=_eyes_of(data, millimetres_per_unit) if "gaze" in data else None,
            unbound=data.get("unbound"),
            key_jaw=_in_units(data["key_jaw"], millimetres_per_unit) if "key_jaw" in data else None,
        )


def _eyes_of(data: Mapping[str, np.ndarray], millimetres_per_unit: float) -> BakedEyes:
    """The eyes of a bake's arrays, in units of so many mm."""
    names = tuple(str(name) for name in data["eye_names"])
    centres = data["eye_centres"].astype(np.float64) / millimetres_per_unit
    return BakedEyes(names, data["eye_of"], centres, data["eye_axes"], data["gaze"].astype(np.float64))


def _in_units(motions: np.ndarray, millimetres_per_unit: float) -> np.ndarray:
    """Rigid motions (F, 4, 4) of millimetres, of other units."""
    motions = motions.astype(np.float64)
    motions[:, :3, 3] /= millimetres_per_unit
    return motions


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
    for name in ("jaw", "head"):
        if not are_rigid(arrays[name].astype(np.float64)):
            raise ValueError(f"its {name} holds a matrix that is not a rigid motion")
    if arrays["key_names"].dtype.kind != "U":
        raise ValueError("its key_names are no texts")
    if arrays["named_count"].dtype.kind not in "iu" or not 0 <= arrays["named_count"] <= keys:
        raise ValueError(f"it names {arrays['named_count']} of its {keys} keys")
    if arrays["fps"].dtype.kind not in "fiu" or not 0 < arrays["fps"] < LARGEST:
        raise ValueError("it has no frame rate")
    if frames == 0 or vertices == 0:
        raise ValueError(f"it has {frames} frames and {vertices} vertices; at least one of each is needed")
    checked_frames(arrays["frames"])
    _check_key_jaw(arrays)
    _check_parts(arrays, frames, vertices)
    Topology(arrays["corners"], arrays["sizes"], vertices)


def _check_key_jaw(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError unless what the jaw does in the named keys, where that is known, are as many motions."""
    if "key_jaw" not in arrays:
        return
    jaw = arrays["key_jaw"]
    if jaw.shape != (arrays["named_count"], 4, 4) or jaw.dtype.kind != "f" or not (np.abs(jaw) <= LARGEST).all():
        raise ValueError(f"its key_jaw is not {arrays['named_count']} motions of a jaw")


def _check_parts(arrays: Mapping[str, np.ndarray], frames: int, vertices: int) -> None:
    """Raise ValueError or KeyError unless what a bake says of eyes, and of what is unbound, goes together."""
    if "unbound" in arrays:
        unbound = arrays["unbound"]
        if unbound.shape != (vertices,) or unbound.dtype.kind != "b":
            raise ValueError(f"its unbound does not say yes or no of {vertices} vertices")
    if "gaze" not in arrays:
        return
    eyes = len(np.atleast_1d(arrays["eye_names"]))
    shapes = {"eye_names": (eyes,), "eye_of": (vertices,), "eye_centres": (eyes, 3), "eye_axes": (2, 3)}
    for name, shape in (shapes | {"gaze": (frames, eyes, 3)}).items():
        if arrays[name].shape != shape:
            raise ValueError(f"its {name} has the shape {arrays[name].shape}, not {shape}")
        if arrays[name].dtype.kind != {"eye_names": "U", "eye_of": "i"}.get(name, "f"):
            raise ValueError(f"its {name} is of the type {arrays[name].dtype}, which is not meant for it")
    if not all((np.abs(arrays[name]) <= LARGEST).all() for name in EYE_ARRAYS[2:]):
        raise ValueError("its eyes hold what are no numbers, or too large ones")
    if arrays["eye_of"].min() < -1 or arrays["eye_of"].max() >= eyes:
        raise ValueError("a vertex is of an eye that does not exist")
