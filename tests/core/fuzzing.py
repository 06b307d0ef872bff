# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged and hostile files for every reader, made from whole ones by a seed; and what each makes of them.

A reader may read a file, or refuse it with an InputError. Whatever else it raises is a failure, and so are more than
SLOWEST_S seconds of the processor, whatever runs beside it, and more memory than MOST_BYTES over what the file holds.
What was read is used as its reader's callers would use it.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import struct
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aim_blender.core.shared.foundation.errors import InputError

if sys.platform != "win32":
    import resource
    import signal

SLOWEST_S = 20.0
MOST_BYTES = 2**30
NUMBERS = (
    "nan", "inf", "-inf", "1e308", "-1e308", "1e30", "1e9", "-1", "0", "1", "2", "35", "9" * 400, "2147483648",
    "9223372036854775808", "1e-320", "0.5", "",
)  # fmt: skip
WORDS = ("NA", "null", "true", '"text"', "[]", "{}", "[[[1]]]", "\0", "é", '"', ";", ",", "[" * 3000, '{"a":' * 2000)
TYPES = ("<f4", "<f8", ">f8", "<i4", "<i8", "|b1", "<U1", "<U1000000000", "|O", "<c16", "|V8", "|S3", "<M8[s]", "<f2")
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
Whole = dict[str, bytes]  # a file by its name, or several in a folder


@dataclass(frozen=True)
class Reader:
    """files: what is read, whole; the first is the one that is damaged. use: reads the damaged one's path."""

    files: Whole
    use: Callable[[Path], object]


@dataclass(frozen=True)
class Outcome:
    """What a reader made of a file. said: the sentence, or what went wrong; empty if it was read."""

    failed: bool
    said: str
    seconds: float
    bytes_used: int


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """A file with one to three kinds of damage."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        kinds: list[Callable[[bytes, random.Random], bytes]] = [_bytes, _bytes, _number, _header]
        if whole[:2] == b"PK":
            kinds += [_archive] * 6
        elif whole[8:10] == b'{"':
            kinds += [_tensors] * 6
        elif b"\0" not in whole[:4000]:
            kinds += [_number, _word, _line, _json] * 2
        whole = chance.choice(kinds)(whole, chance)
    return whole


def _bytes(data: bytes, chance: random.Random) -> bytes:
    place, length = chance.randrange(len(data) + 1), chance.choice((1, 1, 4, 64, 4096))
    how = chance.randrange(5)
    if how == 0:
        return data[:place]
    if how == 1:
        return data[:place] + data[place + length :]
    if how == 2:
        return data[:place] + data[place : place + length] * chance.choice((2, 50)) + data[place + length :]
    if how == 3:
        return data[:place] + chance.randbytes(length) + data[place + length :]
    return data[:place] + bytes([chance.choice((0, 255, 34, 44, 91))]) * length + data[place:]


def _header(data: bytes, chance: random.Random) -> bytes:
    """A number of four or eight bytes near the beginning."""
    place = chance.randrange(min(len(data), 64) + 1)
    value = chance.choice((0, 1, -1, 2**31 - 1, -(2**31), 2**20, chance.randrange(2**31)))
    pack = chance.choice(("<i", ">i", "<q", "<f", ">f"))
    written = struct.pack(pack, float(value) if pack[1] == "f" else value)
    return data[:place] + written + data[place + len(written) :]


def _number(data: bytes, chance: random.Random) -> bytes:
    found = list(NUMBER.finditer(data[:100_000]))
    if not found:
        return data
    at = chance.choice(found)
    return data[: at.start()] + chance.choice(NUMBERS).encode() + data[at.end() :]


def _word(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice(WORDS).encode() + data[place + chance.choice((0, 0, 3)) :]


def _line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    place = chance.randrange(len(lines))
    how = chance.randrange(4)
    if how == 0:
        del lines[place]
    elif how == 1:
        lines.insert(place, lines[chance.randrange(len(lines))])
    elif how == 2:
        lines[place] = lines[place].replace(b",", chance.choice((b";", b"\t", b"", b",,")))
    else:
        chance.shuffle(lines)
    return b"\n".join(lines)


def _json(data: bytes, chance: random.Random) -> bytes:
    """A value of a JSON file replaced by one of another kind, or a key left out."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return data
    nodes: list[tuple[dict | list, object]] = []

    def walk(node: object) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            nodes.append((node, key))  # type: ignore[arg-type]
            walk(value)

    walk(content)
    if not nodes:
        return data
    node, key = chance.choice(nodes)
    if chance.random() < 0.2:
        del node[key]  # type: ignore[arg-type]
    else:
        other = (
            "text",
            "",
            None,
            True,
            -1,
            0,
            1.5,
            10**400,
            [],
            {},
            [[]],
            {"a": 1},
            [1, 2, 3, 4],
            ["a", {}],
            1e308,
            2**70,
        )
        node[key] = chance.choice(other)  # type: ignore[index,call-overload]
    return json.dumps(content).encode()


def _archive(data: bytes, chance: random.Random) -> bytes:
    """An archive of arrays with one member damaged, and packed anew in whatever way."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as members:
            content = {name: members.read(name) for name in members.namelist()}
    except Exception:  # it was damaged before
        return data
    if not content:
        return data
    name = chance.choice(list(content))
    how = chance.randrange(7)
    if how == 0:
        content[name] = chance.choice((b"", b"a text", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff", content[name][:20]))
    elif how == 1:
        del content[name]
    elif how == 2:
        content[name] = _bytes(content[name], chance)
    elif how == 3:
        content[name] = _declared(content[name], chance)
    else:
        content[name] = _other_array(content[name], chance)
    packed = io.BytesIO()
    kind = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
    with zipfile.ZipFile(packed, "w", kind) as members:
        for member, inside in content.items():
            members.writestr(member, inside)
    return packed.getvalue()


def _tensors(data: bytes, chance: random.Random) -> bytes:
    """A file of tensors, a JSON header behind its length, with a value of the header or of a tensor replaced."""
    length = int.from_bytes(data[:8], "little")
    header, values = data[8 : 8 + length], bytearray(data[8 + length :])
    how = chance.randrange(4)
    if how == 0:
        header = _json(header, chance)
    elif how == 1:
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
            outer = json.loads(header)
            inside = outer["__metadata__"]
            name = chance.choice(sorted(inside))
            inside[name] = _json(inside[name].encode(), chance).decode()
            header = json.dumps(outer).encode()
    elif how == 2:
        header = _number(header, chance)
    elif len(values) > 8:
        kind = chance.choice(("<f", "<d", "<i"))
        size = struct.calcsize(kind)
        place = chance.randrange(len(values) // size) * size
        value = (
            chance.choice((0, -1, 5))
            if kind == "<i"
            else float(chance.choice(("nan", "inf", "1e30", "-1", "2e9", "0")))
        )
        values[place : place + size] = struct.pack(kind, value)
    return len(header).to_bytes(8, "little") + header + bytes(values)


def _declared(member: bytes, chance: random.Random) -> bytes:
    """An array whose header declares another shape or type than it holds."""
    shapes = ("(1000000000000,)", "()", "(0,)", "(-1, 3)", "(99999, 99999, 3)", "(1,", "(((((", "'a'", "(1e9,)")
    text = (
        f"{{'descr': '{chance.choice(TYPES)}', 'fortran_order': False, 'shape': {chance.choice(shapes)}, }}\n".encode()
    )
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + member[128:]


def _other_array(member: bytes, chance: random.Random) -> bytes:
    try:
        array = np.load(io.BytesIO(member), allow_pickle=False)
    except Exception:  # it was damaged before
        return member
    how = chance.randrange(6)
    with np.errstate(all="ignore"):
        if how == 0:
            array = array[..., None]
        elif how == 1:
            array = array.reshape(-1)[: max(array.size // 2, 1)]
        elif how == 2:
            array = np.zeros(array.shape, dtype=chance.choice(("<f8", "<i8", "|b1", "<U3", "<c16", "<M8[s]", "<f2")))
        elif how == 3 and array.dtype.kind in "fiu" and array.size:
            array = array.copy()
            value = float(chance.choice(("nan", "inf", "1e30", "1e308", "-1", "1e9", "0", "2e9")))
            if array.dtype.kind == "f" or abs(value) < 2**31:
                array.reshape(-1)[chance.randrange(array.size)] = value
        elif how == 4:
            array = np.array(chance.choice((0, 1.5, "text", True)))
        else:
            array = np.asfortranarray(np.atleast_1d(array)[::-1])
    packed = io.BytesIO()
    np.save(packed, array)
    return packed.getvalue()


# -- trying -----------------------------------------------------------------------------------------------------------


def attempt(reader: Reader, seed: str, folder: Path) -> Outcome:
    """What a reader makes of its file, damaged by the seed."""
    chance = random.Random(seed)
    for path in folder.iterdir():
        path.unlink()
    for name, content in reader.files.items():
        (folder / name).write_bytes(content)
    first = next(iter(reader.files))
    (folder / first).write_bytes(damaged(reader.files[first], chance))
    started, before = time.process_time(), _memory()
    failed, said = False, ""
    try:
        with limited(MOST_BYTES + (folder / first).stat().st_size), np.errstate(all="ignore"):
            reader.use(folder / first)
    except InputError as error:
        said = str(error)
        failed = not said or "\n" in said.strip()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        failed, said = True, f"{type(error).__name__}: {error}"
    seconds = time.process_time() - started
    return Outcome(failed or seconds > SLOWEST_S, said, seconds, max(0, _memory() - before))


def _memory() -> int:
    """The most bytes that this process has had in memory."""
    if sys.platform == "win32":
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextlib.contextmanager
def limited(more: int) -> Iterator[None]:
    """End with MemoryError what takes more memory, with TimeoutError what takes too long; on Linux, which can."""
    if not sys.platform.startswith("linux"):
        yield
        return

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SLOWEST_S:g} s")

    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGPROF, late)
    resource.setrlimit(resource.RLIMIT_AS, (now + more, limits[1]))
    signal.setitimer(signal.ITIMER_PROF, SLOWEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)
