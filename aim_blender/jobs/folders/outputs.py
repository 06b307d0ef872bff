# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a task's output goes: refused before hours of work go into it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ...core.shared.foundation.errors import InputError
from .sentences import is_disk_full

LONGEST_NAME = 200  # bytes; file systems take 255, and what is beside an output or not yet complete has longer names


def output_path(text: str, suffix: str) -> Path:
    """The path of an output, checked before hours of work go into it. Its folder is made if need be.

    Raises InputError if the name has another suffix or is a folder's, or nothing can be written there.
    """
    path = Path(text)
    if not path.name.endswith(suffix) or path.name == suffix:
        raise InputError(f"the output {path} must have a name that ends with {suffix}")
    if os.path.isdir(path):
        raise InputError(f"the output {path} is a folder; give the name of a file in it")
    _require_writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def output_folder(text: str) -> Path:
    """The folder of an output, checked before work goes into it; it is made when something is written.

    Raises InputError if it is a file's name or nothing can be written there.
    """
    path = Path(text)
    if path.is_file():
        raise InputError(f"the output {path} is a file; give the name of a folder")
    _require_writable(path / "file")
    return path


def _require_writable(path: Path) -> None:
    """Raises InputError if no file can be written to the path."""
    if "\0" in str(path):
        raise InputError("the output's name holds a zero byte, which no file's may; choose another name")
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        raise InputError(f"the output {path} has a name of more than {LONGEST_NAME} bytes; choose a shorter one")
    existing = next(folder for folder in path.parents if folder.exists())
    if not existing.is_dir():
        raise InputError(f"the output {path} cannot be made: {existing} is a file; choose another folder")
    try:
        tempfile.TemporaryFile(dir=existing).close()  # the only sure way to know
    except OSError as error:
        if is_disk_full(error):
            raise
        raise InputError(
            f"the output {path} cannot be made: {existing} may not be written to; choose another folder"
        ) from error
