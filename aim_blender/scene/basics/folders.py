# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an actor's files lie: beside the saved .blend, else in the extension's user folder. Nothing is overwritten."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.whole_files import written_whole
from ...jobs.folders.folder import FORBIDDEN_IN_NAMES
from .. import ROOT_PACKAGE

FOLDER = "aim"
# Names that Windows keeps for devices.
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
LONGEST_NAME_BYTES = 60


def safe_name(name: str) -> str:
    """A file name on every system that is as close to `name` as can be; other scripts and accents are kept."""
    safe = FORBIDDEN_IN_NAMES.sub("_", unicodedata.normalize("NFC", name)).strip(" .")
    if RESERVED.match(safe):
        safe = f"_{safe}"
    while len(safe.encode("utf-8")) > LONGEST_NAME_BYTES:
        safe = safe[:-1]
    return safe.strip(" .") or "actor"


def user_folder() -> Path:
    """The extension's folder for user files, which survives an upgrade. It need not exist yet."""
    try:
        return Path(bpy.utils.extension_path_user(ROOT_PACKAGE))
    except ValueError:  # not installed as an extension, for example a checkout that a script loaded
        return Path(bpy.utils.user_resource("DATAFILES", path="aim_blender"))


def actor_folder(actor_name: str) -> Path:
    """The folder for an actor's jobs; it need not exist yet."""
    beside = Path(bpy.path.abspath("//")) if bpy.data.filepath else user_folder()
    return beside / FOLDER / safe_name(actor_name)


def new_job_folder(actor_name: str, kind: str) -> Path:
    """Make a folder that was not there before: `learn_001`, `learn_002` and so on.

    Raises InputError if no folder can be made there.
    """
    parent = actor_folder(actor_name)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100000):
            path = parent / f"{kind}_{number:03d}"
            try:
                path.mkdir()
                return path
            except FileExistsError:
                continue
    except OSError as error:
        raise InputError(
            f"the folder {parent} cannot be written ({error.strerror}); save the .blend file where you may write"
        ) from error
    raise InputError(f"{parent} is full of {kind} folders; remove some of them")


def found_again(path: str) -> Path:
    """A recorded path, looked for beside the .blend file if the project has moved since."""
    recorded = Path(bpy.path.abspath(path))
    if not recorded.exists() and bpy.data.filepath and FOLDER in recorded.parts:
        tail = recorded.parts[len(recorded.parts) - recorded.parts[::-1].index(FOLDER) :]
        moved = Path(bpy.path.abspath("//"), FOLDER, *tail)
        if moved.exists():
            return moved
    return recorded


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz, whole or not at all. Raises OSError."""
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
