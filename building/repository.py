# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository from which Blender installs and updates the extension."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from .basics import BuildError, say
from .extension_zip import build_zip, extension_tool


def build_repository(out: Path) -> None:
    """A static extension repository of the zip in the folder `out`, made by Blender's own tool.

    Serve the folder by any web server, or from a disk: Blender is given the address of its index.json. Raises
    BuildError if something else is in the folder.
    """
    out = out.resolve()
    strangers = [path.name for path in out.glob("*") if not re.fullmatch(r"index\.(json|html)|.*\.zip", path.name)]
    if strangers:
        raise BuildError(f"{out} holds {strangers[0]}, which belongs to no repository: choose an empty folder.")
    zip_file = build_zip()
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f".{zip_file.name}.partial"
    try:
        shutil.copyfile(zip_file, partial)
        os.replace(partial, out / zip_file.name)
    finally:
        partial.unlink(missing_ok=True)
    extension_tool("server-generate", "--repo-dir", str(out), "--html")
    say(f"{out}: index.json, index.html and {len(list(out.glob('*.zip')))} zip")
    address = (out / "index.json").as_uri()
    say(f"In Blender: Preferences > Get Extensions > Repositories > + > Add Remote Repository, {address}")
