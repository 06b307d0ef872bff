# SPDX-License-Identifier: GPL-3.0-or-later
"""Actor, take and correspondence files: safetensors with a JSON header, written whole or not at all, and checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..anatomy.anatomy import Hinge
from ..correspondence.correspondence import Correspondence
from ..model.actor import Actor
from ..parts.parts import KINDS as KINDS_OF_PARTS
from ..parts.parts import Parts
from ..shared.bones.constraints import Constraints
from ..shared.faces.arkit_names import SHAPES
from ..shared.foundation.errors import UNREADABLE, InputError, reason
from ..shared.foundation.topology import Topology
from ..shared.foundation.whole_files import written_whole
from ..shared.results.takes import Take

VERSION = 1
RIGID_TOLERANCE = 1e-4
LARGEST = 1e9  # of any number in a file; beyond it millimetres are no face's, and their squares overflow
# What arrays are of that are not of floating point.
KINDS = {"corners": "i", "sizes": "i", "frames": "i", "constraints.points": "i", "constraints.on_mandible": "b"}
KINDS |= {"parts.part_of": "i"}

ACTOR_ARRAYS = (
    "template",
    "bone",
    "normal",
    "thickness",
    "skin_weight",
    "jaw",
    "implicit_expressions",
    "neutral_residual",
    "expression_residual",
)
PART_ARRAYS = ("part_of", "centres", "axes")
TAKE_ARRAYS = ("modes", "coefficients", "jaw", "head", "frames", "error_mm")
# Of some takes: of eyes, where the actor has some, and of ARKit's shapes, where a phone recorded these; per frame.
MAY_BE_UNKNOWN: dict[str, tuple[int | None, ...]] = {"gaze": (None, 3), "shape_weights": (len(SHAPES),)}
CORRESPONDENCE_ARRAYS = ("corners", "weights", "confidence")
Arrays = dict[str, np.ndarray]
Header = dict[str, Any]
ARTICLES = {"actor": "an actor", "take": "a take", "correspondence": "a correspondence"}
CONSTRAINT_ARRAYS = tuple(item.name for item in fields(Constraints))


def save_actor(actor: Actor, path: Path) -> None:
    """Write an actor file. Raises InputError if it could not be read again, OSError if it cannot be written; what was
    there before then stays."""
    arrays = {name: getattr(actor, name) for name in ACTOR_ARRAYS}
    arrays |= {"corners": actor.topology.corners, "sizes": actor.topology.sizes}
    arrays |= {f"constraints.{name}": getattr(actor.constraints, name) for name in CONSTRAINT_ARRAYS}
    arrays |= {f"networks.{name}": value for name, value in actor.networks.items()}
    if actor.hinge is not None:
        arrays["hinge"] = np.stack([actor.hinge.centre, actor.hinge.axis, actor.hinge.up])
    if actor.kept_mirror is not None:
        arrays["mirror"] = actor.kept_mirror
    parts = actor.parts
    if parts is not None:
        arrays |= {f"parts.{name}": getattr(parts, name) for name in PART_ARRAYS}
    header = {
        "kind": "actor",
        "names": list(actor.names),
        "topology": actor.topology.digest,
        "settings": actor.settings,
        "figures": actor.figures,
        **({} if parts is None else {"parts": [list(pair) for pair in zip(parts.names, parts.kinds, strict=True)]}),
    }
    _save(path, arrays, header, _actor_of)


def load_actor(path: Path) -> Actor:
    """Read an actor file. Raises InputError, naming it, if it is not one, is damaged, or does not hold together."""
    return _actor_of(path, *_load(path, "actor"))


def _actor_of(path: Path, arrays: Arrays, header: Header) -> Actor:
    names = _names(path, header)
    count, points, constrained = len(names), _length(arrays, "bone"), _length(arrays, "constraints.points")
    _check(
        path,
        arrays,
        {
            "template": (points, None),
            "bone": (points, 3),
            "normal": (points, 3),
            "thickness": (points, 1),
            "skin_weight": (points, 1),
            "jaw": (count, 4, 4),
            "implicit_expressions": (points, count, 3),
            "neutral_residual": (points, 3),
            "expression_residual": (points, count, 3),
            "corners": (None,),
            "sizes": (None,),
            "constraints.points": (constrained,),
            "constraints.bone": (constrained, 3),
            "constraints.normal": (constrained, 3),
            "constraints.thickness": (constrained,),
            "constraints.on_mandible": (constrained,),
            **({"hinge": (3, 3)} if "hinge" in arrays else {}),
            **({"mirror": (2, 3)} if "mirror" in arrays else {}),  # before it was kept, files had none
        },
    )
    _require(path, points > 0, "it has no points")
    _check_rigid(path, "jaw", arrays["jaw"])
    _require(
        path,
        arrays["skin_weight"].min() >= 0 and arrays["skin_weight"].max() <= 1,
        "a skinning weight is not in [0, 1]",
    )
    topology = _topology(path, arrays, points)
    _require(path, topology.digest == header.get("topology"), "its faces are not those it was written with")
    constraints = Constraints(**{name: arrays[f"constraints.{name}"] for name in CONSTRAINT_ARRAYS})
    inside = len(constraints) == 0 or (constraints.points.min() >= 0 and constraints.points.max() < points)
    _require(path, inside, "a constraint names a point that does not exist")
    hinge = _hinge(path, arrays["hinge"]) if "hinge" in arrays else None
    mirror = arrays.get("mirror")
    upright = mirror is None or bool(abs(np.linalg.norm(mirror[1]) - 1) < RIGID_TOLERANCE)
    _require(path, upright, "the normal of its mirror plane is not of length 1")
    parts = _parts(path, arrays, header, points) if "parts" in header else None  # files of before had none
    networks = {n.removeprefix("networks."): value for n, value in arrays.items() if n.startswith("networks.")}
    return Actor(
        names=names,
        topology=topology,
        hinge=hinge,
        constraints=constraints,
        kept_mirror=mirror,
        parts=parts,
        networks=networks,
        settings=header.get("settings", {}),
        figures=header.get("figures", {}),
        **{name: arrays[name] for name in ACTOR_ARRAYS},
    )


def _parts(path: Path, arrays: Arrays, header: Header, points: int) -> Parts:
    """The parts of an actor's mesh of so many points."""
    rows: Any = header["parts"]
    good = isinstance(rows, list) and all(
        isinstance(row, list) and len(row) == 2 and isinstance(row[0], str) and row[1] in KINDS_OF_PARTS for row in rows
    )
    _require(
        path, good and 0 < len(rows) == len({row[0] for row in rows}), "its parts are not distinct names and kinds"
    )
    shapes: dict[str, tuple[int | None, ...]] = {"part_of": (points,), "centres": (len(rows), 3), "axes": (3, 3)}
    _check(path, arrays, {f"parts.{name}": shape for name, shape in shapes.items()})
    part_of, axes = arrays["parts.part_of"], arrays["parts.axes"]
    _require(path, part_of.min() >= -1 and part_of.max() < len(rows), "a vertex is of a part that does not exist")
    upright = np.abs(axes @ axes.T - np.eye(3)).max() < RIGID_TOLERANCE
    _require(path, bool(upright), "its face has axes that are not at right angles and of length 1")
    return Parts(tuple(row[0] for row in rows), tuple(row[1] for row in rows), part_of, arrays["parts.centres"], axes)


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
    _save(path, {name: getattr(take, name) for name in (*TAKE_ARRAYS, *known)}, header, _take_of)


def load_take(path: Path) -> Take:
    """Read a take file. Raises InputError, naming it, if it is not one, is damaged, or does not hold together."""
    return _take_of(path, *_load(path, "take"))


def _take_of(path: Path, arrays: Arrays, header: Header) -> Take:
    names = _names(path, header)
    shape = arrays["coefficients"].shape if "coefficients" in arrays else (0, 0, 0)
    frames, modes = shape[:2] if len(shape) == 3 else (0, 0)
    _check(
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
    )
    _require(path, len(arrays["modes"]) > 0, "it has no points")
    _require(path, frames > 0, "it has no frames")
    numbers = arrays["frames"].astype(np.int64)
    _require(path, bool((np.diff(numbers) > 0).all()), "its frame numbers do not grow from frame to frame")
    for name in ("jaw", "head"):
        _check_rigid(path, name, arrays[name])
    fps: Any = header.get("fps")
    good = isinstance(fps, int | float) and not isinstance(fps, bool) and 0 < fps < LARGEST
    _require(path, good, "it has no frame rate")
    return Take(
        names=names,
        topology_digest=str(header.get("topology", "")),
        fps=float(fps),
        settings=header.get("settings", {}),
        figures=header.get("figures", {}),
        **{name: arrays.get(name) for name in MAY_BE_UNKNOWN},
        **{name: arrays[name] for name in TAKE_ARRAYS},
    )


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
    _save(path, {name: getattr(correspondence, name) for name in CORRESPONDENCE_ARRAYS}, header, _correspondence_of)


def load_correspondence(path: Path) -> Correspondence:
    """Read a correspondence file. Raises InputError, naming it, if it is not one, is damaged, or does not hold
    together; whose meshes it belongs to, its own check asks."""
    return _correspondence_of(path, *_load(path, "correspondence"))


def _correspondence_of(path: Path, arrays: Arrays, header: Header) -> Correspondence:
    points = _length(arrays, "weights")
    _check(path, arrays, {"corners": (points, 3), "weights": (points, 3), "confidence": (points,)})
    _require(path, points > 0, "it has no points")
    weights, corners = arrays["weights"], arrays["corners"]
    shares = weights.min() >= 0 and np.abs(weights.sum(1) - 1).max() < RIGID_TOLERANCE
    _require(path, bool(shares), "its weights are no shares of a triangle's corners")
    _require(path, bool(corners.min() >= 0), "a corner names a point that does not exist")
    return Correspondence(
        source_digest=str(header.get("source", "")),
        target_digest=str(header.get("target", "")),
        settings=header.get("settings", {}),
        figures=header.get("figures", {}),
        **{name: arrays[name] for name in CORRESPONDENCE_ARRAYS},
    )


def _save(path: Path, arrays: Arrays, header: Header, read: Callable[[Path, Arrays, Header], Any]) -> None:
    """Write what `read`, which is what reads it later, has nothing against."""
    arrays = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    try:
        read(path, arrays, header)
    except Damaged as error:
        raise InputError(
            f"{path} was not written, since it could not be read again: {error.problem}; look for what no face has in "
            "what it was made from"
        ) from error
    text = json.dumps({"version": VERSION, "units": "mm", **header}, allow_nan=False)
    content = save(arrays, {"aim": text})
    with written_whole(path) as temporary:
        temporary.write_bytes(content)  # save_file would leave a file of another name behind if it is killed


def read_header(path: Path) -> dict[str, Any]:
    """The header of one of our files, which says its kind. Raises InputError if it is none."""
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {})["aim"])
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (SafetensorError, *UNREADABLE) as error:
        raise InputError(f"{path} is not an actor or take file, or it is damaged: {reason(error)}") from error
    _require(path, isinstance(header, dict), "its header is not an object")
    version = header.get("version")
    if isinstance(version, int) and version > VERSION:
        raise InputError(
            f"{path} was written by a newer release: it has version {version}, this release reads version {VERSION}; "
            "update AIM for Blender, or write the file again with this release"
        )
    _require(path, version == VERSION, f"it has version {version}, this release reads version {VERSION}")
    _require(path, header.get("kind") in tuple(ARTICLES), "it does not say whether it is an actor or a take")
    for name in ("settings", "figures"):
        _require(path, isinstance(header.get(name, {}), dict), f"its {name} are not named values")
    return header


def _load(path: Path, kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    header = read_header(path)
    if header["kind"] != kind:
        raise InputError(f"{path} is {ARTICLES[header['kind']]} file; {ARTICLES[kind]} file is needed")
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, *UNREADABLE) as error:
        raise InputError(f"{path} is damaged: {reason(error)}") from error
    return arrays, header


def _names(path: Path, header: dict[str, Any]) -> tuple[str, ...]:
    names: Any = header.get("names")
    good = isinstance(names, list) and len(names) > 0 and all(isinstance(name, str) and name for name in names)
    _require(path, good and len(set(names)) == len(names), "its expressions are not distinct names")
    return tuple(names)


def _length(arrays: dict[str, np.ndarray], name: str) -> int:
    """The length of an array; 0 where it is missing or has none, which _check then refuses."""
    return len(arrays[name]) if name in arrays and arrays[name].ndim else 0


def _hinge(path: Path, rows: np.ndarray) -> Hinge:
    """The hinge of its centre, axis and up (3, 3)."""
    hinge = Hinge(*rows)
    off = np.abs(rows[1:] @ rows[1:].T - np.eye(2)).max()
    _require(path, off < RIGID_TOLERANCE, "its hinge has axes that are not at right angles and of length 1")
    return hinge


def _topology(path: Path, arrays: dict[str, np.ndarray], points: int) -> Topology:
    try:
        return Topology(arrays["corners"], arrays["sizes"], points)
    except InputError as error:
        raise Damaged(path, str(error)) from error


def _check(path: Path, arrays: dict[str, np.ndarray], shapes: dict[str, tuple[int | None, ...]]) -> None:
    """Every named array is there, of its shape and kind, and of finite numbers; None stands for any length."""
    for name in shapes:
        _require(path, name in arrays, f"it has no {name}")
    for name, shape in shapes.items():
        array = arrays[name]
        fits = array.ndim == len(shape) and all(
            want is None or want == have for want, have in zip(shape, array.shape, strict=True)
        )
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        _require(path, fits, f"its {name} has the shape {array.shape}, not ({wanted})")
        kind = KINDS.get(name, "f")
        known = array.dtype.kind == kind and (array.dtype.itemsize >= 4 or kind == "b")
        _require(path, known, f"its {name} is of the type {array.dtype}, which is not meant for it")
        _require(path, bool(np.isfinite(array).all()), f"its {name} holds values that are not numbers")
        _require(path, bool((np.abs(array) <= LARGEST).all()), f"its {name} holds numbers beyond {LARGEST:g}")


def _check_rigid(path: Path, name: str, motion: np.ndarray) -> None:
    rotation = motion[:, :3, :3]
    orthogonal = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(initial=0.0) < RIGID_TOLERANCE
    proper = bool((np.linalg.det(rotation) > 0).all())
    affine = np.abs(motion[:, 3] - (0, 0, 0, 1)).max(initial=0.0) < RIGID_TOLERANCE
    _require(path, orthogonal and proper and affine, f"its {name} holds a matrix that is not a rigid motion")


class Damaged(InputError):
    """A file of ours does not hold together. problem: why not."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} is damaged or made by another program: {problem}; write it again")
        self.problem = problem


def _require(path: Path, good: bool, problem: str) -> None:
    if not good:
        raise Damaged(path, problem)
