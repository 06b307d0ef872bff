# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences of meshes, a file a frame: which files of a folder are the frames, and which frame each is. Needs numpy
only."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..foundation.errors import InputError
from ..foundation.large_arrays import room_for
from ..foundation.topology import Topology
from ..foundation.wording import listed, natural_order
from .frame_numbers import LARGEST_FRAME, Sampling, with_gaps
from .meshes import MESH_SUFFIXES, how_to_bring, read_mesh
from .stl import StlOrder

SCAN_SUFFIX = ".stl"
# A minus belongs to a number only behind a separator or at the beginning: take-5 is 5, take_-5 is -5.
NUMBER = re.compile(r"(?:(?<![0-9A-Za-z])-)?[0-9]+", re.ASCII)
MOST_STRAYS = 2  # of one kind; more of them are a sequence of their own
LISTED_FILES = 4


@dataclass(frozen=True)
class Sequence:
    """files: the S files of a sequence in order. sampling: which frames they are. strays: files beside them."""

    files: tuple[Path, ...]
    sampling: Sampling
    strays: tuple[Path, ...] = ()


def read_sequence(folder: Path, known: Topology | None) -> tuple[np.ndarray, Sampling, Topology]:
    """The vertices (F, V, 3) float32 of a folder's meshes, not a number in frames that are missing; which frames they
    are, with what is to be said; and their faces.

    known: the topology of the actor, by which alone STL files can be read. Raises InputError, naming the folder or
    file.
    """
    sequence = sequence_in(folder)
    if sequence.files[0].suffix.lower() == SCAN_SUFFIX:
        if known is None:
            raise InputError(
                f"{folder} holds .stl files, which keep no vertex order; export the meshes as .obj or .ply"
            )
        order = StlOrder(known)
        first, topology, read = order.vertices(sequence.files[0]), known, order.vertices
    else:
        first, topology = read_mesh(sequence.files[0])

        def read(path: Path) -> np.ndarray:
            points, faces = read_mesh(path)
            if faces.digest != topology.digest:
                raise InputError(
                    f"{path} has other faces than {sequence.files[0].name}; all frames must be the same mesh"
                )
            return points

    sampling = sequence.sampling
    vertices = room_for((len(sampling.frames), len(first), 3))
    for index, row in enumerate(sampling.before.tolist()):
        vertices[index] = np.nan if row < 0 else first if row == 0 else read(sequence.files[row])
    return vertices, sampling, topology


def sequence_in(folder: Path) -> Sequence:
    """The sequence of meshes that a folder holds.

    The frames are the files whose names differ in one number alone, if most do, numbered by it; what else lies beside
    them, such as a neutral, is left out and said. Files without such numbers are frames 1, 2, ... by name. Raises
    InputError if there are no meshes, more than one sequence, or two files of one number.
    """
    suffixes = (*MESH_SUFFIXES, SCAN_SUFFIX)
    files = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    if not files:
        raise InputError(
            f"{folder} holds no meshes; one .obj, .ply or .stl file a frame is needed{how_to_bring(folder)}"
        )
    groups = _numbered(files)
    names = sorted(groups, key=lambda name: (-len(groups[name]), name))
    numbered = groups[names[0]] if names else {}
    strays = sorted({*files} - {path for paths in numbered.values() for path in paths}, key=natural)
    if len(numbered) < 2 or len(numbered) <= len(strays):
        return _unnumbered(folder, files)
    if len(names) > 1 and len(groups[names[1]]) > MOST_STRAYS:
        first, second = names[:2]
        raise InputError(
            f"{folder} holds two sequences, {first} ({len(groups[first])} files) and {second} "
            f"({len(groups[second])} files); put each in a folder of its own"
        )
    for number, paths in numbered.items():
        if len(paths) > 1:
            raise InputError(
                f"{folder} holds {paths[0].name} and {paths[1].name}, which are both frame {number}; remove one"
            )
    numbers = sorted(numbered)
    ordered = tuple(numbered[number][0] for number in numbers)
    if max(map(abs, numbers)) > LARGEST_FRAME:
        sampling = with_gaps(np.arange(1, len(ordered) + 1))
        notes = [f"its numbers, such as {numbers[0]}, are no frames: its files were numbered 1 to {len(ordered)}"]
    else:
        sampling = with_gaps(np.array(numbers))
        notes = list(sampling.notes)
    if strays:
        notes.append(f"{_listed(strays)} not numbered as the others of {names[0]} and left out")
    return Sequence(ordered, replace(sampling, notes=tuple(notes)), tuple(strays))


def natural(path: Path) -> tuple[list[tuple[bool, int, str]], str]:
    """By which files are in the order that people count in: 2 before 10."""
    return natural_order(path.name)


def _numbered(files: list[Path]) -> dict[str, dict[int, list[Path]]]:
    """Files by what their names have in common, with # for the number that differs, and then by that number."""
    alike: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        if NUMBER.search(path.stem):
            alike[NUMBER.sub("#", path.stem) + path.suffix.lower()].append(path)
    found: dict[str, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for paths in alike.values():
        paths.sort(key=lambda path: path.name)
        columns = [[int(number) for number in NUMBER.findall(path.stem)] for path in paths]
        distinct = [len({row[place] for row in columns}) for place in range(len(columns[0]))]
        counts = max(range(len(distinct)), key=lambda place: (distinct[place], place))
        for path, row in zip(paths, columns, strict=True):
            at = [*NUMBER.finditer(path.stem)][counts]
            rest = NUMBER.sub(lambda other: str(int(other[0])), path.stem[: at.start()])
            name = f"{rest}#{NUMBER.sub(lambda other: str(int(other[0])), path.stem[at.end() :])}{path.suffix.lower()}"
            found[name][row[counts]].append(path)
    return {name: dict(by_number) for name, by_number in found.items()}


def _unnumbered(folder: Path, files: list[Path]) -> Sequence:
    if len({path.suffix.lower() for path in files}) > 1:
        kinds = " and ".join(sorted({path.suffix.lower() for path in files}))
        raise InputError(f"{folder} holds both {kinds} files; keep one of the two, so that no mesh counts twice")
    ordered = tuple(sorted(files, key=natural))
    sampling = with_gaps(np.arange(1, len(ordered) + 1))
    told = f"its files carry no frame numbers: they were taken by name as frames 1 to {len(ordered)}"
    return Sequence(ordered, replace(sampling, notes=(told,) if len(ordered) > 1 else ()))


def _listed(paths: list[Path]) -> str:
    """Names as the beginning of a sentence, with its verb."""
    return f"{listed([path.name for path in paths], LISTED_FILES)} {'are' if len(paths) > 1 else 'is'}"
