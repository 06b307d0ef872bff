# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

PART_SUFFIX = ".part"


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to: it takes its place at the end, and is removed if anything fails.

    It is this thread's own, so that several may write the same file at once; the last one's stays. What a process of
    this computer was writing of the same file when it was killed is removed. Raises OSError, which names the file; it
    then is what it was before.
    """
    _remove_left_behind(path)
    process = f"{_processes_here()}-{os.getpid()}-{threading.get_ident()}"
    temporary = path.with_name(f"{path.name}.{process}{PART_SUFFIX}")
    try:
        yield temporary
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())  # a crash of the computer leaves the old file or the new one
        _replace(temporary, path)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def remove_parts(folder: Path) -> None:
    """Remove what killed processes were writing in a folder that nobody else writes to now."""
    for part in folder.glob(f"*{PART_SUFFIX}"):
        part.unlink(missing_ok=True)


def _remove_left_behind(path: Path) -> None:
    """Remove the parts of a file whose process is gone."""
    named = re.compile(rf"{re.escape(path.name)}\.{_processes_here()}-(\d+)-\d+{re.escape(PART_SUFFIX)}")
    with contextlib.suppress(OSError):  # whoever writes there is told what is wrong with the folder
        for name in os.listdir(path.parent):
            found = named.fullmatch(name)
            if found and not _lives(int(found[1])):
                (path.parent / name).unlink()


@functools.cache
def _processes_here() -> str:
    """Of which computer or container this process is: folders may be shared, but not the numbers of processes."""
    found = platform.node()
    with contextlib.suppress(OSError):
        found += os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(found.encode()):08x}"


def _lives(process: int) -> bool:
    """Whether a process of this computer lives; True where that cannot be told."""
    if sys.platform == "win32":
        return True  # a signal would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _replace(temporary: Path, path: Path) -> None:
    """os.replace, patient on Windows, where it is refused while another process reads the file."""
    for _ in range(50):
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            if sys.platform != "win32":
                raise
            time.sleep(0.02)
    os.replace(temporary, path)
