# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip: which files the extension is made of, and building and validating it by Blender's own command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

from .basics import DISTRIBUTION, ROOT, BuildError, clean_environment, say
from .environments import BLENDER, make_environments
from .template_bones import TEMPLATE_BONES, TEMPLATE_FILES, make_template_bones

# What the extension is made of. A file in one of its folders that no pattern names stops the build, so nothing is
# forgotten and nothing slips in.
EXTENSION_FILES = ("blender_manifest.toml", "LICENSE", "__init__.py")
EXTENSION_FOLDERS = ("aim_blender", "addon_manifest", "ops")
EXTENSION_SUFFIXES = (".py",)
EXTENSION_EXTRA = ("requirements/worker.txt", "requirements/video.txt")  # what the environment is installed from
LEFTOVERS = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".DS_Store")


def version_of_the_extension() -> str:
    """The version in blender_manifest.toml, the one place that knows it."""
    with open(ROOT / "blender_manifest.toml", "rb") as file:
        return str(tomllib.load(file)["version"])


def extension_files() -> list[str]:
    """Every file of the extension that git keeps, as a path below the root, with forward slashes.

    Raises BuildError for a file that is missing and for one that should not be there.
    """
    files = [*EXTENSION_FILES, *EXTENSION_EXTRA]
    for folder in EXTENSION_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            relative = path.relative_to(ROOT)
            if relative.as_posix().startswith(f"{TEMPLATE_BONES}/"):
                continue
            if path.is_dir() or any(part in LEFTOVERS for part in relative.parts) or path.suffix == ".pyc":
                continue
            if path.suffix not in EXTENSION_SUFFIXES:
                raise BuildError(
                    f"{relative.as_posix()} is of a kind that the extension does not contain: "
                    "remove it, or name its suffix in EXTENSION_SUFFIXES of building/extension_zip.py."
                )
            files.append(relative.as_posix())
    for name in files:
        if not (ROOT / name).is_file():
            raise BuildError(f"{name} is missing from the checkout and belongs to the extension.")
    return files


def stage(folder: Path, *more: str) -> None:
    """Copy the extension's files, and more by name, into an empty folder."""
    for name in [*extension_files(), *more]:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def extension_command_line() -> Path:
    """Blender's own extension tool, which comes inside the bpy wheel."""
    found = sorted(BLENDER.folder.glob("**/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not found:
        raise BuildError(f"Blender's extension tool is not in {BLENDER.folder.relative_to(ROOT)}: remove that folder.")
    return found[-1]


def build_zip() -> Path:
    """Stage, build and validate the extension, then put the zip into dist/. Returns its path."""
    make_environments(BLENDER)
    make_template_bones()
    name = f"aim_blender-{version_of_the_extension()}.zip"
    DISTRIBUTION.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aim-build-") as folder:
        staged, built = Path(folder, "extension"), Path(folder, name)
        stage(staged, *(f"{TEMPLATE_BONES}/{name}" for name in TEMPLATE_FILES))
        extension_tool("build", "--source-dir", str(staged), "--output-filepath", str(built))
        extension_tool("validate", str(built))
        partial = DISTRIBUTION / f".{name}.{os.getpid()}"  # renamed when complete, so that a zip in dist/ is whole
        try:
            shutil.copyfile(built, partial)
            os.replace(partial, DISTRIBUTION / name)
        finally:
            partial.unlink(missing_ok=True)
    target = DISTRIBUTION / name
    say(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1024:.0f} KiB, built and validated")
    return target


def extension_tool(command: str, *arguments: str) -> None:
    """Run a command of Blender's extension command line. Raises BuildError with what it says if it fails."""
    done = subprocess.run(
        [str(BLENDER.python), str(extension_command_line()), command, *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BuildError(f"Blender's extension tool refused to {command} the extension:\n{done.stdout}{done.stderr}")
